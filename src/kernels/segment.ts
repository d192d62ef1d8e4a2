/** Shared memory segments: the arena's blocks lie in them, and kernels work on them in place. See kernels.md §4. */
import { invariant, UnsupportedError } from "../base/index.ts";
import { type WasmMemory, wasm } from "./wasm/webassembly.ts";

const PAGE = 65536;
/** Largest memory that 32-bit kernels address. */
const BYTES_MAX = 2 ** 32;

/** One segment: the buffer that views are made over, and the memory to post to other threads. */
export interface Segment {
  readonly buffer: SharedArrayBuffer;
  readonly memory: WasmMemory;
}

const memories = new WeakMap<ArrayBufferLike, WasmMemory>();

/**
 * A new segment of `bytes` (rounded up to 64 KiB, at most 4 GiB); it never grows and costs no resident memory until
 * touched. Known as a segment in this thread; other threads call {@link adoptSegment} with its memory.
 * @throws {UnsupportedError} code `segment`: the address space is exhausted (`ulimit -v`)
 */
export function createSegment(bytes: number): Segment {
  const pages = Math.max(1, Math.ceil(bytes / PAGE));
  invariant(bytes >= 0 && pages * PAGE <= BYTES_MAX, `a segment holds at most ${BYTES_MAX} bytes, not ${bytes}`);
  let memory: WasmMemory;
  try {
    memory = new wasm.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (cause) {
    throw new UnsupportedError(
      `cannot reserve a memory segment of ${bytes} bytes; is the address space limited (ulimit -v)?`,
      { cause, details: { bytes } },
      "segment",
    );
  }
  return { buffer: adoptSegment(memory), memory };
}

/** Buffer of a segment made by another thread, known as a segment from now on; make views over this buffer only. */
export function adoptSegment(memory: WasmMemory): SharedArrayBuffer {
  const buffer = memory.buffer as unknown as SharedArrayBuffer; // segments are shared memories
  memories.set(buffer, memory);
  return buffer;
}

/** Memory behind a segment's buffer; undefined for any other buffer. */
export function memoryOf(buffer: ArrayBufferLike): WasmMemory | undefined {
  return memories.get(buffer);
}
