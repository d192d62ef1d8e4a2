/** Selection by position and by label, and changes of dimensions. Slices of sources read only what they name. */
import { type ChunkedArray, concatenate } from "../array/index.ts";
import { ArgumentError, requireKnownOptions, SelectionError, ShapeError, shownValue } from "../base/index.ts";
import { dtypeInfo } from "../dtype/index.ts";
import { type Affine, windowAffine } from "../geo/index.ts";
import { NDArray, type Range, rangeOf, type SliceArg } from "../ndarray/index.ts";
import {
  axisOf,
  type Coordinate,
  coordinateNames,
  coordinateOf,
  keptCoordinates,
  type Labelled,
  labelled,
  spatialDims,
} from "./labelled.ts";
import { instant, intervalOf, type TimeLike, timeText } from "./time.ts";

/** A slice by position (half-open) or by label (both ends included). */
export interface Slice {
  readonly start: unknown;
  readonly stop: unknown;
  readonly step?: number;
}

/** A slice for `isel` and `sel`; null leaves an end open. */
export function slice(
  start: number | string | Date | null,
  stop: number | string | Date | null = null,
  step?: number,
): Slice {
  return step === undefined ? { start, stop } : { start, stop, step };
}

/** What picks elements along one dimension by position. */
export type Positions = number | Slice | readonly number[];

/**
 * Elements by position.
 * @throws {SelectionError} an unknown dimension, or a position outside it
 */
export function isel(l: Labelled, index: Readonly<Record<string, Positions | undefined>>): Labelled {
  let out = l;
  for (const [dim, at] of Object.entries(index)) {
    const axis = axisOf(out, dim);
    if (at === undefined) continue;
    out = isList(at) ? take(out, axis, at) : cut(out, axis, at);
  }
  return out;
}

function isList(at: Positions): at is readonly number[] {
  return Array.isArray(at);
}

function bound(value: unknown, dim: string): number | null {
  if (value === null || value === undefined) return null;
  if (typeof value === "number" && Number.isInteger(value)) return value;
  throw new SelectionError(`${String(value)} is not a position along ${dim}; use sel for labels`, { details: { dim } });
}

function cut(l: Labelled, axis: number, at: number | Slice): Labelled {
  const dim = l.dims[axis] as string; // axis is one of the array's
  const n = l.data.shape[axis] as number;
  if (typeof at === "number") {
    const position = at < 0 ? at + n : at;
    if (!Number.isInteger(position) || position < 0 || position >= n)
      throw new SelectionError(`position ${at} is outside dimension ${dim} of ${n} elements`, {
        details: { dim, position: at, size: n },
      });
    return element(l, axis, position);
  }
  const range = rangeOf(bound(at.start, dim), bound(at.stop, dim), at.step ?? null, n);
  return range.start === 0 && range.step === 1 && range.count === n ? l : ranged(l, axis, range);
}

function sliced(data: ChunkedArray, axis: number, arg: SliceArg): ChunkedArray {
  return data.slice(...data.shape.map((_, k): SliceArg => (k === axis ? arg : ":")));
}

/** One element; the dimension is gone, its label stays as a scalar. */
function element(l: Labelled, axis: number, position: number): Labelled {
  const dim = l.dims[axis] as string; // axis is one of the array's
  const dims = l.dims.filter((d) => d !== dim);
  const coords = new Map<string, Coordinate>();
  for (const name of coordinateNames(l)) {
    const c = coordinateOf(l, name) as Coordinate; // it has that name
    if (c.dims.includes(dim)) coords.set(name, onAxis(c, dim, { kind: "element", at: position }));
  }
  const kept = keptCoordinates(l, dims);
  return { ...l, dims, ...kept, coords: new Map([...coords, ...kept.coords]), data: sliced(l.data, axis, position) };
}

type AxisPick = { readonly kind: "element"; readonly at: number } | ({ readonly kind: "range" } & Range);

