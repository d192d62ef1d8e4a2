/** docs/guide/arrays.md: both columns of every row are run, and give the same values and dtypes. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import * as array from "../../src/array/index.ts";
import { onWarning } from "../../src/base/index.ts";
import { pushRunner } from "../../src/graph/index.ts";
import { localRunner } from "../../src/local/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { expr } from "../../src/xr/index.ts";
import { describeNumpy, type NumpyLive, type PythonResult } from "../oracle/numpy-live.ts";
import { ROOT } from "../peers.ts";
import { useInlineRunner } from "../run-inline.ts";

useInlineRunner();

const TEXT = readFileSync(join(ROOT, "docs", "guide", "arrays.md"), "utf8");

interface Row {
  readonly section: string;
  readonly python: string;
  readonly ours: string;
}

/** Rows of two code spans; a span in two backticks may hold backticks. */
function rows(): Row[] {
  let section = "";
  return TEXT.split("\n").flatMap((line): Row[] => {
    if (line.startsWith("## ")) section = line.slice(3);
    const found = /^\| `(.+?)` \| (?:`` (.+) ``|`(.+)`) \|$/.exec(line);
    return found ? [{ section, python: found[1] as string, ours: (found[2] ?? found[3]) as string }] : []; // matched
  });
}

const wave = (n: number, f: (i: number) => number): Float64Array => Float64Array.from({ length: n }, (_, i) => f(i));
const BLOCKS = {
  x: NDArray.of(
    wave(48, (i) => Math.sin(i * 1.7) * 2),
    [6, 8],
  ),
  y: NDArray.of(
    wave(48, (i) => 1.5 + Math.cos(i * 0.9)),
    [6, 8],
  ),
  z: NDArray.of(
    wave(48, (i) => (i % 5 === 2 ? Number.NaN : i / 7)),
    [6, 8],
  ),
  u: NDArray.of(
    Uint16Array.from({ length: 48 }, (_, i) => (i * 37) % 101),
    [6, 8],
  ),
  k: NDArray.of(BigInt64Array.of(3n, 1n, 7n, 1n, 0n, 5n, 3n, 2n), [8]),
  m: new NDArray(
    "bool",
    Uint8Array.from({ length: 48 }, (_, i) => (i % 3 === 0 ? 1 : 0)),
    [6, 8],
  ),
};
const CHUNKS = { x: [3, 4], y: [3, 4], z: [3, 4], u: [3, 4], k: [3], m: [3, 4] } as const;
/** The same cuts, size by size. */
const SIZES = {
  x: [
    [3, 3],
    [4, 4],
  ],
  y: [
    [3, 3],
    [4, 4],
  ],
  z: [
    [3, 3],
    [4, 4],
  ],
  u: [
    [3, 3],
    [4, 4],
  ],
  k: [[3, 3, 2]],
  m: [
    [3, 3],
    [4, 4],
  ],
};
const NAMES = Object.keys(BLOCKS) as (keyof typeof BLOCKS)[];
const LAZY = NAMES.map((name) => array.fromArray(BLOCKS[name], { chunks: CHUNKS[name] }));

async function ours(code: string): Promise<unknown> {
  const f = new Function("array", "expr", ...NAMES, `return ${code};`) as (...args: unknown[]) => unknown; // text of a row
  const given = await f(array, expr, ...LAZY);
  return array.isChunkedArray(given) ? given.compute() : given;
}

function same(got: unknown, want: PythonResult): void {
  if (!(got instanceof NDArray) || !(want instanceof NDArray)) {
    expect(got instanceof NDArray ? got.toArray() : got).toEqual(want instanceof NDArray ? want.toArray() : want);
    return;
  }
  expect([got.dtype, got.shape]).toEqual([want.dtype, want.shape]);
  const [a, b] = [got, want].map((block) => [block.toArray()].flat(9));
  expect(a?.length).toBe(b?.length);
  a?.forEach((value, i) => {
    const wanted = b?.[i];
    if (typeof value === "number" && typeof wanted === "number" && Number.isFinite(wanted))
      expect(Math.abs(value - wanted), `element ${i}`).toBeLessThanOrEqual(1e-12 * Math.max(1, Math.abs(wanted)));
    else expect(value, `element ${i}`).toEqual(wanted);
  });
}

