/** What the configuration says of automatic chunks. */
import { parseBytes } from "../base/index.ts";
import { config } from "../config/index.ts";

/** Bytes per block that `"auto"` aims at: `array.chunk-size`, 128 MiB by default. */
export function chunkSizeBytes(): number {
  return parseBytes(config.get("array.chunk-size", "128MiB") as string | number, "array.chunk-size");
}

/** How many times the wanted size a block that is there may have and stay whole: `array.chunk-size-tolerance`, 1.25 by default. */
export function chunkTolerance(): number {
  return config.number("array.chunk-size-tolerance") ?? 1.25;
}
