/** Sums over the scheduler and its rsdat workers, for the accounting of runs. */
import { errorToRecord } from "../base/index.ts";
import type { Handlers } from "../comm/index.ts";
import type { Hub } from "./hub.ts";

/** Time that a worker has to say what it has done. */
const WORKER_MS = 5_000;

/** Requests of the dialect's clients. */
export function accountingHandlers(hub: Hub): Handlers {
  return { accounting: () => accounting(hub) };
}

async function accounting(hub: Hub): Promise<Record<string, unknown>> {
  const { user, system } = process.cpuUsage();
  const asked = Array.from(hub.workers.values()).filter(({ isPython }) => !isPython);
  const answers = await Promise.all(
    asked.map(async ({ address }): Promise<[string, unknown] | null> => {
      try {
        return [address, await hub.rpc.call(address, { op: "figures" }, { timeoutMs: WORKER_MS })];
      } catch (error) {
        // One that is about to go is missed in the sums, and no reason to know nothing of the others.
        hub.logger.debug(`no figures from ${address}: ${errorToRecord(error).message}`);
        return null;
      }
    }),
  );
  return {
    clock_seconds: hub.clock.now() / 1000,
    scheduler_seconds: (user + system) / 1e6,
    recomputed: hub.machine.views.counts().recomputed,
    workers: new Map(answers.filter((answer) => answer !== null)),
  };
}
