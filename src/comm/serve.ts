/** The answering side of request connections: dispatch by op, error replies, hand-over to a stream (dask-protocol §7). */
import { isRsdatError, type Logger, RemoteProtocolError } from "../base/index.ts";
import { errorReply } from "../protocol/index.ts";
import type { Comm } from "./comm.ts";

/** What a handler gives when it has used the connection itself (a stream, a two-step exchange) and nothing is to be sent. */
export const NO_REPLY: unique symbol = Symbol("no reply");

/** Answers one op. `request` is the wire map without `reply`, `close` and `serializers`; the result is sent as the reply. */
export type Handler = (request: ReadonlyMap<unknown, unknown>, comm: Comm) => unknown;

/** Handlers by wire op. */
export type Handlers = Readonly<Record<string, Handler>>;

/**
 * Serve one connection until it closes: requests one after the other.
 *
 * An unknown op is answered with nil and a log line, as Dask does. What a handler throws becomes Dask's
 * `uncaught-error` reply. A request that is no map, or a RemoteProtocolError of a handler, ends this connection only.
 */
export async function serveRequests(comm: Comm, handlers: Handlers, logger: Logger): Promise<void> {
  while (!comm.isClosed) {
    let request: unknown;
    try {
      request = await comm.next();
    } catch (error) {
      if (isRsdatError(error, "comm-closed")) return;
      throw error;
    }
    if (!(request instanceof Map) || typeof request.get("op") !== "string") {
      const error = new RemoteProtocolError(`request from ${comm.peer} has no op; expected a map with a text field op`);
      comm.abort(error);
      return;
    }
    if (!(await serveOne(comm, request, { handlers, logger }))) return;
  }
}

/** False when the connection is to end. */
async function serveOne(
  comm: Comm,
  request: Map<unknown, unknown>,
  { handlers, logger }: { handlers: Handlers; logger: Logger },
): Promise<boolean> {
  const op = String(request.get("op"));
  const wantsReply = request.get("reply") !== false;
  const isLast = request.get("close") === true;
  for (const control of ["reply", "close", "serializers"]) request.delete(control);
  if (op === "close") {
    if (wantsReply) comm.send("OK");
    await comm.close();
    return false;
  }
  const reply = await answer(comm, request, {
    op,
    handler: Object.hasOwn(handlers, op) ? handlers[op] : undefined,
    logger,
  });
  if (reply !== NO_REPLY && wantsReply && !comm.isClosed) comm.send(reply);
  if (isLast) await comm.close();
  return !isLast && !comm.isClosed;
}

async function answer(
  comm: Comm,
  request: Map<unknown, unknown>,
  { op, handler, logger }: { op: string; handler: Handler | undefined; logger: Logger },
): Promise<unknown> {
  if (!handler) {
    logger.warning(`unknown op ${JSON.stringify(op)} from ${comm.peer}`, { op, peer: comm.peer });
    return null;
  }
  try {
    return await handler(request, comm);
  } catch (error) {
    if (isRsdatError(error, "remote-protocol")) {
      comm.abort(error);
      return NO_REPLY;
    }
    if (isRsdatError(error, "comm-closed")) return NO_REPLY;
    logger.warning(`op ${op} from ${comm.peer} failed: ${error instanceof Error ? error.message : String(error)}`, {
      op,
      peer: comm.peer,
    });
    return errorReply(error);
  }
}
