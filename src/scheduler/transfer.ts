/** Data of clients through the scheduler: results out of workers, values into them. Everything stays as it came. */
import { errorToRecord, isRsdatError, NoWorkersError } from "../base/index.ts";
import { getData } from "../comm/index.ts";
import type { Key } from "../graph/index.ts";
import { type GatherReply, type Scatter, type Serialized, UPDATE_DATA } from "../protocol/index.ts";
import type { ConnectedWorker, Hub } from "./hub.ts";

/** A busy worker is asked again after this, so many times. Dask: 150 ms, for ever. */
const BUSY_MS = 150;
const BUSY_TRIES = 400;

/** Results by key. A worker that does not have what we believed is not asked again, and the machine is told. */
export async function gather(hub: Hub, keys: readonly Key[]): Promise<GatherReply> {
  const data = new Map<Key, Serialized>();
  const refused = new Map<Key, Set<string>>();
  for (let left = new Set(keys); left.size > 0; ) {
    const asks = new Map<string, Key[]>();
    for (const [key, holders] of hub.machine.views.whoHas([...left])) {
      const holder = holders.find((address) => !refused.get(key)?.has(address));
      if (holder !== undefined) asks.set(holder, [...(asks.get(holder) ?? []), key]);
    }
    if (asks.size === 0) break;
    await Promise.all(Array.from(asks, ([worker, wanted]) => fetchFrom(hub, { worker, wanted, data, refused })));
    left = new Set([...left].filter((key) => !data.has(key)));
  }
  const missing = keys.filter((key) => !data.has(key));
  return missing.length === 0 ? { status: "OK", data } : { status: "error", keys: missing };
}

interface Fetch {
  readonly worker: string;
  readonly wanted: readonly Key[];
  readonly data: Map<Key, Serialized>;
  readonly refused: Map<Key, Set<string>>;
}

async function fetchFrom(hub: Hub, { worker, wanted, data, refused }: Fetch): Promise<void> {
  try {
    let hasAnswered = false;
    for (let tries = 0; tries < BUSY_TRIES && !hasAnswered; tries++) {
      const fetched = await getData(hub.rpc, worker, { keys: wanted, who: null });
      hasAnswered = fetched.status === "OK";
      if (fetched.status === "OK") for (const [key, value] of fetched.data) data.set(key, value);
      else await new Promise((resolve) => setTimeout(resolve, BUSY_MS));
    }
    const absent = wanted.filter((key) => !data.has(key));
    // One that stays busy has said nothing of what it has.
    if (hasAnswered && absent.length > 0) hub.feed({ type: "data-missing", worker, keys: absent });
  } catch (error) {
    // Its stream will end if it is gone; here its copies just do not count.
    if (!isRsdatError(error)) throw error;
    hub.logger.warning(`gather from ${worker} failed: ${error.message}`, { error: errorToRecord(error) });
    // One that answers nonsense does not have them.
    if (isRsdatError(error, "remote-protocol"))
      hub.feed({ type: "data-missing", worker, keys: wanted.filter((key) => !data.has(key)) });
  }
  for (const key of wanted) if (!data.has(key)) refused.set(key, (refused.get(key) ?? new Set()).add(worker));
}

/**
 * Put values on workers, in turn, or on all of them with `broadcast`. Values of Python clients go to Python workers
 * while there are any, since only these read every kind.
 * @throws {NoWorkersError} no worker within the client's own timeout; at once where one is named that is not there, as Dask
 */
export async function scatter(
  hub: Hub,
  { data, workers, client, broadcast, timeout }: Scatter,
): Promise<readonly Key[]> {
  const prefersPython = !(hub.clients.get(client)?.isNative ?? false);
  const unknown =
    workers?.filter((name) => !hub.workers.values().some((worker) => namesOf(worker).includes(name))) ?? [];
  if (unknown.length > 0)
    throw new NoWorkersError(`no worker ${unknown.join(", ")} to put ${data.size} values on; ${thoseThere(hub)}`);
  const isNamed = (worker: ConnectedWorker): boolean =>
    !workers || namesOf(worker).some((name) => workers.includes(name));
  const able = await hub.waitForWorkers(isNamed, timeout * 1000);
  const alike = able.filter((worker) => worker.isPython === prefersPython);
  const targets = alike.length > 0 ? alike : able;
  if (targets.length === 0) throw new NoWorkersError(`no worker to put ${data.size} values on within ${timeout} s`);
  const shares = new Map<ConnectedWorker, Map<Key, Serialized>>();
  [...data].forEach(([key, value], i) => {
    const copies = broadcast === false ? 1 : Math.min(targets.length, broadcast === true ? targets.length : broadcast);
    for (let copy = 0; copy < copies; copy++) {
      const worker = targets[(i + copy) % targets.length] as ConnectedWorker; // not empty
      shares.set(worker, (shares.get(worker) ?? new Map()).set(key, value));
    }
  });
  const whoHas = new Map<Key, string[]>();
  const nbytes = new Map<Key, number>();
  await Promise.all(
    Array.from(shares, async ([worker, share]) => {
      const reply = UPDATE_DATA.parseAnswer(await hub.rpc.call(worker.address, UPDATE_DATA.ask({ data: share })));
      for (const [key, bytes] of reply.nbytes) {
        nbytes.set(key, bytes);
        whoHas.set(key, [...(whoHas.get(key) ?? []), worker.address]);
      }
    }),
  );
  hub.feed({ type: "data-placed", client, whoHas, nbytes });
  return [...data.keys()];
}

/** What a worker may be called by. */
function namesOf({ address, info }: ConnectedWorker): readonly string[] {
  return [address, String(info.get("name")), String(info.get("host"))];
}

/** Workers that an error names. */
const NAMED_MAX = 10;

function thoseThere({ workers }: Hub): string {
  const all = Array.from(workers.values(), ({ address, info }) => {
    const name = String(info.get("name"));
    return name === address ? address : `${name} (${address})`;
  });
  if (all.length === 0) return "there are none";
  const more = all.length > NAMED_MAX ? ` and ${all.length - NAMED_MAX} more` : "";
  return `there are ${all.slice(0, NAMED_MAX).join(", ")}${more}`;
}
