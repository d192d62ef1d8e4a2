/** Codec chains in Zarr metadata, v2 and v3, into the model's. Pure. */
import { UnsupportedError } from "../../base/index.ts";
import { type DType, fromNumpy, itemsize } from "../../dtype/index.ts";
import { sizeOf } from "../../ndarray/index.ts";
import { codecOf } from "../codecs/index.ts";
import { badField, checkChunks, namedConfiguration } from "./fields.ts";
import { describe, isObject, type LooseJson, type LooseObject } from "./json.ts";
import { type ChainSpec, type CodecSpec, SHARD_CHUNKS_MAX, type ShardSpec } from "./model.ts";

/** Byte codecs that a Zarr chain may name. */
const BYTE_CODECS = ["zlib", "gzip", "zstd", "blosc", "lz4", "shuffle", "crc32c", "delta"];

/** A byte codec, proved to be one that works. */
function byteCodec(id: string, options: LooseObject, at: { readonly place: string; readonly path: string }): CodecSpec {
  if (!BYTE_CODECS.includes(id)) {
    throw new UnsupportedError(`${at.place}: codec ${JSON.stringify(id)} is not supported`, {
      details: { object: at.place, path: at.path, codec: id },
    });
  }
  const plain: Record<string, string | number | boolean | null> = {};
  for (const [k, v] of Object.entries(options)) {
    if (v === null || typeof v === "string" || typeof v === "number" || typeof v === "boolean") plain[k] = v;
  }
  codecOf(id, plain);
  return { id, options: plain };
}

/** Delta's settings as the codec table wants them; only integers in the array's own little-endian form. */
function delta(options: LooseObject, at: { readonly place: string; readonly path: string }): CodecSpec {
  const [dtype, astype] = [options["dtype"], options["astype"] ?? options["dtype"]];
  const found = typeof dtype === "string" ? fromNumpy(dtype) : null;
  if (!found || found.bigEndian || astype !== dtype || !/^u?int/.test(found.dtype)) {
    throw new UnsupportedError(`${at.place}: delta from ${describe(dtype)} as ${describe(astype)} is not supported`, {
      details: { object: at.place, codec: "delta" },
    });
  }
  return byteCodec("delta", { itemsize: itemsize(found.dtype) }, at);
}

/** Filters (in order) and compressor of v2; rounding filters undo nothing, so reading skips them. */
export function parseCodecsV2(
  json: LooseObject,
  of: { readonly place: string; readonly bigEndian: boolean; readonly dtype: DType },
): CodecSpec[] {
  const { place } = of;
  const filters = json["filters"] ?? [];
  if (!Array.isArray(filters)) throw badField(place, "filters", filters, "a list or null");
  const compressor = json["compressor"] ?? null;
  const all = compressor === null ? filters : [...filters, compressor];
  return all.flatMap((given: LooseJson, k): CodecSpec[] => {
    const path = k < filters.length ? `filters[${k}]` : "compressor";
    if (!isObject(given) || typeof given["id"] !== "string") throw badField(place, path, given, "an object with an id");
    const { id, ...options } = given;
    if (id === "bitround") return [];
    if (id !== "delta") return [byteCodec(String(id), options, { place, path })];
    if (of.bigEndian)
      throw new UnsupportedError(`${place}: delta over big-endian data is not supported`, {
        details: { object: place, codec: id },
      });
    return [delta(options, { place, path })];
  });
}

/** A v3 codec list, taken apart. */
export interface ParsedCodecs {
  readonly chain: ChainSpec;
  readonly shard: ShardSpec | null;
  /** The inner chunk where there are shards, else the given shape. */
  readonly chunkShape: readonly number[];
}

