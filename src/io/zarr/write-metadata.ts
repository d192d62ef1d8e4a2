/** v3 metadata documents of what is about to be written. Pure. Source: Zarr v3 core specification. */
import { ArgumentError, ChunkError, ShapeError, UnsupportedError } from "../../base/index.ts";
import { checkedScalar, DTYPES, type DType, type Scalar } from "../../dtype/index.ts";
import { type NDArray, sizeOf } from "../../ndarray/index.ts";
import { fillJson, parseFill } from "./fill.ts";
import { describe } from "./json.ts";
import { parseArrayV3 } from "./metadata.ts";
import { type ArrayModel, CHUNK_BYTES_MAX, type CodecSpec } from "./model.ts";

/** One array to create. */
export interface ZarrArraySpec {
  readonly shape: readonly number[];
  /** Shape of one chunk, which is one object; the last ones may reach beyond the array. */
  readonly chunks: readonly number[];
  readonly dtype: DType;
  /** What chunks that are not written read as; default 0. A chunk that is all fill is not written. */
  readonly fill?: Scalar | null;
  readonly dimensionNames?: readonly (string | null)[];
  /** JSON values, non-finite numbers included; a numeric `_FillValue` is written as xarray reads it. */
  readonly attributes?: Readonly<Record<string, unknown>>;
  /** Byte codecs of v3 (`blosc` with zstd, `zstd`, `gzip`, `crc32c`) in order; default {@link defaultCodecs}. */
  readonly codecs?: readonly CodecSpec[];
  /** The whole array, written at once: coordinates and scalars. */
  readonly data?: NDArray;
}

/** A store to create: one group of arrays. */
export interface ZarrStoreSpec {
  readonly attributes?: Readonly<Record<string, unknown>>;
  readonly arrays: Readonly<Record<string, ZarrArraySpec>>;
  /** Copy all metadata into the group's own when finished; default true. */
  readonly consolidated?: boolean;
}

/** blosc (zstd 3, byte shuffle) for items of two bytes or more, plain zstd 3 for bytes (io.md decision 8). */
export function defaultCodecs(dtype: DType): readonly CodecSpec[] {
  const { itemsize, components } = DTYPES[dtype];
  const typesize = itemsize / components;
  if (typesize === 1) return [{ id: "zstd", options: { level: 3, checksum: false } }];
  return [{ id: "blosc", options: { cname: "zstd", clevel: 3, shuffle: "shuffle", typesize, blocksize: 0 } }];
}

const WRITABLE = ["blosc", "zstd", "gzip", "crc32c"];

function codecJson(codec: CodecSpec, dtype: DType): object {
  const { id, options } = codec;
  if (!WRITABLE.includes(id) || (id === "blosc" && (options["cname"] ?? "zstd") !== "zstd")) {
    throw new UnsupportedError(
      `writing codec ${describe({ id, ...options })} is not supported; ${WRITABLE.join(", ")} (blosc with zstd) are`,
      { details: { codec: id } },
    );
  }
  switch (id) {
    case "blosc":
      return {
        name: id,
        configuration: {
          typesize: DTYPES[dtype].itemsize,
          cname: "zstd",
          clevel: 3,
          shuffle: "shuffle",
          blocksize: 0,
          ...options,
        },
      };
    case "zstd":
      return { name: id, configuration: { level: 3, checksum: false, ...options } };
    case "gzip":
      return { name: id, configuration: { level: 6, ...options } };
    default:
      return { name: id };
  }
}

/**
 * A name that is safe as one level of a store.
 * @throws {ArgumentError} otherwise
 */
export function checkName(name: string): string {
  const isSafe =
    name !== "" &&
    !/[/\\\0]/.test(name) &&
    !/^\.+$/.test(name) &&
    !name.startsWith("__") &&
    name !== "zarr.json" &&
    name !== "c";
  if (isSafe) return name;
  throw new ArgumentError(
    `array name ${JSON.stringify(name)} cannot be used; expected a name without slashes, not "zarr.json", "c", dots only, or "__..."`,
  );
}

/**
 * The v3 document of an array.
 * @throws {ArgumentError} a name, dimension name or attribute that metadata cannot hold
 * @throws {ShapeError} a negative size, or data of another shape
 * @throws {ChunkError} chunks that do not fit
 * @throws {DTypeError} a fill value outside the dtype
 */
