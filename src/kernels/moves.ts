/**
 * Bytes moved within segments: rows of any length from place to place, and bytes repeated. Long rows go by the processor's
 * own copy (`memory.copy`), which writes without reading what it overwrites; short ones, and those that would be slow that
 * way, by vectors.
 */
import { memoryOf } from "./segment.ts";
import {
  type Address,
  FunctionBuilder,
  type I32,
  i32,
  type Local,
  loadScalar,
  loadVector,
  scalar2,
  scalarCompare,
} from "./wasm/builder.ts";
import { encodeModule } from "./wasm/encoder.ts";
import { countRun, kernelFor, SCRATCH, scratch } from "./wasm/runtime.ts";
import type { WasmMemory } from "./wasm/webassembly.ts";

/** Rows of fewer bytes are moved by vectors: a call costs what they take. */
const COPY_MIN = 4096;
/**
 * Copies whose target lies fewer bytes behind the source or before it, modulo a page (but not 0), are up to eight times as
 * slow on some processors: each load waits for a store.
 */
const NEAR = 64;
const PAGE = 4096;
/** Bytes per call: a call that runs sees no cancellation. */
export const CALL_BYTES: number = 8 << 20;
/** Bytes of a vector. */
export const VECTOR: number = 16;

/** Rows of bytes: where they begin, and how far the next one is on each side. */
export interface Rows {
  readonly to: number;
  readonly from: number;
  readonly bytes: number;
  readonly rows: number;
  readonly toStep: number;
  readonly fromStep: number;
}

const WORD = { to: 0, from: 4, bytes: 8, rows: 12, toStep: 16, fromStep: 20 } as const;
const MOVES = {};

/** Memories that a kernel is bound to, and which of them each buffer is. */
export interface Bound {
  readonly list: readonly WasmMemory[];
  readonly at: readonly number[];
}

/** Memories of these buffers, and the scratch memory as the last; null where one is no segment. */
export function bind(buffers: readonly ArrayBufferLike[]): Bound | null {
  const own = scratch().memory;
  const list: WasmMemory[] = [];
  for (const buffer of buffers) {
    const memory = memoryOf(buffer);
    if (memory === undefined) return null;
    if (memory !== own && !list.includes(memory)) list.push(memory);
  }
  list.push(own);
  return { list, at: buffers.map((buffer) => list.indexOf(memoryOf(buffer) as WasmMemory)) }; // looked at
}

/** Moves rows of bytes between buffers; false where one is no segment. Rows overlap nothing. */
export function moveRows(to: ArrayBufferLike, from: ArrayBufferLike, given: Rows): boolean {
  const bound = bind([to, from]);
  if (bound === null) return false;
  if (given.bytes === 0 || given.rows === 0) return true;
  const { list, at } = bound;
  const variant = at.join();
  const own = list.length - 1;
  const run = kernelFor(MOVES, variant, list, {
    key: () => `move rows ${variant}/${own}`,
    emit: () => emitRows(at[0] as number, at[1] as number, own), // two buffers
  });
  countRun("wasm");
  const words = scratch().i32;
  const block = SCRATCH.block / 4;
  words[block + WORD.toStep / 4] = given.toStep;
  words[block + WORD.fromStep / 4] = given.fromStep;
  const rows = Math.max(1, Math.floor(CALL_BYTES / given.bytes));
  for (let r = 0; r < given.rows; r += rows) {
    for (let b = 0; b < given.bytes; b += CALL_BYTES) {
      words[block + WORD.to / 4] = given.to + r * given.toStep + b;
      words[block + WORD.from / 4] = given.from + r * given.fromStep + b;
      words[block + WORD.bytes / 4] = Math.min(CALL_BYTES, given.bytes - b);
      words[block + WORD.rows / 4] = Math.min(rows, given.rows - r);
      run(SCRATCH.block, 1, 1);
    }
  }
  return true;
}

const FILLS = {};

