/** Zarr metadata, v2 and v3, into one validated model. Pure. Sources: Zarr v2 and v3 core specifications. */
import { UnsupportedError } from "../../base/index.ts";
import { type DType, fromNumpy, isDType, itemsize } from "../../dtype/index.ts";
import { sizeOf } from "../../ndarray/index.ts";
import { parseCodecsV2, parseCodecsV3 } from "./codec-metadata.ts";
import { badField, checkChunks, namedConfiguration, sizes } from "./fields.ts";
import { parseFill } from "./fill.ts";
import { describe, isObject, type LooseJson, type LooseObject } from "./json.ts";
import { type ArrayModel, type Attributes, CHUNK_BYTES_MAX, type GroupModel, type KeyEncoding } from "./model.ts";

/** Where metadata come from and what they may ask for. */
export interface ParseContext {
  /** Named in messages: the object, or the array within consolidated metadata. */
  readonly place: string;
  readonly chunkBytesMax?: number;
}

const ELEMENTS_MAX = 2 ** 53;

function parseShape(value: LooseJson | undefined, place: string): number[] {
  const shape = sizes(value, place, { path: "shape", code: "zarr-shape" });
  const elements = sizeOf(shape.filter((n) => n > 0));
  if (!(elements <= ELEMENTS_MAX)) throw badField(place, "shape", shape, "at most 2^53 elements", "zarr-shape");
  return shape;
}

function checkChunkBytes(chunks: readonly number[], dtype: DType, context: ParseContext): void {
  const max = context.chunkBytesMax ?? CHUNK_BYTES_MAX;
  const nbytes = sizeOf(chunks) * itemsize(dtype);
  if (!(nbytes <= max)) {
    throw badField(
      context.place,
      "chunks",
      chunks,
      `at most ${max} bytes per chunk (rsdat.io.max-block-bytes), these are ${nbytes}`,
      "zarr-chunks",
    );
  }
}

function parseAttributes(value: LooseJson | undefined, place: string): Attributes {
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw badField(place, "attributes", value, "an object");
  return value;
}

/** Group metadata: v3's `zarr.json`, or v2's `.zgroup` with `.zattrs`. */
export function parseGroup(json: LooseObject, place: string, attrs?: LooseObject): GroupModel {
  const { zarr_format: version } = json;
  if (version === 3) {
    if (json["node_type"] !== "group") throw badField(place, "node_type", json["node_type"], '"group"');
    refuseUnknown(json, GROUP_KEYS, place);
    return { zarrFormat: 3, attributes: parseAttributes(json["attributes"], place) };
  }
  if (version === 2) return { zarrFormat: 2, attributes: attrs ?? {} };
  throw badField(place, "zarr_format", version, "2 or 3");
}

const GROUP_KEYS = ["zarr_format", "node_type", "attributes", "consolidated_metadata"];
const ARRAY_KEYS = [
  "zarr_format",
  "node_type",
  "shape",
  "data_type",
  "chunk_grid",
  "chunk_key_encoding",
  "fill_value",
  "codecs",
  "attributes",
  "storage_transformers",
  "dimension_names",
];

/** v3: an unknown key means something a reader must know, unless it says otherwise. */
function refuseUnknown(json: LooseObject, known: readonly string[], place: string): void {
  for (const [key, value] of Object.entries(json)) {
    if (known.includes(key) || (isObject(value) && value["must_understand"] === false)) continue;
    throw new UnsupportedError(`${place}: the extension ${JSON.stringify(key)} is not supported`, {
      details: { object: place, path: key },
    });
  }
}

/**
 * Array metadata of v3 (`zarr.json`).
 * @throws {MetadataError} a field that is missing or impossible
 * @throws {UnsupportedError} a data type, grid, codec or extension that rsdat lacks
 */
export function parseArrayV3(json: LooseObject, context: ParseContext): ArrayModel {
  const { place } = context;
  if (json["zarr_format"] !== 3) throw badField(place, "zarr_format", json["zarr_format"], "3");
  if (json["node_type"] !== "array") throw badField(place, "node_type", json["node_type"], '"array"');
  refuseUnknown(json, ARRAY_KEYS, place);
  const transformers = json["storage_transformers"];
  if (transformers !== undefined && !(Array.isArray(transformers) && transformers.length === 0)) {
    throw new UnsupportedError(`${place}: storage_transformers ${describe(transformers)} are not supported`, {
      details: { object: place },
    });
  }
  const shape = parseShape(json["shape"], place);
  const dtype = dataTypeV3(json["data_type"], place);
  const grid = namedConfiguration(json["chunk_grid"], place, "chunk_grid");
  if (grid.name !== "regular")
    throw new UnsupportedError(`${place}: chunk grid ${JSON.stringify(grid.name)} is not supported`, {
      details: { object: place },
    });
  const path = "chunk_grid.configuration.chunk_shape";
  const chunks = checkChunks(sizes(grid.configuration["chunk_shape"], place, { path, code: "zarr-chunks" }), shape, {
    place,
    path,
  });
  if (json["fill_value"] === undefined) throw badField(place, "fill_value", undefined, "a value", "zarr-fill");
  const { chain, shard, chunkShape } = parseCodecsV3(json["codecs"], { place, shape: chunks, dtype });
  checkChunkBytes(chunkShape, dtype, context);
  const fill = parseFill(json["fill_value"]!, dtype, place); // present: checked above
  return {
    zarrFormat: 3,
    shape,
    chunkShape,
    dtype,
    storage: { ...chain, shard, keys: keysV3(json["chunk_key_encoding"], place), fill },
    dimensionNames: dimensionNames(json["dimension_names"], shape.length, place),
    attributes: decodeFillAttribute(parseAttributes(json["attributes"], place), dtype),
  };
}