function onAxis(c: Coordinate, dim: string, pick: AxisPick): Coordinate {
  const index = c.dims.map(
    (d, k) => (d === dim ? pick : { kind: "range" as const, start: 0, step: 1, count: c.values.shape[k] as number }), // one size per dimension
  );
  const dims = pick.kind === "element" ? c.dims.filter((d) => d !== dim) : c.dims;
  return { ...c, dims, values: c.values.select(index) };
}

function ranged(l: Labelled, axis: number, range: Range): Labelled {
  const dim = l.dims[axis] as string; // axis is one of the array's
  const coords = new Map(
    [...l.coords].map(([name, c]) => [name, c.dims.includes(dim) ? onAxis(c, dim, { kind: "range", ...range }) : c]),
  );
  // An end before the first element is written as null: a number would count from the end.
  const stop = range.start + range.step * range.count;
  const arg: SliceArg = [range.start, stop < 0 ? null : stop, range.step];
  const data = range.count === 0 ? sliced(l.data, axis, [0, 0]) : sliced(l.data, axis, arg);
  return { ...l, coords, data, transform: windowOf(l, dim, range) };
}

function windowOf(l: Labelled, dim: string, { start, step }: Range): Affine | null {
  const { y, x } = spatialDims(l.dims);
  if (l.transform === null || (dim !== y && dim !== x)) return l.transform;
  const whole = { start: 0, step: 1 };
  const steps = { start, step };
  return dim === y ? windowAffine(l.transform, steps, whole) : windowAffine(l.transform, whole, steps);
}

/** Elements in any order: runs of even steps are slices, joined. */
function take(l: Labelled, axis: number, at: readonly number[]): Labelled {
  const dim = l.dims[axis] as string; // axis is one of the array's
  const n = l.data.shape[axis] as number;
  const positions = at.map((p) => (p < 0 ? p + n : p));
  positions.forEach((p, k) => {
    if (!Number.isInteger(p) || p < 0 || p >= n)
      throw new SelectionError(`position ${at[k]} is outside dimension ${dim} of ${n} elements`, {
        details: { dim, position: at[k], size: n },
      });
  });
  const runs = runsOf(positions);
  const only = runs.length === 1 ? runs[0] : undefined;
  if (only) return ranged(l, axis, only);
  if (runs.length === 0) return ranged(l, axis, { start: 0, step: 1, count: 0 });
  const pieces = runs.map((run) => ranged(l, axis, run).data);
  const { coords: kept } = keptCoordinates(
    l,
    l.dims.filter((d) => d !== dim),
  );
  const coords = new Map(kept);
  for (const name of coordinateNames(l)) {
    const c = coordinateOf(l, name) as Coordinate; // it has that name
    if (c.dims.length === 1 && c.dims[0] === dim) coords.set(name, { ...c, values: picked(c.values, positions) });
    else if (c.dims.includes(dim)) coords.delete(name);
  }
  const { y, x } = spatialDims([dim]);
  const isSpatial = y !== null || x !== null;
  return { ...l, coords, data: concatenate(pieces, axis), transform: isSpatial ? null : l.transform };
}

function runsOf(positions: readonly number[]): Range[] {
  const runs: { start: number; step: number; count: number }[] = [];
  for (const p of positions) {
    const run = runs.at(-1);
    if (run && run.count === 1 && p !== run.start) {
      run.step = p - run.start;
      run.count = 2;
    } else if (run && run.count > 1 && p === run.start + run.step * run.count) run.count++;
    else runs.push({ start: p, step: 1, count: 1 });
  }
  return runs;
}

function picked(values: NDArray, positions: readonly number[]): NDArray {
  const out = NDArray.zeros(values.dtype, [positions.length]);
  positions.forEach((p, i) => {
    out.data[i] = values.data[values.offset + p * (values.stride[0] as number)] as never; // same array class
  });
  return out;
}

/** What picks elements along one dimension by label. */
export type Labels = number | string | Date | Slice | readonly (number | string | Date)[];

