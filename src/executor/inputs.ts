/** A job's inputs on their way into memory, where they stay while it runs. */
import type { Arena } from "./arena.ts";
import { isArray, isBlock, type Job } from "./job.ts";
import type { Spill } from "./spill.ts";
import type { BlockHandle, Executor } from "./types.ts";

/** Arrays that found no room in the arena when they came find it here, as far as room can be made. */
export function placeArrays({ inputs }: Job, spill: Spill, executor: Pick<Executor, "putIfRoom">): void {
  for (const [k, input] of inputs.entries()) {
    if (!isArray(input)) continue;
    let block = executor.putIfRoom(input.value);
    if (block === null) {
      spill.want([], input.value.nbytes);
      block = executor.putIfRoom(input.value);
    }
    if (block !== null) inputs[k] = block;
  }
}

/** Keep in memory what is there of a job's inputs; gives the others. */
export function pinInputs({ inputs, pinned }: Job, arena: Arena, spill: Spill | null): BlockHandle[] {
  const absent = new Set<BlockHandle>();
  for (const input of inputs) {
    if (!isBlock(input) || pinned.has(input)) continue;
    if (spill && !spill.isReady(input)) absent.add(input);
    else {
      arena.pin(input);
      pinned.add(input);
    }
  }
  return [...absent];
}
