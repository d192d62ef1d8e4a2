/** Modules and instances of one thread: cached by structure, bounded, counted; and the thread's scratch memory. */
import { type Clock, invariant } from "../../base/index.ts";
import { host } from "../host.ts";
import { adoptSegment, createSegment, enterSingleMode, type Segment, singleMemory } from "../segment.ts";
import { type WasmKernel, type WasmMemory, type WasmModule, wasm } from "./webassembly.ts";

/** Counters of the engine in this thread. */
export interface KernelStats {
  readonly modulesCompiled: number;
  readonly moduleBytes: number;
  readonly compileMs: number;
  readonly cacheHits: number;
  /** Loop nests run by the interpreter, and by compiled kernels. */
  readonly interpreted: number;
  readonly wasm: number;
}

const stats = { modulesCompiled: 0, moduleBytes: 0, compileMs: 0, cacheHits: 0, interpreted: 0, wasm: 0 };

let now: () => number = () => 0;

/** Give this thread's engine a clock for {@link KernelStats.compileMs}; without one it stays 0. */
export function timeCompilations(clock: Pick<Clock, "now">): void {
  now = () => clock.now();
}

/** Counters so far. */
export function kernelStats(): KernelStats {
  return { ...stats };
}

/** Count one loop nest. */
export function countRun(way: "interpreted" | "wasm"): void {
  stats[way]++;
}

const MODULES_MAX = 1024;
const INSTANCES_MAX = 256;

/** A map that forgets its least recently used entries. */
class Recent<T> {
  readonly #entries = new Map<string, T>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  get(key: string): T | undefined {
    const found = this.#entries.get(key);
    if (found === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, found);
    return found;
  }

  set(key: string, entry: T): void {
    this.#entries.set(key, entry);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > this.#max && oldest !== undefined) this.#entries.delete(oldest);
  }
}

const modules = new Recent<WasmModule>(MODULES_MAX);
const instances = new Recent<WasmKernel>(INSTANCES_MAX);
const memoryIds = new WeakMap<WasmMemory, number>();
let memoryCount = 0;

function memoryId(memory: WasmMemory): number {
  const known = memoryIds.get(memory);
  if (known !== undefined) return known;
  memoryIds.set(memory, ++memoryCount);
  return memoryCount;
}

/** True when the module of `key` is at hand. */
export function hasModule(key: string): boolean {
  return modules.get(key) !== undefined;
}

/** The module of `key`, made from `emit`'s bytes if it is not at hand. */
export function moduleOf(key: string, emit: () => Uint8Array<ArrayBuffer>): WasmModule {
  const known = modules.get(key);
  if (known !== undefined) {
    stats.cacheHits++;
    return known;
  }
  for (const other of exchange?.claim(key) ?? []) importModule(other);
  const others = modules.get(key);
  if (others !== undefined) {
    stats.cacheHits++;
    return others;
  }
  const start = now();
  const bytes = emit();
  const made = new wasm.Module(bytes);
  stats.compileMs += now() - start;
  stats.modulesCompiled++;
  stats.moduleBytes += bytes.length;
  modules.set(key, made);
  exchange?.publish({ key, module: made });
  return made;
}

/** How threads of one process share what they compile. */
export interface ModuleExchange {
  /** Modules that others have made since the last claim; before that of `key` is made here, waits for whoever is at it. */
  claim(key: string): readonly NamedModule[];
  publish(made: NamedModule): void;
}

let exchange: ModuleExchange | null = null;

/** Share modules from here on. */
export function exchangeModules(through: ModuleExchange): void {
  exchange = through;
}

/** A compiled module with the key it is cached under; plain data that can be posted to another thread. */
export interface NamedModule {
  readonly key: string;
  readonly module: WasmModule;
}

/** Make a module compiled by another thread available here. */
export function importModule({ key, module }: NamedModule): void {
  if (!hasModule(key)) modules.set(key, module);
}

