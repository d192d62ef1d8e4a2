/** Generalised functions: core axes arrive whole, loop axes broadcast. `applyGufunc` and what is made of it. */
import {
  ArgumentError,
  AxisError,
  ChunkError,
  type OptionNames,
  requireKnownOptions,
  ShapeError,
} from "../../base/index.ts";
import type { DType } from "../../dtype/index.ts";
import { functionText, rechunkNode, transposeNode } from "../../graph/index.ts";
import { type NDArray, normalizeAxes, normalizeAxis, type SliceArg } from "../../ndarray/index.ts";
import { ChunkedArray } from "../chunked-array.ts";
import { type LazyArray, lazyOf } from "../lazy.ts";
import { lazyArray, type Reducible } from "../reduce/reductions.ts";
import { type AxisLabel, callLayer, type Labelled, splitOptions, unify } from "./call-layer.ts";
import type { Blocked } from "./map-layer.ts";
import { type AnyFunction, type ArgumentValue, callLabel, composedText } from "./travel.ts";

/** Core dimensions of the inputs and outputs of a generalised function, by name. */
export interface Signature {
  readonly inputs: readonly (readonly string[])[];
  readonly outputs: readonly (readonly string[])[];
  /** The output side names one output without a comma: the function gives it, not a list. */
  readonly isSingle: boolean;
}

/**
 * A signature such as `"(i),(i,j)->(j)"` read. Source: NumPy's generalised universal functions.
 * @throws {ArgumentError} no signature
 */
export function parseSignature(text: string): Signature {
  const compact = text.replaceAll(/\s+/g, "");
  const one = String.raw`\((?:[A-Za-z_]\w*(?:,[A-Za-z_]\w*)*)?\)`;
  if (!new RegExp(`^(?:${one}(?:,${one})*)?->${one}(?:,${one})*,?$`).test(compact))
    throw new ArgumentError(`signature ${JSON.stringify(text)}: expected a form such as "(i),(i,j)->(j)"`);
  const [left, right] = compact.split("->") as [string, string]; // by the pattern
  const cores = (side: string): string[][] =>
    [...side.matchAll(/\(([^)]*)\)/g)].map((m) => (m[1] as string).split(",").filter((name) => name !== ""));
  const outputs = cores(right);
  return { inputs: cores(left), outputs, isSingle: outputs.length === 1 && !right.endsWith(",") };
}

/** Options of {@link applyGufunc}. */
export interface GufuncOptions<A = ArgumentValue> {
  /** dtype of each output, or one for all; default the first array's. */
  readonly outputDtypes?: DType | readonly DType[];
  /** Sizes of core dimensions that only outputs have. */
  readonly outputSizes?: { readonly [name: string]: number };
  /** The function takes and gives core arrays alone (numbers for `()`), and is called at every place of the loop. */
  readonly vectorize?: boolean;
  /** Per input, then per output: where its core axes are; default the last ones. */
  readonly axes?: readonly (number | readonly number[])[];
  /** Where the one shared core axis of all inputs (and, with `keepdims`, outputs) is. */
  readonly axis?: number;
  /** Outputs keep the one core axis of the inputs with size 1. */
  readonly keepdims?: boolean;
  /** Make core axes whole where they are cut; default: that is an error. */
  readonly allowRechunk?: boolean;
  /** Last argument of the function. */
  readonly args?: A;
  readonly name?: string;
}

const OPTIONS: OptionNames<GufuncOptions<unknown>> = {
  outputDtypes: true,
  outputSizes: true,
  vectorize: true,
  axes: true,
  axis: true,
  keepdims: true,
  allowRechunk: true,
  args: true,
  name: true,
};

interface Plan {
  readonly signature: Signature;
  /** Arrays with core axes last, core axes whole, loop axes cut alike. */
  readonly operands: readonly Labelled[];
  /** Labels of the loop, and their cuts. */
  readonly loop: readonly AxisLabel[];
  readonly cuts: ReadonlyMap<AxisLabel, readonly number[]>;
  readonly sizes: ReadonlyMap<string, number>;
}

