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

let trim: (() => void) | null = null;

/** Give free memory back to the system. Takes a millisecond, and some 20 the first time. */
export function giveBackFreeMemory(): void {
  trim ??= findTrim();
  trim();
}

function findTrim(): () => void {
  try {
    const koffi = createRequire(import.meta.url)("koffi") as Koffi; // its own types need it installed
    const trimFrom = koffi.load(null).func("int malloc_trim(size_t pad)");
    return () => void trimFrom(0);
  } catch {
    return () => undefined; // no koffi, or a C library that has none of it: the system's own habits are as good
  }
}
