/** Reshaping blocks: which cuts of the input and of the result pair block with block, in C order. */
import { ShapeError } from "../../base/index.ts";
import { itemsize } from "../../dtype/index.ts";
import {
  applyNode,
  type Chunks,
  type LayerNode,
  literalNode,
  rechunkNode,
  sameChunks,
  shapeOfChunks,
  sliceNode,
} from "../../graph/index.ts";
import { type AxisIndex, sizeOf } from "../../ndarray/index.ts";
import type { LazyArray } from "../lazy.ts";

/** How much larger than the input's largest block a block may become before it is cut. */
const GROWTH_MAX = 4;

/**
 * `shape` with its -1 worked out.
 * @throws {ShapeError} another number of elements, sizes that are no sizes, or more than one -1
 */
export function resolveShape(shape: readonly number[], size: number): number[] {
  const text = `reshape of ${size} elements into (${shape.join(", ")})`;
  if (shape.some((n) => !Number.isSafeInteger(n) || n < -1))
    throw new ShapeError(`${text}: expected sizes, and at most one -1`);
  const open = shape.indexOf(-1);
  if (open < 0) {
    if (sizeOf(shape) !== size) throw new ShapeError(`${text}: it has ${sizeOf(shape)}`);
    return [...shape];
  }
  if (shape.indexOf(-1, open + 1) >= 0) throw new ShapeError(`${text}: only one size may be -1`);
  const rest = sizeOf(shape.filter((n) => n !== -1));
  if (rest === 0 || size % rest !== 0) throw new ShapeError(`${text}: no size for -1 makes it fit`);
  return shape.map((n) => (n === -1 ? size / rest : n));
}

/**
 * The same elements in C order under another shape.
 *
 * Axes that stay keep their cuts. Where axes are merged or split, blocks become runs of the flat order: whole trailing
 * axes, one cut axis, leading axes of one element a block; no block grows to more than four times the largest.
 * @throws {ShapeError} another number of elements
 */
export function reshapeLayer(x: LazyArray, to: readonly number[]): LayerNode {
  const { node } = x; // refuses an unknown size
  const shape = resolveShape(to, sizeOf(x.shape));
  if (shape.length === x.ndim && shape.every((n, k) => n === x.shape[k])) return node;
  if (sizeOf(shape) === 0)
    return literalNode(
      "reshape",
      x.dtype,
      shape.map((n) => [n]),
      new Uint8Array(itemsize(x.dtype)),
    );
  const long = (s: readonly number[]): number[] => s.filter((n) => n !== 1);
  if (long(shape).join() === long(x.shape).join()) return onesMoved(x, shape);
  const plan = planReshape(x.chunks, shape);
  return applyNode("reshape", {
    kernel: "reshape",
    params: null,
    inputs: [
      {
        layer: sameChunks(plan.input, x.chunks) ? x.node : rechunkNode(x.node, plan.input),
        axes: x.shape.map(() => null),
      },
    ],
    byNumber: true,
    dtype: x.dtype,
    chunks: plan.output,
    scratchBytes: 0,
  });
}

/** Only axes of size 1 come and go: a slice, which moves into sources. */
function onesMoved(x: LazyArray, shape: readonly number[]): LayerNode {
  const index: AxisIndex[] = x.shape.flatMap((n): AxisIndex[] =>
    n === 1 ? [{ kind: "element", at: 0 }] : [{ kind: "range", start: 0, step: 1, count: n }],
  );
  const ranges = index.filter((i) => i.kind === "range");
  const merged: AxisIndex[] = [];
  let axis = 0; // of x
  let next = 0; // of ranges
  const flushOnes = (): void => {
    while (index[axis]?.kind === "element") merged.push(index[axis++] as AxisIndex);
  };
  for (const n of shape) {
    if (n === 1) merged.push({ kind: "newaxis" });
    else {
      flushOnes();
      merged.push(ranges[next++] as AxisIndex);
      axis++;
    }
  }
  flushOnes();
  return sliceNode(x.node, merged);
}

/** Cuts of the input and of the result with as many blocks; block i of one holds the elements of block i of the other. */
export interface ReshapePlan {
  readonly input: Chunks;
  readonly output: Chunks;
}

/** Plan for a reshape that keeps the number of elements, which is not 0. */
export function planReshape(chunks: Chunks, shape: readonly number[]): ReshapePlan {
  const from = shapeOfChunks(chunks);
  const input: (readonly number[])[] = from.map(() => [1]);
  const output: (readonly number[])[] = shape.map(() => [1]);
  const [a, b] = [longAxes(from), longAxes(shape)];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const [left, right] = [[a[i++] as number], [b[j++] as number]]; // sizes above 1 come in pairs of equal products
    let [p, q] = [from[left[0] as number] as number, shape[right[0] as number] as number];
    while (p !== q) {
      if (p < q) p *= from[left[left.push(a[i++] as number) - 1] as number] as number;
      else q *= shape[right[right.push(b[j++] as number) - 1] as number] as number;
    }
    const group = planGroup(
      left.map((k) => chunks[k] as readonly number[]),
      right.map((k) => shape[k] as number),
    );
    left.forEach((k, n) => {
      input[k] = group.input[n] as readonly number[]; // one per axis
    });
    right.forEach((k, n) => {
      output[k] = group.output[n] as readonly number[]; // one per axis
    });
  }
  return { input, output };
}