/** Options of `sel`. */
export interface SelOptions {
  /** `"nearest"` takes the closest label where none is equal. */
  readonly method?: "nearest";
  /** Largest distance that `"nearest"` may go, in the label's units (seconds for times). */
  readonly tolerance?: number;
}

/**
 * Elements by label. Slices include both ends and run in either order; an ISO text that covers more than an instant
 * (`"2023-06"`) takes all it covers.
 * @throws {SelectionError} no such dimension or label  @throws {ArgumentError} another method
 */
export function sel(
  l: Labelled,
  index: Readonly<Record<string, Labels | undefined>>,
  options: SelOptions = {},
): Labelled {
  requireKnownOptions("sel", options, { method: true, tolerance: true });
  if (options.method !== undefined && options.method !== "nearest")
    throw new ArgumentError(`sel: method ${shownValue(options.method)}: expected "nearest"`);
  const positions: Record<string, Positions> = {};
  for (const [dim, label] of Object.entries(index)) {
    axisOf(l, dim);
    if (label === undefined) continue;
    const c = coordinateOf(l, dim);
    if (!c) throw new SelectionError(`dimension ${dim} has no labels; use isel`, { details: { dim } });
    positions[dim] = positionsOf(c.values, dim, label, options);
  }
  return isel(l, positions);
}

function positionsOf(values: NDArray, dim: string, label: Labels, options: SelOptions): Positions {
  if (Array.isArray(label)) return label.map((one) => single(values, dim, one as number | string | Date, options));
  if (typeof label === "object" && "start" in label) return between(values, dim, label);
  const one = label as number | string | Date; // what is neither a list nor a slice
  if (dtypeInfo(values.dtype).kind === "M" && typeof one === "string" && !intervalOf(one).isExact) {
    const { first } = intervalOf(one);
    const exact = scan(values, (v) => v === first);
    return exact.length === 1 ? (exact[0] as number) : covered(values, dim, one);
  }
  return single(values, dim, one, options);
}

function covered(values: NDArray, dim: string, text: string): readonly number[] {
  const { first, last } = intervalOf(text);
  const found = scan(values, (v) => (v as bigint) >= first && (v as bigint) <= last);
  if (found.length === 0) throw missingLabel(values, dim, text);
  return found;
}

function scan(values: NDArray, test: (v: number | bigint) => boolean): number[] {
  const out: number[] = [];
  for (let i = 0; i < values.size; i++) if (test(values.item(i) as number | bigint)) out.push(i);
  return out;
}

/** A label as the coordinate holds it. */
function asLabel(values: NDArray, label: unknown): number | bigint {
  if (dtypeInfo(values.dtype).kind === "M") return instant(label as TimeLike);
  if (typeof label === "number") return label;
  throw new ArgumentError(`label ${JSON.stringify(label)}: expected a number, as the labels are ${values.dtype}`);
}

function single(values: NDArray, dim: string, label: number | string | Date, options: SelOptions): number {
  const wanted = asLabel(values, label);
  // biome-ignore lint/suspicious/noDoubleEquals: labels of 32 and 64 bits compare by value
  const equal = scan(values, (v) => v == wanted);
  if (equal.length > 0) return equal[0] as number;
  if (options.method !== "nearest") throw missingLabel(values, dim, label);
  let best = -1;
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < values.size; i++) {
    const v = values.item(i);
    const distance =
      typeof v === "bigint" && typeof wanted === "bigint"
        ? Math.abs(Number(v - wanted)) / (dtypeInfo(values.dtype).kind === "M" ? 1e9 : 1)
        : Math.abs(Number(v) - Number(wanted));
    if (distance < least) [best, least] = [i, distance];
  }
  if (best < 0 || least > (options.tolerance ?? Number.POSITIVE_INFINITY)) throw missingLabel(values, dim, label);
  return best;
}