test("the guide has rows", () => expect(rows().length).toBeGreaterThan(110));

describeNumpy("phrasebook", (numpy) => {
  const sections = Map.groupBy(rows(), (row) => row.section);
  for (const [section, all] of sections) {
    describe(section, () => {
      test.each(all.map((row): [string, Row] => [row.ours, row]))("%s", async (_, { python, ours: code }) => {
        const blocks = NAMES.map((name) => BLOCKS[name]);
        const sizes = NAMES.map((name) => SIZES[name]);
        const want = await numpy.ask(`lambda ${NAMES.join(", ")}: ${python}`, blocks, {}, sizes);
        same(await ours(code), want);
      });
    });
  }
});

/** Points of "What differs", by number. */
function differences(): Map<number, string> {
  const part = TEXT.slice(TEXT.indexOf("## What differs"));
  return new Map([...part.matchAll(/^(\d+)\. \*\*(.+?)\*\*/gm)].map(([, n, title]) => [Number(n), title as string])); // matched
}

const TESTED = new Set<number>();
/** A test of one point. */
function difference(n: number, body: (numpy: NumpyLive) => Promise<void>): void {
  TESTED.add(n);
  POINTS.push([n, body]);
}
const POINTS: [number, (numpy: NumpyLive) => Promise<void>][] = [];
const [x, y, , u, k] = LAZY as [Lazy, Lazy, Lazy, Lazy, Lazy]; // by name
type Lazy = array.ChunkedArray;
type Floats = NDArray & { readonly data: Float64Array };

difference(1, async () => {
  expect(x.mean(0)).toBeInstanceOf(array.ChunkedArray);
  expect(x.mean(0).compute()).toBeInstanceOf(Promise);
});
difference(2, async () => {
  // What a JavaScript user may write in spite of the types.
  const minus = new Function("a", "b", "return a - b") as (a: unknown, b: unknown) => number;
  expect(() => minus(x, y)).toThrow(expect.objectContaining({ name: "OperatorError" }));
});
difference(3, async (numpy) => {
  const theirs = (await numpy.call("lambda u: u * 2.0", [BLOCKS.u])).dtype;
  expect([u.mul(2.0).dtype, u.mul(2.5).dtype, u.astype("float64").mul(2).dtype, theirs]).toEqual([
    "uint16",
    "float64",
    "float64",
    "float64",
  ]);
});
difference(4, async () => expect((await k.sum().compute()).item()).toBe(22n));
difference(5, async (numpy) => {
  const cuts = (sizes: readonly number[]): number[] => [Math.min(...sizes), Math.max(...sizes)];
  const theirs = await numpy.ask("lambda a: np.array(da.zeros((10980, 10980), dtype='u2').chunks[0])", [BLOCKS.k], {}, [
    [[8]],
  ]);
  const [least, most] = cuts([(theirs as NDArray).toArray()].flat(2).map(Number));
  const [ourLeast, ourMost] = cuts(array.zeros([10980, 10980], { dtype: "uint16" }).chunks[0] as number[]); // known sizes
  expect((ourMost as number) - (ourLeast as number)).toBeLessThanOrEqual(1);
  expect((most as number) - (least as number)).toBeGreaterThan(1000);
});
difference(6, async (numpy) => {
  const blocks = await numpy.ask("lambda x: np.array((x[1:, 1:] - x[:-1, :-1]).numblocks)", [BLOCKS.x], {}, [SIZES.x]);
  expect((blocks as NDArray).toArray()).toEqual([3n, 3n]);
  expect(x.slice("1:, 1:").sub(x.slice(":-1, :-1")).numblocks).toEqual([2, 2]);
});
difference(7, async () => {
  const big = array.ones([1000, 1000], { chunks: 100 }).add(1).mul(3);
  expect((await big.slice(7, [0, 5]).explain()).tasks).toBe(1);
  expect((await big.slice(7, [0, 5]).explain()).leastBytes).toBeLessThan(1000);
});
difference(8, async () => {
  const tenths = array.full([100_000], 0.1, { dtype: "float32", chunks: 30_000 });
  expect((await tenths.sum().compute()).item()).toBe(Math.fround(100_000 * Math.fround(0.1)));
});
difference(9, async (numpy) => {
  const whole = await numpy.call("np.median", [BLOCKS.x]);
  expect((await array.median(x).compute()).item()).toBe(whole.item());
  await expect(numpy.ask("lambda x: da.median(x, axis=None)", [BLOCKS.x], {}, [SIZES.x])).rejects.toThrow();
});
difference(10, async () => {
  const cast = array.array([Number.NaN, 300.7, -1.5], { dtype: "float64" }).astype("uint8");
  expect((await cast.compute()).toArray()).toEqual([0, 44, 255]);
});
difference(11, async () => {
  expect(x.mapBlocks((b: Floats) => b.data.map((v) => v * 2)).dtype).toBe("float64");
  await expect(u.mapBlocks((b: Floats) => Float64Array.from(b.data)).compute()).rejects.toMatchObject({
    name: "DTypeMismatchError",
  });
});
difference(12, async () => {
  const outer = 3;
  expect(() => x.mapBlocks((b: Floats) => b.data.map((v) => v * outer))).toThrow(/ClosureError|outer/);
  const scaled = x.mapBlocks(
    (b: Floats, _info: unknown, args: { factor: number }) => b.data.map((v) => v * args.factor),
    {
      args: { factor: 3 },
    },
  );
  expect((await scaled.sub(x.mul(3)).abs().max().compute()).item()).toBe(0);
});
difference(13, async () => {
  const chosen = x.slice(x.gt(0));
  expect(chosen.shape).toEqual([null]);
  expect((await chosen.mean().compute()).item()).toBeGreaterThan(0);
  expect(() => (chosen as unknown as Lazy).reshape([4, 6])).toThrow(
    expect.objectContaining({ name: "UnknownShapeError" }),
  );
});
difference(14, async () => {
  expect(String(await x.mul(2).explain())).toMatch(/^plan: \d+ tasks\n/);
  await expect(array.ones([1000, 1000]).compute({ memory: "1MiB" })).rejects.toMatchObject({
    name: "MemoryBudgetError",
  });
});
difference(15, async () => {
  const heard: string[] = [];
  const before = onWarning((name, message) => heard.push(`${name}: ${message}`));
  for (let k = 0; k < 3; k++) u.sub(u.slice("::-1"));
  onWarning(before);
  expect(heard).toEqual([expect.stringMatching(/^UnsignedWrapWarning: sub of uint16 wraps .* astype/)]);
});

