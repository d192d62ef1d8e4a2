/** The configured size of automatic chunks. */
import { parseBytes } from "../base/index.ts";
import { config } from "../config/index.ts";

/** Bytes per block that `"auto"` aims at: `array.chunk-size`, 128 MiB by default. */
export function chunkSizeBytes(): number {
  return parseBytes(config.get("array.chunk-size", "128MiB") as string | number, "array.chunk-size");
}