function longAxes(shape: readonly number[]): number[] {
  return shape.flatMap((n, k) => (n === 1 ? [] : [k]));
}

/** Axes that only together hold the same elements: runs of the flat order are blocks of both. */
function planGroup(chunks: Chunks, to: readonly number[]): ReshapePlan {
  const from = shapeOfChunks(chunks);
  if (from.length === 1 && to.length === 1) return { input: chunks, output: chunks };
  const largest = chunks.reduce((n, sizes) => n * sizes.reduce((a, b) => Math.max(a, b), 0), 1);
  const most = GROWTH_MAX * largest;
  const [inside, outside] = [trailing(from), trailing(to)];
  const total = (from[0] as number) * (inside[0] as number); // groups are not empty
  if (from.length > 1 && to.length > 1) {
    const unit = lcm(inside[0] as number, outside[0] as number);
    const runs = cutRuns(total, scaled(chunks[0] as readonly number[], inside[0] as number), unit, most);
    return { input: runsOf(from, 0, runs), output: runsOf(to, 0, runs) };
  }
  const merging = to.length === 1;
  const [axes, steps] = merging ? [from, inside] : [to, outside];
  const kept = merging ? runAxis(chunks, from) : -1;
  const axis = kept >= 0 ? kept : steps.findIndex((n) => n <= most);
  const unit = steps[axis] as number;
  const length = unit * (axes[axis] as number);
  const ends = merging
    ? scaled(chunks[axis] as readonly number[], unit)
    : axis === 0
      ? (chunks[0] as readonly number[])
      : [length];
  const runs = cutRuns(
    length,
    axis > 0 && kept < 0 ? joined(ends, largest) : ends,
    unit,
    kept >= 0 ? Number.POSITIVE_INFINITY : most,
  );
  const flat = new Array<readonly number[]>(total / length).fill(runs).flat();
  const many = runsOf(axes, axis, runs);
  return merging ? { input: many, output: [flat] } : { input: [flat], output: many };
}

/** Elements behind one step of each axis. */
function trailing(shape: readonly number[]): number[] {
  return shape.map((_, k) => sizeOf(shape.slice(k + 1)));
}

function scaled(sizes: readonly number[], by: number): number[] {
  return sizes.map((n) => n * by);
}

/** The axis whose cuts make the blocks runs of the flat order already; -1 if they are none. */
function runAxis(chunks: Chunks, shape: readonly number[]): number {
  for (let k = shape.length - 1; k >= 0; k--) {
    const sizes = chunks[k] as readonly number[]; // one per axis
    if (sizes.length === 1) continue;
    return chunks.slice(0, k).every((c) => c.every((n) => n === 1)) ? k : -1;
  }
  return 0;
}

/** Blocks of a shape that are these runs along `axis`: whole axes behind it, single elements before it. */
function runsOf(shape: readonly number[], axis: number, runs: readonly number[]): number[][] {
  const unit = sizeOf(shape.slice(axis + 1));
  return shape.map((n, k) => (k < axis ? new Array<number>(n).fill(1) : k === axis ? runs.map((r) => r / unit) : [n]));
}

/** Neighbours joined while they fit in `most`. */
function joined(sizes: readonly number[], most: number): number[] {
  const out: number[] = [];
  for (const n of sizes) {
    const last = out.at(-1);
    if (last !== undefined && last + n <= most) out[out.length - 1] = last + n;
    else out.push(n);
  }
  return out;
}

/** Sizes that add up to `length`, multiples of `unit`, near the given cuts, none above `most` unless a unit is. */
function cutRuns(length: number, sizes: readonly number[], unit: number, most: number): number[] {
  const cuts = [0];
  let at = 0;
  for (const n of sizes) {
    at += n;
    const snapped = at >= length ? length : Math.round(at / unit) * unit;
    if (snapped > (cuts.at(-1) as number)) cuts.push(snapped);
  }
  return cuts.slice(1).flatMap((end, k) => {
    const units = (end - (cuts[k] as number)) / unit;
    const pieces = Math.max(1, Math.min(units, Math.ceil((units * unit) / Math.max(most, unit))));
    return Array.from(
      { length: pieces },
      (_, p) => (Math.round(((p + 1) * units) / pieces) - Math.round((p * units) / pieces)) * unit,
    );
  });
}

function lcm(a: number, b: number): number {
  let [p, q] = [a, b];
  while (q) [p, q] = [q, p % q];
  return (a / p) * b;
}
