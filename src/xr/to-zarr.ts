/** Writing Zarr stores with CF metadata: coordinates, `spatial_ref`, nodata; one task per object (io.md §7). */
import { cutChunks, LazyWrite, objectShape, regularChunks, writerOptions, zarrJob } from "../array/index.ts";
import { ArgumentError, type OptionNames, requireKnownOptions, ShapeError } from "../base/index.ts";
import { type DType, dtypeInfo, type Scalar } from "../dtype/index.ts";
import { type Chunks, type LayerNode, rechunkNode, sameChunks, tokenize } from "../graph/index.ts";
import {
  type CodecSpec,
  planZarr,
  toUrl,
  type ZarrArrayInfo,
  type ZarrArraySpec,
  type ZarrWriteMode,
} from "../io/index.ts";
import { ascontiguous, NDArray } from "../ndarray/index.ts";
import { joinedLabels, requireAligned } from "./align.ts";
import { mappingAttributes } from "./cf.ts";
import { type Stored, type StoreOptions, storedValues } from "./encode.ts";
import { existingArrays, existingEncoding, isNewLabel, requireSameMapping } from "./existing.ts";
import { type Attributes, type Coordinate, coordinateNames, coordinateOf, gridOf, type Labelled } from "./labelled.ts";
import { type NamedChunks, positionalChunks } from "./source.ts";
import { encodeTimes } from "./time.ts";

/** How one variable is stored; names as in Xarray's `encoding`. */
export interface VariableEncoding {
  readonly dtype?: DType;
  /** Shape of one stored chunk, which is one object: a size for each dimension, by position or name. */
  readonly chunks?: NamedChunks;
  /** Stands for missing. */
  readonly _FillValue?: Scalar | null;
  /** `value = stored · scale_factor + add_offset`. */
  readonly scale_factor?: number;
  readonly add_offset?: number;
  /** Byte codecs in order; default blosc with zstd 3 and byte shuffle, zstd 3 for single bytes. */
  readonly codecs?: readonly CodecSpec[];
}

/** Options of `toZarr`. */
export interface ZarrOptions {
  /** `"w-"` (default) refuses an existing store, `"w"` replaces it, `"a"` adds variables, `"r+"` writes into them. */
  readonly mode?: ZarrWriteMode;
  readonly encoding?: Readonly<Record<string, VariableEncoding>>;
  readonly zarrFormat?: 3;
  /** Copy all metadata into one object; default true. */
  readonly consolidated?: boolean;
  /**
   * Go on where an earlier run of this write stopped: same graph, inputs and options. Finished objects are recorded beside
   * them, and a run that fails or is killed leaves them. Then `mode` counts for the first run only.
   */
  readonly resume?: boolean;
  /** `false` gives a lazy write. */
  readonly compute?: boolean;
}

const OPTIONS: OptionNames<ZarrOptions> = {
  mode: true,
  encoding: true,
  zarrFormat: true,
  consolidated: true,
  resume: true,
  compute: true,
};
const ENCODING: OptionNames<VariableEncoding> = {
  dtype: true,
  chunks: true,
  _FillValue: true,
  scale_factor: true,
  add_offset: true,
  codecs: true,
};

/** Name of the variable of an array without a name. */
export const UNNAMED = "data";

/**
 * A store to be written; nothing is, until it runs. Arrays that the store has already keep their dtype, chunks, fill value,
 * scale and offset, as in Xarray.
 * @throws {ExistsError | NotFoundError | WriteError} the target
 * @throws {ArgumentError | ShapeError | ChunkError | DTypeError | NodataError} what cannot be written, named
 */