/** Sets bytes of a segment to one value; false where the buffer is none. */
export function setBytes(to: ArrayBufferLike, start: number, bytes: number, byte: number): boolean {
  const bound = bind([to]);
  if (bound === null) return false;
  const { list, at } = bound;
  const own = list.length - 1;
  const variant = at.join();
  const run = kernelFor(FILLS, variant, list, {
    key: () => `move fill ${variant}/${own}`,
    emit: () => {
      const f = new FunctionBuilder(["i32", "i32", "i32"]);
      f.fill({ memory: at[0] as number, base: f.param(0, "i32"), offset: 0 }, f.param(1, "i32"), f.param(2, "i32")); // one buffer
      return encodeModule([f.finish()], own + 1);
    },
  });
  countRun("wasm");
  for (let b = 0; b < bytes; b += CALL_BYTES) run(start + b, byte, Math.min(CALL_BYTES, bytes - b));
  return true;
}

/** A piece of a pattern: it stays in the first cache. */
const PATTERN_BYTES = 8192;

/** Repeats the bytes of one element over a stretch of a segment; false where the buffer is none. */
export function repeatBytes(to: ArrayBufferLike, start: number, bytes: number, element: Uint8Array): boolean {
  if (memoryOf(to) === undefined) return false;
  const [first = 0] = element;
  if (element.every((b) => b === first)) return setBytes(to, start, bytes, first);
  // The pattern lies as the target does within a page, so that the processor's copy is at its best.
  const from = SCRATCH.copies + (start & (PAGE - 1));
  const own = scratch().buffer;
  const pattern = new Uint8Array(own, from, PATTERN_BYTES);
  pattern.set(element);
  for (let n = element.length; n < PATTERN_BYTES; n *= 2) pattern.copyWithin(n, 0, Math.min(n, PATTERN_BYTES - n));
  const rows = Math.floor(bytes / PATTERN_BYTES);
  moveRows(to, own, { to: start, from, bytes: PATTERN_BYTES, rows, toStep: PATTERN_BYTES, fromStep: 0 });
  const done = rows * PATTERN_BYTES;
  return moveRows(to, own, { to: start + done, from, bytes: bytes - done, rows: 1, toStep: 0, fromStep: 0 });
}

/** Rows that begin at listed bytes of `from`, put one after another. */
export interface ListedRows {
  readonly to: number;
  readonly bytes: number;
  /** Places of rows, in bytes from the buffer's start. */
  readonly starts: Uint32Array;
}

const LISTED = {};
/** Places that scratch memory holds at a time. */
const LISTED_MAX = 1 << 16;

/** Moves rows from listed places to one after another; false where a buffer is no segment. Rows overlap nothing. */
export function moveListed(to: ArrayBufferLike, from: ArrayBufferLike, given: ListedRows): boolean {
  const bound = bind([to, from]);
  if (bound === null) return false;
  const { starts, bytes } = given;
  if (bytes === 0 || starts.length === 0) return true;
  const { list, at } = bound;
  const variant = at.join();
  const own = list.length - 1;
  const run = kernelFor(LISTED, variant, list, {
    key: () => `move listed ${variant}/${own}`,
    emit: () => emitListed(at[0] as number, at[1] as number, own), // two buffers
  });
  countRun("wasm");
  const words = scratch().i32;
  const block = SCRATCH.block / 4;
  const most = Math.min(LISTED_MAX, Math.max(1, Math.floor(CALL_BYTES / bytes)));
  for (let r = 0; r < starts.length; r += most) {
    const part = starts.subarray(r, r + most);
    words.set(part, SCRATCH.copies / 4);
    words[block + WORD.to / 4] = given.to + r * bytes;
    words[block + WORD.from / 4] = SCRATCH.copies;
    words[block + WORD.bytes / 4] = bytes;
    words[block + WORD.rows / 4] = part.length;
    words[block + WORD.toStep / 4] = bytes;
    run(SCRATCH.block, 1, 1);
  }
  return true;
}

/** Sum of two words. */
export const sum = (a: I32, b: I32): I32 => scalar2("i32.add", a, b);

interface Places {
  readonly f: FunctionBuilder;
  readonly to: Local<"i32">;
  readonly from: Local<"i32">;
  readonly memories: readonly [to: number, from: number];
}

function emitRows(toMemory: number, fromMemory: number, own: number): Uint8Array<ArrayBuffer> {
  const f = new FunctionBuilder(["i32", "i32", "i32"]);
  const word = wordsOf(f, own);
  const [to, from, bytes, rows] = [word(WORD.to), word(WORD.from), word(WORD.bytes), word(WORD.rows)];
  const [toStep, fromStep] = [word(WORD.toStep), word(WORD.fromStep)];
  const row = rowMover(f, [toMemory, fromMemory]);
  f.doWhile(
    () => rows,
    () => {
      row(to, from, bytes);
      f.set(to, sum(to, toStep));
      f.set(from, sum(from, fromStep));
      f.set(rows, scalar2("i32.sub", rows, i32(1)));
    },
  );
  return encodeModule([f.finish()], own + 1);
}

