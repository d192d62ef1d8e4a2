/** W-C9: transfers of what rechunks cut have bounds of their own, beside those of all transfers. */
import { describe, expect, test } from "vitest";
import { blockKey, type Graph, type Key } from "../../../src/graph/index.ts";
import type { RechunkLimits, WorkerLimits } from "../../../src/worker/state/index.ts";
import { A, B, Driver, k, order } from "./drive.ts";
import { pairs, rechunked, run } from "./graphs.ts";

const N = 4;
const C = "tcp://10.0.0.4:1";
const NONE: RechunkLimits = { bytesMax: 1e9, messageBytesMax: 1e9, countMax: 1e9 };
const WIDE: Partial<WorkerLimits> = { incomingBytesMax: 1e9, messageBytesMax: 1e9, incomingCountMax: 50 };
const cut = (...blocks: number[]): Key[] => blocks.map((i) => blockKey("r-a", [i]));

/** A worker that knows `graph`, whose inputs have `nbytes` each; `tasks`: from whom each input of them comes. */
function needing(
  rechunks: RechunkLimits | null,
  graph: Graph,
  tasks: Readonly<Record<number, readonly (readonly [input: number, holder: string])[]>>,
): Driver {
  const d = new Driver({ ...WIDE, ...(rechunks ? { rechunks } : {}) });
  const numbers = Object.keys(tasks).map(Number);
  d.scheduler({ op: "graph", submission: 1, graph }, run(numbers, { fetch: Object.values(tasks) }));
  return d;
}

const fromA = (n: number): (readonly [number, string])[] => Array.from({ length: n }, (_, i) => [i, A]);

/** Requests to one peer until it has given everything. */
function requests(d: Driver): (readonly Key[])[] {
  const out: (readonly Key[])[] = [];
  for (let asked = d.asked.get(A); asked !== undefined; asked = d.asked.get(A)) {
    out.push(asked);
    d.deliver(A);
  }
  return out;
}

describe("W-C9", () => {
  test("one request asks for as many bytes as fit its bound, and for one block whatever its size", () => {
    const of = (limits: RechunkLimits | null): (readonly Key[])[] =>
      requests(needing(limits, rechunked([1, 1, 1, 1], [4]), { [N]: fromA(N) }));
    expect(of(null)).toEqual([cut(0, 1, 2, 3)]);
    expect(of({ ...NONE, messageBytesMax: 16 })).toEqual([cut(0, 1), cut(2, 3)]);
    expect(of({ ...NONE, messageBytesMax: 1 })).toEqual([cut(0), cut(1), cut(2), cut(3)]);
  });

  test("not more bytes are under way than their bound, but always a block", () => {
    const holders = [A, B, C].map((holder, i) => [i, holder] as const);
    const asked = (bytesMax: number): number =>
      needing({ ...NONE, bytesMax }, rechunked([1, 1, 1], [3]), { 3: holders }).asked.size;
    expect([asked(24), asked(23), asked(16), asked(1)]).toEqual([3, 2, 2, 1]);
    const d = needing({ ...NONE, bytesMax: 1 }, rechunked([1, 1, 1], [3]), { 3: holders });
    for (let i = 0; i < 3; i++) {
      expect(d.asked.size).toBe(1);
      d.deliver(Array.from(d.asked.keys())[0] as string);
    }
    expect(d.blocks.size).toBe(1);
  });

  test("not more requests are open than their bound, and one that fails makes room for another", () => {
    const holders = [A, B, C].map((holder, i) => [i, holder] as const);
    const d = needing({ ...NONE, countMax: 2 }, rechunked([1, 1, 1], [3]), { 3: holders });
    expect(Array.from(d.asked.keys())).toEqual([A, B]);
    d.refuse(A, "gather-busy");
    expect(Array.from(d.asked.keys())).toEqual([B, C]);
    d.deliver(B);
    d.deliver(C);
    d.wake(150);
    d.deliver(A);
    expect(d.blocks.size).toBe(1);
  });

  test("what no rechunk cuts is not bounded so", () => {
    const tight = { bytesMax: 1, messageBytesMax: 1, countMax: 1 };
    // Each block is copied as it is.
    const tasks = Object.fromEntries(fromA(N).map((input, i) => [N + i, [input]]));
    const d = needing(tight, pairs(N, "r"), tasks);
    expect(d.asked.get(A)).toEqual(cut(0, 1, 2, 3));
    // Nor what comes by key, beside a rechunk of another graph.
    const both = needing(tight, rechunked([1, 1], [2]), { 2: fromA(2) });
    both.scheduler(order("x", { inputs: { a: [B], b: [B] }, priority: [9] }));
    expect(both.asked.get(A)).toEqual(cut(0));
    expect(both.asked.get(B)).toEqual([k("a"), k("b")]);
  });
});
