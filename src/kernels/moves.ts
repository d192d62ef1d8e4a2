/**
 * Bytes moved within segments: rows of any length from place to place, and elements of several blocks in turns. Long rows
 * go by the processor's own copy (`memory.copy`), which writes without reading what it overwrites; short ones, and those
 * that would be slow that way, by vectors.
 */
import type { NDArray } from "../ndarray/index.ts";
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
  shuffle,
  type Vector,
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
const CALL_BYTES = 8 << 20;
const VECTOR = 16;

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

interface Bound {
  readonly list: readonly WasmMemory[];
  readonly at: readonly number[];
}

/** Memories of these buffers, and the scratch memory as the last; null where one is no segment. */
function bind(buffers: readonly ArrayBufferLike[]): Bound | null {
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

const sum = (a: I32, b: I32): I32 => scalar2("i32.add", a, b);

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

/** Widths of elements whose blocks are put in turns by shuffles, and how many blocks at most. */
type Width = 1 | 2 | 4 | 8;
const TURNS_MAX = 8;
const TURNS = {};

/** Whether {@link moveTurns} takes so many blocks of elements of this size. */
export function takesTurns(count: number, itemsize: number): boolean {
  return count >= 2 && count <= TURNS_MAX && itemsize <= 8;
}

/**
 * Element i of every block after each other, for all i: `out` is in C order and as long as all blocks together, which are
 * in C order and of one size. False where one lies in no segment.
 */
export function moveTurns(out: NDArray, blocks: readonly NDArray[], width: Width): boolean {
  const bound = bind([out, ...blocks].map((x) => x.data.buffer));
  if (bound === null) return false;
  const { list, at } = bound;
  const own = list.length - 1;
  const variant = `${width} ${at.join()}`;
  const run = kernelFor(TURNS, variant, list, {
    key: () => `move turns ${variant}/${own}`,
    emit: () => emitTurns(width, at, own),
  });
  countRun("wasm");
  const words = scratch().i32;
  const first = SCRATCH.block / 4;
  const size = blocks[0]?.size ?? 0;
  const most = Math.floor(CALL_BYTES / width / blocks.length);
  for (let i = 0; i < size; i += most) {
    words[first] = Math.min(most, size - i);
    words[first + 1] = out.data.byteOffset + (out.offset + i * blocks.length) * width;
    for (const [k, x] of blocks.entries()) words[first + 2 + k] = x.data.byteOffset + (x.offset + i) * width;
    run(SCRATCH.block, 1, 1);
  }
  return true;
}

function emitTurns(width: Width, memories: readonly number[], own: number): Uint8Array<ArrayBuffer> {
  const f = new FunctionBuilder(["i32", "i32", "i32"]);
  const word = (k: number): Local<"i32"> =>
    f.let(loadScalar("i32.load", { memory: own, base: f.param(0, "i32"), offset: 4 * k }));
  const [rest, to] = [word(0), word(1)];
  const from = memories.slice(1).map((_, k) => word(2 + k));
  const lanes = VECTOR / width;
  const at = (k: number, offset: number): Address => ({
    memory: memories[k] as number,
    base: (k === 0 ? to : from[k - 1]) as Local<"i32">,
    offset,
  }); // one per memory
  const advance = (n: number): void => {
    f.set(to, sum(to, i32(n * width * from.length)));
    for (const x of from) f.set(x, sum(x, i32(n * width)));
    f.set(rest, scalar2("i32.sub", rest, i32(n)));
  };
  const fits = (): I32 => scalarCompare("i32.ge_u", rest, i32(lanes));
  f.if(fits(), () =>
    f.doWhile(fits, () => {
      const loaded = from.map((_, k) => f.let(loadVector("v128.load", at(k + 1, 0))));
      for (let v = 0; v < loaded.length; v++) f.storeVector(at(0, v * VECTOR), turnOf(loaded, v, width));
      advance(lanes);
    }),
  );
  const [load, store] = {
    1: ["i32.load8_u", "i32.store8"],
    2: ["i32.load16_u", "i32.store16"],
    4: ["i32.load", "i32.store"],
    8: ["i64.load", "i64.store"],
  }[width] as ["i32.load", "i32.store"]; // names of one width
  f.if(rest, () =>
    f.doWhile(
      () => rest,
      () => {
        for (const k of from.keys()) f.storeScalar(store, at(0, k * width), loadScalar(load, at(k + 1, 0)));
        advance(1);
      },
    ),
  );
  return encodeModule([f.finish()], own + 1);
}

/** Vector `v` of the result of one turn: its bytes come from lanes of all vectors, one shuffle for each vector after the first. */
function turnOf(loaded: readonly Vector[], v: number, width: Width): Vector {
  const places = Array.from({ length: VECTOR }, (_, i) => {
    const element = Math.floor((VECTOR * v + i) / width);
    return { block: element % loaded.length, byte: Math.floor(element / loaded.length) * width + (i % width) };
  });
  const [first, second, ...others] = [...new Set(places.map((p) => p.block))] as [number, number | undefined];
  const pair = second ?? first;
  let made = shuffle(
    loaded[first] as Vector, // a block of the list, here and below
    loaded[pair] as Vector,
    places.map(({ block, byte }) => (block === first ? byte : block === pair ? VECTOR + byte : 0)),
  );
  for (const next of others as readonly number[])
    made = shuffle(
      made,
      loaded[next] as Vector,
      places.map(({ block, byte }, i) => (block === next ? VECTOR + byte : i)),
    );
  return made;
}
