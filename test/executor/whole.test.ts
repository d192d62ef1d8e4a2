/** Programs over a few cells in one go: their bits are those of one step after the other. */
import { expect, test } from "vitest";
import { ChunkedArray, exp, nanmax, nansum, ones } from "../../src/array/index.ts";
import { type DType, itemsize, viewOf } from "../../src/dtype/index.ts";
import { runTaskSync } from "../../src/executor/index.ts";
import { INPUTS, OUTPUT, placeAt, recordAt, writePlace } from "../../src/executor/record.ts";
import { RECORD_NUMBERS } from "../../src/executor/ring.ts";
import { wholeProgram } from "../../src/executor/whole.ts";
import { type Graph, pushRunner, type Runner, type TaskId, type TaskSpec } from "../../src/graph/index.ts";
import { copyBlock, NDArray } from "../../src/ndarray/index.ts";

const PLACE_BYTES = 4096;

/** A task run as a whole over blocks in shared memory; null: it is not one for this way. */
function runWhole(spec: TaskSpec, inputs: readonly NDArray[]): NDArray | null {
  const whole = wholeProgram(spec, inputs);
  if (whole === null) return null;
  const memory = new SharedArrayBuffer((inputs.length + 1) * PLACE_BYTES);
  const records = new Float64Array(RECORD_NUMBERS);
  inputs.forEach((block, k) => {
    const offset = (k + 1) * PLACE_BYTES;
    copyBlock(NDArray.view(block.dtype, memory, offset, block.shape), block);
    writePlace(records, placeAt(0, INPUTS + k), { segment: 0, offset });
  });
  writePlace(records, placeAt(0, OUTPUT), { segment: 0, offset: 0 });
  const elements = (_: number, dtype: DType): never =>
    viewOf(dtype, memory, 0, memory.byteLength / itemsize(dtype)) as never; // of the dtype's own class
  whole.run(recordAt(records, 0), elements);
  return NDArray.view(spec.out.dtype, memory, 0, spec.out.shape);
}

function bytesOf({ data }: NDArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
}

/** Runs every task both ways, and counts those that went as a whole. */
class BothWays {
  /** Those that went as a whole. */
  readonly wholes: TaskSpec[] = [];
  tasks = 0;
  readonly runner: Runner = {
    name: "both ways",
    limits: () => Promise.resolve({ threads: 1, memoryBytes: 2 ** 30, workers: 1 }),
    run: (graph) => {
      const blocks = new Map<TaskId, NDArray>();
      return Promise.resolve(
        Array.from(graph.wanted(), (tasks) => tasks.map((task) => this.#block(graph, task, blocks))),
      );
    },
  };

  #block(graph: Graph, task: TaskId, blocks: Map<TaskId, NDArray>): NDArray {
    const known = blocks.get(task);
    if (known) return known;
    const { layer: at, index } = graph.locate(task);
    const layer = graph.layer(at);
    if (layer.kind === "held") return heldBlock(layer.name, index);
    const { dependencies, spec } = graph.expand(task);
    const inputs = dependencies.map((each) => this.#block(graph, each, blocks));
    const block = runTaskSync(spec, inputs) as NDArray; // tasks of arrays give blocks
    const whole = runWhole(spec, inputs);
    this.tasks++;
    if (whole !== null) {
      this.wholes.push(spec);
      expect(bytesOf(whole)).toEqual(bytesOf(block));
    }
    blocks.set(task, block);
    return block;
  }
}

const held = new Map<string, NDArray>();

/** An array whose rows are blocks that lie ready. */
function values(dtype: DType, [rows, columns]: readonly [number, number]): ChunkedArray {
  const block = NDArray.zeros(dtype, [rows, columns]);
  const odd = [Number.NaN, -0, 1e308, Number.NEGATIVE_INFINITY, 0.1];
  const isFloat = dtype.startsWith("float");
  for (let i = 0; i < block.size; i++) {
    const value = isFloat && i % 7 === 3 ? (odd[i % odd.length] as number) : (i * 37) % 251; // within the list
    block.data[i] = (dtype === "int64" ? BigInt(value) << 55n : value) as never; // the dtype's own
  }
  const name = `${dtype} ${held.size}`;
  held.set(name, block);
  return new ChunkedArray({
    layer: { kind: "held", name, dtype, chunks: [new Array<number>(rows).fill(1), [columns]] },
  });
}

/** A block of a held layer. */
function heldBlock(name: string, row: number): NDArray {
  const whole = held.get(name) as NDArray; // all are made by `values`
  const columns = whole.shape[1] as number;
  return new NDArray(whole.dtype, whole.data.slice(row * columns, (row + 1) * columns), [1, columns]);
}

const SHAPE = [37, 3] as const;
const CASES: Readonly<Record<string, (way: BothWays) => ChunkedArray>> = {
  "a sum of ones": () => ones(70, { chunks: 1 }).add(2).sum(),
  "a mean": () => ones([9, 9], { chunks: 1 }).mul(0.1).mean(),
  "sums of float32": () => values("float32", SHAPE).mul(3).sum(0),
  "sums of float64": () => values("float64", SHAPE).sum(0),
  "sums of int64 that wrap": () => values("int64", SHAPE).sum(0),
  "sums of uint16": () => values("uint16", SHAPE).add(1).sum(0),
  "extremes of float64": () => values("float64", SHAPE).max(0),
  "extremes without NaN": () => nanmax(values("float32", SHAPE), 0),
  "sums without NaN": () => nansum(values("float64", SHAPE), 0),
  "products of float32": () => values("float32", SHAPE).prod(0),
  "any of comparisons": () => values("float32", SHAPE).gt(250).any(0),
  "a map alone": () => values("float32", SHAPE).add(values("float32", SHAPE)),
};

test.each(Object.entries(CASES))("%s", async (_, make) => {
  const both = new BothWays();
  const pop = pushRunner(both.runner);
  await make(both).compute();
  pop();
  expect(both.wholes).toHaveLength(both.tasks);
});

/** What is not to go as a whole: the order of elements would be another, or the arithmetic. */
const OTHERS: Readonly<Record<string, () => ChunkedArray>> = {
  "a transposed operand": () =>
    values("float32", [4, 4])
      .rechunk(4)
      .add(values("float32", [4, 4]).rechunk(4).T),
  "a variance": () => values("float64", SHAPE).var(0),
  "an index": () => values("int64", SHAPE).argmax(0),
  "functions with a vector form of their own": () => exp(values("float32", SHAPE)),
  "a sum inside blocks": () => values("float64", SHAPE).sum(1),
  "many cells": () =>
    ones([4, 40], { chunks: [1, 40] })
      .add(1)
      .sum(0),
};

test.each(Object.entries(OTHERS))("%s goes step by step", async (_, make) => {
  const both = new BothWays();
  const pop = pushRunner(both.runner);
  await make().compute();
  pop();
  expect(both.tasks).toBeGreaterThan(0);
  // Partials that are there are joined in one go.
  expect(both.wholes.filter(({ steps }) => steps.some((step) => step.do !== "combine"))).toEqual([]);
});
