/** What functions are given, as lazy arrays. */
import type { ChunkedArray } from "./chunked-array.ts";
import { type ArrayLike, array } from "./shape/create.ts";
import { unknownShape } from "./unknown.ts";

/** The array, whose sizes must be known. @throws {UnknownShapeError} */
export function known(what: string, x: ArrayLike): ChunkedArray {
  const lazy = array(x);
  if (lazy.selected) throw unknownShape(what, lazy.selected.selection.axis);
  return lazy;
}
