/** Layers of whole-axis and whole-block work: what they compute, what fuses into them, what they read, what peers may say. */
import { describe, expect, test } from "vitest";
import { ChunkedArray, fromArray } from "../../src/array/index.ts";
import { seededRandom } from "../../src/base/index.ts";
import type { DType } from "../../src/dtype/index.ts";
import { runTask } from "../../src/executor/index.ts";
import {
  applyNode,
  buildGraph,
  callNode,
  decodeGraph,
  encodeGraph,
  type Graph,
  KernelBuilder,
  type LayerNode,
  runSequential,
  type SelectSpec,
  selectNode,
  sourceNode,
  takeNode,
  taskOrder,
  windowNode,
} from "../../src/graph/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { useInlineRunner } from "../run-inline.ts";

useInlineRunner();

const numbers = (...shape: number[]): NDArray =>
  NDArray.of(
    Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (i * 7) % 31),
    shape,
  );

const SPEC: SelectSpec = {
  op: "median",
  q: [],
  isList: false,
  method: "linear",
  skipna: false,
  from: "float64",
  dtype: "float64",
  empty: null,
};

function medianNode(x: ChunkedArray, keepdims = false): LayerNode {
  const b = new KernelBuilder();
  const call = b.build([b.input("float64")]);
  const axes = x.shape.map((_, k) => k);
  return selectNode("median", call, SPEC, [{ layer: x.node, axes }], x.chunks, { reduced: [0], keepdims });
}

const median = (column: readonly number[]): number => {
  const sorted = [...column].sort((a, b) => a - b);
  const n = sorted.length;
  return ((sorted[(n - 1) >> 1] as number) + (sorted[n >> 1] as number)) / 2;
};

describe("a selection", () => {
  const x = numbers(5, 6);
  const column = (k: number): number[] => [0, 1, 2, 3, 4].map((r) => x.item(r, k) as number);

  test("ranks whole axes of every block, with or without them kept", async () => {
    const lazy = fromArray(x, { chunks: [-1, 4] });
    const want = [0, 1, 2, 3, 4, 5].map((k) => median(column(k)));
    expect((await new ChunkedArray(medianNode(lazy)).compute()).toArray()).toEqual(want);
    const kept = new ChunkedArray(medianNode(lazy, true));
    expect(kept.shape).toEqual([1, 6]);
    expect((await kept.compute()).toArray()).toEqual([want]);
  });

  test("takes the elementwise work before it into its own kernel", () => {
    const graph = buildGraph([
      medianNode(
        fromArray(x, { chunks: [-1, 4] })
          .mul(2)
          .add(1),
      ),
    ]);
    expect(graph.layers.map((l) => l.kind)).toEqual(["literal", "select"]);
  });
});

describe("a window", () => {
  test("shows each block what its start and size say, whatever the cuts below", async () => {
    const x = numbers(10);
    const lazy = fromArray(x, { chunks: 3 });
    const node = windowNode("halo", lazy.node, [[4, 6, 4]], [[0, 2, 6]]);
    const got = (await new ChunkedArray(node).compute()).toArray() as number[];
    const all = x.toArray() as number[];
    expect(got).toEqual([...all.slice(0, 4), ...all.slice(2, 8), ...all.slice(6, 10)]);
  });

  test("of a source is read as its own regions, not assembled from blocks", () => {
    const source = sourceNode({ source: { any: 1 }, dtype: "float32", chunks: [[5, 5]], scratchBytes: 0 });
    const graph = buildGraph([windowNode("halo", source, [[6, 6]], [[0, 4]])]);
    expect(graph.layers.map((l) => l.kind)).toEqual(["source"]);
    const regions = [0, 1].map((t) => graph.expand(t).spec.steps.map((s) => (s.do === "read" ? s.region : null)));
    expect(regions).toEqual([[[{ start: 0, stop: 6 }]], [[{ start: 4, stop: 10 }]]]);
  });
});

describe("an integer list", () => {
  test("takes slices from any blocks, in its order, repeats included", async () => {
    const x = numbers(7, 4);
    const indices = [6, 0, 0, 3, 4, 5, 1];
    const node = takeNode("take", fromArray(x, { chunks: [2, 3] }).node, 0, indices, [4, 3]);
    const rows = x.toArray() as number[][];
    expect((await new ChunkedArray(node).compute()).toArray()).toEqual(indices.map((i) => rows[i]));
  });

  test("needs only the blocks it names", () => {
    const x = fromArray(numbers(100), { chunks: 10 }).add(1);
    const graph = buildGraph([takeNode("take", x.node, 0, [95, 3], [2])]);
    expect(graph.expand(graph.wanted()[0]?.[0] as number).dependencies).toHaveLength(2);
  });
});

