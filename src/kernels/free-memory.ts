/**
 * Memory that was freed goes back to the system. glibc keeps what has been freed, up to blocks of 32 MiB, for the next one
 * to ask for memory: beside an arena that reaches its budget those are some tens of MiB of resident memory that nobody has
 * any use for. distributed makes its workers' C library give it back (`MALLOC_TRIM_THRESHOLD_` of `nanny.pre-spawn-environ`).
 * Called through koffi, an optional package, as in huge-pages.ts: without it, or with another C library, nothing happens.
 */
import { createRequire } from "node:module";

/** What is used of koffi. */
interface Koffi {
  load(path: null): { func(declaration: string): (...args: readonly number[]) => number };
}

/** What `mallopt` calls them, and from which size on memory goes back as it is freed. */
const M_TRIM_THRESHOLD = -1;
const M_MMAP_THRESHOLD = -3;
const MMAP_BYTES = 2 ** 20;
const TRIM_BYTES = 2 ** 21;

let trim: (() => void) | null = null;

/** Give free memory back to the system. Takes a millisecond, and some 20 the first time. */
export function giveBackFreeMemory(): void {
  trim ??= findTrim();
  trim();
}

function findTrim(): () => void {
  const trimFrom = found("int malloc_trim(size_t pad)");
  return () => void trimFrom?.(0);
}

/** From now on large memory of this process goes back to the system as it is freed: new pages for all that comes after. */
export function giveBackAsFreed(): void {
  const set = found("int mallopt(int param, int value)");
  set?.(M_MMAP_THRESHOLD, MMAP_BYTES);
  set?.(M_TRIM_THRESHOLD, TRIM_BYTES);
}

/** Null: no koffi, or a C library that has none of it; the system's own habits are as good. */
function found(declaration: string): ((...args: readonly number[]) => number) | null {
  try {
    const koffi = createRequire(import.meta.url)("koffi") as Koffi; // its own types need it installed
    return koffi.load(null).func(declaration);
  } catch {
    return null;
  }
}
