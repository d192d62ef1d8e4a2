/**
 * Random arrays: `random.defaultRng(seed)` and the functions of one generator that is seeded once.
 *
 * Every block has a stream of its own, the child of the seed that its number names, so values depend on seed, shape and
 * chunks, and on nothing else. The streams and the distributions are NumPy's, the children Dask's: what the same calls
 * of `dask.array.random.default_rng(seed)` give (the last bit of `log`, `exp` and `pow` aside).
 */
import { randomBytes } from "node:crypto";
import { ArgumentError, DTypeError, requireKnownOptions, ShapeError, UnsupportedError } from "../base/index.ts";
import { asDType, type DType, dtypeInfo } from "../dtype/index.ts";
import { applyNode, type ChunkSpec, gridOf, type Plain, takeNode } from "../graph/index.ts";
import {
  BitStream,
  type Distribution,
  isDistribution,
  pcgState,
  type RandomParams,
  shuffled,
} from "../kernels/index.ts";
import { ascontiguous, NDArray } from "../ndarray/index.ts";
import { ChunkedArray } from "./chunked-array.ts";
import { cutChunks } from "./lazy.ts";
import { fromArray } from "./shape/create.ts";
import { arange } from "./shape/ranges.ts";

/** Shape of a random array: a number for one axis. */
export type Size = number | readonly number[];

/** Options of all random arrays. */
export interface RandomOptions {
  readonly chunks?: ChunkSpec;
}

/** Options of the distributions that have float32 draws of their own. */
export interface FloatOptions extends RandomOptions {
  readonly dtype?: "float32" | "float64";
}

/** Options of {@link RandomGenerator.integers}. */
export interface IntegersOptions extends RandomOptions {
  readonly dtype?: DType;
  /** `high` may be drawn too. */
  readonly endpoint?: boolean;
}

/** Options of {@link RandomGenerator.choice}. */
export interface ChoiceOptions extends RandomOptions {
  /** Draw each as often as it comes (default), or at most once: then the result must be one block. */
  readonly replace?: boolean;
  /** Probability of each member; all equal by default. */
  readonly p?: readonly number[] | NDArray;
}

/** Options beside the chunks of what draws by name. */
const PARAMETERS: Readonly<Record<string, Readonly<Record<string, true>>>> = {
  random: { dtype: true },
  uniform: { low: true, high: true },
  standardNormal: { dtype: true },
  normal: { loc: true, scale: true },
  laplace: { loc: true, scale: true },
  gumbel: { loc: true, scale: true },
  logistic: { loc: true, scale: true },
  lognormal: { mean: true, sigma: true },
  standardExponential: { dtype: true },
  exponential: { scale: true },
  rayleigh: { scale: true },
  gamma: { scale: true },
  beta: { a: true, b: true },
  f: { dfnum: true, dfden: true },
  triangular: { left: true, mode: true, right: true },
  poisson: { lam: true },
  binomial: { n: true, p: true },
  negativeBinomial: { n: true, p: true },
};

/** A seed: a non-negative integer, or a list of such. */
export type Seed = number | bigint | readonly (number | bigint)[];

/**
 * Draws arrays from children of one seed. Each array takes as many children as it has blocks, in the order of the
 * calls. All methods are lazy; chunks default to `"auto"`.
 */
export class RandomGenerator {
  /** The seed as one number; what a generator without a seed drew from the system's entropy. */
  readonly entropy: bigint;
  #spawned = 0;
  #own: BitStream | null = null;

  constructor(entropy: bigint) {
    this.entropy = entropy;
  }

