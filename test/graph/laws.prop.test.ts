/** Laws of the graph: fused = unfused, chunked = whole, keys and register plans are sound. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { array, type ChunkedArray } from "../../src/array/index.ts";
import {
  buildGraph,
  type KeyValue,
  keyOfValue,
  planRegisters,
  type Step,
  stepBytes,
  stepInputs,
  valueOfKey,
} from "../../src/graph/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { useInlineRunner } from "../run-inline.ts";

useInlineRunner();

type Tree =
  | { readonly op: "leaf"; readonly at: number }
  | { readonly op: "add" | "sub" | "mul" | "maximum"; readonly x: Tree; readonly y: Tree }
  | { readonly op: "neg" | "abs" | "T"; readonly x: Tree };
const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { depthSize: "small" },
    fc.record({ op: fc.constant("leaf" as const), at: fc.nat(2) }),
    fc.record({
      op: fc.constantFrom("add" as const, "sub" as const, "mul" as const, "maximum" as const),
      x: tie("tree"),
      y: tie("tree"),
    }),
    fc.record({ op: fc.constantFrom("neg" as const, "abs" as const, "T" as const), x: tie("tree") }),
  ),
}));

const LEAVES = [0, 1, 2].map((salt) =>
  NDArray.of(
    Float64Array.from({ length: 36 }, (_, i) => ((i * 17 + salt * 5) % 23) - 11),
    [6, 6],
  ),
);

function build(t: Tree, leaves: readonly ChunkedArray[], each: (a: ChunkedArray) => ChunkedArray): ChunkedArray {
  if (t.op === "leaf") return leaves[t.at] as ChunkedArray;
  const x = build(t.x, leaves, each);
  if ("y" in t) return each(x[t.op](build(t.y, leaves, each)));
  return each(t.op === "T" ? x.T : x[t.op]());
}

test("fused equals computed step by step, chunked equals whole", async () => {
  await fc.assert(
    fc.asyncProperty(tree, fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }), async (t, rows, columns) => {
      const whole = LEAVES.map((l) => array(l, { chunks: -1 }));
      const cut = LEAVES.map((l) => array(l, { chunks: [rows, columns] }));
      // Rechunking to one block between any two operations keeps them from fusing.
      const apart = build(t, whole, (a) => a.rechunk([[3, 3], -1]).rechunk(-1));
      const want = (await apart.compute()).toArray();
      expect((await build(t, cut, (a) => a).compute()).toArray()).toEqual(want);
      const total = (
        await build(t, cut, (a) => a)
          .sum()
          .compute()
      ).item();
      expect(total).toBe(
        (
          await array(want as number[][], { dtype: "float64" })
            .sum()
            .compute()
        ).item(),
      ); // whole numbers: exact in any order
    }),
    { numRuns: 80 },
  );
});

test("recomputing instead of holding gives the same graph values and fewer held layers", () => {
  const x = array(LEAVES[0] as NDArray, { chunks: 2 }).add(1);
  const y = x.sub(x.mean(0));
  const held = buildGraph([y.node], 0);
  const again = buildGraph([y.node], 2);
  expect(again.layers.filter((l) => !l.inline).length).toBeLessThan(held.layers.filter((l) => !l.inline).length);
});

const key: fc.Arbitrary<KeyValue> = fc.letrec<{ key: KeyValue }>((tie) => ({
  key: fc.oneof(
    { depthSize: "small" },
    fc.string(),
    fc.integer(),
    fc.bigInt({ min: 2n ** 60n, max: 2n ** 62n }),
    fc.array(tie("key"), { minLength: 1, maxLength: 4 }),
  ),
})).key;

test("keys: canonical texts are one to one with values", () => {
  fc.assert(
    fc.property(key, (value) => {
      expect(valueOfKey(keyOfValue(value))).toEqual(value);
    }),
    { numRuns: 500 },
  );
  expect(keyOfValue(["x", 1])).not.toBe(keyOfValue('["x",1]'));
  expect(keyOfValue("\0[1]")).not.toBe(keyOfValue([1]));
});

test("live registers never overlap in the workspace", () => {
  const step = fc.record({ size: fc.integer({ min: 1, max: 400 }), uses: fc.array(fc.nat(30), { maxLength: 3 }) });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 20 }), fc.nat(3), (plan, inputs) => {
      const steps = plan.map(
        ({ size, uses }, k): Step => ({
          do: "gather",
          dtype: "uint8",
          shape: [size],
          pieces: uses.filter((u) => u < inputs + k).map((from) => ({ from, walk: [], at: [], count: [] })),
        }),
      );
      const { offsets, bytes } = planRegisters(inputs, steps);
      const lastUse = (k: number): number =>
        steps.reduce((last, s, j) => (stepInputs(s).includes(inputs + k) ? j : last), k);
      steps.slice(0, -1).forEach((a, i) => {
        expect((offsets[i] as number) + stepBytes(a)).toBeLessThanOrEqual(bytes);
        for (let j = i + 1; j < steps.length - 1; j++) {
          if (lastUse(i) < j) continue; // dead before j is written
          const [p, q] = [offsets[i] as number, offsets[j] as number];
          expect(p + stepBytes(a) <= q || q + stepBytes(steps[j] as Step) <= p).toBe(true);
        }
      });
    }),
  );
});
