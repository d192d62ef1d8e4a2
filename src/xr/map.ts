/** From labelled operands to one fused layer, axes matched by name. */
import { arrayNode, ChunkedArray, isChunkedArray, type LazyArray, lazyOf, strong } from "../array/index.ts";
import { DTypeError, ShapeError, shownValue } from "../base/index.ts";
import { dtypeInfo, type Scalar } from "../dtype/index.ts";
import {
  type BlockInput,
  blockwiseNode,
  KernelBuilder,
  type LayerNode,
  rechunkNode,
  sameChunks,
} from "../graph/index.ts";
import { NDArray } from "../ndarray/index.ts";
import { joinedLabels, requireAligned } from "./align.ts";
import { type Attributes, type Encoding, type Labelled, labelled } from "./labelled.ts";
import { scalarValue, type Value } from "./values.ts";

/** Anything that carries the state of a labelled array. */
export interface HasState {
  readonly state: Labelled;
}

/** What operations take. Arrays without names are matched to the last dimensions of the first labelled operand. */
export type AnyOperand = HasState | ChunkedArray | NDArray | Scalar;

/** True for labelled operands. */
export function hasState(value: unknown): value is HasState {
  return typeof value === "object" && value !== null && "state" in value;
}

/** How the result is labelled beyond its dimensions and coordinates. */
export interface MapLabels {
  readonly attrs?: Attributes;
  readonly name?: string | null;
  readonly encoding?: Encoding;
}

/** An array operand: along which of the result's dimensions each axis runs. */
interface Followed {
  readonly array: LazyArray;
  readonly dims: readonly string[];
}

/**
 * One fused layer from operands: `build` gets a value per operand and gives the result's.
 * @throws {CrsMismatchError | GridMismatchError | ShapeError} operands that do not belong together
 * @throws {DTypeError} an operand that is no array and no number
 */
export function mapValues(
  label: string,
  operands: readonly AnyOperand[],
  build: (b: KernelBuilder, values: readonly Value[]) => Value,
  labels: MapLabels = {},
): Labelled {
  const named = operands.filter(hasState).map((o) => o.state);
  requireAligned(named);
  const joined = joinedLabels(named);
  const b = new KernelBuilder();
  const followed: Followed[] = [];
  const slots: Value["term"][] = [];
  const input = (array: LazyArray, dims: readonly string[]): Value["term"] => {
    const known = followed.findIndex((f) => f.array.node === array.node && f.dims.join() === dims.join());
    if (known >= 0) return slots[known] as Value["term"]; // one per followed operand
    followed.push({ array, dims });
    slots.push({ node: b.input(array.dtype) });
    return slots.at(-1) as Value["term"];
  };
  const values = operands.map((o): Value => {
    if (hasState(o)) {
      const { data, dims, nodata, isComplete } = o.state;
      return { term: input(data, dims), nodata, isComplete: isComplete || dtypeInfo(data.dtype).kind !== "f" };
    }
    if (o instanceof NDArray || isChunkedArray(o)) {
      const array = o instanceof NDArray ? lazyOf(arrayNode(o)) : o;
      return { term: input(array, positionalDims(array, named[0]?.dims ?? [])), nodata: null };
    }
    if (typeof o === "number" || typeof o === "bigint" || typeof o === "boolean") return scalarValue(o);
    throw new DTypeError(`operand ${shownValue(o)}: expected an array, a number, a bigint or a boolean`);
  });
  const result = build(b, values);
  const call = b.build([strong(b, result.term)]);
  const { chunks, inputs } = cutAlike(followed, joined.dims);
  const data = new ChunkedArray(blockwiseNode(label, call, inputs, chunks));
  return labelled({
    ...joined,
    ...labels,
    data,
    nodata: result.nodata,
    isComplete: result.isComplete === true,
  });
}

function positionalDims(array: LazyArray, dims: readonly string[]): readonly string[] {
  if (array.ndim <= dims.length) return dims.slice(dims.length - array.ndim);
  throw new ShapeError(
    `an array of shape (${array.shape.join(", ")}) has more axes than dimensions (${dims.join(", ")}); name them with xr.dataArray(values, { dims })`,
  );
}

/** Inputs cut like the array with the most bytes that has the dimension; result chunks by dimension. */
function cutAlike(
  followed: readonly Followed[],
  dims: readonly string[],
): { readonly chunks: number[][]; readonly inputs: BlockInput<LayerNode>[] } {
  const bySize = [...followed].sort((a, b) => b.array.nbytes - a.array.nbytes);
  const chunks = dims.map((dim): number[] => {
    const cuts = bySize.flatMap(({ array, dims: own }) => {
      const axis = own.indexOf(dim);
      return axis < 0 ? [] : [array.chunks[axis] as readonly number[]]; // one per axis
    });
    const total = (c: readonly number[]): number => c.reduce((sum, n) => sum + n, 0);
    return [...(cuts.find((c) => total(c) !== 1) ?? cuts[0] ?? [1])];
  });
  const inputs = followed.map(({ array, dims: own }) => {
    const axes = own.map((dim, k) => {
      const axis = dims.indexOf(dim);
      const n = (chunks[axis] as number[]).reduce((sum, c) => sum + c, 0); // every own dimension is a joined one
      if (array.shape[k] !== n && array.shape[k] !== 1)
        throw new ShapeError(`dimension ${dim} has ${array.shape[k]} elements in one operand and ${n} in another`);
      return array.shape[k] === 1 && n !== 1 ? null : axis;
    });
    const wanted = axes.map((axis) => (axis === null ? [1] : (chunks[axis] as number[])));
    return { layer: sameChunks(wanted, array.chunks) ? array.node : rechunkNode(array.node, wanted), axes };
  });
  return { chunks, inputs };
}

/** As {@link mapValues} of one array whose labels and what is known of its storage stay true. */
export function mapSame(
  label: string,
  of: HasState,
  others: readonly AnyOperand[],
  build: (b: KernelBuilder, x: Value, rest: readonly Value[]) => Value,
): Labelled {
  const { attrs, name } = of.state;
  const out = mapValues(label, [of, ...others], (b, [x, ...rest]) => build(b, x as Value, rest), { attrs, name }); // `of` is first
  return { ...out, encoding: keptEncoding(of.state, out) };
}

/** An integer's nodata says nothing of floats made from it, nor of integers whose missing elements were filled. */
function keptEncoding(before: Labelled, after: Labelled): Encoding {
  const { nodata, ...rest } = before.encoding;
  if (after.nodata !== null) return { ...rest, nodata: after.nodata };
  const isFloat = (l: Labelled): boolean => dtypeInfo(l.data.dtype).kind === "f";
  const stays = isFloat(before) === isFloat(after) && before.nodata === null;
  return stays && nodata !== undefined ? { ...rest, nodata } : rest;
}
