/** Random arrays: NumPy's streams and Dask's children to the bit, distributions, determinism. */
import { describe, expect, test } from "vitest";
import * as array from "../../src/array/index.ts";
import { BitStream, pcgState } from "../../src/kernels/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { describeDask, type PythonArgument, dtype as pyDtype } from "../oracle/numpy-live.ts";
import { useInlineRunner } from "../run-inline.ts";

useInlineRunner();

const { defaultRng } = array.random;

function flat(block: NDArray): number[] {
  const nested: unknown[] = [block.toArray()];
  return nested.flat(Number.POSITIVE_INFINITY).map(Number);
}

/** Equal up to what C's and JavaScript's `log`, `exp` and `pow` may differ in. */
function nearly(got: NDArray, want: NDArray, ulps: number): void {
  expect(got.dtype).toBe(want.dtype);
  expect(got.shape).toEqual(want.shape);
  const [g, w] = [flat(got), flat(want)];
  const unit = got.dtype === "float32" ? 2 ** -23 : 2 ** -52;
  g.forEach((v, i) => {
    const x = w[i] as number;
    if (v !== x) expect(Math.abs(v - x), `${v} for ${x} at ${i}`).toBeLessThanOrEqual(ulps * unit * Math.abs(x));
  });
}

describeDask("random as NumPy and dask.array", (python) => {
  test("the words of PCG64, for seeds of any size and children of children", async () => {
    for (const [seed, path] of [
      [0n, []],
      [1n, []],
      [2n ** 32n, []],
      [2n ** 130n + 17n, []],
      [42n, [0]],
      [42n, [7, 123456]],
      [2n ** 200n - 1n, [3, 0, 2]],
    ] as const) {
      const want = await python.call(
        "lambda s, p: np.random.PCG64(np.random.SeedSequence(int(s), spawn_key=tuple(p))).random_raw(3000)",
        [String(seed), path as readonly PythonArgument[]],
      );
      const stream = new BitStream(pcgState(seed, path));
      const got = Array.from({ length: 3000 }, () => stream.word());
      expect(got).toEqual(want.toArray());
    }
  });

  const size = [50, 40];
  const chunks = [[20, 30], [40]];
  const dask = (call: string): string =>
    `lambda seed: da.random.default_rng(seed).${call.replace("SIZE", "size=(50, 40), chunks=((20, 30), (40,))")}`;

  test.each([
    ["random", (r: array.random.RandomGenerator) => r.random(size, { chunks }), "random(SIZE)", 0],
    [
      "uniform",
      (r: array.random.RandomGenerator) => r.uniform(size, { low: -2, high: 5, chunks }),
      "uniform(-2, 5, SIZE)",
      0,
    ],
    [
      "standardNormal",
      (r: array.random.RandomGenerator) => r.standardNormal(size, { chunks }),
      "standard_normal(SIZE)",
      1,
    ],
    [
      "normal",
      (r: array.random.RandomGenerator) => r.normal(size, { loc: 3, scale: 0.5, chunks }),
      "normal(3, 0.5, SIZE)",
      1,
    ],
    [
      "lognormal",
      (r: array.random.RandomGenerator) => r.lognormal(size, { mean: 0.5, sigma: 0.25, chunks }),
      "lognormal(0.5, 0.25, SIZE)",
      2,
    ],
    [
      "laplace",
      (r: array.random.RandomGenerator) => r.laplace(size, { loc: 100, scale: 2, chunks }),
      "laplace(100, 2, SIZE)",
      4,
    ],
    [
      "gumbel",
      (r: array.random.RandomGenerator) => r.gumbel(size, { loc: 100, scale: 2, chunks }),
      "gumbel(100, 2, SIZE)",
      4,
    ],
    [
      "logistic",
      (r: array.random.RandomGenerator) => r.logistic(size, { loc: 100, scale: 2, chunks }),
      "logistic(100, 2, SIZE)",
      4,
    ],
    [
      "standardExponential",
      (r: array.random.RandomGenerator) => r.standardExponential(size, { chunks }),
      "standard_exponential(SIZE)",
      1,
    ],
    [
      "exponential",
      (r: array.random.RandomGenerator) => r.exponential(size, { scale: 3, chunks }),
      "exponential(3, SIZE)",
      1,
    ],
    ["rayleigh", (r: array.random.RandomGenerator) => r.rayleigh(size, { scale: 3, chunks }), "rayleigh(3, SIZE)", 2],
    [
      "standardGamma 2.5",
      (r: array.random.RandomGenerator) => r.standardGamma(2.5, size, { chunks }),
      "standard_gamma(2.5, SIZE)",
      2,
    ],
    [
      "gamma 0.5",
      (r: array.random.RandomGenerator) => r.gamma(0.5, size, { scale: 2, chunks }),
      "gamma(0.5, 2, SIZE)",
      8,
    ],
    ["gamma 1", (r: array.random.RandomGenerator) => r.gamma(1, size, { chunks }), "gamma(1, 1, SIZE)", 2],
    ["beta", (r: array.random.RandomGenerator) => r.beta(size, { a: 2, b: 3, chunks }), "beta(2, 3, SIZE)", 4],
    [
      "beta below 1",
      (r: array.random.RandomGenerator) => r.beta(size, { a: 0.5, b: 0.25, chunks }),
      "beta(0.5, 0.25, SIZE)",
      8,
    ],
    ["chisquare", (r: array.random.RandomGenerator) => r.chisquare(3, size, { chunks }), "chisquare(3, SIZE)", 2],
    ["f", (r: array.random.RandomGenerator) => r.f(size, { dfnum: 3, dfden: 5, chunks }), "f(3, 5, SIZE)", 4],
    ["standardT", (r: array.random.RandomGenerator) => r.standardT(4, size, { chunks }), "standard_t(4, SIZE)", 4],
    [
      "standardCauchy",
      (r: array.random.RandomGenerator) => r.standardCauchy(size, { chunks }),
      "standard_cauchy(SIZE)",
      2,
    ],
    ["pareto", (r: array.random.RandomGenerator) => r.pareto(3, size, { chunks }), "pareto(3, SIZE)", 4],
    ["weibull", (r: array.random.RandomGenerator) => r.weibull(1.5, size, { chunks }), "weibull(1.5, SIZE)", 4],
    ["power", (r: array.random.RandomGenerator) => r.power(3, size, { chunks }), "power(3, SIZE)", 4],
    [
      "triangular",
      (r: array.random.RandomGenerator) => r.triangular(size, { left: -1, mode: 0, right: 3, chunks }),
      "triangular(-1, 0, 3, SIZE)",
      8,
    ],
    ["poisson 4", (r: array.random.RandomGenerator) => r.poisson(size, { lam: 4, chunks }), "poisson(4, SIZE)", 0],
    ["poisson 40", (r: array.random.RandomGenerator) => r.poisson(size, { lam: 40, chunks }), "poisson(40, SIZE)", 0],
    [
      "binomial few",
      (r: array.random.RandomGenerator) => r.binomial(size, { n: 20, p: 0.3, chunks }),
      "binomial(20, 0.3, SIZE)",
      0,
    ],
    [
      "binomial many",
      (r: array.random.RandomGenerator) => r.binomial(size, { n: 5000, p: 0.6, chunks }),
      "binomial(5000, 0.6, SIZE)",
      0,
    ],
    [
      "binomial wide",
      (r: array.random.RandomGenerator) => r.binomial(size, { n: 1e6, p: 0.2, chunks }),
      "binomial(1000000, 0.2, SIZE)",
      0,
    ],
    ["geometric", (r: array.random.RandomGenerator) => r.geometric(0.05, size, { chunks }), "geometric(0.05, SIZE)", 0],
    [
      "geometric likely",
      (r: array.random.RandomGenerator) => r.geometric(0.6, size, { chunks }),
      "geometric(0.6, SIZE)",
      0,
    ],
    [
      "negativeBinomial",
      (r: array.random.RandomGenerator) => r.negativeBinomial(size, { n: 3, p: 0.3, chunks }),
      "negative_binomial(3, 0.3, SIZE)",
      0,
    ],
    [
      "integers",
      (r: array.random.RandomGenerator) => r.integers(size, { low: -5, high: 100, chunks }),
      "integers(-5, 100, SIZE)",
      0,
    ],
    [
      "integers to 2^40",
      (r: array.random.RandomGenerator) => r.integers(size, { high: 2 ** 40, chunks }),
      "integers(0, 2**40, SIZE)",
      0,
    ],
    ["choice of a number", (r: array.random.RandomGenerator) => r.choice(17, size, { chunks }), "choice(17, SIZE)", 0],
    [
      "choice by probabilities",
      (r: array.random.RandomGenerator) => r.choice([10, 20, 30], size, { p: [0.2, 0.5, 0.3], chunks }),
      "choice([10, 20, 30], p=[0.2, 0.5, 0.3], SIZE)",
      0,
    ],
  ] as const)("%s", async (_name, ours, theirs, ulps) => {
    for (const seed of [5, 123456789]) {
      const got = await ours(defaultRng(seed)).compute();
      nearly(got, await python.call(dask(theirs), [seed]), ulps);
    }
  });

  test("long blocks: the tails of the ziggurats, batch after batch", async () => {
    const n = 300_001;
    for (const [ours, theirs] of [
      [defaultRng(6).random(n, { chunks: -1 }), "random(n)"],
      [defaultRng(6).standardNormal(n, { chunks: -1 }), "standard_normal(n)"],
      [defaultRng(6).standardExponential(n, { chunks: -1 }), "standard_exponential(n)"],
      [defaultRng(6).random(n, { chunks: -1, dtype: "float32" }), "random(n, dtype='f4')"],
      [defaultRng(6).integers(n, { low: -7, high: 1000, chunks: -1 }), "integers(-7, 1000, n)"],
      [defaultRng(6).integers(n, { high: 200, dtype: "uint8", chunks: -1 }), "integers(0, 200, n, dtype='u1')"],
      [
        defaultRng(6).integers(n, { high: 2 ** 22 + 1, dtype: "int32", chunks: -1 }),
        "integers(0, 2**22 + 1, n, dtype='i4')",
      ],
    ] as const) {
      const want = await python.call(
        `lambda n: np.random.Generator(np.random.PCG64(np.random.SeedSequence(6).spawn(1)[0])).${theirs}`,
        [n],
      );
      nearly(await ours.compute(), want, 1);
    }
  });

  test("a second array takes the next children, as Dask's", async () => {
    const rng = defaultRng(9);
    rng.random([10], { chunks: 3 });
    const second = await rng.normal([10], { chunks: 4 }).compute();
    const want = await python.call(
      "lambda: [g := da.random.default_rng(9), g.random(size=10, chunks=3), g.normal(size=10, chunks=4)][2]",
      [],
    );
    nearly(second, want, 1);
  });

  test("float32 draws", async () => {
    for (const [ours, theirs, ulps] of [
      [defaultRng(3).random([4000], { chunks: -1, dtype: "float32" }), "random(4000, dtype='f4')", 0],
      [defaultRng(3).standardNormal([4000], { chunks: -1, dtype: "float32" }), "standard_normal(4000, dtype='f4')", 2],
      [
        defaultRng(3).standardExponential([4000], { chunks: -1, dtype: "float32" }),
        "standard_exponential(4000, dtype='f4')",
        2,
      ],
    ] as const) {
      const want = await python.call(
        `lambda: np.random.Generator(np.random.PCG64(np.random.SeedSequence(3).spawn(1)[0])).${theirs}`,
        [],
      );
      nearly(await ours.compute(), want, ulps);
    }
  });

  test("integers of every dtype", async () => {
    for (const [type, low, high] of [
      ["bool", 0, 2],
      ["int8", -128, 128],
      ["int8", -3, 100],
      ["uint8", 0, 256],
      ["uint8", 7, 8],
      ["int16", -5, 1000],
      ["uint16", 0, 65536],
      ["int32", -70000, 70000],
      ["uint32", 0, 2 ** 32],
      ["int64", -(2 ** 40), 2 ** 50],
      ["uint64", 0, 2 ** 33],
      ["int64", 0, 2 ** 32],
      ["int64", 3, 4],
    ] as const) {
      const got = await defaultRng(11).integers([3000], { low, high, dtype: type, chunks: -1 }).compute();
      const want = await python.call(
        "lambda low, high, t: np.random.Generator(np.random.PCG64(np.random.SeedSequence(11).spawn(1)[0])).integers(low, high, 3000, dtype=t)",
        [low, high, pyDtype(type)],
      );
      expect(got.dtype).toBe(type);
      expect(got.toArray()).toEqual(want.toArray());
    }
    const ends = await defaultRng(11).integers(1000, { low: 1, high: 3, endpoint: true }).compute();
    expect(new Set(flat(ends))).toEqual(new Set([1, 2, 3]));
    const all = await defaultRng(2)
      .integers(500, { low: -(2n ** 63n), high: 2n ** 63n, chunks: -1 })
      .compute();
    const want = await python.call(
      "lambda: np.random.Generator(np.random.PCG64(np.random.SeedSequence(2).spawn(1)[0])).integers(-2**63, 2**63, 500)",
      [],
    );
    expect(all.toArray()).toEqual(want.toArray());
  });

  test("permutation, as Dask's", async () => {
    const numbers = await defaultRng(4).permutation(1000, { chunks: 300 }).compute();
    expect(numbers.toArray()).toEqual(
      (await python.call("lambda: da.random.default_rng(4).permutation(1000)", [])).toArray(),
    );
    const x = NDArray.of(
      Float64Array.from({ length: 60 }, (_, i) => i * i),
      [20, 3],
    );
    const rows = await defaultRng(4)
      .permutation(array.fromArray(x, { chunks: [6, 2] }))
      .compute();
    const want = await python.call("lambda x: np.random.default_rng(4).permutation(x)", [x]);
    expect(rows.toArray()).toEqual(want.toArray());
  });

  test("choice without replacement: few of many, and most of many", async () => {
    for (const [count, n] of [
      [30, 12],
      [30, 30],
      [20_000, 5000],
      [20_000, 100],
      [1, 1],
    ] as const) {
      const got = await defaultRng(8).choice(count, n, { replace: false, chunks: -1 }).compute();
      const want = await python.call("lambda c, n: da.random.default_rng(8).choice(c, n, replace=False, chunks=-1)", [
        count,
        n,
      ]);
      expect(got.toArray()).toEqual(want.toArray());
    }
  });
});