function dataTypeV3(value: LooseJson | undefined, place: string): DType {
  const { name, configuration } = namedConfiguration(value, place, "data_type");
  if (isDType(name) && !name.endsWith("[ns]")) return name;
  const kind = /^numpy\.(datetime64|timedelta64)$/.exec(name)?.[1];
  const found = kind === undefined ? name : `${kind}[${String(configuration["unit"])}]`;
  if (kind !== undefined && isDType(found) && (configuration["scale_factor"] ?? 1) === 1) return found;
  throw new UnsupportedError(`${place}: data type ${describe(value)} is not supported`, {
    details: { object: place, dataType: describe(value) },
  });
}

function keysV3(value: LooseJson | undefined, place: string): KeyEncoding {
  const { name, configuration } = namedConfiguration(value, place, "chunk_key_encoding");
  if (name !== "default" && name !== "v2") {
    throw new UnsupportedError(`${place}: chunk key encoding ${JSON.stringify(name)} is not supported`, {
      details: { object: place },
    });
  }
  const separator = configuration["separator"] ?? (name === "default" ? "/" : ".");
  if (separator !== "/" && separator !== ".")
    throw badField(place, "chunk_key_encoding.configuration.separator", separator, '"/" or "."');
  return { kind: name, separator };
}

function dimensionNames(value: LooseJson | undefined, rank: number, place: string): readonly (string | null)[] | null {
  if (value === undefined || value === null) return null;
  const isNames =
    Array.isArray(value) && value.length === rank && value.every((n) => n === null || typeof n === "string");
  if (!isNames) throw badField(place, "dimension_names", value, `${rank} names or nulls`);
  return value as readonly (string | null)[]; // checked above
}

/** xarray writes a float `_FillValue` of v3 as base64 of its eight bytes. */
function decodeFillAttribute(attributes: Attributes, dtype: DType): Attributes {
  const given = attributes["_FillValue"];
  if (!dtype.startsWith("float") || typeof given !== "string") return attributes;
  const bytes = Buffer.from(given, "base64");
  return bytes.length === 8 ? { ...attributes, _FillValue: bytes.readDoubleLE(0) } : attributes;
}

/**
 * Array metadata of v2: `.zarray` with `.zattrs`.
 * @throws {MetadataError} a field that is missing or impossible
 * @throws {UnsupportedError} a data type, filter or compressor that rsdat lacks
 */
export function parseArrayV2(json: LooseObject, attrs: LooseObject | undefined, context: ParseContext): ArrayModel {
  const { place } = context;
  if (json["zarr_format"] !== 2) throw badField(place, "zarr_format", json["zarr_format"], "2");
  const shape = parseShape(json["shape"], place);
  const { dtype, bigEndian } = dataTypeV2(json["dtype"], place);
  const at = { place, path: "chunks" };
  const chunkShape = checkChunks(sizes(json["chunks"], place, { path: "chunks", code: "zarr-chunks" }), shape, at);
  checkChunkBytes(chunkShape, dtype, context);
  const order = json["order"];
  if (order !== "C" && order !== "F") throw badField(place, "order", order, '"C" or "F"');
  const separator = json["dimension_separator"] ?? ".";
  if (separator !== "/" && separator !== ".") throw badField(place, "dimension_separator", separator, '"/" or "."');
  const fill = json["fill_value"] ?? null;
  const names = attrs?.["_ARRAY_DIMENSIONS"];
  return {
    zarrFormat: 2,
    shape,
    chunkShape,
    dtype,
    storage: {
      order: order === "F" && shape.length > 1 ? shape.map((_, k) => shape.length - 1 - k) : null,
      bigEndian,
      codecs: parseCodecsV2(json, { place, bigEndian, dtype }),
      shard: null,
      keys: { kind: "v2", separator },
      fill: fill === null ? null : parseFill(fill, dtype, place),
    },
    dimensionNames: names === undefined ? null : dimensionNames(names, shape.length, place),
    attributes: attrs ?? {},
  };
}

function dataTypeV2(
  value: LooseJson | undefined,
  place: string,
): { readonly dtype: DType; readonly bigEndian: boolean } {
  const found = typeof value === "string" ? fromNumpy(value) : null;
  if (found) return found;
  if (value === undefined || value === null) throw badField(place, "dtype", value, "a NumPy type string");
  throw new UnsupportedError(`${place}: data type ${describe(value)} is not supported`, {
    details: { object: place, dataType: describe(value) },
  });
}
