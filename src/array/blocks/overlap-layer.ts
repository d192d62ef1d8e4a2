/** Blocks with halos: padding at the array's edges, windows that reach into neighbours, and their trimming. */
import { ArgumentError, ChunkError } from "../../base/index.ts";
import { allocate, checkedScalar, type DType, type Scalar } from "../../dtype/index.ts";
import {
  type GatherPart,
  type LayerNode,
  literalNode,
  makeNode,
  rechunkNode,
  sameChunks,
  windowNode,
} from "../../graph/index.ts";
import { normalizeAxis } from "../../ndarray/index.ts";
import { type LazyArray, lazyOf } from "../lazy.ts";

/** What lies beyond the array's edge along one axis: nothing, the mirrored rows, the last row, the other end, or a value. */
export type Boundary = "none" | "reflect" | "nearest" | "periodic" | Scalar;

/** Rows of the neighbours along one axis: as many on both sides, or `[before, after]`. */
export type Depth = number | readonly [number, number];

/** One for all axes, or an object by axis; axes that it does not name have none. */
export type PerAxis<T> = T | { readonly [axis: number]: T };

/** Halo of one axis. */
export interface Halo {
  readonly before: number;
  readonly after: number;
  readonly boundary: Boundary;
}

/**
 * Halos of every axis.
 * @throws {ArgumentError} depths that are no sizes, an unknown boundary, or an asymmetric depth with one
 * @throws {AxisError} an axis outside the rank
 */
export function halosOf(ndim: number, depth: PerAxis<Depth>, boundary: PerAxis<Boundary>): Halo[] {
  const depths = perAxis<Depth>(depth, ndim, 0);
  const boundaries = perAxis<Boundary>(boundary, ndim, "none");
  return depths.map((given, k): Halo => {
    const [before, after] = typeof given === "number" ? [given, given] : given;
    for (const n of [before, after])
      if (!Number.isSafeInteger(n) || n < 0)
        throw new ArgumentError(`depth ${JSON.stringify(given)} of axis ${k}: expected an integer from 0 on`);
    const kind = boundaries[k] as Boundary; // one per axis
    if (typeof kind === "string" && !["none", "reflect", "nearest", "periodic"].includes(kind))
      throw new ArgumentError(
        `boundary ${JSON.stringify(kind)} of axis ${k}: expected "none", "reflect", "nearest", "periodic" or a value`,
      );
    if (before !== after && kind !== "none")
      throw new ArgumentError(`depth [${before}, ${after}] of axis ${k}: different depths need the boundary "none"`);
    return { before, after, boundary: kind };
  });
}

function perAxis<T>(given: PerAxis<T>, ndim: number, otherwise: T): T[] {
  const byAxis = typeof given === "object" && given !== null && !Array.isArray(given);
  // An object that is no pair names axes.
  if (!byAxis) return new Array<T>(ndim).fill(given as T);
  const out = new Array<T>(ndim).fill(otherwise);
  for (const [axis, value] of Object.entries(given as Record<string, T>))
    out[normalizeAxis(Number(axis), ndim)] = value;
  return out;
}

/**
 * The array cut so that no block is thinner than a halo.
 * @throws {ChunkError} a depth beyond the axis, or `allowRechunk` is false and blocks are too thin
 */
export function cutForHalos(x: LazyArray, halos: readonly Halo[], allowRechunk: boolean): LazyArray {
  const wanted = x.chunks.map((sizes, k) => {
    const { before, after } = halos[k] as Halo; // one per axis
    const depth = Math.max(before, after);
    if (depth === 0 || sizes.every((n) => n >= depth)) return sizes;
    const n = x.shape[k] as number; // one per axis
    if (depth > n) throw new ChunkError(`the depth ${depth} along axis ${k} is more than its ${n} elements`);
    if (!allowRechunk)
      throw new ChunkError(
        `the depth ${depth} along axis ${k} is more than its smallest chunk, ${Math.min(...sizes)}; rechunk, or leave allowRechunk true`,
      );
    return thickened(sizes, depth);
  });
  return sameChunks(wanted, x.chunks) ? x : lazyOf(rechunkNode(x.node, wanted));
}

/** Sizes with neighbours merged until each is `least` or more. */
function thickened(sizes: readonly number[], least: number): number[] {
  const out: number[] = [];
  let open = 0;
  for (const n of sizes) {
    open += n;
    if (open >= least) {
      out.push(open);
      open = 0;
    }
  }
  if (open > 0) out.push((out.pop() ?? 0) + open);
  return out;
}

/** Blocks of `x` with their halos, side by side; `x` is cut for them. */
export function overlapNode(x: LazyArray, halos: readonly Halo[]): LayerNode {
  const padded = paddedNode(x, halos);
  const starts: number[][] = [];
  const chunks = x.chunks.map((sizes, k) => {
    const { before, after, boundary } = halos[k] as Halo; // one per axis
    const n = x.shape[k] as number;
    let at = 0;
    const own: number[] = [];
    starts.push(own);
    return sizes.map((size) => {
      const isPadded = boundary !== "none";
      // In the padded array everything lies `before` further.
      const from = isPadded ? at : Math.max(0, at - before);
      const to = isPadded ? at + size + before + after : Math.min(n, at + size + after);
      own.push(from);
      at += size;
      return to - from;
    });
  });
  return windowNode("overlap", padded, chunks, starts);
}

