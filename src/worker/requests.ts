/** What a worker answers on request connections (dask-protocol §9). */
import { type Clock, CommClosedError, UnsupportedError } from "../base/index.ts";
import { type Comm, type Handlers, NO_REPLY, type Rpc } from "../comm/index.ts";
import { type LogRecord, packageVersion, type SystemMonitor } from "../config/index.ts";
import { type Key, valueOfKey } from "../graph/index.ts";
import {
  BlockPacker,
  FREE_KEYS_REQUEST,
  GET_DATA,
  type GetData,
  type Serialized,
  UPDATE_DATA,
  VERSIONS,
  WORKER_GATHER,
  WORKER_PROFILE,
  WORKER_PROFILE_METADATA,
} from "../protocol/index.ts";
import { fetchFrom, TRANSFER_MS } from "./fetch.ts";
import type { WorkerFigures } from "./figures.ts";
import { type TransferFigures, versionsOf } from "./metrics.ts";
import type { WorkerPlugins } from "./plugins.ts";
import type { Profile } from "./profile.ts";
import type { ValueFacts } from "./state/index.ts";
import type { Outgoing, Stored, Values } from "./values.ts";

/** What the handlers need of their worker. */
export interface RequestContext {
  readonly address: string;
  readonly values: Values;
  readonly transfers: TransferFigures;
  readonly rpc: Rpc;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  put(data: ReadonlyMap<Key, Stored>): ReadonlyMap<Key, ValueFacts>;
  free(keys: readonly Key[]): void;
  close(reason: string): void;
  isPaused(): boolean;
  figures(): WorkerFigures;
  readonly plugins: WorkerPlugins;
  readonly profile: Profile;
  /** The last records, newest first. */
  logs(count: number | null): LogRecord[];
  readonly monitor: SystemMonitor;
  /** Peers served at once; further ones are told to come back. 1 while paused. */
  readonly outgoingCountMax: number;
}

/** Handlers by wire op. */
export function workerHandlers(context: RequestContext): Handlers {
  const refused = (what: string) => (): never => {
    throw new UnsupportedError(`${what} on an rsdat worker: it runs native tasks and JavaScript, not Python`);
  };
  return {
    get_data: (request, comm) => sendData(context, GET_DATA.parse(request), comm),
    update_data: async (request) => {
      const { data } = UPDATE_DATA.parse(request);
      await context.rpc.decompress(data.values());
      const facts = context.put(context.values.receiveAll(data));
      const nbytes = new Map(
        Array.from(data, ([key, value]) => [key, facts.get(key)?.nbytes ?? value.nbytes] as const),
      );
      return UPDATE_DATA.answer({ nbytes, status: "OK" });
    },
    gather: (request) => gatherHere(context, WORKER_GATHER.parse(request).whoHas),
    free_keys: (request) => {
      context.free(FREE_KEYS_REQUEST.parse(request).keys);
      return null;
    },
    keys: () => context.values.keys().map(valueOfKey),
    figures: () => context.figures(),
    profile: (request) => WORKER_PROFILE.answer(context.profile.tree(WORKER_PROFILE.parse(request))),
    profile_metadata: (request) =>
      WORKER_PROFILE_METADATA.answer(context.profile.counts(WORKER_PROFILE_METADATA.parse(request))),
    ping: () => Buffer.from("pong"),
    versions: () => VERSIONS.answer(versionsOf(packageVersion())),
    identity: () => ({ type: "Worker", id: context.address, address: context.address }),
    terminate: () => {
      setImmediate(() => context.close("terminate"));
      return "OK";
    },
    "plugin-add": (request) => context.plugins.add(String(request.get("name")), request.get("plugin")),
    "plugin-remove": (request) => context.plugins.remove(String(request.get("name"))),
    get_logs: (request) => context.logs(typeof request.get("n") === "number" ? Number(request.get("n")) : null),
    get_monitor_info: (request) => context.monitor.answer(request),
    run: refused("Client.run"),
    run_coroutine: refused("Client.run"),
    actor_execute: refused("actors"),
    actor_attribute: refused("actors"),
    upload_file: refused("upload_file"),
  };
}

/**
 * Time for a requester's "OK" once the values have left this process: what the system still holds of them goes within its own
 * limits, and a worker that sees nothing arrive for so long has given up. Dask waits for ever, and a stopped process keeps its
 * place.
 */
const ACKNOWLEDGE_MS = TRANSFER_MS;

/** Two steps: the values, then the requester's "OK"; blocks stay in place until they have left. */
async function sendData(
  context: RequestContext,
  { keys, packed = false }: GetData,
  comm: Comm,
): Promise<typeof NO_REPLY | { status: string }> {
  const { transfers } = context;
  if (transfers.outgoingCount >= (context.isPaused() ? 1 : context.outgoingCountMax)) return { status: "busy" };
  const outgoing: Outgoing[] = [];
  let nbytes = 0;
  // From now on: what comes from the disk takes memory before it is sent.
  transfers.outgoingCount++;
  transfers.outgoingCountTotal++;
  try {
    const data = new Map<Key, Serialized>();
    const packer = packed ? new BlockPacker(keys.length) : null;
    for (const [place, key] of keys.entries()) {
      if (packer !== null && context.values.pack(key, place, packer)) continue;
      const found = context.values.outgoing(key);
      const value = found instanceof Promise ? await found : found;
      if (!value) continue;
      outgoing.push(value);
      data.set(key, value.serialized);
    }
    const packs = packer?.packs() ?? [];
    nbytes =
      outgoing.reduce((sum, value) => sum + value.serialized.nbytes, 0) +
      packs.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
    transfers.outgoingBytes += nbytes;
    transfers.outgoingBytesTotal += nbytes;
    comm.send(GET_DATA.answer({ status: "OK", data, ...(packs.length > 0 ? { packs } : {}) }));
    await comm.flushed();
    for (const value of outgoing.splice(0)) value.release();
    const timer = setTimeout(
      () =>
        comm.abort(
          new CommClosedError(`${comm.peer} has not acknowledged values within ${ACKNOWLEDGE_MS / 1000} s`, {
            details: { peer: comm.peer, nbytes },
          }),
        ),
      ACKNOWLEDGE_MS,
    );
    await comm.next(context.signal).finally(() => clearTimeout(timer));
    return NO_REPLY;
  } finally {
    for (const value of outgoing) value.release();
    transfers.outgoingCount--;
    transfers.outgoingBytes -= nbytes;
  }
}

/** Fetch values from peers at somebody's request. */
async function gatherHere(context: RequestContext, whoHas: ReadonlyMap<Key, readonly string[]>): Promise<unknown> {
  const missing = new Set(Array.from(whoHas.keys()).filter((key) => !context.values.has(key)));
  for (let round = 0; missing.size > 0; round++) {
    const byPeer = new Map<string, Key[]>();
    for (const key of missing) {
      const peer = whoHas.get(key)?.filter((address) => address !== context.address)[round];
      if (peer !== undefined) byPeer.set(peer, [...(byPeer.get(peer) ?? []), key]);
    }
    if (byPeer.size === 0) break;
    for (const [worker, keys] of byPeer) {
      using _bringing = context.values.bringing();
      const end = await fetchFrom(
        context.rpc,
        { worker, keys },
        { me: context.address, values: context.values, clock: context.clock, signal: context.signal },
      );
      if (end.type !== "gather-success") continue;
      context.put(end.received);
      for (const key of end.received.keys()) missing.delete(key);
    }
  }
  return missing.size === 0 ? { status: "OK" } : { status: "partial-fail", keys: Array.from(missing, valueOfKey) };
}
