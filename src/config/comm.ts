/** How this process's connections write messages, from Dask's settings. Source: distributed/comm, protocol/compression.py. */
import { type CommSettings, ConfigError } from "../base/index.ts";
import { type Config, config } from "./config.ts";
import { SCHEMA } from "./schema.ts";

const COMM = "distributed.comm";
const SHARD = `${COMM}.shard`;

/**
 * The settings under `distributed.comm` that every connection follows.
 * @throws {ConfigError} an unknown compression, or a value of another kind
 */
export function commSettings(from: Config = config): CommSettings {
  // As in Dask, 0 and false switch off splitting and offloading.
  const bytes = (key: string): number => (from.get(key) === false ? 0 : from.bytes(key)) || Number.POSITIVE_INFINITY;
  return {
    compression: compressionSetting(`${COMM}.compression`, from),
    shardBytes: bytes(SHARD),
    shardsForOwn: from.get(SHARD) !== SCHEMA[SHARD]?.default,
    offloadBytes: bytes(`${COMM}.offload`),
    tcpTimeoutMs: from.durationMs(`${COMM}.timeouts.tcp`) || null,
  };
}

/**
 * The compression that a key names; null: none. "auto" is Dask's: lz4, else snappy, else none; of these there is none here, so
 * they compress nothing either, which whoever sets them is told.
 * @throws {ConfigError} it is no compression of Dask's
 */
export function compressionSetting(key: string, from: Config): "zlib" | "zstd" | null {
  const value = from.get(key, null);
  if (value === null || value === false || value === "auto" || value === "lz4" || value === "snappy") return null;
  if (value === "zlib" || value === "zstd") return value;
  throw new ConfigError(`configuration ${key} is ${JSON.stringify(value)}, expected false, "auto", "zlib" or "zstd"`, {
    details: { key, value },
  });
}
