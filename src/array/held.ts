/** Lazy arrays over blocks that a runner has already. */
import type { Hold, LayerNode } from "../graph/index.ts";
import { ChunkedArray } from "./chunked-array.ts";
import { keepFor } from "./holds.ts";

/** The lazy array over held blocks; they are kept for as long as it, or what follows from it, is in use. */
export function heldArray(node: LayerNode, hold: Hold): ChunkedArray {
  keepFor([node], hold);
  return new ChunkedArray(node);
}