  /** Uniform in [0, 1). float64, or float32 of 24 bits. NumPy `Generator.random`. */
  random(size: Size = [], options: FloatOptions = {}): ChunkedArray {
    return this.#named("random", size, [], options);
  }
  /** Uniform in [low, high). NumPy `Generator.uniform`. @throws {ArgumentError} high below low */
  uniform(size: Size, options: RandomOptions & { readonly low?: number; readonly high?: number } = {}): ChunkedArray {
    const { low = 0, high = 1 } = options;
    if (!(high >= low && Number.isFinite(high - low)))
      throw new ArgumentError(`uniform from ${low} to ${high}: expected a finite range that does not fall`);
    return this.#named("uniform", size, [low, high], options);
  }
  /** Mean 0, standard deviation 1. NumPy `Generator.standard_normal`. */
  standardNormal(size: Size = [], options: FloatOptions = {}): ChunkedArray {
    return this.#named("standardNormal", size, [], options);
  }
  /** Mean `loc` (0), standard deviation `scale` (1). NumPy `Generator.normal`. */
  normal(size: Size, options: RandomOptions & { readonly loc?: number; readonly scale?: number } = {}): ChunkedArray {
    return this.#scaled("normal", size, options);
  }
  /** NumPy `Generator.laplace`. */
  laplace(size: Size, options: RandomOptions & { readonly loc?: number; readonly scale?: number } = {}): ChunkedArray {
    return this.#scaled("laplace", size, options);
  }
  /** NumPy `Generator.gumbel`. */
  gumbel(size: Size, options: RandomOptions & { readonly loc?: number; readonly scale?: number } = {}): ChunkedArray {
    return this.#scaled("gumbel", size, options);
  }
  /** NumPy `Generator.logistic`. */
  logistic(size: Size, options: RandomOptions & { readonly loc?: number; readonly scale?: number } = {}): ChunkedArray {
    return this.#scaled("logistic", size, options);
  }
  /** exp of a normal of `mean` (0) and `sigma` (1). NumPy `Generator.lognormal`. */
  lognormal(
    size: Size,
    options: RandomOptions & { readonly mean?: number; readonly sigma?: number } = {},
  ): ChunkedArray {
    const { mean = 0, sigma = 1 } = options;
    return this.#named("lognormal", size, [mean, atLeast(sigma, 0, "sigma")], options);
  }
  /** Mean 1. NumPy `Generator.standard_exponential`. */
  standardExponential(size: Size = [], options: FloatOptions = {}): ChunkedArray {
    return this.#named("standardExponential", size, [], options);
  }
  /** Mean `scale` (1). NumPy `Generator.exponential`. */
  exponential(size: Size, options: RandomOptions & { readonly scale?: number } = {}): ChunkedArray {
    return this.#named("exponential", size, [atLeast(options.scale ?? 1, 0, "scale")], options);
  }
  /** NumPy `Generator.rayleigh`. */
  rayleigh(size: Size, options: RandomOptions & { readonly scale?: number } = {}): ChunkedArray {
    return this.#named("rayleigh", size, [atLeast(options.scale ?? 1, 0, "scale")], options);
  }
  /** NumPy `Generator.standard_gamma`. */
  standardGamma(shape: number, size: Size, options: RandomOptions = {}): ChunkedArray {
    return this.#named("standardGamma", size, [atLeast(shape, 0, "shape")], options);
  }
  /** NumPy `Generator.gamma`. */
  gamma(shape: number, size: Size, options: RandomOptions & { readonly scale?: number } = {}): ChunkedArray {
    const scale = atLeast(options.scale ?? 1, 0, "scale");
    return this.#named("gamma", size, [atLeast(shape, 0, "shape"), scale], options);
  }
  /** NumPy `Generator.beta`. */
  beta(size: Size, options: RandomOptions & { readonly a: number; readonly b: number }): ChunkedArray {
    return this.#named("beta", size, [above(options.a, 0, "a"), above(options.b, 0, "b")], options);
  }
  /** NumPy `Generator.chisquare`. */
  chisquare(df: number, size: Size, options: RandomOptions = {}): ChunkedArray {
    return this.#named("chisquare", size, [above(df, 0, "df")], options);
  }
  /** NumPy `Generator.f`. */
  f(size: Size, options: RandomOptions & { readonly dfnum: number; readonly dfden: number }): ChunkedArray {
    return this.#named("f", size, [above(options.dfnum, 0, "dfnum"), above(options.dfden, 0, "dfden")], options);
  }
  /** NumPy `Generator.standard_t`. */
  standardT(df: number, size: Size, options: RandomOptions = {}): ChunkedArray {
    return this.#named("standardT", size, [above(df, 0, "df")], options);
  }
  /** NumPy `Generator.standard_cauchy`. */
  standardCauchy(size: Size, options: RandomOptions = {}): ChunkedArray {
    return this.#named("standardCauchy", size, [], options);
  }
  /** NumPy `Generator.pareto`. */
  pareto(a: number, size: Size, options: RandomOptions = {}): ChunkedArray {
    return this.#named("pareto", size, [above(a, 0, "a")], options);
  }
  /** NumPy `Generator.weibull`. */
  weibull(a: number, size: Size, options: RandomOptions = {}): ChunkedArray {
    return this.#named("weibull", size, [atLeast(a, 0, "a")], options);
  }
  /** NumPy `Generator.power`. */
  power(a: number, size: Size, options: RandomOptions = {}): ChunkedArray {
    return this.#named("power", size, [above(a, 0, "a")], options);
  }
  /** NumPy `Generator.triangular`. */
  triangular(
    size: Size,
    options: RandomOptions & { readonly left: number; readonly mode: number; readonly right: number },
  ): ChunkedArray {
    const { left, mode, right } = options;
    if (!(left <= mode && mode <= right && left < right))
      throw new ArgumentError(`triangular of ${left}, ${mode}, ${right}: expected left <= mode <= right, left < right`);
    return this.#named("triangular", size, [left, mode, right], options);
  }