/** A stretch of one axis of the padded array: rows of the array walked, or a value. */
interface Segment {
  readonly lo: number;
  readonly hi: number;
  readonly from: { readonly start: number; readonly step: number } | { readonly value: Scalar };
}

/** Most parts that the padded array is gathered from at once. */
const PARTS_MAX = 256;

/** The array with what lies beyond its edges, gathered at once: edges become part of the first and last blocks. */
function paddedNode(x: LazyArray, halos: readonly Halo[]): LayerNode {
  const segments = halos.map((halo, k) => segmentsOf(halo, x.shape[k] as number)); // one per axis
  if (segments.every((own) => own.length === 1)) return x.node;
  if (segments.reduce((n, own) => n * own.length, 1) > PARTS_MAX) {
    // One axis after the other.
    const first = segments.findIndex((own) => own.length > 1);
    const alone = (k: number): Halo => (k === first ? (halos[k] as Halo) : NO_HALO);
    const rest = halos.map((halo, k) => (k === first ? NO_HALO : halo));
    const half = halos.map((_, k) => alone(k));
    if (rest.some((halo) => halo.boundary !== "none" && halo.before > 0))
      return paddedNode(lazyOf(paddedNode(x, half)), rest);
  }
  const boxes = segments.reduce<Segment[][]>((all, own) => all.flatMap((head) => own.map((s) => [...head, s])), [[]]);
  const chunks = x.chunks.map((sizes, k) => {
    const { before, after, boundary } = halos[k] as Halo; // one per axis
    if (boundary === "none") return sizes;
    return sizes.map((size, b) => size + (b === 0 ? before : 0) + (b === sizes.length - 1 ? after : 0));
  });
  return makeNode("pad-halo", {
    kind: "gather",
    dtype: x.dtype,
    chunks,
    parts: boxes.map((box) => partOf(x, box)),
  });
}

const NO_HALO: Halo = { before: 0, after: 0, boundary: "none" };

function partOf(x: LazyArray, box: readonly Segment[]): GatherPart<LayerNode> {
  const [lo, hi] = [box.map((s) => s.lo), box.map((s) => s.hi)];
  // Axes are padded in order: of several values in a corner the last axis' stands.
  const constant = box.findLast((s) => "value" in s.from);
  if (constant && "value" in constant.from) {
    const layer = constantBlock(
      x.dtype,
      hi.map((h, k) => h - (lo[k] as number)), // as many
      constant.from.value,
    );
    return { layer, lo, hi, walk: box.map((_, axis) => ({ axis, start: 0, step: 1 })) };
  }
  const walk = box.map(({ from }, axis) => ({ axis, ...(from as { start: number; step: number }) })); // no value is left
  return { layer: x.node, lo, hi, walk };
}

function segmentsOf({ before: depth, boundary }: Halo, n: number): Segment[] {
  if (boundary === "none" || depth === 0) return [{ lo: 0, hi: n, from: { start: 0, step: 1 } }];
  const middle: Segment = { lo: depth, hi: depth + n, from: { start: 0, step: 1 } };
  const end = depth + n;
  const sides = (left: Segment["from"], right: Segment["from"]): Segment[] => [
    { lo: 0, hi: depth, from: left },
    middle,
    { lo: end, hi: end + depth, from: right },
  ];
  switch (boundary) {
    case "reflect":
      return sides({ start: depth - 1, step: -1 }, { start: n - 1, step: -1 });
    case "periodic":
      return sides({ start: n - depth, step: 1 }, { start: 0, step: 1 });
    case "nearest": {
      const repeated = (lo: number, start: number): Segment[] =>
        Array.from({ length: depth }, (_, i) => ({ lo: lo + i, hi: lo + i + 1, from: { start, step: 1 } }));
      return [...repeated(0, 0), middle, ...repeated(end, n - 1)];
    }
    default:
      return sides({ value: boundary }, { value: boundary });
  }
}

function constantBlock(dtype: DType, shape: readonly number[], value: Scalar): LayerNode {
  const one = allocate(dtype, 1);
  one[0] = checkedScalar(value, dtype, "boundary") as never; // checkedScalar gives what the array class takes
  const bytes = new Uint8Array(one.buffer as ArrayBuffer); // fresh, so no shared memory
  return literalNode(
    "boundary",
    dtype,
    shape.map((n) => [n]),
    bytes,
  );
}

/**
 * Blocks without their halos.
 * @throws {ChunkError} a block is thinner than its halo
 */
export function trimNode(x: LazyArray, halos: readonly Halo[]): LayerNode {
  const starts: number[][] = [];
  const chunks = x.chunks.map((sizes, k) => {
    const own: number[] = [];
    starts.push(own);
    let at = 0;
    return sizes.map((size, b) => {
      const [before, after] = trimsOf(halos[k] as Halo, b, sizes.length); // one per axis
      if (before + after > size)
        throw new ChunkError(`block ${b} of axis ${k} has ${size} elements, less than its halo of ${before + after}`);
      own.push(at + before);
      at += size;
      return size - before - after;
    });
  });
  return windowNode("trim", x.node, chunks, starts);
}

/** Halo that block `b` of `blocks` really has. */
export function trimsOf({ before, after, boundary }: Halo, b: number, blocks: number): [number, number] {
  if (boundary !== "none") return [before, after];
  return [b === 0 ? 0 : before, b === blocks - 1 ? 0 : after];
}
