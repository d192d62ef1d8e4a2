/**
 * What bool masks select, in segments: how many are true, the elements beside them, their indices. Sixteen at a time:
 * groups without a true byte are passed over, others store every element and move on by those that stay, so that there is
 * no branch to be guessed. Nothing is written past the end of the result.
 */
import { memoryOf } from "../segment.ts";
import {
  type Address,
  bitmask,
  FunctionBuilder,
  type I32,
  type I64,
  i32,
  i64,
  type Local,
  loadScalar,
  loadVector,
  scalar1,
  scalar2,
  scalarCompare,
  select,
  splat,
  type Value,
  vector2,
} from "../wasm/builder.ts";
import { encodeModule } from "../wasm/encoder.ts";
import { countRun, kernelOf, SCRATCH, scratch } from "../wasm/runtime.ts";
import type { WasmMemory } from "../wasm/webassembly.ts";

const GROUP = 16;
/** Masks of fewer bytes are not worth a compilation. */
const MASK_MIN = 512;

type Width = 1 | 2 | 4 | 8;

/** What is stored for a true byte: nothing, the element of its place, or a number that grows by `step` from byte to byte. */
type Kept =
  | { readonly kind: "none" }
  | { readonly kind: "elements"; readonly width: Width }
  | { readonly kind: "numbers"; readonly step: 0 | 1 };

/** Offsets of words in the parameter block; `runEnd` is where the first run of the mask ends, `run` how long the others are. */
const WORD = { mask: 0, maskEnd: 4, from: 8, to: 12, toEnd: 16, runEnd: 20, value: 24, run: 32, wrap: 40 } as const;
const WORDS = 12;

interface Shape {
  readonly kept: Kept;
  /** Memories of mask, elements and result; the last is the scratch memory. */
  readonly memories: readonly [mask: number, from: number, to: number];
  readonly scratch: number;
}

/** Bytes of a buffer that kernels address. */
export interface Stretch {
  readonly buffer: ArrayBufferLike;
  readonly byteOffset: number;
}

function memoriesOf(parts: readonly Stretch[]): { readonly list: WasmMemory[]; readonly at: number[] } | null {
  const own = scratch().memory;
  const found = parts.map(({ buffer }) => memoryOf(buffer));
  if (found.includes(undefined)) return null;
  const all = found as WasmMemory[]; // looked at
  const list = [...new Set(all.filter((m) => m !== own)), own];
  return { list, at: all.map((m) => list.indexOf(m)) };
}

interface Given {
  readonly mask: Uint8Array;
  readonly from: Stretch;
  /** Result and its length in bytes. */
  readonly to: Stretch & { readonly bytes: number };
  readonly value: number;
  /** Runs of the mask: bytes of the first and of the others; a step of 0 gives each run the next number, below `wrap`. */
  readonly runs?: { readonly first: number; readonly length: number; readonly wrap: number };
}

/** Runs a mask's kernel; gives the block's words, or null where an operand lies in no segment or the mask is short. */
function run(kept: Kept, { mask, from, to, value, runs }: Given): Int32Array | null {
  if (mask.length < MASK_MIN) return null;
  const found = memoriesOf([mask, from, to]);
  if (found === null) return null;
  const { list, at } = found;
  const shape: Shape = { kept, memories: at as [number, number, number], scratch: list.length - 1 }; // three parts
  const key = `mask ${Object.values(kept).join(" ")} ${at.join()}/${list.length}`;
  const kernel = kernelOf(key, list, () => emitMask(shape));
  const words = scratch().i32.subarray(SCRATCH.block / 4, SCRATCH.block / 4 + WORDS);
  words.set([mask.byteOffset, mask.byteOffset + mask.length, from.byteOffset, to.byteOffset, to.byteOffset + to.bytes]);
  words[WORD.runEnd / 4] = mask.byteOffset + Math.min(runs?.first ?? mask.length, mask.length);
  words[WORD.run / 4] = Math.min(runs?.length ?? mask.length, mask.length);
  setLong(words, WORD.value, value);
  setLong(words, WORD.wrap, runs?.wrap ?? 0);
  countRun("wasm");
  kernel(SCRATCH.block, 1, 1);
  return words;
}