interface CodecsOf {
  readonly place: string;
  /** Shape of what the list encodes. */
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/**
 * The codecs of v3: array codecs, one that makes bytes, byte codecs.
 * @throws {MetadataError} a list that is none
 * @throws {UnsupportedError} a codec that rsdat lacks
 */
export function parseCodecsV3(value: LooseJson | undefined, of: CodecsOf, path = "codecs"): ParsedCodecs {
  const { place } = of;
  if (!Array.isArray(value)) throw badField(place, path, value, "a list of codecs", "zarr-codecs");
  let order: readonly number[] | null = null;
  let maker: "bytes" | "sharding_indexed" | null = null;
  let bigEndian = false;
  let sharded: ParsedCodecs | null = null;
  const codecs: CodecSpec[] = [];
  (value as readonly LooseJson[]).forEach((entry, k) => {
    const at = `${path}[${k}]`;
    const { name, configuration } = namedConfiguration(entry, place, at);
    const id = name.replace(/^numcodecs\./, "");
    if (id === "bitround" && maker === null) return;
    if (id === "transpose" && maker === null) order = compose(order, parseOrder(configuration["order"], of, at));
    else if (id === "delta" && maker === null) codecs.push(delta(configuration, { place, path: at }));
    else if (id === "bytes" && maker === null) {
      maker = "bytes";
      bigEndian = parseEndian(configuration["endian"], { ...of, path: at });
    } else if (id === "sharding_indexed" && maker === null) {
      maker = "sharding_indexed";
      sharded = parseSharding(configuration, of, at);
    } else codecs.push(byteCodec(id, configuration, { place, path: at }));
    if (maker === null && id !== "transpose" && id !== "delta")
      throw badField(place, at, id, "a codec that makes bytes first", "zarr-codecs");
  });
  if (maker === null) throw badField(place, path, value, 'a codec that makes bytes, such as "bytes"', "zarr-codecs");
  if (sharded !== null) {
    if (codecs.length > 0 || order !== null)
      throw new UnsupportedError(`${place}: codecs around sharding_indexed are not supported`, {
        details: { object: place, path },
      });
    return sharded;
  }
  if (bigEndian && codecs.some((c) => c.id === "delta")) {
    throw new UnsupportedError(`${place}: delta over big-endian data is not supported`, {
      details: { object: place, path },
    });
  }
  return { chain: { order, bigEndian, codecs }, shard: null, chunkShape: of.shape };
}

function parseEndian(value: LooseJson | undefined, of: CodecsOf & { readonly path: string }): boolean {
  if (value === undefined || value === null || value === "little") return false; // what every implementation assumes
  if (value === "big") return true;
  throw badField(of.place, `${of.path}.configuration.endian`, value, '"little" or "big"', "zarr-codecs");
}

function parseOrder(value: LooseJson | undefined, of: CodecsOf, path: string): number[] {
  const rank = of.shape.length;
  const axes = Array.isArray(value) ? (value as readonly LooseJson[]) : [];
  const isPermutation =
    axes.length === rank &&
    new Set(axes).size === rank &&
    axes.every((a) => typeof a === "number" && a >= 0 && a < rank && Number.isInteger(a));
  if (!isPermutation)
    throw badField(of.place, `${path}.configuration.order`, value, `a permutation of ${rank} axes`, "zarr-codecs");
  return axes as number[]; // checked above
}

/** Two transpositions in a row; null where nothing moves. */
function compose(first: readonly number[] | null, second: readonly number[]): readonly number[] | null {
  const both = first === null ? second : second.map((k) => first[k]!); // both are permutations of one rank
  return both.every((a, k) => a === k) ? null : both;
}

function parseSharding(configuration: LooseObject, of: CodecsOf, path: string): ParsedCodecs {
  const { place } = of;
  const at = `${path}.configuration`;
  const given = configuration["chunk_shape"];
  const isShape = Array.isArray(given) && given.every((n) => typeof n === "number" && Number.isInteger(n) && n > 0);
  if (!isShape) throw badField(place, `${at}.chunk_shape`, given, "a shape of at least 1 per axis", "zarr-chunks");
  const inner = checkChunks(given as readonly number[], of.shape, { place, path: `${at}.chunk_shape` }); // checked above
  if (inner.some((n, k) => of.shape[k]! % n !== 0)) {
    throw badField(
      place,
      `${at}.chunk_shape`,
      inner,
      `a divisor of the shard shape (${of.shape.join(", ")}) in each axis`,
      "zarr-chunks",
    );
  }
  const count = sizeOf(of.shape) / sizeOf(inner);
  if (count > SHARD_CHUNKS_MAX)
    throw badField(
      place,
      `${at}.chunk_shape`,
      inner,
      `at most ${SHARD_CHUNKS_MAX} chunks per shard, these are ${count}`,
      "zarr-chunks",
    );
  const location = configuration["index_location"] ?? "end";
  if (location !== "start" && location !== "end")
    throw badField(place, `${at}.index_location`, location, '"start" or "end"', "zarr-shard");
  const parsed = parseCodecsV3(configuration["codecs"], { ...of, shape: inner }, `${at}.codecs`);
  if (parsed.shard !== null)
    throw new UnsupportedError(`${place}: shards within shards are not supported`, {
      details: { object: place, path: at },
    });
  const checksum = indexChecksum(configuration["index_codecs"], of, `${at}.index_codecs`);
  return { chain: parsed.chain, shard: { shape: of.shape, checksum, location }, chunkShape: inner };
}

/** The index is little-endian with or without a checksum; anything else is refused. */
function indexChecksum(value: LooseJson | undefined, of: CodecsOf, path: string): boolean {
  const { chain, shard } = parseCodecsV3(value, of, path);
  const ids = chain.codecs.map((c) => c.id);
  if (
    shard !== null ||
    chain.order !== null ||
    chain.bigEndian ||
    ids.length > 1 ||
    (ids.length === 1 && ids[0] !== "crc32c")
  ) {
    throw new UnsupportedError(`${of.place}: ${path} ${describe(value)} are not supported; bytes and crc32c are`, {
      details: { object: of.place, path },
    });
  }
  return ids.length === 1;
}