test("a block kernel runs per block; elementwise work that only it needs runs inside its tasks", async () => {
  const x = numbers(4, 6);
  const lazy = fromArray(x, { chunks: [2, 6] }).mul(2);
  const node = applyNode("flat", {
    kernel: "reshape",
    params: null,
    inputs: [{ layer: lazy.node, axes: [0, null] }],
    dtype: "float64",
    chunks: [[12, 12]],
    scratchBytes: 0,
  });
  const graph = buildGraph([node]);
  expect(graph.taskCount).toBe(2);
  const want = (x.toArray() as number[][]).flat().map((v) => v * 2);
  expect((await new ChunkedArray(node).compute()).toArray()).toEqual(want);
});

describe("a function per block", () => {
  /** What the function says of each block, as text in the error that it throws. */
  const told = async (node: LayerNode): Promise<unknown[]> => {
    const graph = buildGraph([node]);
    const out: unknown[] = [];
    await runSequential(graph, async (spec, inputs) => {
      const result = runTask(spec, inputs, { trusted: true });
      if (spec.steps.at(-1)?.do !== "call") return (await result) as NDArray; // all other steps give blocks
      await expect(result).rejects.toThrow();
      out.push(await result.catch((error: Error) => JSON.parse(error.message)));
      return NDArray.zeros("float64", spec.out.shape);
    });
    return out;
  };
  const call = (
    text: string,
    inputs: readonly { layer: LayerNode; axes: (number | null)[] }[],
    lists: boolean,
    chunks: number[][] = [[2, 2], [3]],
  ): LayerNode => callNode("call", { text, inputs, lists, args: { extra: 1 }, dtype: "float64" as DType, chunks });

  test("is told where its blocks lie", async () => {
    const x = fromArray(numbers(4, 3), { chunks: [2, 3] });
    const text = "(block, info, args) => { throw new Error(JSON.stringify([info, args])); }";
    const given = await told(call(text, [{ layer: x.node, axes: [0, 1] }], false));
    const place = (start: number): object => ({
      shape: [4, 3],
      numChunks: [2, 1],
      chunkLocation: [start / 2, 0],
      arrayLocation: [
        [start, start + 2],
        [0, 3],
      ],
    });
    expect(given).toEqual(
      [0, 2].map((start) => [
        { inputs: [place(start)], output: { ...place(start), chunkShape: [2, 3], dtype: "float64" } },
        { extra: 1 },
      ]),
    );
  });

  test("gets axes that the result lacks as lists of blocks", async () => {
    const x = fromArray(numbers(4, 5), { chunks: [2, 2] });
    const text = "(blocks) => { throw new Error(JSON.stringify(blocks.map((b) => b.shape))); }";
    const node = call(text, [{ layer: x.node, axes: [0, null] }], true, [[2, 2]]);
    const shapes = [
      [2, 2],
      [2, 2],
      [2, 1],
    ];
    expect(await told(node)).toEqual([shapes, shapes]);
  });
});

describe("views of elementwise work", () => {
  const source = (name: string): ChunkedArray =>
    new ChunkedArray(
      sourceNode({
        source: { name },
        dtype: "uint16",
        chunks: [
          [50, 50],
          [50, 50],
        ],
        scratchBytes: 0,
      }),
    );
  const reads = (graph: Graph): unknown[] =>
    graph
      .wanted()
      .flat()
      .flatMap((t) => graph.expand(t).spec.steps.flatMap((s) => (s.do === "read" ? [s.region] : [])));

  test("read and compute only what they show", () => {
    const [red, nir] = [source("red"), source("nir")];
    const ndvi = nir.sub(red).div(nir.add(red));
    const graph = buildGraph([ndvi.slice(7, [20, 60]).node]);
    expect(graph.taskCount).toBe(2);
    const region = (start: number, stop: number): object[] => [
      { start: 7, stop: 8 },
      { start, stop },
    ];
    expect(reads(graph)).toEqual([region(20, 50), region(20, 50), region(50, 60), region(50, 60)]);
  });

  test("broadcast operands are seen along their own axes alone", async () => {
    const x = fromArray(numbers(6, 4), { chunks: [4, 3] });
    const y = fromArray(numbers(4), { chunks: 3 });
    const z = fromArray(numbers(6, 1), { chunks: [4, 1] });
    const got = await x.mul(2).add(y).sub(z).slice("::-2", "1:3", null).compute();
    const want = [5, 3, 1].map((r) =>
      [1, 2].map((c) => [
        (numbers(6, 4).item(r, c) as number) * 2 +
          (numbers(4).item(c) as number) -
          (numbers(6, 1).item(r, 0) as number),
      ]),
    );
    expect(got.toArray()).toEqual(want);
  });

  test("that something else needs whole are computed once", () => {
    const twice = fromArray(numbers(60, 60), { chunks: 30 }).mul(2);
    const whole = twice.rechunk(20).node; // moves as much as it is
    const graph = buildGraph([twice.sum().node, whole]);
    expect(graph.layers.filter((l) => l.kind === "blockwise")).toHaveLength(1);
  });
});