  /** Whole numbers of this mean, int64. NumPy `Generator.poisson`. */
  poisson(size: Size, options: RandomOptions & { readonly lam?: number } = {}): ChunkedArray {
    const lam = atLeast(options.lam ?? 1, 0, "lam");
    if (lam > 9.2e18) throw new ArgumentError(`lam ${lam}: expected at most 9.2e18`);
    return this.#named("poisson", size, [lam], options, "int64");
  }
  /** Successes of `n` trials, int64. NumPy `Generator.binomial`. */
  binomial(size: Size, options: RandomOptions & { readonly n: number; readonly p: number }): ChunkedArray {
    return this.#named("binomial", size, [whole(options.n, "n"), probability(options.p)], options, "int64");
  }
  /** Trials up to the first success, int64. NumPy `Generator.geometric`. */
  geometric(p: number, size: Size, options: RandomOptions = {}): ChunkedArray {
    return this.#named("geometric", size, [above(probability(p), 0, "p")], options, "int64");
  }
  /** Failures before `n` successes, int64. NumPy `Generator.negative_binomial`. */
  negativeBinomial(size: Size, options: RandomOptions & { readonly n: number; readonly p: number }): ChunkedArray {
    const params = [above(options.n, 0, "n"), above(probability(options.p), 0, "p")];
    return this.#named("negativeBinomial", size, params, options, "int64");
  }

  /**
   * Whole numbers from `low` (0) up to `high`, which is left out unless `endpoint`. int64 by default. NumPy
   * `Generator.integers`.
   * @throws {ArgumentError} an empty range  @throws {DTypeError} a range that the dtype cannot hold
   */
  integers(
    size: Size,
    options: IntegersOptions & { readonly low?: number | bigint; readonly high: number | bigint },
  ): ChunkedArray {
    requireKnownOptions("integers", options, { dtype: true, endpoint: true, low: true, high: true, chunks: true });
    const dtype = asDType(options.dtype ?? "int64");
    const { kind, min, max } = dtypeInfo(dtype);
    if (kind !== "i" && kind !== "u" && kind !== "b")
      throw new DTypeError(`integers of ${dtype}: expected an integer dtype`);
    const [low, high] = [options.low ?? 0, options.high].map((n) => integer(n, "low and high")) as [bigint, bigint];
    const last = options.endpoint ? high : high - 1n;
    if (last < low) throw new ArgumentError(`integers from ${low} to ${high}: the range is empty`);
    if (low < (min ?? 0n) || last > (max ?? 1n))
      throw new DTypeError(`integers from ${low} to ${last} do not fit ${dtype}`);
    return this.#drawn({ name: "integers", low, range: last - low }, size, dtype, options.chunks);
  }
  /** `integers`, by its older name. */
  randint(
    size: Size,
    options: IntegersOptions & { readonly low?: number | bigint; readonly high: number | bigint },
  ): ChunkedArray {
    return this.integers(size, options);
  }

