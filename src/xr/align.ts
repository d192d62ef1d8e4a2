/** Labels of results: dimensions joined, sizes, coordinates and grids compared; arithmetic joins are exact (api.md §7). */
import { ShapeError } from "../base/index.ts";
import { dtypeInfo, type Scalar } from "../dtype/index.ts";
import { compareGrids, gridMismatch, requireSameCrs } from "../geo/index.ts";
import type { NDArray } from "../ndarray/index.ts";
import {
  type Attributes,
  type Coordinate,
  coordinateOf,
  gridOf,
  type Labelled,
  sizeOfDim,
  spatialDims,
} from "./labelled.ts";

/** Dimensions of several arrays, in order of appearance. */
function joinedDims(arrays: readonly Pick<Labelled, "dims">[]): string[] {
  return [...new Set(arrays.flatMap((a) => a.dims))];
}

/**
 * Refuse arrays whose grids, coordinate systems, sizes or labels differ along dimensions that they share.
 * @throws {CrsMismatchError | GridMismatchError | ShapeError} naming both
 */
export function requireAligned(arrays: readonly Labelled[]): void {
  // A thousand dates of one grid are compared with the first of them, not each with each.
  const seen: Labelled[] = [];
  for (const b of arrays) {
    for (const a of seen) requirePair(a, b);
    if (!seen.some((a) => says(a, b))) seen.push(b);
  }
}

/** True when `a` has all that a further array could be compared with in `b`. */
function says(a: Labelled, b: Labelled): boolean {
  const labelled = (l: Labelled, dim: string): boolean => l.coords.has(dim) || l.transform !== null;
  return (
    b.dims.every((d) => a.dims.includes(d) && (labelled(a, d) || !labelled(b, d))) &&
    (a.crs !== null || b.crs === null) &&
    (a.transform !== null || b.transform === null)
  );
}

function requirePair(a: Labelled, b: Labelled): void {
  if (a === b) return;
  requireSameCrs(a.crs, b.crs);
  const shared = a.dims.filter((d) => b.dims.includes(d));
  const { y, x } = spatialDims(shared);
  const [first, second] = [gridOf(a), gridOf(b)];
  let byGrid: readonly (string | null)[] = [];
  if (first && second && y !== null && x !== null) {
    const difference = compareGrids(first, second);
    if (difference) throw gridMismatch(first, second, difference);
    byGrid = [y, x];
  }
  for (const dim of shared) {
    const [n, m] = [sizeOfDim(a, dim), sizeOfDim(b, dim)];
    if (n !== m)
      throw new ShapeError(
        `dimension ${dim} has ${n} elements in one array and ${m} in the other; select the same labels in both`,
        {
          details: { dim, sizes: [n, m] },
        },
      );
    if (!byGrid.includes(dim)) requireSameLabels(dim, coordinateOf(a, dim), coordinateOf(b, dim));
  }
}

function requireSameLabels(dim: string, a: Coordinate | undefined, b: Coordinate | undefined): void {
  if (!a || !b || a === b || a.values === b.values) return;
  const at = firstDifference(a.values, b.values);
  if (at === null) return;
  throw new ShapeError(
    `the labels of dimension ${dim} differ: element ${at} is ${a.values.item(at)} in one array and ${b.values.item(at)} in the other; select the same labels in both`,
    { details: { dim, index: at } },
    "labels",
  );
}

/** Float labels that differ by less than this part of their spacing are one (api.md §7). */
const LABELS_WITHIN = 1e-6;

/** Index of the first label that differs, compared by value; null where all are equal. */
export function firstDifference(a: NDArray, b: NDArray): number | null {
  const n = a.size;
  if (a.ndim !== b.ndim) return 0;
  const isFloat = dtypeInfo(a.dtype).kind === "f" && dtypeInfo(b.dtype).kind === "f";
  const spacing = isFloat && n > 1 ? Math.abs(Number(a.item(n - 1)) - Number(a.item(0))) / (n - 1) : 0;
  for (let i = 0; i < n; i++) {
    const [p, q] = [labelAt(a, i), labelAt(b, i)];
    const close = Math.abs(Number(p) - Number(q)) <= LABELS_WITHIN * spacing;
    // biome-ignore lint/suspicious/noDoubleEquals: labels of 32 and 64 bits compare by value
    if (p != q && !close && !(Number.isNaN(p) && Number.isNaN(q))) return i;
  }
  return null;
}

/** Element `i` of labels, which may be a single scalar. */
function labelAt(values: NDArray, i: number): Scalar {
  // Labels are real.
  return (values.ndim === 0 ? values.item() : values.item(i)) as Scalar;
}

/** Labels of what is computed from `arrays` element by element, `attrs` and `name` aside. */
export function joinedLabels(arrays: readonly Labelled[]): Pick<Labelled, "dims" | "coords" | "crs" | "transform"> {
  const coords = new Map<string, Coordinate>();
  const conflicts = new Set<string>();
  for (const a of arrays) {
    for (const [name, c] of a.coords) {
      const known = coords.get(name);
      if (!known) coords.set(name, c);
      // A scalar label that differs (the date of each band) is true of neither.
      else if (known.values !== c.values && firstDifference(known.values, c.values) !== null) conflicts.add(name);
    }
  }
  for (const name of conflicts) coords.delete(name);
  return {
    dims: joinedDims(arrays),
    coords,
    crs: arrays.find((a) => a.crs !== null)?.crs ?? null,
    transform: arrays.find((a) => a.transform !== null)?.transform ?? null,
  };
}

/** Attributes that name or measure the stored values, untrue of anything computed from them. */
const OF_VALUES: ReadonlySet<string> = new Set([
  "units",
  "long_name",
  "standard_name",
  "valid_min",
  "valid_max",
  "valid_range",
  "actual_range",
  "cell_methods",
]);

/** Attributes that all arrays share and that stay true of a value computed from them. */
export function sharedAttributes(arrays: readonly Labelled[]): Attributes {
  const [first, ...rest] = arrays;
  if (!first) return {};
  const kept = Object.entries(first.attrs).filter(
    ([name, value]) =>
      !OF_VALUES.has(name) && rest.every((a) => JSON.stringify(a.attrs[name]) === JSON.stringify(value)),
  );
  return Object.fromEntries(kept);
}

/** The name that all arrays share, or null. */
export function sharedName(arrays: readonly Labelled[]): string | null {
  const name = arrays[0]?.name ?? null;
  return arrays.every((a) => a.name === name) ? name : null;
}