test("a plan tells what was fused into what, and why the rest was not", () => {
  const x = fromArray(numbers(6, 6), { chunks: 3 });
  const ratio = x.sub(1).div(x.add(1));
  const graph = buildGraph([ratio.sub(ratio.mean(0)).node]);
  const of = (label: string): { fused: string[]; apart: string } => {
    const layer = graph.layers.find((l) => l.name.startsWith(label));
    const { fused, apart } = graph.fusion.get(layer?.name ?? "") ?? { fused: [], apart: "no such layer" };
    return { fused: fused.map((name) => name.replace(/-[0-9a-f]+$/, "")), apart };
  };
  expect(of("div")).toEqual({ fused: ["sub", "add"], apart: "is needed by 2 layers" });
  expect(of("sub")).toEqual({ fused: [], apart: "is a result" });
  const taken = buildGraph([takeNode("take", x.mul(2).node, 0, [5, 0], [2])]);
  expect([...taken.fusion.values()].map((f) => f.apart)).toEqual(["", "take takes whole blocks", ""]);
});

test("layers that a peer changed in any field are read or refused with a typed error, and their formulas hold", () => {
  const x = fromArray(numbers(8, 6), { chunks: [-1, 3] });
  const picked = takeNode("take", x.node, 1, [5, 0, 2], [2, 1]);
  const halo = windowNode("halo", x.node, [[8], [4, 4]], [[0], [0, 2]]);
  const flat = applyNode("flat", {
    kernel: "reshape",
    params: null,
    inputs: [{ layer: x.node, axes: [null, 0] }],
    dtype: "float64",
    chunks: [[24, 24]],
    scratchBytes: 0,
  });
  const called = callNode("call", {
    text: "(b) => b",
    inputs: [{ layer: x.node, axes: [0, null] }],
    lists: true,
    args: null,
    dtype: "float64",
    chunks: [[8]],
  });
  const argmax = x.argmax(1).node;
  const graph = buildGraph([medianNode(x), picked, halo, flat, called, argmax]);
  const plain = JSON.parse(new TextDecoder().decode(encodeGraph(graph))) as object;
  expect(decodeGraph(encodeGraph(graph)).layers).toEqual(graph.layers);
  const paths: (readonly (string | number)[])[] = [];
  const walk = (value: unknown, path: readonly (string | number)[]): void => {
    if (path.length > 0) paths.push(path);
    if (typeof value !== "object" || value === null || path.length > 6) return;
    for (const [k, v] of Object.entries(value)) walk(v, [...path, k]);
  };
  walk(plain, []);
  const random = seededRandom(11);
  const junk = [null, -1, 0, 1, 1.5, 1e9, "x", [], {}, [[1, 2 ** 20]], true];
  let refused = 0;
  for (let n = 0; n < 1500; n++) {
    const changed = structuredClone(plain) as Record<string | number, unknown>; // plain JSON
    const path = paths[random.below(paths.length)] as readonly (string | number)[]; // not empty
    let at = changed;
    for (const k of path.slice(0, -1)) at = at[k] as Record<string | number, unknown>; // on the way to a field
    at[path.at(-1) as string] = junk[random.below(junk.length)];
    let read: Graph;
    try {
      read = decodeGraph(new TextEncoder().encode(JSON.stringify(changed)));
    } catch (error) {
      refused++;
      expect(error, JSON.stringify(path)).toMatchObject({ code: "remote-protocol" });
      continue;
    }
    if (read.taskCount < 1000) expect(() => taskOrder(read), JSON.stringify(path)).not.toThrow();
  }
  expect(refused).toBeGreaterThan(100);
});