export function arrayDocument(name: string, spec: ZarrArraySpec): Readonly<Record<string, unknown>> {
  checkName(name);
  checkGrid(name, spec);
  const { dtype, shape, dimensionNames } = spec;
  if (dimensionNames && dimensionNames.length !== shape.length) {
    throw new ArgumentError(`${name}: ${dimensionNames.length} dimension names for ${shape.length} axes`);
  }
  const fill = checkedScalar(spec.fill ?? 0, dtype, `${name}: fill`);
  return {
    zarr_format: 3,
    node_type: "array",
    shape,
    data_type: dataType(dtype),
    chunk_grid: { name: "regular", configuration: { chunk_shape: spec.chunks } },
    chunk_key_encoding: { name: "default", configuration: { separator: "/" } },
    fill_value: fillJson(parseFill(fill, dtype, name), dtype),
    codecs: [
      DTYPES[dtype].itemsize === 1 ? { name: "bytes" } : { name: "bytes", configuration: { endian: "little" } },
      ...(spec.codecs ?? defaultCodecs(dtype)).map((c) => codecJson(c, dtype)),
    ],
    attributes: attributesJson(spec.attributes ?? {}, name, dtype),
    ...(dimensionNames ? { dimension_names: dimensionNames } : {}),
    storage_transformers: [],
  };
}

function checkGrid(name: string, spec: ZarrArraySpec): void {
  const { shape, chunks, dtype, data } = spec;
  if (!shape.every((n) => Number.isSafeInteger(n) && n >= 0))
    throw new ShapeError(`${name}: shape (${shape.join(", ")}) has a size that is no integer from 0 on`);
  if (chunks.length !== shape.length || !chunks.every((n) => Number.isSafeInteger(n) && n >= 1)) {
    throw new ChunkError(
      `${name}: chunks (${chunks.join(", ")}) do not fit shape (${shape.join(", ")}); expected ${shape.length} sizes of at least 1`,
    );
  }
  const nbytes = sizeOf(chunks) * DTYPES[dtype].itemsize;
  if (nbytes > CHUNK_BYTES_MAX) {
    throw new ChunkError(
      `${name}: chunks (${chunks.join(", ")}) of ${dtype} have ${nbytes} bytes; at most ${CHUNK_BYTES_MAX} are allowed`,
    );
  }
  if (
    data &&
    (data.dtype !== dtype || data.shape.length !== shape.length || data.shape.some((n, k) => n !== shape[k]))
  ) {
    throw new ShapeError(
      `${name}: data are ${data.dtype} (${data.shape.join(", ")}), the array is ${dtype} (${shape.join(", ")})`,
    );
  }
}

function dataType(dtype: DType): unknown {
  const time = /^(datetime64|timedelta64)\[ns\]$/.exec(dtype);
  return time ? { name: `numpy.${time[1]}`, configuration: { unit: "ns", scale_factor: 1 } } : dtype;
}

/** Attributes as written: a float `_FillValue` as base64 of its eight bytes, as xarray does for v3. */
function attributesJson(
  attributes: Readonly<Record<string, unknown>>,
  name: string,
  dtype: DType,
): Readonly<Record<string, unknown>> {
  refuseBigints(attributes, `${name}: attribute`);
  const fill = attributes["_FillValue"];
  if (typeof fill !== "number" || DTYPES[dtype].kind !== "f") return attributes;
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(fill);
  return { ...attributes, _FillValue: bytes.toString("base64") };
}

function refuseBigints(value: unknown, path: string): void {
  if (typeof value === "bigint" && !Number.isSafeInteger(Number(value))) {
    throw new ArgumentError(`${path} ${value} is beyond 2^53, which many readers round; write it as text`);
  }
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return;
  for (const [k, v] of Object.entries(value)) refuseBigints(v, `${path} ${k}`);
}

/** The v3 document of a group; `members` are the documents of its arrays when these are consolidated. */
export function groupDocument(
  attributes: Readonly<Record<string, unknown>>,
  members?: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  refuseBigints(attributes, "group attribute");
  return {
    zarr_format: 3,
    node_type: "group",
    attributes,
    ...(members ? { consolidated_metadata: { kind: "inline", must_understand: false, metadata: members } } : {}),
  };
}

/** The model of a document that {@link arrayDocument} made. */
export function modelOf(document: Readonly<Record<string, unknown>>, place: string): ArrayModel {
  // A document is JSON by construction; sizes and names are checked once more on the way.
  return parseArrayV3(document as Parameters<typeof parseArrayV3>[0], { place });
}
