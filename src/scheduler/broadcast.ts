/** Messages that are passed on to workers at somebody's request. */
import { isRsdatError, NotFoundError, UnsupportedError } from "../base/index.ts";
import { BROADCAST, errorReply } from "../protocol/index.ts";
import type { Hub } from "./hub.ts";
import type { WorkerAddress } from "./state/index.ts";

/** Time that a worker has to answer a message that is passed on to it. */
const BROADCAST_MS = 600_000;

/** One worker's answer. @throws {NotFoundError} nobody there */
export async function passOn(
  hub: Hub,
  address: WorkerAddress,
  message: ReadonlyMap<unknown, unknown>,
): Promise<unknown> {
  if (!hub.workers.has(address)) throw new NotFoundError(`no worker at ${address}`);
  return hub.rpc.call(address, Object.fromEntries(message), { timeoutMs: BROADCAST_MS });
}

/** One message to many workers; answers by address. A worker that fails answers an error map. */
export async function broadcast(hub: Hub, request: ReadonlyMap<unknown, unknown>): Promise<unknown> {
  const { msg, workers, hosts, nanny, onError } = BROADCAST.parse(
    new Map<unknown, unknown>([["workers", null], ["nanny", false], ["on_error", "raise"], ...request]),
  );
  if (nanny) throw new UnsupportedError("broadcast to nannies");
  const named = workers ? workers.map(String) : Array.from(hub.workers.keys());
  const onHosts = hosts
    ? Array.from(hub.workers.values())
        .filter((worker) => hosts.includes(String(worker.info.get("host"))))
        .map((worker) => worker.address)
    : [];
  const targets = hosts && !workers ? onHosts : [...new Set([...named, ...onHosts])];
  const answers = await Promise.all(
    targets.map(async (address): Promise<[string, unknown] | null> => {
      try {
        return [address, await passOn(hub, address, msg)];
      } catch (error) {
        if (!isRsdatError(error)) throw error;
        if (onError === "raise") throw error;
        return onError === "ignore" ? null : [address, { ...errorReply(error), status: "error" }];
      }
    }),
  );
  return new Map(answers.filter((answer) => answer !== null));
}