export async function lazyZarr(
  url: string | URL,
  variables: ReadonlyMap<string, Labelled>,
  attrs: Attributes,
  options: ZarrOptions,
): Promise<LazyWrite> {
  requireKnownOptions("toZarr", options, OPTIONS);
  if (options.zarrFormat !== undefined && options.zarrFormat !== 3)
    throw new ArgumentError(`zarrFormat ${String(options.zarrFormat)}: only 3 is written`);
  const { encoding = {} } = options;
  for (const name of Object.keys(encoding)) checkEncoding(name, encoding[name] ?? {}, variables);
  const arrays = [...variables.values()];
  requireAligned(arrays);
  // A scalar label that differs between variables (the band each came from) labels none of them.
  const shared = joinedLabels(arrays).coords;
  const own = (l: Labelled): Labelled => ({
    ...l,
    coords: new Map([...l.coords].filter(([name]) => l.dims.includes(name) || shared.has(name))),
  });
  const { mode = "w-" } = options;
  const found = await existingArrays(toUrl(url), mode);
  const planned = [...variables].map(([name, l]) =>
    plannedVariable(name, own(l), { encoding: encoding[name] ?? {}, existing: found.get(name) }),
  );
  const coordinates = await newCoordinates(arrays.map(own), found);
  for (const { name } of planned)
    if (arrays.some((l) => coordinateNames(l).includes(name)) || coordinates[name])
      throw new ArgumentError(`variable ${JSON.stringify(name)} has the name of a coordinate; rename it`);
  const specs = { ...coordinates, ...Object.fromEntries(planned.map((p) => [p.name, p.spec])) };
  const { compute: _, mode: __, resume = false, ...rest } = options;
  const labels = [attrs, planned.map((p) => p.label), identityOf(coordinateSpecs(arrays.map(own)))];
  const key = tokenize([planned.map((p) => p.stored.data.name), String(url), writerOptions({ ...rest, labels })]);
  const write = await planZarr(
    toUrl(url),
    { attributes: attrs, arrays: specs, consolidated: options.consolidated ?? true },
    { mode, key, resume },
  );
  return new LazyWrite(zarrJob(String(url), write, new Map(planned.map((p) => [p.name, blocksOf(p)]))));
}

/** One block per object. */
function blocksOf(p: PlannedVariable): LayerNode {
  const { node } = p.stored.data;
  return sameChunks(node.layer.chunks, p.chunks) ? node : rechunkNode(node, p.chunks);
}

function checkEncoding(name: string, given: VariableEncoding, variables: ReadonlyMap<string, Labelled>): void {
  if (!variables.has(name))
    throw new ArgumentError(
      `encoding names ${JSON.stringify(name)}; the variables are ${[...variables.keys()].join(", ")}`,
    );
  requireKnownOptions(`encoding of ${name}`, given, ENCODING);
}

interface PlannedVariable {
  readonly name: string;
  readonly stored: Stored;
  readonly chunks: Chunks;
  readonly spec: ZarrArraySpec;
  /** What its own documents say of it, whatever is in the store already. */
  readonly label: readonly [name: string, dims: readonly string[], attrs: Attributes];
}

interface VariablePlace {
  readonly encoding: VariableEncoding;
  /** The array of that name in a store that is written into. */
  readonly existing: ZarrArrayInfo | undefined;
}

function plannedVariable(name: string, l: Labelled, { encoding, existing }: VariablePlace): PlannedVariable {
  const stored = storedValues(l, existing ? existingEncoding(l, existing, encoding) : storeOptions(encoding));
  const { data, nodata } = stored;
  const { codecs } = encoding;
  const chunk =
    encoding.chunks !== undefined
      ? givenChunk(l, data.dtype, encoding.chunks)
      : existing?.objectShape.length === data.ndim
        ? existing.objectShape
        : objectShape(data.chunks, data.itemsize);
  const spec: ZarrArraySpec = {
    shape: data.shape,
    chunks: chunk,
    dtype: data.dtype,
    fill: nodata ?? (dtypeInfo(data.dtype).kind === "f" ? Number.NaN : data.dtype === "bool" ? false : 0),
    dimensionNames: l.dims,
    attributes: variableAttributes(l, stored),
    ...(codecs === undefined ? {} : { codecs }),
  };
  return { name, stored, spec, chunks: regularChunks(data.shape, chunk), label: [name, l.dims, l.attrs] };
}

function storeOptions({ dtype, _FillValue, scale_factor, add_offset }: VariableEncoding): StoreOptions {
  return {
    ...(dtype === undefined ? {} : { dtype }),
    ...(_FillValue === undefined ? {} : { nodata: _FillValue }),
    ...(scale_factor === undefined ? {} : { scale: scale_factor }),
    ...(add_offset === undefined ? {} : { offset: add_offset }),
  };
}