/** How many bytes are 1; null where the mask lies in no segment. */
export function countTrueBytes(mask: Uint8Array): number | null {
  const words = run(
    { kind: "none" },
    { mask, from: mask, to: { buffer: mask.buffer, byteOffset: 0, bytes: 0 }, value: 0 },
  );
  return words && (words[WORD.to / 4] as number);
}

/** Elements of `width` bytes where the mask is 1, at most as many as `to` holds. False where an operand lies in no segment. */
export function keepMasked(mask: Uint8Array, width: Width, from: Stretch, to: Given["to"]): boolean {
  return run({ kind: "elements", width }, { mask, from, to, value: 0 }) !== null;
}

function setLong(words: Int32Array, offset: number, value: number): void {
  words[offset / 4] = value;
  words[offset / 4 + 1] = Math.floor(value / 2 ** 32);
}

/**
 * Numbers where the mask is 1, int64. Step 1: `value + i` for byte i of the first run, `i` for byte i of each later run.
 * Step 0: `value` for the first run, and the next number for each later one, 0 after `runs.wrap - 1`. Gives how many were
 * stored, or null where an operand lies in no segment.
 */
export function numbersMasked(
  mask: Uint8Array,
  { value, step, runs }: { readonly value: number; readonly step: 0 | 1; readonly runs: NonNullable<Given["runs"]> },
  to: Given["to"],
): number | null {
  const words = run({ kind: "numbers", step }, { mask, from: mask, to, value, runs });
  return words && (((words[WORD.to / 4] as number) - to.byteOffset) >>> 0) / 8; // addresses of 32 bits
}

const LOADS = { 1: "i32.load8_u", 2: "i32.load16_u", 4: "i32.load", 8: "i64.load" } as const;
const STORES = { 1: "i32.store8", 2: "i32.store16", 4: "i32.store", 8: "i64.store" } as const;

function emitMask({ kept, memories, scratch: own }: Shape): Uint8Array<ArrayBuffer> {
  const f = new FunctionBuilder(["i32", "i32", "i32"]);
  const block = f.param(0, "i32");
  const word = (offset: number): Address => ({ memory: own, base: block, offset });
  const load = (offset: number): Local<"i32"> => f.let(loadScalar("i32.load", word(offset)));
  const names = ["mask", "maskEnd", "from", "to", "toEnd", "runEnd", "run"] as const;
  const [mask, maskEnd, from, to, toEnd, runEnd, length] = names.map((name) => load(WORD[name])) as [
    Local<"i32">,
    Local<"i32">,
    Local<"i32">,
    Local<"i32">,
    Local<"i32">,
    Local<"i32">,
    Local<"i32">,
  ]; // one per name
  const value = f.let(loadScalar("i64.load", word(WORD.value)));
  const wrap = f.let(loadScalar("i64.load", word(WORD.wrap)));
  const width: Width = kept.kind === "elements" ? kept.width : kept.kind === "numbers" ? 8 : 1;
  const cells: Cells = { f, kept, memories, width, mask, from, to, value };
  if (kept.kind === "none") f.set(to, i32(0));
  const hasRoom = (): I32 => (kept.kind === "none" ? i32(1) : scalarCompare("i32.lt_u", to, toEnd));
  const isOpen = (): I32 => scalar2("i32.and", scalarCompare("i32.lt_u", mask, maskEnd), hasRoom());
  const step = kept.kind === "numbers" ? kept.step : null;
  f.if(isOpen(), () =>
    f.doWhile(isOpen, () => {
      selectRun(cells, runEnd, toEnd);
      // A run that ended for want of room ends all.
      f.set(mask, runEnd);
      const left = scalar2("i32.sub", maskEnd, runEnd);
      f.set(runEnd, select(scalarCompare("i32.lt_u", left, length), maskEnd, scalar2("i32.add", runEnd, length)));
      if (step === 1) f.set(value, i64(0n));
      if (step === 0) {
        f.set(value, scalar2("i64.add", value, i64(1n)));
        f.set(value, select(scalarCompare("i64.eq", value, wrap), i64(0n), value));
      }
    }),
  );
  f.storeScalar("i32.store", word(WORD.to), to);
  return encodeModule([f.finish()], own + 1);
}

