/**
 * Huge pages where the system has them on request only (`transparent_hugepage/enabled` is `madvise`, as in Debian and
 * Ubuntu). V8 never asks for them, and memory that is read once costs up to twice the time in small pages (bench/residence).
 * The C library's `madvise` is called through koffi, an optional package: without it, or where the call fails,
 * everything works in small pages. Nothing else but free-memory.ts may use koffi (docs/decisions/0026).
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const SETTING = "/sys/kernel/mm/transparent_hugepage/enabled";
/** Smaller memories gain little, and the scratch memory of each compute thread is smaller: they need no koffi. */
const ADVISED_BYTES_LEAST = 8 << 20;
/** A multiple of every page size of Linux. */
const PAGE = 65536n;
/** From `<sys/mman.h>`. */
const MADV_HUGEPAGE = 14;

/** What is used of koffi. */
interface Koffi {
  address(bytes: Uint8Array): bigint;
  load(path: null): { func(declaration: string): (...args: readonly (number | bigint)[]) => number };
}

/** Asks for huge pages from an address on; null: why that is not possible here. */
type Advise = (bytes: Uint8Array) => string | null;

let isAllowed = true;
let advise: Advise | null = null;
let tell: ((reason: string) => void) | null = null;

/**
 * Whether memory made in this thread from here on asks for huge pages (it does by default); `onRefused` is told once why
 * none are to be had, where that is so.
 */
export function allowHugePages(allowed: boolean, onRefused?: (reason: string) => void): void {
  isAllowed = allowed;
  tell = onRefused ?? null;
}

/**
 * Asks the system to back this memory by huge pages as it is touched; gives the same buffer. What lies in memory
 * already stays as it is. Does nothing where that is not possible, not allowed, or not worth it.
 */
export function inHugePages<T extends ArrayBufferLike>(buffer: T): T {
  if (!isAllowed || buffer.byteLength < ADVISED_BYTES_LEAST) return buffer;
  advise ??= findAdvise();
  const refused = advise(new Uint8Array(buffer));
  if (refused !== null) {
    tell?.(refused);
    isAllowed = false;
  }
  return buffer;
}

function findAdvise(): Advise {
  let setting: string;
  try {
    setting = readFileSync(SETTING, "utf8");
  } catch {
    return () => "the system has none"; // not Linux, or a kernel without them
  }
  if (!setting.includes("[madvise]")) return () => `the system's setting is ${setting.trim()}`;
  try {
    // Not imported: the package may be absent, and is wanted with the first large memory only.
    const koffi = createRequire(import.meta.url)("koffi") as Koffi;
    // The process's own symbols: glibc and musl alike.
    const madvise = koffi.load(null).func("int madvise(uintptr_t start, size_t length, int advice)");
    return (bytes) => {
      const address = koffi.address(bytes);
      const start = ((address + PAGE - 1n) / PAGE) * PAGE;
      const length = ((address + BigInt(bytes.byteLength)) / PAGE) * PAGE - start;
      return madvise(start, length, MADV_HUGEPAGE) === 0 ? null : "madvise failed";
    };
  } catch (error) {
    return () => (error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error));
  }
}
