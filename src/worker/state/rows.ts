/** Orders in columns whose rows have not started, and the blocks of such rows that run. */
import type { KnownGraph, LayerTasks } from "./task.ts";

/** A message's rows, in rank order. A row stands as long as its block's cell says that it is ready in this order. */
export interface Order {
  /** Never used again. */
  readonly number: number;
  readonly known: KnownGraph;
  readonly tasks: Uint32Array;
  readonly runIds: Uint32Array;
  readonly ranks: Uint32Array;
  /** Priority of the row `next`. */
  readonly head: [number, number, number];
  next: number;
  /** Rows that stand. */
  standing: number;
}

/** Orders with rows that may start; the most urgent row is that of `first`. */
export class Orders {
  readonly #orders: Order[] = [];
  /** Blocks that are ready in some order. */
  ready = 0;
  #first: Order | null = null;
  /** Of all other orders the most urgent one. */
  #second: Order | null = null;

  /** Orders, in the order in which they came. */
  all(): readonly Order[] {
    return this.#orders;
  }

  add(order: Order): void {
    this.#orders.push(order);
    this.#first = null;
  }

  /** The order whose next row is the most urgent; null: there is none. */
  first(): Order | null {
    if (this.#first === null) this.#choose();
    return this.#first;
  }

  /** A row of this order stands no more. */
  leave(number: number): void {
    this.ready--;
    const at = this.#orders.findIndex((order) => order.number === number);
    const order = this.#orders[at];
    if (!order || --order.standing > 0) return;
    this.#orders.splice(at, 1);
    this.#first = null;
  }

  /** The first order's next row is over; another one of it stands. */
  advance(): void {
    const order = this.#first;
    if (order === null) return;
    order.next++;
    order.head[2] = order.ranks[order.next] as number; // next < length
    if (this.#second !== null && comesBefore(this.#second, order)) this.#first = null;
  }

  #choose(): void {
    let first: Order | null = null;
    let second: Order | null = null;
    for (const order of this.#orders) {
      if (first === null || comesBefore(order, first)) {
        second = first;
        first = order;
      } else if (second === null || comesBefore(order, second)) second = order;
    }
    this.#first = first;
    this.#second = second;
  }
}

function comesBefore(a: Order, b: Order): boolean {
  for (let k = 0; k < 3; k++) {
    const d = (a.head[k] as number) - (b.head[k] as number); // three numbers each
    if (d !== 0) return d < 0;
  }
  return a.number < b.number;
}

/** A block that runs. */
export interface RunningRow {
  readonly ref: number;
  readonly order: Order;
  /** Its row there. */
  readonly row: number;
  readonly layer: LayerTasks;
  readonly index: number;
  readonly startedAt: number;
}

/** Priority of a row, as a task has it. */
export function priorityOf({ head, ranks }: Order, row: number): readonly number[] {
  return [head[0], head[1], ranks[row] as number]; // a row of the order
}