/**
 * A function with a signature applied over all other axes: `applyGufunc(fn, "(i),(i)->()", a, b, { vectorize: true })`.
 *
 * Lazy. `fn(...blocks, info, args)`: blocks have loop axes first (as many as the array has; the function broadcasts)
 * and core axes last, whole. With `vectorize` it is called per place of the loop with core arrays, and with numbers for
 * `()`. Of several outputs it gives a list, and runs once per output. Chunks: the loop's as of the largest array.
 *
 * @throws {ChunkError} a core axis is cut and `allowRechunk` is not given  @throws {ShapeError} core sizes that differ
 * @throws {ArgumentError} a signature, axes or sizes that do not fit  @throws {ClosureError}
 * Matches dask.array `apply_gufunc`.
 */
export function applyGufunc<A = ArgumentValue>(
  fn: AnyFunction,
  signature: string,
  ...rest: readonly (Blocked | GufuncOptions<A>)[]
): ChunkedArray | ChunkedArray[] {
  const { arrays, options } = splitOptions<GufuncOptions<unknown>>(rest, "applyGufunc");
  requireKnownOptions("applyGufunc", options, OPTIONS);
  const plan = planGufunc(parseSignature(signature), arrays, options);
  const { outputs, isSingle } = plan.signature;
  const made = outputs.map((_, k) => gufuncOutput(fn, plan, { options, output: k, first: arrays[0] }));
  return isSingle ? (made[0] as ChunkedArray) : made;
}

/** A function that applies `fn` by its signature: `asGufunc("(i)->()", { vectorize: true })(fn)(x)`. Matches dask.array `as_gufunc`. */
export function asGufunc<A = ArgumentValue>(
  signature: string,
  options: GufuncOptions<A> = {},
): (fn: AnyFunction) => (...arrays: readonly Blocked[]) => ChunkedArray | ChunkedArray[] {
  requireKnownOptions("asGufunc", options, OPTIONS);
  return (fn) =>
    (...arrays) =>
      applyGufunc<A>(fn, signature, ...arrays, options);
}

function planGufunc(signature: Signature, arrays: readonly LazyArray[], options: GufuncOptions<unknown>): Plan {
  if (arrays.length !== signature.inputs.length)
    throw new ArgumentError(
      `the signature has ${signature.inputs.length} inputs, and ${arrays.length} arrays are given`,
    );
  checkAxes(signature, options);
  const sizes = new Map<string, number>(Object.entries(options.outputSizes ?? {}));
  const labelled = arrays.map((array, i): Labelled => {
    const core = signature.inputs[i] as readonly string[]; // as many
    const moved = coreLast(array, coreAxes(array.ndim, core, options, i));
    const lead = moved.ndim - core.length;
    core.forEach((name, k) => {
      const n = moved.shape[lead + k] as number; // an axis of it
      const known = sizes.get(name);
      if (known !== undefined && known !== n)
        throw new ShapeError(`core dimension ${name} has ${n} elements in input ${i} and ${known} elsewhere`);
      sizes.set(name, n);
    });
    return {
      array: wholeCore(moved, lead, { core, allowRechunk: options.allowRechunk ?? false, input: i }),
      labels: [...loopLabels(lead), ...core.map((name) => `core ${name}`)],
    };
  });
  const { arrays: cut, chunks } = unify(labelled, true);
  const loop = loopLabels(
    Math.max(0, ...labelled.map(({ labels }, i) => labels.length - (signature.inputs[i]?.length ?? 0))),
  );
  const operands = labelled.map(({ labels }, i): Labelled => ({ array: cut[i] as LazyArray, labels })); // one per operand
  return { signature, operands, loop, cuts: chunks, sizes };
}

/** Loop axes are matched from the last. */
function loopLabels(count: number): AxisLabel[] {
  return Array.from({ length: count }, (_, k) => count - 1 - k);
}

function checkAxes(signature: Signature, { axes, axis, keepdims }: GufuncOptions<unknown>): void {
  const { inputs, outputs } = signature;
  if (axes !== undefined && axis !== undefined) throw new ArgumentError("axis and axes cannot be given together");
  const names = new Set(inputs.flat());
  const isOneCore = names.size === 1 && inputs.every((core) => core.length <= 1);
  if (axis !== undefined && !isOneCore) throw new ArgumentError("axis needs one core dimension that the inputs share");
  if (keepdims && !(isOneCore && outputs.every((core) => core.length === 0)))
    throw new ArgumentError("keepdims needs inputs of one core dimension and outputs without");
  const enough = [inputs.length, inputs.length + outputs.length];
  if (axes !== undefined && !enough.includes(axes.length))
    throw new ArgumentError(`axes has ${axes.length} entries; expected one per input and output (${enough[1]})`);
}