function givenChunk(l: Labelled, dtype: DType, chunks: NamedChunks): number[] {
  const cut = cutChunks(l.data.shape, dtype, positionalChunks(chunks, l.dims), { previous: l.data.chunks });
  return cut.map((sizes, k) => {
    const first = Math.max(1, sizes[0] ?? 1);
    if (sizes.some((n, i) => (i < sizes.length - 1 ? n !== first : n > first)))
      throw new ShapeError(
        `encoding chunks of dimension ${l.dims[k]} are ${sizes.join(", ")}; stored chunks have one size, only the last may be smaller`,
      );
    return first;
  });
}

function variableAttributes(l: Labelled, { nodata, scale, offset, data }: Stored): Attributes {
  if (typeof scale !== "number" || typeof offset !== "number")
    throw new ArgumentError(
      'scale and offset differ by band; open with decode "scaled", or write the bands one by one',
    );
  const isFloat = dtypeInfo(data.dtype).kind === "f";
  const fill = nodata ?? (isFloat ? Number.NaN : null);
  // Xarray takes a grid mapping along with a variable only when it is named as a coordinate too.
  const scalars = [
    ...coordinateNames(l).filter((name) => !l.dims.includes(name)),
    ...(hasMapping(l) ? ["spatial_ref"] : []),
  ];
  return {
    ...l.attrs,
    ...(fill === null ? {} : { _FillValue: typeof fill === "bigint" ? safeNumber(fill) : fill }),
    ...(scale === 1 && offset === 0 ? {} : { scale_factor: scale, add_offset: offset }),
    ...(hasMapping(l) ? { grid_mapping: "spatial_ref" } : {}),
    ...(scalars.length > 0 ? { coordinates: scalars.join(" ") } : {}),
  };
}

function safeNumber(v: bigint): number | bigint {
  return Number.isSafeInteger(Number(v)) ? Number(v) : v;
}

function hasMapping(l: Labelled): boolean {
  return l.crs !== null || gridOf(l) !== null;
}

/** Coordinates and grid mapping that the store does not have yet, or has with other numbers. */
async function newCoordinates(
  arrays: readonly Labelled[],
  found: ReadonlyMap<string, ZarrArrayInfo>,
): Promise<Record<string, ZarrArraySpec>> {
  const specs = coordinateSpecs(arrays);
  const mapping = found.get("spatial_ref");
  if (specs["spatial_ref"] && mapping) {
    for (const l of arrays) requireSameMapping(l, mapping);
    delete specs["spatial_ref"];
  }
  for (const l of arrays) {
    for (const name of coordinateNames(l)) {
      const info = found.get(name);
      if (info && specs[name] && !(await isNewLabel(name, coordinateOf(l, name) as Coordinate, info)))
        delete specs[name]; // it has that name
    }
  }
  return specs;
}

/** Coordinates of all variables, and the grid mapping. */
function coordinateSpecs(arrays: readonly Labelled[]): Record<string, ZarrArraySpec> {
  const specs: Record<string, ZarrArraySpec> = {};
  for (const l of arrays)
    for (const name of coordinateNames(l)) specs[name] ??= coordinateSpec(coordinateOf(l, name) as Coordinate); // it has that name
  const mapped = arrays.find(hasMapping);
  if (mapped) {
    specs["spatial_ref"] = {
      shape: [],
      chunks: [],
      dtype: "int64",
      dimensionNames: [],
      attributes: mappingAttributes(mapped.crs, gridOf(mapped)?.transform ?? null),
      data: NDArray.zeros("int64", []),
    };
  }
  return specs;
}

/** What tells coordinates apart: a run that is resumed goes on under the ones that are written already. */
function identityOf(specs: Readonly<Record<string, ZarrArraySpec>>): readonly unknown[] {
  return Object.entries(specs).map(([name, { data, ...spec }]) => {
    if (!data) return [name, spec];
    const { buffer, byteOffset, byteLength } = ascontiguous(data).data;
    return [name, spec, tokenize(new Uint8Array(buffer, byteOffset, byteLength))];
  });
}

function coordinateSpec(c: Coordinate): ZarrArraySpec {
  const isTime = dtypeInfo(c.values.dtype).kind === "M";
  const { values, attrs } = isTime ? encodeTimes(c.values) : { values: c.values, attrs: {} };
  return {
    shape: values.shape,
    chunks: values.shape.map((n) => Math.max(1, n)),
    dtype: values.dtype,
    dimensionNames: c.dims,
    attributes: { ...c.attrs, ...attrs },
    ...(dtypeInfo(values.dtype).kind === "f" ? { fill: Number.NaN } : {}),
    data: values,
  };
}