describe("random", () => {
  test("equal seeds and calls give equal keys and values; others do not", async () => {
    const make = (seed: number): array.ChunkedArray => defaultRng(seed).normal([30, 20], { chunks: 7 });
    expect(make(1).name).toBe(make(1).name);
    expect(make(1).name).not.toBe(make(2).name);
    expect((await make(1).compute()).toArray()).toEqual((await make(1).compute()).toArray());
    const rng = defaultRng(1);
    expect(rng.random(4).name).not.toBe(rng.random(4).name);
    expect(defaultRng().entropy).not.toBe(defaultRng().entropy);
    expect(array.random.normal(3).name).not.toBe(array.random.normal(3).name);
    expect((await array.random.randint(1000, { high: 10 }).max().compute()).item()).toBeLessThan(10n);
  });

  test("blocks have streams of their own", async () => {
    const x = await defaultRng(1).random([4000], { chunks: 1000 }).compute();
    expect(new Set(flat(x)).size).toBe(4000);
  });

  test("moments and the distribution of ranks (Kolmogorov-Smirnov, fixed seeds)", async () => {
    const n = 40_000;
    const ks = async (x: array.ChunkedArray, cdf: (v: number) => number): Promise<number> => {
      const sorted = flat(await x.compute()).sort((a, b) => a - b);
      return Math.max(
        ...[sorted.keys()].flatMap((keys) => [...keys].map((i) => Math.abs((i + 0.5) / n - cdf(sorted[i] as number)))),
      );
    };
    const rng = defaultRng(2024);
    // 1.63 / sqrt(n) is exceeded by one sample in a hundred.
    const bound = 1.63 / Math.sqrt(n);
    expect(await ks(rng.random(n, { chunks: 9000 }), (v) => v)).toBeLessThan(bound);
    expect(await ks(rng.exponential(n, { chunks: 9000 }), (v) => 1 - Math.exp(-v))).toBeLessThan(bound);
    expect(await ks(rng.logistic(n, { chunks: 9000 }), (v) => 1 / (1 + Math.exp(-v)))).toBeLessThan(bound);
    expect(await ks(rng.weibull(2, n, { chunks: 9000 }), (v) => 1 - Math.exp(-v * v))).toBeLessThan(bound);
    const normal = rng.standardNormal(n, { chunks: 9000 });
    const [mean, std] = [(await normal.mean().compute()).item(), (await normal.std().compute()).item()] as [
      number,
      number,
    ];
    expect(Math.abs(mean)).toBeLessThan(3 / Math.sqrt(n));
    expect(Math.abs(std - 1)).toBeLessThan(3 / Math.sqrt(2 * n));
  });

  test("misuse is refused", () => {
    const rng = defaultRng(1);
    const refused = (make: () => unknown, code: string): void =>
      expect(make).toThrow(expect.objectContaining({ code }));
    refused(() => defaultRng(-1), "argument");
    refused(() => defaultRng(1.5), "argument");
    refused(() => defaultRng([]), "argument");
    refused(() => rng.random([-1]), "shape");
    refused(() => rng.normal(3, { scale: -1 }), "argument");
    refused(() => rng.normal(3, { loc: Number.NaN }), "argument");
    refused(() => rng.uniform(3, { low: 1, high: 0 }), "argument");
    refused(() => rng.integers(3, { high: 0 }), "argument");
    refused(() => rng.integers(3, { high: 1.5 }), "argument");
    refused(() => rng.integers(3, { high: 300, dtype: "int8" }), "dtype");
    refused(() => rng.integers(3, { high: 3, dtype: "float32" }), "dtype");
    refused(() => rng.random(3, { dtype: "int8" as never }), "dtype");
    refused(() => rng.binomial(3, { n: 2, p: 1.5 }), "argument");
    refused(() => rng.binomial(3, { n: 1.5, p: 0.5 }), "argument");
    refused(() => rng.poisson(3, { lam: -1 }), "argument");
    refused(() => rng.geometric(0, 3), "argument");
    refused(() => rng.choice(0, 3), "argument");
    refused(() => rng.choice([1, 2], 3, { p: [0.5, 0.6] }), "argument");
    refused(() => rng.choice([1, 2], 3, { p: [1] }), "argument");
    refused(() => rng.choice(5, 6, { replace: false }), "argument");
    refused(() => rng.choice(50, 6, { replace: false, chunks: 3 }), "unsupported");
    refused(() => rng.permutation(array.full([], 1)), "shape");
    refused(() => rng.triangular(3, { left: 1, mode: 0, right: 2 }), "argument");
  });
});