difference(16, async () => {
  await using runner = localRunner({ threads: 1, memoryLimitBytes: 512 * 2 ** 20 });
  const leave = pushRunner(runner);
  try {
    const noise = x.mapBlocks((b: Floats) => b.data.map(() => Math.random()));
    const [a, b] = await Promise.all([noise.compute(), noise.mul(2).compute()]);
    expect(b.toArray()).toEqual((a.toArray() as number[][]).map((row) => row.map((v) => 2 * v)));
    const [c, d] = await Promise.all([noise.compute({ merge: false }), noise.compute({ merge: false })]);
    expect(c.toArray()).not.toEqual(d.toArray());
  } finally {
    leave();
  }
});

difference(17, async (numpy) => {
  const stack = array.stack([array.outer(k, k), array.eye(8, { chunks: 3 })]);
  const square = stack.add(array.eye(8).mul(9)).rechunk(3);
  const want = await numpy.call("lambda k: np.linalg.inv(np.stack([np.outer(k, k), np.eye(8)]) + 9 * np.eye(8))", [
    BLOCKS.k,
  ]);
  same(await array.linalg.inv(square).compute(), want);
  expect(array.linalg.svd(square.slice("...", [0, 3])).u.shape).toEqual([2, 8, 8]);
  expect(array.linalg.svd(square.slice("...", [0, 3]), { fullMatrices: false }).u.shape).toEqual([2, 8, 3]);
  expect(array.linalg.eig(square).eigenvalues.dtype).toBe("complex128");
});

describeNumpy("what differs", (numpy) => {
  test("every point has a test", () => expect([...differences().keys()]).toEqual([...TESTED]));
  test.each(POINTS)("%i", async (_, body) => body(numpy));
});