function between(values: NDArray, dim: string, { start, stop, step }: Slice): Slice {
  const isTime = dtypeInfo(values.dtype).kind === "M";
  const edge = (label: unknown, end: "first" | "last"): number | bigint =>
    isTime && typeof label === "string" ? intervalOf(label)[end] : asLabel(values, label);
  const open = (label: unknown): boolean => label === null || label === undefined;
  const swap = !open(start) && !open(stop) && edge(start, "first") > edge(stop, "last");
  const [low, high] = swap ? [stop, start] : [start, stop];
  const isDown = values.size > 1 && (values.item(0) as number) > (values.item(values.size - 1) as number);
  // On a descending coordinate an open end keeps its side of the axis.
  const [from, to] = isDown && !swap && (open(low) || open(high)) ? [high, low] : [low, high];
  const found = scan(values, (v) => (open(from) || v >= edge(from, "first")) && (open(to) || v <= edge(to, "last")));
  const first = found[0] ?? 0;
  const last = found.at(-1) ?? -1;
  if (found.length !== last - first + 1)
    throw new SelectionError(
      `the labels of ${dim} are not in order, so a slice of them is not one range; sort them first`,
      {
        details: { dim },
      },
    );
  return slice(first, last + 1, step);
}

function missingLabel(values: NDArray, dim: string, label: unknown): Error {
  const show = (i: number): string => {
    const v = values.item(i);
    return dtypeInfo(values.dtype).kind === "M" ? timeText(v as bigint) : String(v);
  };
  const range = values.size === 0 ? "none" : `${show(0)} to ${show(values.size - 1)}`;
  return new SelectionError(
    `no label ${label instanceof Date ? label.toISOString() : JSON.stringify(label)} along ${dim} (${values.size} labels, ${range}); { method: "nearest" } takes the closest`,
    { details: { dim, label: String(label) } },
  );
}

/** Dimensions in another order. @throws {ShapeError} not a permutation of the array's */
export function transpose(l: Labelled, dims: readonly string[]): Labelled {
  const order = dims.length === 0 ? [...l.dims].reverse() : dims;
  if (order.length !== l.dims.length || new Set(order).size !== order.length)
    throw new ShapeError(`transpose(${dims.join(", ")}): expected each of ${l.dims.join(", ")} once`);
  return { ...l, dims: order, data: l.data.transpose(...order.map((d) => axisOf(l, d))) };
}

/** A new dimension of one element in front, with its label if one is given. */
export function expandDims(l: Labelled, dim: string, label?: Coordinate): Labelled {
  if (l.dims.includes(dim)) throw new ShapeError(`dimension ${dim} is there already`);
  const scalar = l.coords.get(dim);
  const own = label ?? (scalar ? { ...scalar, dims: [dim], values: reshaped(scalar.values) } : undefined);
  const coords = new Map(l.coords);
  if (own) coords.set(dim, own);
  return { ...l, dims: [dim, ...l.dims], coords, data: l.data.slice(null, "...") };
}

function reshaped(values: NDArray): NDArray {
  return values.slice(null, "...");
}

/** Dimensions and coordinates under other names. @throws {SelectionError} an unknown name */
export function renameDims(l: Labelled, names: Readonly<Record<string, string>>): Labelled {
  for (const old of Object.keys(names)) if (!l.coords.has(old)) axisOf(l, old);
  const to = (name: string): string => names[name] ?? name;
  const known = coordinateNames(l).map((name): [string, Coordinate] => {
    const c = coordinateOf(l, name) as Coordinate; // it has that name
    return [to(name), { ...c, dims: c.dims.map(to) }];
  });
  const dims = l.dims.map(to);
  const { y, x } = spatialDims(dims);
  const before = spatialDims(l.dims);
  const staysGrid = y !== null && x !== null && dims.indexOf(y) === l.dims.indexOf(before.y ?? "");
  const coords = new Map(known.filter(([name]) => !staysGrid || (name !== y && name !== x)));
  return labelled({ ...l, dims, coords, transform: staysGrid ? l.transform : null });
}
