/**
 * Room: comm. Connections that carry messages: tcp and in-process transports, batched streams, request pool, serving.
 * In: addresses, messages. Out: messages, in order, with backpressure. Touches sockets and timers; no task logic.
 * Imports: base, protocol.
 * @module
 *
 * Server: `await using listener = await listen("tcp://127.0.0.1:0", (comm) => serveRequests(comm, handlers, logger), { logger })`.
 * A handler gets the request map and returns the reply; one that turns the connection into a stream sends its first
 * answer itself, reads with `readStream(comm, FAMILY.parse)` until the end, and returns NO_REPLY.
 * Client: `await using rpc = new Rpc()`, then `GATHER.parseAnswer(await rpc.call(address, GATHER.ask({ keys })))`; a stream
 * is `const comm = await connect(address)`, `comm.send({ ...REGISTER_CLIENT.ask(me), reply: false })`,
 * `new BatchedStream(comm, CLIENT_TO_SCHEDULER.encode)` and `readStream(comm, SCHEDULER_TO_CLIENT.parse)`.
 */
export type { Comm, CommOptions } from "./comm.ts";
export type { ConnectOptions } from "./connect.ts";
export { connect } from "./connect.ts";
export type { Fetched } from "./get-data.ts";
export { getData } from "./get-data.ts";
export { hostOfInterface } from "./interfaces.ts";
export type { Listener, ListenOptions } from "./listen.ts";
export { listen } from "./listen.ts";
export type { OpenDoor } from "./open-door.ts";
export { warnOfOpenDoor } from "./open-door.ts";
export type { CallOptions, RpcOptions } from "./rpc.ts";
export { Rpc } from "./rpc.ts";
export type { Handler, Handlers } from "./serve.ts";
export { NO_REPLY, serveRequests } from "./serve.ts";
export type { StreamOptions } from "./stream.ts";
export { BatchedStream, readStream } from "./stream.ts";
