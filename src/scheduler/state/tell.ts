/** What clients hear of a task: where its result is. */
import type { SchedulerToClient } from "../../protocol/index.ts";
import { CELL, HOLDER, type Slot } from "./columns.ts";
import type { Core } from "./core.ts";
import type { WorkerAddress } from "./events.ts";
import type { WorkerState } from "./workers.ts";

/** Addresses of the workers that hold a result. */
export function addresses(core: Core, slot: Slot): WorkerAddress[] {
  const first = core.columns.cells[(slot << CELL) + HOLDER] as number; // a slot given out
  if (first < 0) return [];
  if (!core.columns.replicas.has(slot)) return [(core.workers.get(first) as WorkerState).facts.address]; // holders are there (S-I6)
  return core.columns.holdersOf(slot).flatMap((index) => core.workers.get(index)?.facts.address ?? []);
}

/** Tell who wants it: in columns whom that suits, if all there is to tell is which worker has it, and which scalar it is. */
export function tellMemory(core: Core, slot: Slot): void {
  const batch = core.batchOf(slot);
  const { replicas } = core.columns;
  const hasOne = replicas.size === 0 || !replicas.has(slot);
  const holder = hasOne ? core.workerOf[core.columns.cells[(slot << CELL) + HOLDER] as number] : undefined; // a slot given out
  // Workers that take no columns may have told the class of the result.
  // Of graphs that mix keys of both kinds, each task is told by itself.
  const isPlain = batch !== null && (!batch.isKeyed || batch.taskClass.language === "js") && holder?.facts.isColumnar;
  let message: SchedulerToClient | undefined;
  for (const client of core.clients.values()) {
    if (!client.wants.has(slot)) continue;
    if (isPlain && client.isColumnar) core.tellInColumns(client.id, { batch, worker: holder }, slot);
    else {
      message ??= {
        op: "key-in-memory",
        key: core.keyOf(slot),
        workers: addresses(core, slot),
        ...(core.scalar === undefined ? {} : { scalar: [core.scalar] }),
      };
      core.sendClient(client.id, message);
    }
  }
}