/** Core axes of input `i`, in the order of its core dimensions. */
function coreAxes(ndim: number, core: readonly string[], { axes, axis }: GufuncOptions<unknown>, i: number): number[] {
  const given = axes ? [axes[i] ?? []].flat() : axis !== undefined && core.length === 1 ? [axis] : null;
  const chosen = given ?? core.map((_, k) => k - core.length);
  if (chosen.length !== core.length)
    throw new ArgumentError(`input ${i} has ${core.length} core dimensions and ${chosen.length} axes are given`);
  if (ndim < core.length)
    throw new ShapeError(`input ${i} has ${ndim} axes and ${core.length} core dimensions (${core.join(", ")})`);
  const normal = chosen.map((k) => normalizeAxis(k, ndim));
  if (new Set(normal).size !== normal.length) throw new AxisError(`axes [${chosen.join(", ")}] repeat an axis`);
  return normal;
}

function coreLast(array: LazyArray, core: readonly number[]): LazyArray {
  const order = [...array.shape.keys()].filter((k) => !core.includes(k)).concat(core);
  return order.every((a, k) => a === k) ? array : lazyOf(transposeNode(array.node, order));
}

function wholeCore(
  array: LazyArray,
  lead: number,
  {
    core,
    allowRechunk,
    input,
  }: { readonly core: readonly string[]; readonly allowRechunk: boolean; readonly input: number },
): LazyArray {
  const cut = array.chunks.slice(lead).findIndex((sizes) => sizes.length > 1);
  if (cut < 0) return array;
  if (!allowRechunk)
    throw new ChunkError(
      `core dimension ${core[cut]} of input ${input} has ${array.chunks[lead + cut]?.length} chunks; rechunk({ ${lead + cut}: -1 }) makes it one, or allowRechunk: true does`,
    );
  return lazyOf(
    rechunkNode(
      array.node,
      array.chunks.map((sizes, k) => (k < lead ? sizes : [array.shape[k] as number])),
    ),
  );
}

function gufuncOutput(
  fn: AnyFunction,
  { signature, operands, loop, cuts, sizes }: Plan,
  {
    options,
    output,
    first,
  }: { readonly options: GufuncOptions<unknown>; readonly output: number; readonly first: LazyArray | undefined },
): ChunkedArray {
  const core = signature.outputs[output] as readonly string[]; // an output of it
  const dtype = [options.outputDtypes ?? []].flat().at(output) ?? [options.outputDtypes].flat()[0] ?? first?.dtype;
  if (dtype === undefined) throw new ArgumentError("applyGufunc without arrays needs outputDtypes");
  const coreSizes = core.map((name) => {
    const n = sizes.get(name);
    if (n === undefined)
      throw new ArgumentError(`output dimension ${name} is in no input; give its size in outputSizes`);
    return n;
  });
  const inner = functionText(fn);
  const layout = {
    own: options.args ?? {},
    cores: signature.inputs.map((names) => names.length),
    output: signature.isSingle ? null : output,
    ndim: core.length,
  };
  const node = callLayer({
    label: callLabel(fn, options.name),
    text: composedText(options.vectorize ? looping : choosing, inner),
    operands,
    out: [...loop, ...core.map((name) => `out ${name}`)],
    chunks: [...loop.map((label) => cuts.get(label) as readonly number[]), ...coreSizes.map((n) => [n])],
    dtype,
    args: layout,
  });
  return placeCore(new ChunkedArray(node), signature, { options, output, core });
}

/** Outputs' core axes put where `axes`, or `axis` with `keepdims`, says. */
function placeCore(
  made: ChunkedArray,
  { inputs }: Signature,
  {
    options,
    output,
    core,
  }: { readonly options: GufuncOptions<unknown>; readonly output: number; readonly core: readonly string[] },
): ChunkedArray {
  const given = options.axes?.[inputs.length + output];
  if (options.keepdims) {
    const axis =
      given !== undefined
        ? ([given].flat()[0] ?? -1)
        : options.axes
          ? ([options.axes[0] ?? -1].flat()[0] ?? -1)
          : (options.axis ?? -1);
    const at = normalizeAxis(axis, made.ndim + 1);
    const index: SliceArg[] = made.shape.map(() => ":");
    index.splice(at, 0, null);
    return made.slice(...index);
  }
  const wanted =
    given !== undefined ? [given].flat() : options.axis !== undefined && core.length === 1 ? [options.axis] : null;
  if (wanted === null) return made;
  if (wanted.length !== core.length)
    throw new ArgumentError(`output ${output} has ${core.length} core dimensions and ${wanted.length} axes are given`);
  const places = wanted.map((k) => normalizeAxis(k, made.ndim));
  const order: number[] = [];
  let loopAxis = 0;
  for (let k = 0; k < made.ndim; k++) {
    const at = places.indexOf(k);
    order.push(at >= 0 ? made.ndim - core.length + at : loopAxis++);
  }
  return made.transpose(...order);
}

