/**
 * Cuts that rechunks, automatic sizes and shuffles choose are dask.array's; rechunk-cases.json is made by
 * make_rechunk_cases.py. A way by steps is a chain of layers, and gives the same values.
 */
import { readFileSync } from "node:fs";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import * as da from "../../src/array/index.ts";
import { planRechunk } from "../../src/array/shape/rechunk-plan.ts";
import { onWarning } from "../../src/base/index.ts";
import { config } from "../../src/config/index.ts";
import type { DType } from "../../src/dtype/index.ts";
import { buildGraph, type ChunkSpec, type Chunks } from "../../src/graph/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import "../../src/register.ts";

interface Cases {
  readonly plans: readonly {
    readonly from: Chunks;
    readonly to: Chunks;
    readonly itemsize: number;
    readonly threshold: number;
    readonly limit: number;
    readonly steps: readonly Chunks[];
  }[];
  readonly automatic: readonly {
    readonly shape: readonly number[];
    readonly previous: Chunks;
    readonly dtype: DType;
    readonly spec: readonly ("auto" | number | null)[];
    readonly limit: number;
    readonly tolerance: number;
    readonly chunks: Chunks;
  }[];
  readonly balanced: readonly {
    readonly n: number;
    readonly size: number;
    readonly chunks: readonly number[];
    readonly warns: boolean;
  }[];
  readonly shuffled: readonly {
    readonly chunks: Chunks;
    readonly groups: readonly (readonly number[])[];
    readonly axis: number;
    readonly tolerance: number;
    readonly shuffled: Chunks;
  }[];
}

const cases: Cases = JSON.parse(readFileSync(new URL("rechunk-cases.json", import.meta.url), "utf8"));
const DTYPES = new Map<number, DType>([
  [1, "uint8"],
  [2, "int16"],
  [4, "float32"],
  [8, "float64"],
]);

const heard: string[] = [];
const before = onWarning((name, message) => void heard.push(`${name}: ${message}`));
afterEach(() => {
  heard.length = 0;
});
afterAll(() => {
  onWarning(before);
});

/** Cuts of the steps that run, in order, and of the result. */
function stepsOf(x: da.ChunkedArray): Chunks[] {
  const [once, , again] = ([0, 1, 2] as const).map((recompute) => {
    const steps = buildGraph([x.node], recompute).layers.filter((l) => l.name.startsWith("rechunk-step-"));
    expect(steps.map((l) => l.inline)).not.toContain(true);
    return [...steps.map((l) => l.chunks), x.chunks];
  });
  expect(again).toEqual(once);
  return once as Chunks[];
}

function ofShape(chunks: Chunks, dtype: DType): da.ChunkedArray {
  const shape = chunks.map((sizes) => sizes.reduce((a, b) => a + b, 0));
  // Neither a source nor one value: what a rechunk does not move into.
  return da.cumsum(da.ones(shape, { dtype, chunks: chunks as ChunkSpec }), 0, { dtype });
}

describe("steps", () => {
  test("are those that Dask plans", () => {
    const planned = cases.plans.map(({ from, to, itemsize, threshold, limit }) =>
      planRechunk(from, to, { threshold, elements: limit / itemsize }),
    );
    expect(planned).toEqual(cases.plans.map((c) => c.steps));
    expect(cases.plans.filter((c) => c.steps.length > 2).length).toBeGreaterThan(10);
  });

  test("are the layers that run, by options or by configuration; otherwise there is one", () => {
    for (const { from, to, itemsize, threshold, limit, steps } of cases.plans.slice(0, 40)) {
      const x = ofShape(from, DTYPES.get(itemsize) as DType);
      const spec = to as ChunkSpec;
      const options = { method: "tasks", threshold, blockSizeLimit: limit } as const;
      expect(stepsOf(x.rechunk(spec, options))).toEqual(steps);
      expect(stepsOf(x.rechunk(spec))).toEqual([to]);
      using _set = config.set({
        "array.rechunk.method": "tasks",
        "array.rechunk.threshold": threshold,
        "array.chunk-size": limit,
      });
      expect(stepsOf(da.rechunk(x, spec))).toEqual(steps);
      expect(stepsOf(x.rechunk(spec, { method: "p2p" }))).toEqual([to]);
    }
  });

  test("change no value, whatever stands before and after; the plan names them", async () => {
    const data = Float64Array.from({ length: 24 * 30 }, (_, i) => i);
    const x = da.array(new NDArray("float64", data, [24, 30]), { chunks: [1, 30] });
    const options = { method: "tasks", threshold: 2, blockSizeLimit: 1600 } as const;
    for (const made of [x, x.add(1).sub(1), da.cumsum(x.mul(0), 0).add(x)]) {
      const cut = made.rechunk([24, 1], options);
      expect(stepsOf(cut).length).toBeGreaterThan(1);
      expect((await cut.compute()).data).toEqual(data);
      const turned = cut.transpose().slice("3:20:2", ":").mul(2);
      const [rows, columns] = turned.shape as [number, number];
      const expected = Float64Array.from(
        { length: rows * columns },
        (_, i) => 2 * (data[(i % columns) * 30 + 3 + 2 * Math.floor(i / columns)] as number),
      );
      expect(Float64Array.from((await turned.rechunk([4, -1]).compute()).data as Float64Array)).toEqual(expected);
      expect(stepsOf(turned).slice(0, -1)).toEqual(stepsOf(cut).slice(0, -1));
    }
    const plan = await x.rechunk([24, 1], options).explain();
    expect(String(plan)).toContain("rechunk-step-");
    expect(plan.tasks).toBeGreaterThan((await x.rechunk([24, 1]).explain()).tasks);
  });

  test("of a method that is none are refused", () => {
    const x = da.ones([8, 8], { chunks: 2 });
    expect(() => x.rechunk(4, { method: "disk" as "p2p" })).toThrow(
      expect.objectContaining({ code: "argument", message: 'rechunk with method "disk": expected one of tasks, p2p' }),
    );
    expect(() => x.rechunk(4, { method: "tasks", threshold: -1 })).toThrow(
      /threshold -1: expected a number, 0 or more/,
    );
    using _set = config.set({ "array.rechunk.method": "disk" });
    expect(() => x.rechunk(4)).toThrow(
      expect.objectContaining({
        code: "config",
        message: expect.stringMatching(/rechunk.method.*tasks, p2p, or null/),
      }),
    );
    expect(x.rechunk(4, { method: "p2p" }).numblocks).toEqual([2, 2]);
  });
});