/** The exported kernel of a module bound to `memories`, of which the last is this thread's scratch memory. */
export function kernelOf(
  key: string,
  memories: readonly WasmMemory[],
  emit: () => Uint8Array<ArrayBuffer>,
): WasmKernel {
  const bound = `${key}@${memories.map(memoryId).join()}`;
  const known = instances.get(bound);
  if (known !== undefined) {
    stats.cacheHits++;
    return known;
  }
  const run = kernelOnce(key, memories, emit);
  instances.set(bound, run);
  return run;
}

/** As {@link kernelOf}, not remembered: memories that are not there for long would live as long as their kernels. */
export function kernelOnce(
  key: string,
  memories: readonly WasmMemory[],
  emit: () => Uint8Array<ArrayBuffer>,
): WasmKernel {
  const instance = new wasm.Instance(moduleOf(key, emit), {
    e: { ...Object.fromEntries(memories.map((m, k) => [`m${k}`, m])), f: host },
  });
  return instance.exports["k"] as WasmKernel; // every module exports it
}

/** Variants that one owner keeps: memories come and go. */
const VARIANTS_MAX = 64;
const variants = new WeakMap<object, Map<string, WasmKernel>>();

/**
 * As {@link kernelOf}, remembered with `owner` too, so that its next call needs no long key: `variant` tells apart what
 * one owner's kernels differ in beside the memories.
 */
export function kernelFor(
  owner: object,
  variant: string,
  memories: readonly WasmMemory[],
  make: { readonly key: () => string; readonly emit: () => Uint8Array<ArrayBuffer> },
): WasmKernel {
  let own = variants.get(owner);
  if (own === undefined) {
    own = new Map();
    variants.set(owner, own);
  }
  const bound = `${variant}@${memories.map(memoryId).join()}`;
  const known = own.get(bound);
  if (known !== undefined) {
    stats.cacheHits++;
    return known;
  }
  if (own.size === VARIANTS_MAX) own.clear();
  const made = kernelOf(make.key(), memories, make.emit);
  own.set(bound, made);
  return made;
}

/**
 * The scratch memory, from front to back: parameter block, that of staging, lanes that the host computes, tiles of copied operands, tiles of rows, of
 * accumulators, slots, means, a tile of a partial, all values of a narrow dtype and what a kernel makes of
 * them, lines that are added up.
 */
export const SCRATCH: Readonly<
  Record<
    | "block"
    | "stage"
    | "lanes"
    | "copies"
    | "rows"
    | "accumulators"
    | "slots"
    | "means"
    | "partial"
    | "tables"
    | "lines"
    | "end",
    number
  >
> = {
  block: 0,
  stage: 60 << 10,
  lanes: 62 << 10,
  copies: 64 << 10,
  rows: 3 << 20,
  accumulators: (3 << 20) + (512 << 10),
  slots: (3 << 20) + (768 << 10),
  means: (3 << 20) + (896 << 10),
  partial: 4 << 20,
  tables: (4 << 20) + (256 << 10),
  lines: (5 << 20) + (512 << 10),
  end: (5 << 20) + (640 << 10),
};

/** This thread's scratch memory: parameter block, tails, copied tiles, slots of reductions. */
export interface Scratch extends Segment {
  readonly i32: Int32Array;
}

let made: Scratch | undefined;

/** The scratch memory, made on first use. */
export function scratch(): Scratch {
  if (made === undefined) {
    const only = singleMemory();
    const segment =
      only === undefined ? createSegment(SCRATCH.end) : { buffer: adoptSegment(only), memory: only, start: 0 };
    made = { ...segment, i32: new Int32Array(segment.buffer, 0, SCRATCH.end / 4) };
  }
  return made;
}

/**
 * Without shared memory (a page that is not isolated) or multi-memory: one private memory holds kernels' scratch and the
 * one segment, and one thread runs. Call it before anything else of this room; there is no way back.
 */
export function useSingleMemory(): void {
  invariant(made === undefined, "memory is in use already");
  enterSingleMode(SCRATCH.end);
}