interface GufuncLayout {
  readonly own: unknown;
  readonly cores: readonly number[];
  readonly output: number | null;
  readonly ndim: number;
}

/** What travels around a function on whole blocks: it picks one of several outputs. Self-contained. */
function choosing(fn: (...args: unknown[]) => unknown): (...args: unknown[]) => unknown {
  return (...given) => {
    const { own, output } = given.pop() as GufuncLayout;
    const result = fn(...given, own);
    const pick = (value: unknown): unknown => (output === null ? value : (value as readonly unknown[])[output]);
    return result instanceof Promise ? result.then(pick) : pick(result);
  };
}

/** What travels around a function on core arrays: the loop over all other axes, broadcast. Self-contained. */
function looping(fn: (...args: unknown[]) => unknown): (...args: unknown[]) => unknown {
  interface Block {
    readonly dtype: string;
    readonly data: {
      readonly length: number;
      subarray(from: number, to: number): Block["data"];
      readonly [i: number]: unknown;
    };
    readonly shape: readonly number[];
    readonly constructor: unknown;
  }
  const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
  return (...given) => {
    const { own, cores, output, ndim } = given.pop() as GufuncLayout;
    const { chunkShape } = (given.pop() as { output: { chunkShape: readonly number[] } }).output;
    const loop = chunkShape.slice(0, chunkShape.length - ndim);
    const inner = chunkShape.slice(chunkShape.length - ndim);
    const readers = (given as readonly Block[]).map((block, i) => {
      const core = cores[i] as number;
      const lead = block.shape.slice(0, block.shape.length - core);
      const shape = block.shape.slice(block.shape.length - core);
      const n = sizeOf(shape);
      const parts = block.dtype.startsWith("complex") ? 2 : 1;
      const steps = loop.map((_, k) => {
        const own = k - loop.length + lead.length;
        return own < 0 || lead[own] === 1 ? 0 : sizeOf(lead.slice(own + 1)) * n;
      });
      const make = block.constructor as new (dtype: string, data: Block["data"], shape: readonly number[]) => unknown;
      return (at: readonly number[]): unknown => {
        const start = at.reduce((sum, p, k) => sum + p * (steps[k] as number), 0);
        if (core === 0 && parts === 1) return block.dtype === "bool" ? block.data[start] !== 0 : block.data[start];
        return new make(block.dtype, block.data.subarray(start * parts, (start + n) * parts), shape);
      };
    });
    const position = loop.map(() => 0);
    const next = (): void => {
      for (let k = loop.length - 1; k >= 0; k--) {
        position[k] = (position[k] as number) + 1;
        if ((position[k] as number) < (loop[k] as number)) return;
        position[k] = 0;
      }
    };
    const flatten = (value: unknown): unknown[] => {
      if (Array.isArray(value)) return value.flat(Number.POSITIVE_INFINITY);
      if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<unknown>);
      const like = value as { data?: unknown; shape?: unknown; toArray?: () => unknown } | null;
      if (typeof like?.toArray === "function") return [like.toArray()].flat(Number.POSITIVE_INFINITY);
      return [value];
    };
    const out: unknown[] = [];
    for (let i = sizeOf(loop); i > 0; i--) {
      const result = fn(...readers.map((read) => read(position)), own);
      const values = flatten(output === null ? result : (result as readonly unknown[])[output]);
      if (values.length !== sizeOf(inner)) {
        const text = `at (${position.join(", ")}) of a block the function gave ${values.length} values; (${inner.join(", ")}) was declared`;
        throw Object.assign(new Error(text), { name: "ShapeError", code: "shape", details: {} });
      }
      for (const value of values) out.push(value);
      next();
    }
    // Nested as the block is, so that its values are checked against the dtype.
    const nest = (axis: number, from: number): unknown => {
      if (axis === chunkShape.length) return out[from];
      const step = sizeOf(chunkShape.slice(axis + 1));
      return Array.from({ length: chunkShape[axis] as number }, (_, k) => nest(axis + 1, from + k * step));
    };
    return nest(0, 0);
  };
}