/** Rows from listed places; the list lies in scratch memory, where `from` says. */
function emitListed(toMemory: number, fromMemory: number, own: number): Uint8Array<ArrayBuffer> {
  const f = new FunctionBuilder(["i32", "i32", "i32"]);
  const word = wordsOf(f, own);
  const [to, list, bytes, rows, toStep] = [
    word(WORD.to),
    word(WORD.from),
    word(WORD.bytes),
    word(WORD.rows),
    word(WORD.toStep),
  ];
  const from = f.local("i32");
  const row = rowMover(f, [toMemory, fromMemory]);
  f.doWhile(
    () => rows,
    () => {
      f.set(from, loadScalar("i32.load", { memory: own, base: list, offset: 0 }));
      row(to, from, bytes);
      f.set(to, sum(to, toStep));
      f.set(list, sum(list, i32(4)));
      f.set(rows, scalar2("i32.sub", rows, i32(1)));
    },
  );
  return encodeModule([f.finish()], own + 1);
}

/** Gives the words of the parameter block. */
function wordsOf(f: FunctionBuilder, own: number): (offset: number) => Local<"i32"> {
  return (offset) => f.let(loadScalar("i32.load", { memory: own, base: f.param(0, "i32"), offset }));
}

type RowMover = (to: Local<"i32">, from: Local<"i32">, bytes: Local<"i32">) => void;

/** Code that moves one row, the way that suits its length and place. */
function rowMover(f: FunctionBuilder, memories: Places["memories"]): RowMover {
  const [t, s, rest] = [f.local("i32"), f.local("i32"), f.local("i32")];
  const apart = f.local("i32");
  return (to, from, bytes) => {
    f.set(apart, scalar2("i32.and", scalar2("i32.sub", to, from), i32(PAGE - 1)));
    const around = scalar2("i32.and", sum(apart, i32(NEAR - 1)), i32(PAGE - 1));
    const isClear = scalarCompare("i32.ge_u", around, i32(2 * NEAR - 1));
    const isFast = scalar2(
      "i32.and",
      scalarCompare("i32.ge_u", bytes, i32(COPY_MIN)),
      scalar2("i32.or", scalarCompare("i32.eq", apart, i32(0)), isClear),
    );
    f.if(
      isFast,
      () => f.copy({ memory: memories[0], base: to, offset: 0 }, { memory: memories[1], base: from, offset: 0 }, bytes),
      () => {
        f.set(t, to);
        f.set(s, from);
        f.set(rest, bytes);
        byVectors({ f, to: t, from: s, memories }, rest);
      },
    );
  };
}

/** `rest` bytes by vectors, four, one, and then what is left by halves. */
function byVectors(places: Places, rest: Local<"i32">): void {
  const { f, to, from, memories } = places;
  const target = (offset: number): Address => ({ memory: memories[0], base: to, offset });
  const source = (offset: number): Address => ({ memory: memories[1], base: from, offset });
  const advance = (n: number): void => {
    f.set(to, sum(to, i32(n)));
    f.set(from, sum(from, i32(n)));
    f.set(rest, scalar2("i32.sub", rest, i32(n)));
  };
  for (const count of [4, 1]) {
    const more = (): I32 => scalarCompare("i32.ge_u", rest, i32(count * VECTOR));
    f.if(more(), () =>
      f.doWhile(more, () => {
        const loaded = Array.from({ length: count }, (_, k) => f.let(loadVector("v128.load", source(k * VECTOR))));
        for (const [k, v] of loaded.entries()) f.storeVector(target(k * VECTOR), v);
        advance(count * VECTOR);
      }),
    );
  }
  for (const [bit, load, store] of [
    [8, "i64.load", "i64.store"],
    [4, "i32.load", "i32.store"],
    [2, "i32.load16_u", "i32.store16"],
    [1, "i32.load8_u", "i32.store8"],
  ] as const)
    f.if(scalar2("i32.and", rest, i32(bit)), () => {
      f.storeScalar(store, target(0), loadScalar(load, source(0)));
      advance(bit);
    });
}
