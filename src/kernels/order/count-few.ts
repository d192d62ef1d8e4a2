/**
 * Counts of bins between a few edges: how many elements are not below each edge, in vector lanes, for all edges in one
 * pass over memory; a bin holds the difference of two such counts. Bytes an element: read once.
 */
import { DTYPES, type DType, viewOf } from "../../dtype/index.ts";
import type { NDArray } from "../../ndarray/index.ts";
import { isCompiled } from "../map/engine.ts";
import { forEachOuter, loopNest } from "../map/loop.ts";
import { memoryOf } from "../segment.ts";
import {
  type Address,
  FunctionBuilder,
  i32,
  loadScalar,
  loadVector,
  scalar2,
  type Vector2Name,
  vector2,
} from "../wasm/builder.ts";
import { encodeModule } from "../wasm/encoder.ts";
import { countRun, kernelOf, SCRATCH, scratch } from "../wasm/runtime.ts";
import { countThresholds } from "./few.ts";

/** dtypes whose elements are compared as they lie. */
const SHAPE: Readonly<Partial<Record<DType, readonly [lanes: string, sign: string, counts: string]>>> = {
  int8: ["i8x16", "_s", "i8x16"],
  uint8: ["i8x16", "_u", "i8x16"],
  int16: ["i16x8", "_s", "i16x8"],
  uint16: ["i16x8", "_u", "i16x8"],
  int32: ["i32x4", "_s", "i32x4"],
  uint32: ["i32x4", "_u", "i32x4"],
  float32: ["f32x4", "", "i32x4"],
  float64: ["f64x2", "", "i64x2"],
};

/** Thresholds and counts in scratch, a vector each. */
const THRESHOLDS_AT = SCRATCH.rows;
const COUNTS_AT = SCRATCH.rows + 1024;

/** Module `k(block, vectors)`: the elements' address lies in the block; counts of up to so many vectors as a lane holds. */
function emitCounts(dtype: DType, edges: number, memories: number): Uint8Array<ArrayBuffer> {
  const f = new FunctionBuilder(["i32", "i32", "i32"]);
  const [lanes, sign, counts] = SHAPE[dtype] as readonly [string, string, string]; // the caller asked
  // all shapes above have these
  const [ge, gt, sub] = [`${lanes}.ge${sign}`, `${lanes}.gt`, `${counts}.sub`] as [
    Vector2Name,
    Vector2Name,
    Vector2Name,
  ];
  const own = memories - 1;
  const [block, left] = [f.param(0, "i32"), f.param(1, "i32")];
  const at = f.let(loadScalar("i32.load", { memory: own, base: block, offset: 0 }));
  const here = (offset: number): Address => ({ memory: own, base: f.hoist("zero", () => i32(0)), offset });
  const thresholds = Array.from({ length: edges }, (_, k) =>
    f.let(loadVector("v128.load", here(THRESHOLDS_AT + 16 * k))),
  );
  const sums = thresholds.map(() => f.let(f.constant(new Uint8Array(16))));
  const isFloat = sign === "";
  f.doWhile(
    () => left,
    () => {
      const x = f.let(loadVector("v128.load", { memory: 0, base: at, offset: 0 }));
      thresholds.forEach((t, k) => {
        const name = isFloat && k === edges - 1 ? gt : ge; // the last bin holds its edge
        const sum = sums[k] as (typeof sums)[number]; // one per threshold
        f.set(sum, vector2(sub, sum, vector2(name, x, t)));
      });
      f.set(at, scalar2("i32.add", at, i32(16)));
      f.set(left, scalar2("i32.sub", left, i32(1)));
    },
  );
  for (const [k, sum] of sums.entries()) f.storeVector(here(COUNTS_AT + 16 * k), sum);
  return encodeModule([f.finish()], memories);
}

/** Vectors that a call may count: as many as a lane of the counts holds. */
function vectorsMax(itemBytes: number): number {
  return itemBytes === 1 ? 255 : itemBytes === 2 ? 65535 : 2 ** 27;
}

/**
 * Elements of `x` in each bin between sorted `edges`, the last bin with its upper edge; null where it does not lie in a
 * segment in rows, or where there are too many edges, NaN or another dtype.
 */
export function countAmongFew(x: NDArray, edges: Float64Array): Float64Array | null {
  const memory = memoryOf(x.data.buffer);
  const nest = loopNest(x.shape, [x], "memory"); // the order of the elements does not matter
  const given = x.dtype in SHAPE ? countThresholds(x.dtype, edges) : null;
  if (memory === undefined || given === null || nest.strides[0]?.at(-1) !== 1) return null;
  const { dtype } = x;
  const own = scratch();
  const memories = memory === own.memory ? [memory] : [memory, own.memory];
  const key = `bins few ${dtype} ${edges.length} ${memories.length}`;
  if (x.size >= 2 ** 31 || !isCompiled(key, x.size)) return null;
  countRun("wasm");
  const run = kernelOf(key, memories, () => emitCounts(dtype, edges.length, memories.length));
  const { itemsize } = DTYPES[dtype];
  const lanes = 16 / itemsize;
  const thresholds = viewOf(dtype, own.buffer, THRESHOLDS_AT, edges.length * lanes) as Float64Array; // no big integers
  given.forEach(({ value }, k) => {
    thresholds.fill(value, k * lanes, (k + 1) * lanes);
  });
  const bytes = Math.min(4, itemsize); // counts of 64-bit lanes stay below 2^32
  const type = bytes === 1 ? "uint8" : bytes === 2 ? "uint16" : "uint32";
  const perEdge = 16 / bytes;
  const counts = viewOf(type, own.buffer, COUNTS_AT, edges.length * perEdge) as Uint32Array; // or of fewer bytes
  const above = new Float64Array(edges.length);
  const last = edges.length - 1;
  const data = x.data as Float64Array; // a numeric one
  const row = nest.shape.at(-1) ?? 1;
  forEachOuter(nest, Math.max(0, nest.shape.length - 1), ([from]) => {
    const first = from as number; // one operand
    const vectors = Math.floor(row / lanes);
    for (let done = 0; done < vectors; ) {
      const some = Math.min(vectors - done, vectorsMax(itemsize));
      own.i32[SCRATCH.block / 4] = x.data.byteOffset + itemsize * first + 16 * done;
      run(SCRATCH.block, some, 0);
      for (const [k, c] of counts.entries())
        above[Math.floor(k / perEdge)] = (above[Math.floor(k / perEdge)] as number) + c;
      done += some;
    }
    for (let i = first + vectors * lanes; i < first + row; i++)
      for (let k = 0; k < edges.length; k++) {
        const [v, e] = [data[i] as number, edges[k] as number];
        if (k === last ? v > e : v >= e) above[k] = (above[k] as number) + 1;
      }
  });
  return above
    .map(
      (count, k) =>
        (given[k]?.isNever ? 0 : count) - (k < last && !given[k + 1]?.isNever ? (above[k + 1] as number) : 0),
    )
    .subarray(0, last);
}