/** Options of {@link applyAlongAxis}. */
export interface AlongAxisOptions<A = ArgumentValue> {
  /** dtype of what the function gives; default the array's. */
  readonly dtype?: DType;
  /** Shape of what the function gives; default `[]`, one number. It is never run to find out. */
  readonly shape?: readonly number[];
  /** Last argument of the function. */
  readonly args?: A;
}

/**
 * A function of 1-d arrays along one axis: `applyAlongAxis((row, args) => …, axis, x, { shape })`. The axis is replaced
 * by the axes of what the function gives.
 *
 * Lazy. Chunks: `axis` is made whole. Matches dask.array `apply_along_axis`, but a result that is no number needs `shape`.
 * @throws {AxisError} {ClosureError}  @throws {ShapeError} at run time: another shape
 */
export function applyAlongAxis<A = ArgumentValue>(
  fn: (lane: NDArray, args: A) => unknown,
  axis: number,
  x: Reducible,
  options: AlongAxisOptions<A> = {},
): ChunkedArray {
  requireKnownOptions("applyAlongAxis", options, { dtype: true, shape: true, args: true });
  const array = lazyArray(x);
  const k = normalizeAxis(axis, array.ndim);
  const shape = options.shape ?? [];
  const names = shape.map((_, i) => `o${i}`);
  const made = applyGufunc(fn as AnyFunction, `(lane)->(${names.join(",")})`, array, {
    axes: [[k], shape.map((_, i) => k + i)],
    vectorize: true,
    allowRechunk: true,
    outputDtypes: options.dtype ?? array.dtype,
    outputSizes: Object.fromEntries(names.map((name, i) => [name, shape[i] as number])),
    args: options.args,
  } as GufuncOptions<ArgumentValue>);
  return made as ChunkedArray; // a signature of one output
}

/**
 * A function of (array, axis), applied over one axis after another; where it drops the axis, that is put back with size 1.
 * The function builds: it takes and gives lazy arrays. Matches NumPy `apply_over_axes`.
 * @throws {AxisError}  @throws {ShapeError} the function gives another rank
 */
export function applyOverAxes(
  fn: (x: ChunkedArray, axis: number) => ChunkedArray,
  x: Reducible,
  axes: number | readonly number[],
): ChunkedArray {
  let array = lazyArray(x);
  for (const axis of normalizeAxes(axes, array.ndim)) {
    const made = fn(array, axis);
    if (made.ndim === array.ndim) array = made;
    else if (made.ndim === array.ndim - 1)
      array = made.slice(...array.shape.map((_, k): SliceArg => (k === axis ? null : ":")));
    else throw new ShapeError(`applyOverAxes: the function gave ${made.ndim} axes for ${array.ndim}`);
  }
  return array;
}

/** Options of {@link frompyfunc}. */
export interface FromFunctionOptions {
  /** dtype of the outputs; default float64. */
  readonly dtype?: DType;
}

/**
 * A function of numbers made a function of arrays, element by element, broadcast: NumPy's `frompyfunc` and `vectorize`.
 * Slow beside the built-in functions: one JavaScript call per element.
 * @throws {ArgumentError} counts that are no integers from 1 on
 */
export function frompyfunc(
  fn: AnyFunction,
  nin: number,
  nout = 1,
  options: FromFunctionOptions = {},
): (...arrays: readonly Blocked[]) => ChunkedArray | ChunkedArray[] {
  requireKnownOptions("frompyfunc", options, { dtype: true });
  for (const n of [nin, nout])
    if (!Number.isSafeInteger(n) || n < 1) throw new ArgumentError(`frompyfunc: ${n} inputs or outputs`);
  const signature = `${new Array(nin).fill("()").join(",")}->${new Array(nout).fill("()").join(",")}`;
  return (...arrays) =>
    applyGufunc(fn, signature, ...arrays, { vectorize: true, outputDtypes: options.dtype ?? "float64" });
}
