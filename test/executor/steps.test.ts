import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runTask, runTaskSync } from "../../src/executor/index.ts";
import { regionView, trimWalk, walkView } from "../../src/executor/walk.ts";
import type { AxisWalk, KernelCall, ReduceSpec, Step } from "../../src/graph/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { ADD, addBoth, callOf, specOf } from "./specs.ts";

const run = (steps: readonly Step[], ...inputs: readonly NDArray[]): NDArray =>
  runTaskSync(specOf(inputs.length, steps), inputs) as NDArray; // native steps give blocks
const float64 = (values: readonly number[], shape: readonly number[] = [values.length]): NDArray =>
  NDArray.of(new Float64Array(values), shape);
const along = (axis: number | null, start = 0, step = 1): AxisWalk => ({ axis, start, step });

const IDENTITY: KernelCall = {
  kernel: { inputs: ["float64"], params: [], sets: [], nodes: [{ op: "in", slot: 0, dtype: "float64" }], outputs: [0] },
  params: [],
  sets: [],
};
const reduction = (op: ReduceSpec["op"]): ReduceSpec => ({
  op,
  from: "float64",
  dtype: "float64",
  ddof: 0,
  minCount: 0,
  empty: null,
});

describe("steps", () => {
  it("literal: one element for all, or all elements, from bytes at any alignment", () => {
    const odd = new Uint8Array(
      new Uint8Array([0, ...new Uint8Array(new Float64Array([1.5, -2, 3, 4]).buffer)]).buffer,
      1,
    );
    expect(run([{ do: "literal", dtype: "float64", shape: [2, 2], bytes: odd }]).toArray()).toEqual([
      [1.5, -2],
      [3, 4],
    ]);
    expect(run([{ do: "literal", dtype: "float64", shape: [3], bytes: odd.subarray(0, 8) }]).toArray()).toEqual([
      1.5, 1.5, 1.5,
    ]);
    expect(() => run([{ do: "literal", dtype: "float64", shape: [3], bytes: odd.subarray(0, 16) }])).toThrow(
      /16 bytes for 3 elements/,
    );
  });

  it.each([
    ["int64", [7n, 10n, 13n]],
    ["uint8", [7, 10, 13]],
    ["float32", [7, 10, 13]],
  ] as const)("arange in %s counts from its first element", (dtype, expected) => {
    expect(run([{ do: "arange", dtype, shape: [3], start: 1, step: 3, first: 2 }]).toArray()).toEqual(expected);
  });

  it("map: inputs follow axes of the result, repeat where told, and where they have one element", () => {
    const [row, column] = [float64([1, 2, 3]), float64([10, 20], [2, 1])];
    const step: Step = { do: "map", dtype: "float64", shape: [2, 3], call: ADD, inputs: [0, 1], axes: [[1], [0, 1]] };
    expect(run([step], row, column).toArray()).toEqual([
      [11, 12, 13],
      [21, 22, 23],
    ]);
    const alone: Step = {
      do: "map",
      dtype: "float64",
      shape: [2, 3],
      call: ADD,
      inputs: [0, 1],
      axes: [[1], [0, null]],
    };
    expect(run([alone], row, column).toArray()).toEqual([
      [11, 12, 13],
      [21, 22, 23],
    ]);
    expect(() => run([step], row, float64([1, 2], [1, 2]))).toThrow(/axis 1 of an input has 2 elements/);
  });

  it("reduce and combine: more cells than are combined at a time give the same as one by one", () => {
    const [n, parts] = [20_001, 3];
    const inputs = Array.from({ length: parts }, (_, k) =>
      NDArray.of(
        new Float64Array(n).map((_v, i) => i * (k + 1)),
        [1, n],
      ),
    );
    const partials = inputs.map(
      (_, k): Step => ({
        do: "reduce",
        dtype: "float64",
        shape: [2, 1, n],
        call: IDENTITY,
        inputs: [k],
        axes: [[0, 1]],
        loop: [1, n],
        reduced: [0],
        spec: reduction("sum"),
      }),
    );
    const together: Step = {
      do: "combine",
      dtype: "float64",
      shape: [n],
      inputs: partials.map((_, k) => parts + k),
      spec: reduction("sum"),
      final: true,
    };
    const sum = run([...partials, together], ...inputs);
    expect(sum.shape).toEqual([n]);
    expect(Array.from(sum.data as Float64Array).every((v, i) => v === 6 * i)).toBe(true);
    // In two steps: partials into a partial, that into the result.
    const two: Step[] = [
      {
        do: "combine",
        dtype: "float64",
        shape: [2, 1, n],
        inputs: [parts, parts + 1],
        spec: reduction("sum"),
        final: false,
      },
      {
        do: "combine",
        dtype: "float64",
        shape: [n],
        inputs: [parts + partials.length, parts + 2],
        spec: reduction("sum"),
        final: true,
      },
    ];
    expect(run([...partials, ...two], ...inputs).data).toEqual(sum.data);
  });

  it("gather: pieces from several blocks, walked", () => {
    const [a, b] = [float64([1, 2, 3, 4], [2, 2]), float64([5, 6, 7], [3])];
    const step: Step = {
      do: "gather",
      dtype: "float64",
      shape: [2, 4],
      pieces: [
        { from: 0, walk: [along(1, 1, -1), along(0)], at: [0, 0], count: [2, 2] },
        { from: 1, walk: [along(1, 0, 2)], at: [0, 2], count: [1, 2] },
        { from: 1, walk: [along(null, 1)], at: [1, 2], count: [1, 2] },
      ],
    };
    expect(run([step], a, b).toArray()).toEqual([
      [3, 1, 5, 7],
      [4, 2, 6, 6],
    ]);
  });

  it("a gather of one whole piece of an input is a view for later steps, a copy as a result", () => {
    const a = float64([1, 2, 3]);
    const reverse: Step = {
      do: "gather",
      dtype: "float64",
      shape: [3],
      pieces: [{ from: 0, walk: [along(0, 2, -1)], at: [0], count: [3] }],
    };
    const sum: Step = { do: "map", dtype: "float64", shape: [3], call: ADD, inputs: [0, 1], axes: [[0], [0]] };
    expect(run([reverse, sum], a).toArray()).toEqual([4, 4, 4]);
    const copy = run([reverse], a);
    expect(copy.toArray()).toEqual([3, 2, 1]);
    expect(copy.data.buffer).not.toBe(a.data.buffer);
    expect(() =>
      runTaskSync(specOf(1, [reverse, sum]), [a], {
        place: () => {
          throw new Error("a view takes no place");
        },
      }),
    ).not.toThrow();
  });

  it("coarsen halves, rounding up", () => {
    const step: Step = { do: "coarsen", dtype: "float64", shape: [2, 2], from: 0, method: "average", nodata: null };
    expect(run([step], float64([1, 3, 5, 1, 3, 5, 7, 7, 7], [3, 3])).toArray()).toEqual([
      [2, 5],
      [7, 7],
    ]);
  });

  it("put blocks where the context says", () => {
    const [inputs, output] = [[float64([1, 2]), float64([3, 4])], float64([0, 0])];
    const places: number[] = [];
    const place = (k: number, step: Step): NDArray => {
      places.push(k);
      return NDArray.zeros(step.dtype, step.shape);
    };
    expect(runTaskSync(addBoth(2), inputs, { output, place })).toBe(output);
    expect([output.toArray(), places]).toEqual([
      [4, 7],
      [0, 1],
    ]);
  });

  it("stop between steps when cancelled", () => {
    let asked = 0;
    expect(() => runTaskSync(addBoth(1), [float64([1]), float64([1])], { isCancelled: () => ++asked === 2 })).toThrow(
      /cancelled/,
    );
  });

  it("refuse a value where a block is needed, by register", () => {
    expect(() => runTaskSync(addBoth(1), [float64([1]), "text"])).toThrow(/register 1 holds a string/);
  });
});

