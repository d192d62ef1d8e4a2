/**
 * Room: ndarray. One block in memory: data, shape, stride; slicing algebra, broadcasting, strided copy.
 * In: typed arrays and numbers. Out: NDArray views and copies. Pure, synchronous.
 * Imports: base, dtype.
 * @module
 */
export { broadcastTo } from "./broadcast.ts";
export { ascontiguous, copyBlock } from "./copy.ts";
export type { Nested } from "./ndarray.ts";
export { NDArray } from "./ndarray.ts";
export { broadcastShapes, contiguousStride, normalizeAxes, normalizeAxis, sizeOf } from "./shape.ts";
export type { AxisIndex, Range, SliceArg } from "./slicing.ts";
export { parseIndex, rangeOf } from "./slicing.ts";
