/** What a task that goes the usual way needs before it starts: a slot, its inputs in memory, room for what it makes. */
import { invariant } from "../base/index.ts";
import type { NDArray } from "../ndarray/index.ts";
import type { Arena } from "./arena.ts";
import { pinInputs, placeArrays } from "./inputs.ts";
import { type Hold, isArray, type Job, largest, needsOf } from "./job.ts";
import type { Patience } from "./patience.ts";
import type { Spill } from "./spill.ts";
import type { BlockHandle } from "./types.ts";

/** Where it is taken from. */
export interface Reservation {
  readonly arena: Arena;
  readonly spill: Spill | null;
  readonly freeSlots: number[];
  /** True while something holds blocks that it will give back. */
  readonly isHolding: () => boolean;
  readonly patience: Patience;
  readonly putIfRoom: (block: NDArray) => BlockHandle | null;
}

/**
 * All that a task needs, or null if something that is under way has to end first.
 * @throws {MemoryBudgetError} it will never have it
 */
export function reserve(job: Job, from: Reservation): Hold | null {
  const { task } = job;
  const { arena, freeSlots } = from;
  const slot = freeSlots.at(-1);
  if (slot === undefined) return null;
  const { spec, reads, wanted, workBytes, bytes } = needsOf(task);
  if (!makeReady(job, bytes, from)) return null;
  let blocks: BlockHandle[] | null;
  // Inputs may slide together while the result's place is sought.
  for (const input of job.pinned) arena.unpin(input);
  try {
    blocks = arena.allocatePinned(wanted, largest(job.inputs));
  } finally {
    for (const input of job.pinned) arena.pin(input); // also where the system has no memory: the job's end unpins them
  }
  if (blocks === null) {
    // Small blocks lie scattered: what is left of them slides together.
    if (!from.isHolding() && from.spill?.clear()) return from.spill.isMoving ? null : reserve(job, from);
    invariant(from.isHolding(), `no gap for ${spec.out.dtype} (${spec.out.shape.join(", ")}) in an idle arena`);
    return null;
  }
  freeSlots.pop();
  const [output, ...rest] = blocks as [BlockHandle, ...BlockHandle[]]; // one per wanted
  const work = workBytes > 0 ? (rest.shift() ?? null) : null;
  return { slot, spec, output, work, reads, fetched: rest[0] ?? null, message: null };
}

/**
 * True when all inputs are in memory, where they stay, and `bytes` are free beside them; false: ask again later.
 * @throws {MemoryBudgetError} it cannot become so
 */
function makeReady(job: Job, bytes: number, { arena, spill, isHolding, patience, putIfRoom }: Reservation): boolean {
  if (spill) {
    placeArrays(job, spill, { putIfRoom });
    const absent = pinInputs(job, arena, spill);
    if (absent.length > 0 || !arena.hasRoom(bytes)) spill.want(absent, bytes);
  }
  const isPlaced = !spill || !job.inputs.some(isArray);
  const isReady = isPlaced && pinInputs(job, arena, spill).length === 0 && arena.hasRoom(bytes);
  if (isReady || !spill || spill.isMoving || isHolding())
    // A cancelled task that runs on, and a block on its way out, keep bytes that who admits tasks counts no more.
    return isReady || (!spill && !isHolding());
  if (!spill.isExhausted && patience.hasFor(job)) return false;
  throw spill.error(bytes);
}
