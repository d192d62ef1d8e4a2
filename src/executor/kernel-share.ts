/**
 * Kernels compiled once per process: a thread that needs a module claims its making in shared memory; the others wait
 * for it (a millisecond) and take it from a channel. Counters of all threads lie beside the claims.
 */
import { BroadcastChannel, type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { type KernelStats, kernelStats, type ModuleExchange, type NamedModule } from "../kernels/index.ts";

/** Claims; keys that meet in one may be compiled twice. */
const CLAIMS = 4096;
const [FREE, BEING_MADE, MADE] = [0, 1, 2];
/** A thread that dies while it compiles must not hold up the others. */
const WAIT_MS = 200;

const COUNTERS = ["modulesCompiled", "moduleBytes", "compileMs", "cacheHits", "interpreted", "wasm"] as const;

/** What threads of one pool share; plain data. */
export interface KernelShare {
  readonly channel: string;
  readonly claims: SharedArrayBuffer;
  /** Float64 counters, by thread. */
  readonly counters: SharedArrayBuffer;
}

let pools = 0;

/** For a new pool. */
export function createKernelShare(threads: number): KernelShare {
  return {
    channel: `rsdat-kernels-${process.pid}-${pools++}`,
    claims: new SharedArrayBuffer(CLAIMS * 4),
    counters: new SharedArrayBuffer(threads * COUNTERS.length * 8),
  };
}

/** Sums over all threads so far. */
export function sharedKernelStats(share: KernelShare): KernelStats {
  const all = new Float64Array(share.counters);
  const sum = (k: number): number => {
    let total = 0;
    for (let i = k; i < all.length; i += COUNTERS.length) total += all[i] as number;
    return total;
  };
  return Object.fromEntries(COUNTERS.map((name, k) => [name, sum(k)])) as Record<(typeof COUNTERS)[number], number>; // all counters
}

/** Writes a thread's own counters where the pool sees them. */
export function kernelTeller(share: KernelShare, thread: number): () => void {
  const own = new Float64Array(share.counters, thread * COUNTERS.length * 8, COUNTERS.length);
  return () => {
    const stats = kernelStats();
    for (let k = 0; k < COUNTERS.length; k++) own[k] = stats[COUNTERS[k] as (typeof COUNTERS)[number]]; // k < length
  };
}

/** A thread's end of the exchange; `keep` hands what it compiles to the pool, for threads that start later. */
export function kernelExchange(share: KernelShare, keep: (made: NamedModule) => void): ModuleExchange {
  const claims = new Int32Array(share.claims);
  const channel = new BroadcastChannel(share.channel);
  channel.unref();
  // `receiveMessageOnPort` takes either (Node's documentation); its types say only one.
  const port = channel as unknown as MessagePort;
  const place = (key: string): number => {
    let hash = 0x811c9dc5; // FNV-1a
    for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
    return (hash >>> 0) % CLAIMS;
  };
  return {
    claim: (key) => {
      const at = place(key);
      const state = Atomics.compareExchange(claims, at, FREE as number, BEING_MADE as number);
      if (state === BEING_MADE) Atomics.wait(claims, at, BEING_MADE, WAIT_MS);
      if (state === FREE) return [];
      const got: NamedModule[] = [];
      for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port))
        got.push(next.message as NamedModule); // only these threads post here
      return got;
    },
    publish: (made) => {
      channel.postMessage(made);
      keep(made);
      const at = place(made.key);
      Atomics.store(claims, at, MADE as number);
      Atomics.notify(claims, at);
    },
  };
}
