/** A client's connection: registration, then its stream, strictly in order, until it ends. */
import { type Comm, NO_REPLY, readStream } from "../comm/index.ts";
import { CLIENT_TO_SCHEDULER, type ClientToScheduler, REGISTER_CLIENT } from "../protocol/index.ts";
import type { Coordination } from "./coordination/index.ts";
import { type ConnectedClient, clientStream, type Hub } from "./hub.ts";
import { FIRE_AND_FORGET, isOwnClient } from "./own-clients.ts";
import { submitGraph, submitLayers } from "./submissions.ts";

/** Streams that have been flushed, by the number the client gave; see `published.ts`. */
export interface FlushPoints {
  reached(uid: unknown): void;
}

/** Answer `register-client`, then do what the stream says; gives NO_REPLY when it has ended. */
export async function serveClient(
  hub: Hub,
  request: ReadonlyMap<unknown, unknown>,
  comm: Comm,
  options: Omit<ActOptions, "signal">,
): Promise<typeof NO_REPLY> {
  const { client: id } = REGISTER_CLIENT.parse(request);
  const client: ConnectedClient = { id, stream: clientStream(comm), isNative: comm.handshake.rsdat !== undefined };
  if (isOwnClient(id)) return refuse(comm, id);
  await hub.restoration?.ready;
  if (comm.isClosed) return NO_REPLY; // it did not wait, and nobody would hear of its end
  // Dask's client has given up all that it wanted with its former connection, whose end may not have been seen here yet.
  if (!client.isNative && hub.clients.has(id)) hub.feed({ type: "client-left", client: id });
  hub.clients.set(id, client);
  hub.feed({ type: "client-joined", client: id, isColumnar: client.isNative });
  const keepsJournal = client.isNative && hub.restoration !== null;
  comm.send([{ op: "stream-start", warning: "", error: "", ...(keepsJournal ? { keeps_journal: true } : {}) }]);
  for (const key of hub.restoration?.clientJoined(id) ?? []) client.stream.send({ op: "lost-data", key });
  let hasLeft = false;
  const gone = new AbortController();
  void comm.closed.then(() => gone.abort());
  const acts: ActOptions = { ...options, signal: gone.signal };
  try {
    for await (const messages of readStream(comm, CLIENT_TO_SCHEDULER.parse)) {
      for (let k = 0; k < messages.length; k++) {
        const message = messages[k] as ClientToScheduler; // k < length
        if (message.op === "close-client") hasLeft = true;
        if (message.op !== "publish_flush_batched_send") hub.restoration?.hear(client, message);
        if (!actNow(hub, client, message)) await act(hub, client, message, acts);
        // What is to be done reaches workers before what is to be forgotten is looked at.
        if (message.op === "update-layers" && messages[k + 1]?.op.startsWith("client-releases")) await hub.turn.next();
      }
    }
  } finally {
    // Where the client is back already, by another connection, this one's end says nothing.
    if (hub.clients.get(id) === client) endClient(hub, id, keepsJournal && !hasLeft);
  }
  return NO_REPLY;
}

/** A client of Dask's or ours reads why here. */
async function refuse(comm: Comm, id: string): Promise<typeof NO_REPLY> {
  const error = `client name ${id} is one in which the scheduler itself wants results; choose another`;
  comm.send([{ op: "stream-start", warning: "", error }]);
  await comm.close();
  return NO_REPLY;
}

/** The connection of a client ended; `mayReturn`: it will be waited for. */
function endClient(hub: Hub, id: string, mayReturn: boolean): void {
  hub.clients.delete(id);
  for (const topic of hub.topics.keys()) unsubscribe(hub, topic, id);
  if (mayReturn) return hub.restoration?.clientLost(id);
  hub.restoration?.note({ kind: "left", client: id });
  hub.feed({ type: "client-left", client: id });
}

/** Do again what a client said in a former life of this scheduler. */
export async function actAgain(
  hub: Hub,
  id: string,
  { message, ...options }: ActOptions & { readonly message: ClientToScheduler },
): Promise<void> {
  const comm: Pick<ConnectedClient, "id" | "isNative"> = { id, isNative: true };
  await act(hub, comm, message, options);
}

/** A topic without listeners is forgotten: its name is the client's choice. */
function unsubscribe(hub: Hub, topic: string, client: string): void {
  const listeners = hub.topics.get(topic);
  listeners?.delete(client);
  if (listeners?.size === 0) hub.topics.delete(topic);
}

interface ActOptions {
  readonly pythonWaitMs: number;
  readonly flushes: FlushPoints;
  readonly coordination: Coordination;
  readonly signal: AbortSignal;
}

/** Do what is said the most, and waits for nothing; false for what else a client says. */
function actNow(hub: Hub, client: Pick<ConnectedClient, "id">, message: ClientToScheduler): boolean {
  if (message.op === "update-layers") submitLayers(hub, client, message);
  else if (message.op === "client-releases-column")
    hub.feed({ type: message.op, client: client.id, keys: message.keys });
  else return false;
  return true;
}

async function act(
  hub: Hub,
  client: Pick<ConnectedClient, "id" | "isNative">,
  message: ClientToScheduler,
  options: ActOptions,
): Promise<void> {
  const { id } = client;
  if (actNow(hub, client, message)) return;
  switch (message.op) {
    case "update-layers":
    case "client-releases-column":
      return;
    case "update-graph":
      return submitGraph(hub, client, message, options);
    case "client-desires-keys":
      if (message.client === FIRE_AND_FORGET) return hub.fireAndForget(message.keys);
      return hub.feed({ type: message.op, client: id, keys: message.keys });
    case "client-releases-keys":
      return hub.feed({ type: message.op, client: id, keys: message.keys });
    case "client-releases-blocks": {
      const { layer, grid, blocks } = message;
      return hub.feed({ type: message.op, client: id, layer, grid, blocks });
    }
    case "report-key":
      return hub.feed({ type: "report-key", client: id, key: message.key });
    case "cancel-keys":
      return hub.feed({
        type: "cancel-keys",
        client: id,
        keys: message.keys,
        force: message.force,
        reason: message.reason ?? "cancelled",
        message: message.msg ?? "",
      });
    case "subscribe-topic": {
      const listeners = hub.topics.get(message.topic) ?? new Set();
      hub.topics.set(message.topic, listeners.add(id));
      return;
    }
    case "unsubscribe-topic":
      return unsubscribe(hub, message.topic, id);
    case "publish_flush_batched_send":
      return options.flushes.reached(message.uid);
    case "queue-future-release":
    case "queue_release":
    case "variable-future-received-confirm":
    case "variable_delete":
      return options.coordination.hear(message, id);
    case "heartbeat-client":
    case "close-client":
      return;
  }
}