describe("automatic sizes", () => {
  test("of an array that is cut already are Dask's, and depend on the tolerance", () => {
    const chunks = cases.automatic.map(({ previous, dtype, spec, limit, tolerance }) => {
      using _set = config.set({ "array.chunk-size": limit, "array.chunk-size-tolerance": tolerance });
      return ofShape(previous, dtype).rechunk(spec).chunks;
    });
    expect(chunks).toEqual(cases.automatic.map((c) => c.chunks));
    const plain = cases.automatic.map(
      ({ previous, dtype, spec, limit }) => ofShape(previous, dtype).rechunk(spec, { blockSizeLimit: limit }).chunks,
    );
    expect(plain).not.toEqual(chunks);
    const {
      shape,
      previous,
      dtype,
      spec,
      limit,
      tolerance,
      chunks: wanted,
    } = cases.automatic[0] as Cases["automatic"][0];
    using _set = config.set({ "array.chunk-size-tolerance": tolerance });
    expect(da.normalizeChunks(spec, { shape, dtype, limit, previousChunks: previous })).toEqual(wanted);
  });

  test("of bytes that are written are those bytes, also beyond the configured ones", () => {
    using _set = config.set({ "array.chunk-size": 64 });
    expect(da.ones([1024], { dtype: "uint8", chunks: "256 B" }).chunks).toEqual([[256, 256, 256, 256]]);
  });

  test("that are balanced are Dask's; it is told where they cannot be", () => {
    for (const { n, size, chunks, warns } of cases.balanced) {
      expect(da.ones([n], { chunks: n }).rechunk(size, { balance: true }).chunks).toEqual([chunks]);
      // Each place is told once.
      if (warns && heard.length > 0)
        expect(heard).toEqual([expect.stringMatching(/^PerformanceWarning: .* balanced;/)]);
    }
    expect(heard).toHaveLength(1);
  });

  test("of a shuffle are Dask's", () => {
    for (const { chunks, groups, axis, tolerance, shuffled } of cases.shuffled) {
      using _set = config.set({ "array.chunk-size-tolerance": tolerance });
      expect(da.shuffle(ofShape(chunks, "float64"), groups, axis).chunks).toEqual(shuffled);
    }
  });
});

describe("a lazy list of many indices", () => {
  const x = da.ones([4, 100], { dtype: "float64", chunks: [1, 100] });
  const take = (n: number): da.ChunkedArray => da.take(x, da.zeros([n], { dtype: "int64", chunks: n }), { axis: 0 });

  // 800 bytes a row: 10 rows have array.chunk-size, 50 are the most that pass unsaid.
  test("is told of beyond five times array.chunk-size, split, or left alone", async () => {
    using _size = config.set({ "array.chunk-size": 8000 });
    const several = [50, 51, 60].map(take);
    expect(several.map((y) => y.chunks[0])).toEqual([[50], [51], [60]]);
    expect(heard).toEqual([
      expect.stringMatching(
        /^PerformanceWarning: .*blocks of 39\.84 KiB, array\.chunk-size is 7\.81 KiB.*split-large-chunks/,
      ),
    ]);
    heard.length = 0;
    using _split = config.set({ "array.slicing.split-large-chunks": true });
    expect([10, 51].map((n) => take(n).chunks[0])).toEqual([[10], [9, 9, 9, 8, 8, 8]]);
    expect((await take(51).sum().compute()).item()).toBe(5100);
    // Another place, which was not told before.
    const elsewhere = (): readonly number[] | undefined =>
      da.take(x, da.zeros([500], { dtype: "int64", chunks: 500 }), { axis: 0 }).chunks[0];
    {
      using _silent = config.set({ "array.slicing.split-large-chunks": false });
      expect(elsewhere()).toEqual([500]);
      expect(heard).toEqual([]);
    }
    using _unset = config.set({ "array.slicing.split-large-chunks": null });
    expect(elsewhere()).toEqual([500]);
    expect(heard).toHaveLength(1);
  });
});
