/** Lines sorted by digits in compiled code: in a workspace of their own, so that they may lie anywhere and have any length. */
import { DTYPES, type DType, type TypedArray } from "../../dtype/index.ts";
import { isCompiled } from "../map/engine.ts";
import { createSegment, type Segment, singleMemory } from "../segment.ts";
import { countRun, kernelOf, kernelOnce } from "../wasm/runtime.ts";
import { DIGIT_HEAD_BYTES, DIGIT_WORD, type DigitDType, type DigitSort, emitDigitSort } from "./digits-module.ts";

/** Shorter lines are not worth counting digits. */
const LINE_MIN = 256;
/** The one workspace of a thread that is kept, of which what lines touch is resident. Longer lines have one that the garbage collector takes. */
const KEPT_BYTES = 16 << 20;
const LONG_BYTES_MAX = 2 ** 30;

const WITH_DIGITS: ReadonlySet<DType> = new Set(["float32", "int32", "uint32", "int16", "uint16"]);

let kept: Segment | null = null;
let long: WeakRef<Segment> | null = null;

function workspace(bytes: number): Segment {
  if (bytes <= KEPT_BYTES) {
    kept ??= createSegment(KEPT_BYTES);
    return kept;
  }
  const last = long?.deref();
  if (last !== undefined && last.buffer.byteLength >= bytes && last.buffer.byteLength <= 2 * bytes) return last;
  const made = createSegment(bytes);
  long = new WeakRef(made);
  return made;
}

/** Bytes of the words of `n` elements, with room to whole cache lines. */
function area(n: number, itemsize: number): number {
  return (n * itemsize + 63) & ~63;
}

/** The workspace with the sorted result, and its address; null where the line is left to other ways. */
function sortLine(
  given: DigitSort,
  line: TypedArray,
): { readonly buffer: ArrayBufferLike; readonly at: number } | null {
  const n = line.length;
  const key = `digits ${given.dtype} ${given.wants} ${given.descending}`;
  if (n < LINE_MIN || singleMemory() !== undefined || !isCompiled(key, n)) return null;
  const item = given.wants === "order" ? 8 : 4;
  const lineBytes = given.wants === "order" ? area(n, DTYPES[given.dtype].itemsize) : 0;
  const from = DIGIT_HEAD_BYTES + lineBytes;
  const bytes = from + 2 * area(n, item);
  if (bytes > LONG_BYTES_MAX) return null;
  const { memory, buffer } = workspace(bytes);
  const head = new Int32Array(buffer, 0, DIGIT_HEAD_BYTES / 4).fill(0);
  head[DIGIT_WORD.line / 4] = DIGIT_HEAD_BYTES; // values are made keys where they lie
  head[DIGIT_WORD.from / 4] = from;
  head[DIGIT_WORD.to / 4] = from + area(n, item);
  new Uint8Array(buffer, DIGIT_HEAD_BYTES, line.byteLength).set(
    new Uint8Array(line.buffer, line.byteOffset, line.byteLength),
  );
  countRun("wasm");
  const run = (bytes <= KEPT_BYTES ? kernelOf : kernelOnce)(key, [memory], () => emitDigitSort(given));
  run(0, 1, n);
  return { buffer, at: head[DIGIT_WORD.result / 4] as number };
}

/** Sort a line of 32-bit elements in place; false where it is left to other ways. */
export function sortByDigitCode(dtype: DType, line: TypedArray): boolean {
  if (!WITH_DIGITS.has(dtype) || DTYPES[dtype].itemsize !== 4) return false;
  const sorted = sortLine({ dtype: dtype as DigitDType, wants: "values", descending: false }, line); // of the set
  if (sorted === null) return false;
  new Uint8Array(line.buffer, line.byteOffset, line.byteLength).set(
    new Uint8Array(sorted.buffer, sorted.at, line.byteLength),
  );
  return true;
}

/** The stable order of a line as int64 words, valid until the next line; null where it is left to other ways. */
export function orderByDigitCode(dtype: DType, line: TypedArray, descending: boolean): Int32Array | null {
  if (!WITH_DIGITS.has(dtype)) return null;
  const sorted = sortLine({ dtype: dtype as DigitDType, wants: "order", descending }, line); // of the set
  return sorted && new Int32Array(sorted.buffer, sorted.at, 2 * line.length);
}
