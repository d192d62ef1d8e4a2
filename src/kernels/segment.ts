/** Shared memory segments: the arena's blocks lie in them, and kernels work on them in place. See kernels.md §4. */
import { invariant, UnsupportedError } from "../base/index.ts";
import { inHugePages } from "./huge-pages.ts";
import { memoryKind } from "./wasm/encoder.ts";
import { type WasmMemory, wasm } from "./wasm/webassembly.ts";

const PAGE = 65536;
/** Largest memory that 32-bit kernels address. */
const BYTES_MAX = 2 ** 32;

/** One segment: the buffer that views are made over, and the memory to post to other threads. */
export interface Segment {
  readonly buffer: SharedArrayBuffer;
  readonly memory: WasmMemory;
  /** First byte that blocks may use. */
  readonly start: number;
}

const memories = new WeakMap<ArrayBufferLike, WasmMemory>();

/**
 * A new segment of `bytes` (rounded up to 64 KiB, at most 4 GiB); it never grows and costs no resident memory until
 * touched, by huge pages where the system gives them ({@link inHugePages}). Known as a segment in this thread; other threads call {@link adoptSegment} with its memory.
 * @throws {UnsupportedError} code `segment`: the address space is exhausted (`ulimit -v`)
 */
export function createSegment(bytes: number): Segment {
  if (single !== null) return singleSegment(bytes);
  const memory = reserve(bytes);
  return { buffer: inHugePages(adoptSegment(memory)), memory, start: 0 };
}

function reserve(bytes: number): WasmMemory {
  const pages = Math.max(1, Math.ceil(bytes / PAGE));
  invariant(bytes >= 0 && pages * PAGE <= BYTES_MAX, `a segment holds at most ${BYTES_MAX} bytes, not ${bytes}`);
  try {
    return new wasm.Memory({ initial: pages, maximum: pages, shared: memoryKind.shared });
  } catch (cause) {
    throw new UnsupportedError(
      `cannot reserve a memory segment of ${bytes} bytes; is the address space limited (ulimit -v)?`,
      { cause, details: { bytes } },
      "segment",
    );
  }
}

/** Single mode: bytes kept free at the memory's start, and the memory once it is made. */
let single: { readonly reservedBytes: number; memory: WasmMemory | null } | null = null;

/**
 * One private memory for everything from here on, for places without shared memory or multi-memory: kernels, their
 * scratch (the first `reservedBytes`) and the only segment. Call it before any segment is made.
 */
export function enterSingleMode(reservedBytes: number): void {
  single = { reservedBytes, memory: null };
  memoryKind.shared = false;
}

function singleSegment(bytes: number): Segment {
  const { reservedBytes, memory: made } = single as {
    readonly reservedBytes: number;
    readonly memory: WasmMemory | null;
  }; // by the caller
  if (made !== null)
    throw new UnsupportedError("there is one segment where memory is not shared, and it is made", {}, "segment");
  const memory = reserve(reservedBytes + bytes);
  single = { reservedBytes, memory };
  return { buffer: inHugePages(adoptSegment(memory)), memory, start: reservedBytes };
}

/** The only memory of single mode; undefined in the usual mode. */
export function singleMemory(): WasmMemory | undefined {
  if (single === null) return undefined;
  return single.memory ?? singleSegment(0).memory;
}

/** Buffer of a segment made by another thread, known as a segment from now on; make views over this buffer only. */
export function adoptSegment(memory: WasmMemory): SharedArrayBuffer {
  const buffer = memory.buffer as unknown as SharedArrayBuffer; // shared but in single mode, where nothing is posted
  memories.set(buffer, memory);
  return buffer;
}

/** Memory behind a segment's buffer; undefined for any other buffer. */
export function memoryOf(buffer: ArrayBufferLike): WasmMemory | undefined {
  return memories.get(buffer);
}
