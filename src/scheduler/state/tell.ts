/** What clients hear of a task: where its result is. */
import type { SchedulerToClient } from "../../protocol/index.ts";
import type { Slot } from "./columns.ts";
import type { Core } from "./core.ts";
import type { WorkerAddress } from "./events.ts";
import type { WorkerState } from "./workers.ts";

/** Addresses of the workers that hold a result. */
export function addresses(core: Core, slot: Slot): WorkerAddress[] {
  const first = core.columns.holder[slot] as number; // a slot given out
  if (first < 0) return [];
  if (!core.columns.replicas.has(slot)) return [(core.workers.get(first) as WorkerState).facts.address]; // holders are there (S-I6)
  return core.columns.holdersOf(slot).flatMap((index) => core.workers.get(index)?.facts.address ?? []);
}

/** Tell who wants it: by number whom that suits, if all there is to tell is which worker has it. */
export function tellMemory(core: Core, slot: Slot): void {
  const batch = core.scalar === undefined ? core.batchOf(slot) : null;
  const holder = core.columns.replicas.has(slot) ? undefined : core.workers.get(core.columns.holder[slot] as number); // a slot given out
  // Workers that take no columns may have told the class of the result.
  const isPlain = batch !== null && !batch.isKeyed && holder?.facts.isColumnar;
  let message: SchedulerToClient | undefined;
  for (const client of core.clients.values()) {
    if (!client.wants.has(slot)) continue;
    if (isPlain && client.isColumnar) core.tellByNumber(client.id, { batch, worker: holder }, slot);
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