  /**
   * Members of a 1-d array in memory, or of `0 … a - 1`. dtype: the array's, or int64. NumPy `Generator.choice`.
   * @throws {ArgumentError} nothing to choose from, probabilities that do not add up to 1, more than there are without
   * replacement  @throws {UnsupportedError} several blocks without replacement
   */
  choice(a: number | NDArray | readonly number[], size: Size, options: ChoiceOptions = {}): ChunkedArray {
    requireKnownOptions("choice", options, { replace: true, p: true, chunks: true });
    const values = typeof a === "number" ? null : ascontiguous(a instanceof NDArray ? a : numbers(a));
    if (values && values.ndim !== 1) throw new ShapeError(`choice from ${values.ndim} axes: expected one`);
    const count = values ? (values.shape[0] as number) : whole(a as number, "a"); // a number where there are no values
    if (count < 1) throw new ArgumentError("choice: there is nothing to choose from");
    const { replace = true } = options;
    const shape = shapeOf(size);
    const n = shape.reduce((p, q) => p * q, 1);
    const chunks = cutChunks(shape, values?.dtype ?? "int64", options.chunks);
    if (!replace) {
      if (n > count) throw new ArgumentError(`choice of ${n} out of ${count} without replacement`);
      if (options.p) throw new UnsupportedError("choice without replacement by probabilities");
      if (gridOf(chunks).some((blocks) => blocks > 1))
        throw new UnsupportedError("choice without replacement over several blocks; give chunks: -1");
    }
    const table =
      values && new Uint8Array(values.data.buffer as ArrayBuffer, values.data.byteOffset, values.nbytes).slice();
    const cumulative = options.p === undefined ? null : cumulated(options.p, count);
    const what: Distribution = { name: "choice", values: table, count, cumulative, replace };
    return this.#drawn(what, shape, values?.dtype ?? "int64", chunks);
  }

  /**
   * Rows in random order, or `0 … x - 1` so. The order is drawn at once, from the seed's own stream. NumPy
   * `Generator.permutation`.
   */
  permutation(x: number | ChunkedArray | NDArray, options: RandomOptions = {}): ChunkedArray {
    requireKnownOptions("permutation", options, { chunks: true });
    const source =
      typeof x === "number"
        ? arange(whole(x, "x"), options.chunks === undefined ? {} : { chunks: options.chunks })
        : x instanceof NDArray
          ? fromArray(x)
          : x;
    const rows = source.chunks[0];
    if (rows === undefined) throw new ShapeError("permutation of a 0-d array");
    this.#own ??= new BitStream(pcgState(this.entropy, []));
    const order = shuffled(this.#own, source.shape[0] as number); // it has an axis
    return new ChunkedArray(takeNode("permutation", source.node, 0, Array.from(order), rows));
  }

  #scaled(
    name: string,
    size: Size,
    options: RandomOptions & { readonly loc?: number; readonly scale?: number },
  ): ChunkedArray {
    return this.#named(name, size, [options.loc ?? 0, atLeast(options.scale ?? 1, 0, "scale")], options);
  }

  #named(
    name: string,
    size: Size,
    params: readonly number[],
    options: FloatOptions,
    dtype: DType = options.dtype ?? "float64",
  ): ChunkedArray {
    requireKnownOptions<object>(name, options, { chunks: true, ...PARAMETERS[name] });
    if (!isDistribution(name)) throw new UnsupportedError(`there is no distribution ${name}`);
    if (!["float64", "float32", "int64"].includes(dtype))
      throw new DTypeError(`${name} of ${dtype}: expected float64 or float32; use astype`);
    for (const p of params) if (Number.isNaN(p)) throw new ArgumentError(`${name}: a parameter is NaN`);
    return this.#drawn({ name, params }, size, dtype, options.chunks);
  }

  #drawn(distribution: Distribution, size: Size, dtype: DType, chunks: ChunkSpec | undefined): ChunkedArray {
    const cut = cutChunks(shapeOf(size), dtype, chunks);
    const grid = gridOf(cut);
    const params: RandomParams = { entropy: this.entropy, spawned: this.#spawned, grid, distribution };
    this.#spawned += grid.reduce((p, q) => p * q, 1);
    const scratchBytes =
      distribution.name === "choice" && "count" in distribution && !distribution.replace ? 16 * distribution.count : 0;
    const node = applyNode(distribution.name, {
      kernel: "random",
      params: params as unknown as Plain, // numbers, texts and bytes
      inputs: [],
      dtype,
      chunks: cut,
      scratchBytes,
    });
    return new ChunkedArray(node);
  }
}