/** What one run of the mask keeps: sixteen at a time, then one by one. */
function selectRun(cells: Cells, runEnd: Local<"i32">, toEnd: Local<"i32">): void {
  const { f, kept, memories, width, mask, to } = cells;
  const zero = f.constant(new Uint8Array(16));
  const fits = (): I32 =>
    scalar2(
      "i32.and",
      scalarCompare("i32.le_u", scalar2("i32.add", mask, i32(GROUP)), runEnd),
      kept.kind === "none" ? i32(1) : scalarCompare("i32.le_u", scalar2("i32.add", to, i32(GROUP * width)), toEnd),
    );
  f.if(fits(), () =>
    f.doWhile(fits, () => {
      const bytes = loadVector("v128.load", { memory: memories[0], base: mask, offset: 0 });
      const bits = f.let(bitmask("i8x16", vector2("i8x16.ne", bytes, zero)));
      f.if(bits, () => {
        if (kept.kind === "none") f.set(to, scalar2("i32.add", to, scalar1("i32.popcnt", bits)));
        else storeGroup(cells, bits);
      });
      advance(cells, GROUP);
    }),
  );
  const more = (): I32 =>
    scalar2(
      "i32.and",
      scalarCompare("i32.lt_u", mask, runEnd),
      kept.kind === "none" ? i32(1) : scalarCompare("i32.lt_u", to, toEnd),
    );
  f.if(more(), () =>
    f.doWhile(more, () => {
      f.if(flag(cells, 0), () => storeOne(cells, 0, i32(1)));
      advance(cells, 1);
    }),
  );
}

interface Cells {
  readonly f: FunctionBuilder;
  readonly kept: Kept;
  readonly memories: Shape["memories"];
  readonly width: Width;
  readonly mask: Local<"i32">;
  readonly from: Local<"i32">;
  readonly to: Local<"i32">;
  readonly value: Local<"i64">;
}

function flag({ memories, mask }: Cells, k: number): I32 {
  return loadScalar("i32.load8_u", { memory: memories[0], base: mask, offset: k });
}

/** Store what stands at byte `k`, and move on by as many elements as `by` says. */
function storeOne({ f, kept, memories, width, from, to, value }: Cells, k: number, by: I32): void {
  if (kept.kind !== "none") {
    const number = (step: 0 | 1): I64 => (step === 0 || k === 0 ? value : scalar2("i64.add", value, i64(BigInt(k))));
    const x: Value =
      kept.kind === "numbers"
        ? number(kept.step)
        : loadScalar(LOADS[width], { memory: memories[1], base: from, offset: k * width });
    f.storeScalar(STORES[width], { memory: memories[2], base: to, offset: 0 }, x);
  }
  const bytes = width === 1 ? by : scalar2("i32.shl", by, i32(Math.log2(width)));
  f.set(to, scalar2("i32.add", to, bytes));
}

function storeGroup(cells: Cells, bits: I32): void {
  const { f, kept, memories, width, from, to } = cells;
  const each = (): void => {
    for (let k = 0; k < GROUP; k++) storeOne(cells, k, flag(cells, k));
  };
  if (kept.kind === "none") return;
  f.if(
    scalarCompare("i32.eq", bits, i32(0xffff)),
    () => {
      if (kept.kind === "elements")
        for (let v = 0; v < width; v++) {
          const whole = loadVector("v128.load", { memory: memories[1], base: from, offset: 16 * v });
          f.storeVector({ memory: memories[2], base: to, offset: 16 * v }, whole);
        }
      else storeNumbers(cells, kept.step);
      f.set(to, scalar2("i32.add", to, i32(GROUP * width)));
    },
    each,
  );
}

/** Sixteen numbers, two a vector. */
function storeNumbers({ f, memories, to, value }: Cells, step: 0 | 1): void {
  const base = f.let(splat("i64x2.splat", value));
  for (let v = 0; v < GROUP / 2; v++) {
    const more = f.constant(new Uint8Array(BigInt64Array.of(BigInt(2 * v), BigInt(2 * v + 1)).buffer));
    const pair = step === 0 ? base : vector2("i64x2.add", base, more);
    f.storeVector({ memory: memories[2], base: to, offset: 16 * v }, pair);
  }
}

function advance({ f, kept, width, mask, from, value }: Cells, n: number): void {
  f.set(mask, scalar2("i32.add", mask, i32(n)));
  if (kept.kind === "elements") f.set(from, scalar2("i32.add", from, i32(n * width)));
  if (kept.kind === "numbers" && kept.step === 1) f.set(value, scalar2("i64.add", value, i64(BigInt(n))));
}
