/** Dependents of tasks that no layer formula knows: doubly linked lists in typed arrays, removal in constant time. */
import type { Slot } from "./columns.ts";

/** Number of one edge. */
export type Edge = number;

/** Lists of dependents, keyed by dependency. */
export class EdgeLists {
  readonly #head = new Map<Slot, Edge>();
  #to = new Uint32Array(256);
  #next = new Int32Array(256);
  #previous = new Int32Array(256);
  /** First of the free edges, linked by `next`. */
  #free = -1;
  #top = 0;

  /** Edges in use. */
  count = 0;

  /** Tell that `dependent` needs `dependency`. */
  add(dependency: Slot, dependent: Slot): Edge {
    const edge = this.#take();
    const head = this.#head.get(dependency) ?? -1;
    this.#to[edge] = dependent;
    this.#next[edge] = head;
    this.#previous[edge] = -1;
    if (head >= 0) this.#previous[head] = edge;
    this.#head.set(dependency, edge);
    this.count++;
    return edge;
  }

  /** Forget an edge that was added for `dependency`. */
  remove(dependency: Slot, edge: Edge): void {
    const [next, previous] = [this.#next[edge] as number, this.#previous[edge] as number]; // an edge in use
    if (next >= 0) this.#previous[next] = previous;
    if (previous >= 0) this.#next[previous] = next;
    else if (next >= 0) this.#head.set(dependency, next);
    else this.#head.delete(dependency);
    this.#next[edge] = this.#free;
    this.#free = edge;
    this.count--;
  }

  /** Append the dependents of `dependency` to `out`. */
  collect(dependency: Slot, out: Slot[]): void {
    for (let edge = this.#head.get(dependency) ?? -1; edge >= 0; edge = this.#next[edge] as number) {
      out.push(this.#to[edge] as number); // an edge in use
    }
  }

  #take(): Edge {
    if (this.#free >= 0) {
      const edge = this.#free;
      this.#free = this.#next[edge] as number; // a free edge
      return edge;
    }
    if (this.#top === this.#to.length) {
      const n = this.#top * 2;
      const [to, next, previous] = [new Uint32Array(n), new Int32Array(n), new Int32Array(n)];
      to.set(this.#to);
      next.set(this.#next);
      previous.set(this.#previous);
      [this.#to, this.#next, this.#previous] = [to, next, previous];
    }
    return this.#top++;
  }
}