/**
 * A generator from a seed: equal seeds and calls give equal arrays, on any machine. Without a seed it takes 128 bits of
 * the system's entropy once, and its arrays' keys say them. NumPy `default_rng`.
 * @throws {ArgumentError} a seed that is no integer from 0 on
 */
export function defaultRng(seed?: Seed | null): RandomGenerator {
  if (seed === undefined || seed === null) return new RandomGenerator(BigInt(`0x${randomBytes(16).toString("hex")}`));
  const parts = (Array.isArray(seed) ? seed : [seed]).map((n: number | bigint) => integer(n, "seed"));
  if (parts.length === 0 || parts.some((n) => n < 0n))
    throw new ArgumentError(`seed ${String(seed)}: expected integers from 0 on`);
  // NumPy joins the 32-bit words of a list's members.
  let [entropy, at] = [0n, 0n];
  for (const part of parts) {
    entropy |= part << at;
    at += 32n * BigInt(Math.max(1, Math.ceil(part.toString(2).length / 32)));
  }
  return new RandomGenerator(entropy);
}

let ambient: RandomGenerator | undefined;
function own(): RandomGenerator {
  ambient ??= defaultRng();
  return ambient;
}

type Methods = {
  [K in keyof RandomGenerator as RandomGenerator[K] extends (...args: never[]) => unknown
    ? K
    : never]: RandomGenerator[K];
};

function method<K extends keyof Methods>(name: K): Methods[K] {
  const call = (...args: never[]): unknown => {
    const generator = own();
    return (generator[name] as (...a: never[]) => unknown).apply(generator, args);
  };
  // The method's own types, on the one generator of this process.
  return call as Methods[K];
}

/** As {@link RandomGenerator.random}, from a generator that this process seeds once. */
export const random: Methods["random"] = method("random");
/** As {@link RandomGenerator.uniform}, from a generator that this process seeds once. */
export const uniform: Methods["uniform"] = method("uniform");
/** As {@link RandomGenerator.standardNormal}, from a generator that this process seeds once. */
export const standardNormal: Methods["standardNormal"] = method("standardNormal");
/** As {@link RandomGenerator.normal}, from a generator that this process seeds once. */
export const normal: Methods["normal"] = method("normal");
/** As {@link RandomGenerator.laplace}, from a generator that this process seeds once. */
export const laplace: Methods["laplace"] = method("laplace");
/** As {@link RandomGenerator.gumbel}, from a generator that this process seeds once. */
export const gumbel: Methods["gumbel"] = method("gumbel");
/** As {@link RandomGenerator.logistic}, from a generator that this process seeds once. */
export const logistic: Methods["logistic"] = method("logistic");
/** As {@link RandomGenerator.lognormal}, from a generator that this process seeds once. */
export const lognormal: Methods["lognormal"] = method("lognormal");
/** As {@link RandomGenerator.standardExponential}, from a generator that this process seeds once. */
export const standardExponential: Methods["standardExponential"] = method("standardExponential");
/** As {@link RandomGenerator.exponential}, from a generator that this process seeds once. */
export const exponential: Methods["exponential"] = method("exponential");
/** As {@link RandomGenerator.rayleigh}, from a generator that this process seeds once. */
export const rayleigh: Methods["rayleigh"] = method("rayleigh");
/** As {@link RandomGenerator.standardGamma}, from a generator that this process seeds once. */
export const standardGamma: Methods["standardGamma"] = method("standardGamma");
/** As {@link RandomGenerator.gamma}, from a generator that this process seeds once. */
export const gamma: Methods["gamma"] = method("gamma");
/** As {@link RandomGenerator.beta}, from a generator that this process seeds once. */
export const beta: Methods["beta"] = method("beta");
/** As {@link RandomGenerator.chisquare}, from a generator that this process seeds once. */
export const chisquare: Methods["chisquare"] = method("chisquare");
/** As {@link RandomGenerator.f}, from a generator that this process seeds once. */
export const f: Methods["f"] = method("f");
/** As {@link RandomGenerator.standardT}, from a generator that this process seeds once. */
export const standardT: Methods["standardT"] = method("standardT");
/** As {@link RandomGenerator.standardCauchy}, from a generator that this process seeds once. */
export const standardCauchy: Methods["standardCauchy"] = method("standardCauchy");
/** As {@link RandomGenerator.pareto}, from a generator that this process seeds once. */
export const pareto: Methods["pareto"] = method("pareto");
/** As {@link RandomGenerator.weibull}, from a generator that this process seeds once. */
export const weibull: Methods["weibull"] = method("weibull");
/** As {@link RandomGenerator.power}, from a generator that this process seeds once. */
export const power: Methods["power"] = method("power");
/** As {@link RandomGenerator.triangular}, from a generator that this process seeds once. */
export const triangular: Methods["triangular"] = method("triangular");
/** As {@link RandomGenerator.poisson}, from a generator that this process seeds once. */
export const poisson: Methods["poisson"] = method("poisson");
/** As {@link RandomGenerator.binomial}, from a generator that this process seeds once. */
export const binomial: Methods["binomial"] = method("binomial");
/** As {@link RandomGenerator.geometric}, from a generator that this process seeds once. */
export const geometric: Methods["geometric"] = method("geometric");
/** As {@link RandomGenerator.negativeBinomial}, from a generator that this process seeds once. */
export const negativeBinomial: Methods["negativeBinomial"] = method("negativeBinomial");
/** As {@link RandomGenerator.integers}, from a generator that this process seeds once. */
export const integers: Methods["integers"] = method("integers");
/** As {@link RandomGenerator.randint}, from a generator that this process seeds once. */
export const randint: Methods["randint"] = method("randint");
/** As {@link RandomGenerator.choice}, from a generator that this process seeds once. */
export const choice: Methods["choice"] = method("choice");
/** As {@link RandomGenerator.permutation}, from a generator that this process seeds once. */
export const permutation: Methods["permutation"] = method("permutation");