describe("calls", () => {
  it("refuse text that is no function", () => {
    expect(() => runTaskSync(callOf("1 +", 0), [], { trusted: true })).toThrow(/does not compile: "1 \+"/);
    expect(() => runTaskSync(callOf("1 + 1", 0), [], { trusted: true })).toThrow(/"1 \+ 1" is no function/);
    expect(() => runTaskSync(callOf("() => 1", 0), [])).toThrow(/mac/);
  });

  it("wait for async functions only where waiting is possible", async () => {
    const spec = callOf("async (a) => a + 1", 1);
    expect(await runTask(spec, [2], { trusted: true })).toBe(3);
    expect(() => runTaskSync(spec, [2], { trusted: true })).toThrow(/waits/);
    await expect(runTask(callOf("async () => { throw new Error('late'); }", 0), [], { trusted: true })).rejects.toThrow(
      "late",
    );
  });
});

describe("walks", () => {
  it("reading into the view of a direct walk gives what walking the region would", () => {
    const axis = fc.record({ size: fc.integer({ min: 1, max: 6 }), from: fc.nat(5), reverse: fc.boolean() });
    fc.assert(
      fc.property(
        fc.array(axis, { minLength: 1, maxLength: 3 }),
        fc.infiniteStream(fc.nat()),
        fc.boolean(),
        (axes, dice, fix) => {
          // Region of a source, its axes permuted into the result; the last one may be fixed instead.
          const next = (n: number): number => dice.next().value % n;
          const order = axes.map((_, k) => k).sort(() => next(3) - 1);
          const extents = axes.map((a) => a.size + a.from);
          const named = fix ? axes.length - 1 : axes.length;
          const positions = order.filter((k) => k < named);
          const shape = positions.map((k) => (axes[k] as { size: number }).size);
          const walk = axes.map(
            ({ size, from, reverse }, k): AxisWalk =>
              k >= named
                ? along(null, from)
                : along(positions.indexOf(k), reverse ? from + size - 1 : from, reverse ? -1 : 1),
          );
          const region = extents.map((n, k) => ({ start: 10 * k, stop: 10 * k + n }));
          const data = float64(
            Array.from({ length: extents.reduce((a, b) => a * b, 1) }, (_, i) => i),
            extents,
          );
          const expected = walkView(data, walk, shape).toArray();
          const trimmed = trimWalk(region, walk, shape);
          expect(trimmed.isDirect).toBe(true);
          // Read: the source's own elements of the trimmed region, put where regionView says.
          const out = NDArray.zeros("float64", shape);
          const view = regionView(out, trimmed);
          const at = trimmed.region.map(({ start }, k) => start - 10 * k);
          const count = view.shape.reduce((a, b) => a * b, 1);
          for (let i = 0; i < count; i++) {
            let rest = i;
            const index = view.shape.map((_, k) => {
              const n = view.shape.slice(k + 1).reduce((a, b) => a * b, 1);
              const q = Math.floor(rest / n);
              rest %= n;
              return q;
            });
            const target = index.reduce((sum, v, k) => sum + v * (view.stride[k] as number), view.offset);
            out.data[target] = data.item(...index.map((v, k) => v + (at[k] as number))) as number;
          }
          expect(out.toArray()).toEqual(expected);
        },
      ),
    );
  });
});
