/**
 * The few first of a line's order, in one pass over its elements: those that come before the last of the best ones so far
 * are rare, and vectors look for them. -0 equals 0; NaN is last, or first of the descending order; of equal ones the first.
 * Bytes per element moved: its own.
 */
import { DTYPES, type DType, type TypedArray, viewOf } from "../../dtype/index.ts";
import { shapeOf, type Width } from "../map/lanes.ts";
import { memoryOf } from "../segment.ts";
import {
  type Address,
  anyTrue,
  bitmask,
  FunctionBuilder,
  i32,
  loadScalar,
  loadVector,
  scalar1,
  scalar2,
  scalarCompare,
  type Vector,
  type Vector2Name,
  vector1,
  vector2,
} from "../wasm/builder.ts";
import { encodeModule } from "../wasm/encoder.ts";
import { countRun, kernelOf, SCRATCH, scratch } from "../wasm/runtime.ts";
import type { WasmMemory } from "../wasm/webassembly.ts";

/** So many are kept in order while a line is read. */
export const FEW = 64;
/** Bytes that are looked at between two branches. */
const GROUP_BYTES = 64;
/** Offsets in the parameter block. */
const WORD = { at: 0, end: 4, found: 8, last: 16 } as const;

/** Which order, and where the lines lie. */
export interface Leading {
  readonly dtype: DType;
  readonly descending: boolean;
  readonly buffer: ArrayBufferLike;
}

/** Gives the place of the next of `cells`, from `i` on, that may come before `last`; their number when there is none. */
type Search = (cells: Float64Array, i: number, last: number) => number;

/** Puts the indices of the first `best.length` of the order of a line of the buffer into `best`. */
export type TakeLeading = (line: TypedArray, best: Uint32Array) => Uint32Array;

/** For elements that JavaScript compares as they are: reals of up to 32 bits, and float64. */
export function leadingOf(order: Leading): TakeLeading {
  const { descending } = order;
  const search = searchInSegment(order) ?? (descending ? nextDown : nextUp);
  return (line, best) => {
    const cells = line as Float64Array; // or another class whose elements are numbers
    const end = best.length - 1;
    for (let i = 0; i <= end; i++) settle(cells, descending, best, i, i);
    let last = cells[best[end] as number] as number;
    for (let i = best.length; i < cells.length; i++) {
      if (descending && Number.isNaN(last)) break; // nothing comes before NaN
      i = search(cells, i, last);
      if (i >= cells.length) break;
      if (!isBefore(cells[i] as number, last, descending)) continue;
      settle(cells, descending, best, end, i);
      last = cells[best[end] as number] as number;
    }
    return best;
  };
}

function isBefore(a: number, b: number, descending: boolean): boolean {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(descending ? a : b) && !Number.isNaN(descending ? b : a);
  return descending ? a > b : a < b;
}

/** Put element `k` into its place among the sorted ones before place `i`, after its equals. */
function settle(cells: Float64Array, descending: boolean, best: Uint32Array, i: number, k: number): void {
  const x = cells[k] as number;
  let j = i;
  for (; j > 0 && isBefore(x, cells[best[j - 1] as number] as number, descending); j--) best[j] = best[j - 1] as number;
  best[j] = k;
}

function nextDown(cells: Float64Array, from: number, last: number): number {
  let i = from;
  while (i < cells.length && (cells[i] as number) <= last) i++;
  return i;
}

function nextUp(cells: Float64Array, from: number, last: number): number {
  let i = from;
  if (!Number.isNaN(last)) while (i < cells.length && !((cells[i] as number) < last)) i++;
  return i;
}

/** By vectors, for lines in a segment. */
function searchInSegment({ dtype, descending, buffer }: Leading): Search | null {
  const memory = memoryOf(buffer);
  if (memory === undefined || DTYPES[dtype].kind === "b" || dtype === "float16") return null;
  const width = DTYPES[dtype].itemsize;
  const own = scratch();
  const memories: WasmMemory[] = memory === own.memory ? [own.memory] : [memory, own.memory];
  const run = kernelOf(`leading ${dtype} ${descending} ${memories.length}`, memories, () =>
    emitSearch(dtype, descending, memories.length),
  );
  const lastCell = viewOf(dtype, own.buffer, SCRATCH.block + WORD.last, 1) as Float64Array; // as the lines'
  const word = SCRATCH.block / 4;
  countRun("wasm");
  return (cells, i, last) => {
    const groups = Math.floor(((cells.length - i) * width) / GROUP_BYTES);
    if (groups === 0 || Number.isNaN(last)) return i;
    const at = cells.byteOffset + i * width;
    own.i32[word + WORD.at / 4] = at;
    own.i32[word + WORD.end / 4] = at + groups * GROUP_BYTES;
    lastCell[0] = last;
    run(SCRATCH.block, 1, 1);
    return i + (((own.i32[word + WORD.found / 4] as number) >>> 0) - at) / width;
  };
}

/** Module of `k(block, 1, 1)`: the address of the first element that may come before the last one, or the end. */
function emitSearch(dtype: DType, descending: boolean, memories: number): Uint8Array<ArrayBuffer> {
  const f = new FunctionBuilder(["i32", "i32", "i32"]);
  const block = f.param(0, "i32");
  const place = (offset: number): Address => ({ memory: memories - 1, base: block, offset });
  const width = DTYPES[dtype].itemsize as Width; // of a number
  const at = f.let(loadScalar("i32.load", place(WORD.at)));
  const end = f.let(loadScalar("i32.load", place(WORD.end)));
  const last = f.let(
    loadVector(
      ({ 1: "v128.load8_splat", 2: "v128.load16_splat", 4: "v128.load32_splat", 8: "v128.load64_splat" } as const)[
        width
      ],
      place(WORD.last),
    ),
  );
  const isFloat = DTYPES[dtype].kind === "f";
  const suffix = isFloat ? "" : DTYPES[dtype].kind === "u" ? "_u" : "_s";
  const compare = (op: string, x: Vector): Vector =>
    vector2(`${shapeOf(dtype)}.${op}${suffix}` as Vector2Name, x, last); // numbers have all four
  // Of floats NaN is met too.
  const isMet = (x: Vector): Vector =>
    !descending ? compare("lt", x) : isFloat ? vector1("v128.not", compare("le", x)) : compare("gt", x);
  const shape = ({ 1: "i8x16", 2: "i16x8", 4: "i32x4", 8: "i64x2" } as const)[width];
  f.doWhile(
    () => scalarCompare("i32.lt_u", at, end),
    () => {
      const met = [0, 1, 2, 3].map((k) =>
        f.let(isMet(loadVector("v128.load", { memory: 0, base: at, offset: 16 * k }))),
      );
      f.if(anyTrue(met.reduce<Vector>((m, x) => vector2("v128.or", m, x), met[0] as Vector)), () => {
        met.forEach((mask, k) => {
          const bits = f.let(bitmask(shape, mask));
          f.if(bits, () => {
            const inside = scalar2("i32.mul", scalar1("i32.ctz", bits), i32(width));
            f.storeScalar(
              "i32.store",
              place(WORD.found),
              scalar2("i32.add", at, scalar2("i32.add", inside, i32(16 * k))),
            );
            f.leave();
          });
        });
      });
      f.set(at, scalar2("i32.add", at, i32(GROUP_BYTES)));
    },
  );
  f.storeScalar("i32.store", place(WORD.found), at);
  return encodeModule([f.finish()], memories);
}
