/** The part of a profile that counts: trees of one cycle, and stacks that are put below what was seen to run. */
import type { StackFrame, StackSamples } from "../executor/index.ts";
import { emptyProfile, type ProfileNode } from "../protocol/index.ts";
import { FUNCTION_FILE, type Place, placeOf } from "./profile-places.ts";

/** Nodes that a tree of one cycle may have; places beyond count in those above them. */
const NODES_MAX = 10_000;
/** Looks of one thread that wait for stacks; looks at one task are one. */
const LOOKS_MAX = 4_096;

/** A node that counts. */
interface Counter extends ProfileNode {
  count: number;
  readonly children: Map<string, Counter>;
}

/** Where a look has been counted. */
interface Leaf {
  readonly node: Counter;
  readonly tree: CycleTree;
}

/** What is counted in one cycle. */
export class CycleTree {
  readonly root: Counter = { ...emptyProfile(), children: new Map() };
  #nodes = 1;

  /** Its nodes. */
  get nodes(): number {
    return this.#nodes;
  }

  /** Count these places, from the outermost in; gives the innermost. */
  count(places: readonly Place[]): Leaf {
    this.root.count++;
    return { node: this.below(this.root, places), tree: this };
  }

  /** Count places below a node that has been counted itself. */
  below(start: Counter, places: readonly Place[]): Counter {
    let node = start;
    for (const { identifier, description } of places) {
      let child = node.children.get(identifier);
      if (child === undefined) {
        if (this.#nodes >= NODES_MAX) return node;
        this.#nodes++;
        child = { identifier, description, count: 0, children: new Map() };
        node.children.set(identifier, child);
      }
      child.count++;
      node = child;
    }
    return node;
  }
}

/** Looks at one place, one after another, that have got no stack yet. */
interface Looks {
  readonly leaf: Leaf;
  readonly from: number;
  to: number;
  left: number;
}

/**
 * Brings stacks, which threads sample on their own clock and hand over later, below what was seen at that time: each look
 * gets at most one, so that no node counts less than those below it. Stacks that fit no look are dropped.
 */
export class StackMatcher {
  readonly #slack: number;
  readonly #looks: Looks[][] = [];

  /** @param intervalMs time between two looks, and between two samples */
  constructor(intervalMs: number) {
    this.#slack = (intervalMs * 1_000) / 2;
  }

  /** A thread was seen; microseconds of the machine's monotonic clock. */
  note(thread: number, now: number, leaf: Leaf): void {
    let looks = this.#looks[thread];
    if (looks === undefined) {
      looks = [];
      this.#looks[thread] = looks;
    }
    const last = looks.at(-1);
    if (last?.leaf.node === leaf.node) {
      last.to = now;
      last.left++;
    } else if (looks.push({ leaf, from: now, to: now, left: 1 }) > LOOKS_MAX) looks.shift();
  }

  /** What a thread has handed over, in the order of time. */
  put(thread: number, { stacks, microseconds }: StackSamples): void {
    const looks = this.#looks[thread] ?? [];
    let at = 0;
    for (const [k, stack] of stacks.entries()) {
      const time = microseconds[k] ?? 0;
      while (at < looks.length && (looks[at] as Looks).to + this.#slack < time) at++; // at < length
      const found = looks[at];
      if (found === undefined) break;
      if (found.from - this.#slack > time || found.left === 0) continue;
      const own = stackBelow(found.leaf.node, stack);
      if (own === null) continue;
      found.left--;
      found.leaf.tree.below(found.leaf.node, own);
    }
    looks.splice(0, at);
  }
}

/** The places of a stack below a node; null: it is of another function, which ran before or after it. */
function stackBelow({ description }: Counter, stack: readonly StackFrame[]): Place[] | null {
  const places = stack.map(({ name, url, line }) =>
    placeOf(name || "(anonymous)", url || (line > 0 ? FUNCTION_FILE : "<built-in>"), { lineNumber: line }),
  );
  const outermost = places[0]?.description;
  const isFunction = outermost?.filename === FUNCTION_FILE;
  if (description.filename === FUNCTION_FILE)
    return isFunction && outermost.name === description.name ? places.slice(1) : null;
  return !isFunction || description.name.split(", ").includes(outermost.name) ? places : null;
}
