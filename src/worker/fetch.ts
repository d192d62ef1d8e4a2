/** Fetching inputs from a peer, and saying how it went in the machine's words. */
import { type Clock, isRsdatError } from "../base/index.ts";
import { getData, type Rpc } from "../comm/index.ts";
import type { Key } from "../graph/index.ts";
import { failureOf, type StartStop, type WireFailure } from "../protocol/index.ts";
import type { WorkerInstruction } from "./state/index.ts";
import type { Stored, Values } from "./values.ts";

/** The machine's order to ask a peer. */
export type GatherInstruction = Extract<WorkerInstruction, { readonly type: "gather" }>;

/** How a request to a peer ended. */
export type Fetched =
  | {
      readonly type: "gather-success";
      readonly worker: string;
      readonly received: ReadonlyMap<Key, Stored>;
      readonly startstop: StartStop;
    }
  | { readonly type: "gather-busy" | "gather-network-failure"; readonly worker: string }
  | { readonly type: "gather-failure"; readonly worker: string; readonly failure: WireFailure };

/** A peer that sends nothing of its answer for so long counts as lost. */
export const TRANSFER_MS = 300_000;

/**
 * Ask the peer; never rejects. What was received is the caller's to hold or to give back, in the same turn: until then it is
 * `values.bringing()`.
 */
export async function fetchFrom(
  rpc: Rpc,
  { worker, keys, nbytes = 0 }: { readonly worker: string; readonly keys: readonly Key[]; readonly nbytes?: number },
  {
    me,
    values,
    clock,
    signal,
  }: { readonly me: string; readonly values: Values; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<Fetched> {
  const start = clock.wall() / 1000;
  using receiver = values.receiver();
  let answer: Awaited<ReturnType<typeof getData>>;
  try {
    await values.makeRoom(nbytes);
    answer = await getData(
      rpc,
      worker,
      { keys, who: me },
      { timeoutMs: TRANSFER_MS, signal, place: receiver.place, packed: true },
    );
  } catch {
    // Whatever went wrong on the way, the peer cannot be used: the machine looks elsewhere and asks the scheduler.
    return { type: "gather-network-failure", worker };
  }
  if (answer.status === "busy") return { type: "gather-busy", worker };
  const received = new Map<Key, Stored>();
  try {
    for (const pack of answer.packs ?? [])
      for (const [at, stored] of values.unpack(pack)) received.set(keys[at] as Key, await values.settle(stored)); // places of keys, each once
    if (answer.data.size > 0)
      for (const key of keys) {
        const serialized = answer.data.get(key);
        if (!serialized || received.has(key)) continue;
        // One after the other: what is decompressed lies beside the block that it becomes.
        await rpc.decompress([serialized]);
        received.set(key, await values.settle(values.receive(serialized, receiver)));
      }
    return {
      type: "gather-success",
      worker,
      received,
      startstop: { action: "transfer", start, stop: clock.wall() / 1000, source: worker },
    };
  } catch (error) {
    values.giveBack(received.values());
    if (!isRsdatError(error)) throw error;
    return { type: "gather-failure", worker, failure: failureOf(error) };
  }
}
