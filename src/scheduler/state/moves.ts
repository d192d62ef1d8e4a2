/** Results that are to be at another worker instead: a copy first, then the sender drops its own (S-C31). */
import { invariant } from "../../base/index.ts";
import type { Key } from "../../graph/index.ts";
import { endMove, isInUse, removeHolder, roomOf, startMove } from "./admission.ts";
import { CELL, type Slot, STATE } from "./columns.ts";
import type { Core } from "./core.ts";
import type { SchedulerEvent, WorkerAddress } from "./events.ts";
import { MEMORY } from "./states.ts";
import { addresses } from "./tell.ts";
import type { WorkerState } from "./workers.ts";

/** One result on its way. */
interface Move {
  readonly key: Key;
  readonly slot: Slot;
  readonly from: WorkerState;
  readonly to: WorkerState;
}

/** The moves of one request, and the keys that stayed where they were. */
export interface Moving {
  readonly left: Set<Move>;
  readonly failed: Key[];
}

/** Ask for copies of what can go. */
export function moveResults(core: Core, event: Extract<SchedulerEvent, { type: "move-results" }>): void {
  const moving: Moving = { left: new Set(), failed: [] };
  core.moves.set(event.request, moving);
  const asks = new Map<WorkerState, Slot[]>();
  for (const { key, from, to } of event.moves) {
    const move = moveOf(core, key, core.workerAt.get(from), core.workerAt.get(to));
    if (!move) {
      moving.failed.push(key);
      continue;
    }
    moving.left.add(move);
    if (isOnItsWay(core, move) || move.to.has.has(move.slot)) continue;
    startMove(core, move.slot, move.to);
    asks.set(move.to, [...(asks.get(move.to) ?? []), move.slot]);
  }
  for (const [worker, slots] of asks) {
    const whoHas = new Map<Key, WorkerAddress[]>(slots.map((slot) => [core.keyOf(slot), addresses(core, slot)]));
    const nbytes = new Map<Key, number>(slots.map((slot) => [core.keyOf(slot), core.columns.nbytes[slot] as number])); // slots given out
    core.sendWorker(worker, { op: "acquire-replicas", whoHas, nbytes, stimulusId: core.stimulusId });
  }
}

/** Undefined where the result is not at the sender, or cannot go: what a worker takes stays within its bytes. */
function moveOf(core: Core, key: Key, from: WorkerState | undefined, to: WorkerState | undefined): Move | undefined {
  const slot = core.find(key);
  if (slot === undefined || core.columns.cells[(slot << CELL) + STATE] !== MEMORY) return undefined;
  if (!from?.has.has(slot) || to?.status !== "running" || from === to) return undefined;
  const isCounted = to.has.has(slot) || core.moving.get(slot)?.includes(to);
  if (!isCounted && roomOf(core, to) < (core.columns.nbytes[slot] as number)) return undefined; // a slot given out
  return { key, slot, from, to };
}

function isOnItsWay(core: Core, { slot, to }: Move): boolean {
  return core.workers.has(to.index) && (core.moving.get(slot)?.includes(to) ?? false);
}

/** Look at the moves under way; called after every event. True when something was dropped. */
export function moveProgress(core: Core): boolean {
  let hasDropped = false;
  for (const [request, { left, failed }] of core.moves) {
    for (const move of left) {
      const isThere = move.to.has.has(move.slot) && core.find(move.key) === move.slot;
      // Tasks that run there, or are to, have it until they end.
      if (isThere && isInUse(core, move.slot)) continue;
      if (!isThere && isOnItsWay(core, move)) continue;
      left.delete(move);
      if (isThere) hasDropped = drop(core, move) || hasDropped;
      else {
        failed.push(move.key);
        endMove(core, move.slot, move.to);
      }
    }
    if (left.size > 0) continue;
    core.moves.delete(request);
    core.emit({ type: "moved", request, failed });
  }
  return hasDropped;
}

/** The sender lets go of its copy, which is not the last one. */
function drop(core: Core, { slot, from }: Move): boolean {
  if (!from.has.has(slot)) return false;
  removeHolder(core, slot, from);
  invariant(core.columns.holdersOf(slot).length > 0, "a result that moved is where it went");
  core.freeSlot(from, slot);
  return true;
}