function shapeOf(size: Size): readonly number[] {
  const shape = typeof size === "number" ? [size] : size;
  for (const n of shape)
    if (!Number.isSafeInteger(n) || n < 0) throw new ShapeError(`size (${shape.join(", ")}): ${n} is no size`);
  return shape;
}

function atLeast(value: number, least: number, name: string): number {
  if (!(value >= least)) throw new ArgumentError(`${name} ${value}: expected at least ${least}`);
  return value;
}

function above(value: number, least: number, name: string): number {
  if (!(value > least)) throw new ArgumentError(`${name} ${value}: expected more than ${least}`);
  return value;
}

function probability(p: number): number {
  if (!(p >= 0 && p <= 1)) throw new ArgumentError(`p ${p}: expected a probability`);
  return p;
}

function whole(n: number, name: string): number {
  if (!Number.isSafeInteger(n) || n < 0) throw new ArgumentError(`${name} ${n}: expected an integer from 0 on`);
  return n;
}

function integer(n: number | bigint, name: string): bigint {
  if (typeof n !== "bigint" && !Number.isSafeInteger(n))
    throw new ArgumentError(`${name} ${String(n)}: expected integers`);
  return BigInt(n);
}

function numbers(values: readonly number[]): NDArray {
  return NDArray.of(
    values.every(Number.isSafeInteger) ? BigInt64Array.from(values, BigInt) : Float64Array.from(values),
  );
}

/** Sums of probabilities, the last of them 1; as bytes. */
function cumulated(p: readonly number[] | NDArray, count: number): Uint8Array {
  const given = p instanceof NDArray ? (p.toArray() as number[]) : p;
  const sum = given.reduce((a, b) => a + b, 0);
  if (given.length !== count) throw new ArgumentError(`${given.length} probabilities for ${count} members`);
  if (given.some((v) => !(v >= 0)) || Math.abs(sum - 1) > 1.5e-8)
    throw new ArgumentError(`probabilities that add up to ${sum}: expected 1, and none below 0`);
  let at = 0;
  const steps = Float64Array.from(given, (v) => {
    at += v;
    return at;
  });
  const last = steps.at(-1) as number; // there are members
  return new Uint8Array(steps.map((v) => v / last).buffer);
}
