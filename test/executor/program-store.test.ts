/** Programs of one text are one, in whatever graph they stand; those without a graph are kept for the next, up to a bound. */
import { expect, test } from "vitest";
import { MessageStore } from "../../src/executor/message-store.ts";
import { ProgramStore } from "../../src/executor/program-store.ts";
import { type Program, Programs, programText } from "../../src/executor/programs.ts";
import { type Graph, literalNode, planGraph } from "../../src/graph/index.ts";

/** A block of one number. */
function graphOf(value: number): Graph {
  const bytes = new Uint8Array(Float64Array.of(value).buffer);
  return planGraph([literalNode("x", "float64", [[3]], bytes)], { threads: 1, memoryBytes: 1e6 }).graph;
}

const programOf = (value: number): Program => new Programs(graphOf(value), () => false).of(0);

/** A store, and what lies in its memory. */
function stored(): { store: ProgramStore; read: (program: Program) => Uint8Array } {
  const buffers: SharedArrayBuffer[] = [];
  const store = new ProgramStore(new MessageStore((_, buffer) => buffers.push(buffer)));
  const read = (program: Program): Uint8Array => {
    const { buffer, offset, length } = store.get(program).place;
    return new Uint8Array(buffers[buffer] as SharedArrayBuffer, offset, length).slice();
  };
  return { store, read };
}

test("a text has one number, also when its graph has gone in between; others have others", () => {
  const { store, read } = stored();
  const [first, again, other] = [programOf(1), programOf(1), programOf(2)];
  const { number } = store.get(first);
  expect(store.get(again).number).toBe(number);
  expect(store.get(other).number).not.toBe(number);
  store.drop(first);
  store.drop(again);
  store.drop(again);
  expect(store.get(programOf(1)).number).toBe(number);
  expect(read(programOf(1))).toEqual(new TextEncoder().encode(programText(first)));
});

test("of those without a graph the oldest goes, and what comes later finds its own text", () => {
  const { store, read } = stored();
  const kept = programOf(-1);
  const before = store.get(kept).number;
  const first = programOf(0);
  const gone = store.get(first).number;
  for (let k = 0; k <= 300; k++) {
    const program = programOf(k);
    store.get(program);
    store.drop(program);
    if (k === 0) store.drop(first);
  }
  expect(store.get(kept).number).toBe(before);
  expect(store.get(programOf(0)).number).not.toBe(gone);
  for (const k of [-1, 0, 7, 300])
    expect(read(programOf(k))).toEqual(new TextEncoder().encode(programText(programOf(k))));
});
