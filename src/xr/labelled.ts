/** What a labelled array is: a lazy array, names for its axes, coordinates, attributes, and what stands for missing. */
import type { ChunkedArray } from "../array/index.ts";
import { SelectionError } from "../base/index.ts";
import type { Scalar } from "../dtype/index.ts";
import { type Affine, axisCentres, type Crs, type GeoBox, geobox, isGeographic, isUpright } from "../geo/index.ts";
import { NDArray } from "../ndarray/index.ts";

/** Attributes: plain values for people and files. */
export type Attributes = Readonly<Record<string, unknown>>;

/** Labels of elements along one dimension, or (without dimensions) of the whole array. In memory. */
export interface Coordinate {
  readonly dims: readonly string[];
  readonly values: NDArray;
  readonly attrs: Attributes;
}

/** What was true of the stored values and a writer may use again. */
export interface Encoding {
  /** Stands for missing where the values are written; for floats in memory it is NaN. */
  readonly nodata?: Scalar;
  /** `value = stored · scale + offset`, while the array still holds stored values. */
  readonly scale?: number | readonly number[];
  readonly offset?: number | readonly number[];
}

/** State of a labelled array. Immutable. */
export interface Labelled {
  readonly dims: readonly string[];
  readonly data: ChunkedArray;
  readonly coords: ReadonlyMap<string, Coordinate>;
  readonly attrs: Attributes;
  readonly name: string | null;
  /** Integers: the value that is missing. Floats (NaN is missing) and arrays without missing values: null. */
  readonly nodata: number | bigint | null;
  /** A float array of which no element is missing. */
  readonly isComplete: boolean;
  readonly encoding: Encoding;
  readonly crs: Crs | null;
  /** Of the axes y and x, which are then the array's spatial dimensions. */
  readonly transform: Affine | null;
}

/** State with defaults. */
export function labelled(given: Pick<Labelled, "dims" | "data"> & Partial<Labelled>): Labelled {
  const { dims, data } = given;
  return {
    coords: new Map(),
    attrs: {},
    name: null,
    nodata: null,
    isComplete: false,
    encoding: {},
    crs: null,
    transform: null,
    ...given,
    dims,
    data,
  };
}

const Y_NAMES: readonly string[] = ["y", "latitude", "lat", "northing"];
const X_NAMES: readonly string[] = ["x", "longitude", "lon", "easting"];

/** Names of the spatial dimensions among `dims`, null where there is none. */
export function spatialDims(dims: readonly string[]): { readonly y: string | null; readonly x: string | null } {
  const find = (names: readonly string[]): string | null => dims.find((d) => names.includes(d)) ?? null;
  return { y: find(Y_NAMES), x: find(X_NAMES) };
}

/** True for latitude and longitude by name. */
function isAngular(dim: string): boolean {
  return dim.startsWith("lat") || dim.startsWith("lon");
}

/**
 * Number of the axis called `dim`.
 * @throws {SelectionError} no such dimension
 */
export function axisOf(l: Pick<Labelled, "dims">, dim: string): number {
  const axis = l.dims.indexOf(dim);
  if (axis >= 0) return axis;
  throw new SelectionError(`no dimension ${JSON.stringify(dim)}; the array has ${l.dims.join(", ") || "none"}`, {
    details: { dim, dims: l.dims },
  });
}

/** Elements along `dim`. */
export function sizeOfDim(l: Labelled, dim: string): number {
  return l.data.shape[axisOf(l, dim)] as number; // axisOf checks
}

/** The geobox, or null without transform or with one spatial dimension gone. */
export function gridOf(l: Labelled): GeoBox | null {
  const { y, x } = spatialDims(l.dims);
  if (l.transform === null || y === null || x === null) return null;
  return geobox(l.transform, [sizeOfDim(l, y), sizeOfDim(l, x)], l.crs);
}

/** Coordinate called `name`: as given, or the pixel centres of a grid. Undefined where there is none. */
export function coordinateOf(l: Labelled, name: string): Coordinate | undefined {
  const given = l.coords.get(name);
  if (given || l.transform === null || !isUpright(l.transform)) return given;
  const { y, x } = spatialDims(l.dims);
  if (name !== y && name !== x) return undefined;
  const [a, , c, , e, f] = l.transform;
  const n = sizeOfDim(l, name);
  const values = NDArray.of(name === x ? axisCentres(c, a, n) : axisCentres(f, e, n));
  return { dims: [name], values, attrs: axisAttributes(l, name === x ? "X" : "Y", name) };
}

/** CF attributes of a spatial axis. */
function axisAttributes(l: Labelled, axis: "X" | "Y", name: string): Attributes {
  const east = axis === "X";
  if (isAngular(name) || isDegrees(l))
    return {
      axis,
      standard_name: east ? "longitude" : "latitude",
      units: east ? "degrees_east" : "degrees_north",
    };
  return { axis, standard_name: `projection_${axis.toLowerCase()}_coordinate`, units: "metre" };
}

function isDegrees(l: Labelled): boolean {
  return l.crs !== null && isGeographic(l.crs) === true;
}

/** Names of all coordinates: the given ones and those of the grid, dimensions first. */
export function coordinateNames(l: Labelled): string[] {
  const { y, x } = spatialDims(l.dims);
  const hasGrid = l.transform !== null && isUpright(l.transform);
  const names = new Set([...l.dims, ...l.coords.keys()]);
  return [...names].filter((name) => l.coords.has(name) || (hasGrid && (name === y || name === x)));
}

/** Coordinates that remain when `dims` are all that is left; grid axes that lose their partner become explicit. */
export function keptCoordinates(l: Labelled, dims: readonly string[]): Pick<Labelled, "coords" | "transform"> {
  const { y, x } = spatialDims(l.dims);
  const losesGrid = l.transform !== null && (y === null || x === null || !dims.includes(y) || !dims.includes(x));
  const coords = new Map<string, Coordinate>();
  for (const name of losesGrid ? coordinateNames(l) : l.coords.keys()) {
    const c = coordinateOf(l, name);
    if (c?.dims.every((d) => dims.includes(d))) coords.set(name, c);
  }
  return { coords, transform: losesGrid ? null : l.transform };
}
