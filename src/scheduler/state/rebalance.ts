/**
 * Memory of workers as Dask measures it, and which results should move so that all have about the same. Sources: distributed
 * `MemoryState`, `Scheduler.heartbeat_worker` and `Scheduler._rebalance_find_msgs`; figures in, decisions out.
 */
import { Heap } from "../../base/index.ts";
import type { Key } from "../../graph/index.ts";
import type { WorkerAddress } from "./events.ts";

/** Bytes of one worker, or of many. */
export interface MemoryState {
  /** Of the process, as the system counts. */
  readonly resident: number;
  /** Of results in memory. */
  readonly managed: number;
  /** Of results on disk, there. */
  readonly spilled: number;
  /** Least of what the process has beside results, over the last while; and what came on top. */
  readonly unmanagedOld: number;
  readonly unmanagedRecent: number;
}

/** Parts that fit together: figures come from different moments, so that a part may be larger than the whole. */
export function memoryState(measured: Omit<MemoryState, "unmanagedRecent">): MemoryState {
  const { resident, spilled } = measured;
  const managed = Math.min(resident, measured.managed);
  const unmanagedOld = Math.min(measured.unmanagedOld, resident - managed);
  return { resident, managed, spilled, unmanagedOld, unmanagedRecent: resident - managed - unmanagedOld };
}

/** What counts as a worker's memory when results are moved. Dask's names. */
export type MemoryMeasure = "process" | "optimistic" | "managed" | "managed_total";
export const MEMORY_MEASURES: readonly MemoryMeasure[] = ["process", "optimistic", "managed", "managed_total"];

/** Bytes by a measure. */
export function measured(state: MemoryState, measure: MemoryMeasure): number {
  if (measure === "process") return state.resident;
  if (measure === "managed") return state.managed;
  return state.managed + (measure === "optimistic" ? state.unmanagedOld : state.spilled);
}

/** Bytes that a process has beside its results, over a while. */
export class UnmanagedMemory {
  /** Of the sizes told in that while those that can still become the least; times and sizes grow. */
  readonly #sizes: { readonly atMs: number; readonly bytes: number }[] = [];

  /** A worker told its figures. */
  note(nowMs: number, bytes: number, whileMs: number): void {
    const sizes = this.#sizes;
    const old = sizes.findIndex(({ atMs }) => atMs >= nowMs - whileMs);
    sizes.splice(0, old < 0 ? sizes.length : old);
    while (sizes.length > 0 && (sizes.at(-1)?.bytes as number) >= bytes) sizes.pop(); // not empty
    sizes.push({ atMs: nowMs, bytes });
    // Only of one that tells more often than it is asked to.
    if (sizes.length > SIZES_MOST) sizes.shift();
  }

  /** The least of them; 0: none was told. */
  get oldBytes(): number {
    return this.#sizes[0]?.bytes ?? 0;
  }
}

const SIZES_MOST = 1_024;

/** One worker, as far as moving results is concerned. */
export interface RebalanceWorker {
  readonly address: WorkerAddress;
  readonly memoryBytes: number;
  /** 0: it has none. */
  readonly memoryLimitBytes: number;
  readonly hasResults: boolean;
  /** Its results in the order in which they are to go. */
  results(): Iterable<{ readonly key: Key; readonly nbytes: number }>;
  has(key: Key): boolean;
}

/** Fractions of a worker's limit. */
export interface RebalanceLimits {
  /** A worker with less gives nothing. */
  readonly senderMin: number;
  /** A worker with more takes nothing. */
  readonly recipientMax: number;
  /** Workers that are nearer to the mean than half of this are left alone. */
  readonly gap: number;
}

/** One result that is to go from one worker to another. */
export interface ResultMove {
  readonly key: Key;
  readonly from: WorkerAddress;
  readonly to: WorkerAddress;
}

/** A worker on one side: bytes to give or take at the most and at the least, negative, so that who is farthest from the mean comes first. */
interface Side {
  readonly worker: RebalanceWorker;
  readonly place: number;
  most: number;
  least: number;
}

const isFarther = (a: Side, b: Side): boolean =>
  a.most < b.most || (a.most === b.most && (a.least < b.least || (a.least === b.least && a.place < b.place)));

/** Results to move, in order. `keys` null: any may go. */
export function findMoves(
  workers: readonly RebalanceWorker[],
  limits: RebalanceLimits,
  keys: ReadonlySet<Key> | null = null,
): ResultMove[] {
  const { senders, recipients } = sidesOf(workers, limits);
  const offers = new Map<Side, Iterator<{ readonly key: Key; readonly nbytes: number }>>();
  const out: ResultMove[] = [];
  for (let sender = senders.peek(); sender && recipients.size > 0; sender = senders.peek()) {
    const offer = offers.get(sender) ?? sender.worker.results()[Symbol.iterator]();
    offers.set(sender, offer);
    const next = offer.next();
    if (next.done) {
      senders.delete(sender);
      continue;
    }
    const { key, nbytes } = next.value;
    // A larger one would bring the sender below the mean, and might come back the next time.
    if ((keys && !keys.has(key)) || nbytes + sender.most > 0) continue;
    const recipient = recipientOf(recipients, key, nbytes);
    if (!recipient) continue;
    out.push({ key, from: sender.worker.address, to: recipient.worker.address });
    shift(senders, sender, nbytes);
    shift(recipients, recipient, nbytes);
  }
  return out;
}

function sidesOf(
  workers: readonly RebalanceWorker[],
  { senderMin, recipientMax, gap }: RebalanceLimits,
): { readonly senders: Heap<Side>; readonly recipients: Heap<Side> } {
  const [senders, recipients] = [new Heap<Side>(isFarther), new Heap<Side>(isFarther)];
  const mean = Math.floor(workers.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0) / workers.length);
  workers.forEach((worker, place) => {
    const { memoryBytes: bytes, memoryLimitBytes: limit } = worker;
    const halfGap = Math.trunc((gap / 2) * limit);
    if (worker.hasResults && bytes >= mean + halfGap && bytes >= senderMin * limit)
      senders.push({ worker, place, most: mean - bytes, least: mean - bytes + halfGap });
    else if (bytes < mean - halfGap && (limit === 0 || bytes < recipientMax * limit))
      recipients.push({ worker, place, most: bytes - mean, least: bytes - mean + halfGap });
  });
  return { senders, recipients };
}

/** The recipient farthest from the mean that has room for a result and not the result; taken out of the heap and put back. */
function recipientOf(recipients: Heap<Side>, key: Key, nbytes: number): Side | undefined {
  const skipped: Side[] = [];
  let found: Side | undefined;
  for (let next = recipients.peek(); next && nbytes + next.most <= 0; next = recipients.peek()) {
    if (!next.worker.has(key)) {
      found = next;
      break;
    }
    skipped.push(next);
    recipients.delete(next);
  }
  for (const each of skipped) recipients.push(each);
  return found;
}

/** So many bytes were given or taken; who has done enough is out. */
function shift(side: Heap<Side>, one: Side, nbytes: number): void {
  side.delete(one);
  one.most += nbytes;
  one.least += nbytes;
  if (one.least < 0) side.push(one);
}
