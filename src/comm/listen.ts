/** Accepting connections. */
import { CommError, RsdatError, type Security, silentLogger, UnsupportedError } from "../base/index.ts";
import { type Address, type FrameLimits, parseAddress } from "../protocol/index.ts";
import type { Acceptor, Channel } from "./channel.ts";
import { type Comm, type CommOptions, MessageComm } from "./comm.ts";
import { listenInproc } from "./inproc.ts";
import { listenTcp } from "./tcp.ts";
import { identityFor, listenTls } from "./tls.ts";

/** How to listen. */
export interface ListenOptions extends CommOptions {
  readonly limits?: Partial<FrameLimits>;
  /** Host in the contact address when listening on all interfaces (`0.0.0.0`, `::`, none). Default `127.0.0.1`. */
  readonly contactHost?: string;
  /** Connections held at once; more are refused. Default 16384. */
  readonly connectionsMax?: number;
  /** Connections that may wait to be accepted. Default Node's, 511. */
  readonly backlog?: number | undefined;
  /** Time a newcomer has to shake hands. Default 10 s. */
  readonly handshakeTimeoutMs?: number;
  /** Certificates for `tls://` addresses, and whether others are refused. Default: none, and none are. */
  readonly security?: Security;
}

/** Something that listens until it is closed. */
export interface Listener extends AsyncDisposable {
  /** Concrete address that peers connect to, with the port that was chosen. */
  readonly address: string;
  /** Connections that have shaken hands and are open. */
  readonly comms: ReadonlySet<Comm>;
  /** Stop accepting and close what was accepted. */
  close(): Promise<void>;
}

const WILDCARDS: ReadonlySet<string> = new Set(["", "0.0.0.0", "::"]);

/**
 * Listen on `address` (port 0: any) and give every connection that shook hands to `onComm`, which owns it until it
 * returns; then, or when it throws (logged), the connection is closed.
 *
 * @throws {CommError} the address cannot be bound; code `tls`: it needs certificates, or encryption is required
 */
export async function listen(
  address: string,
  onComm: (comm: Comm) => Promise<void>,
  options: ListenOptions = {},
): Promise<Listener> {
  const target = parseAddress(address);
  const logger = options.logger ?? silentLogger;
  const all = new Set<Comm>();
  const comms = new Set<Comm>();
  let isClosing = false;
  const accept = (channel: Channel): void => {
    // Keys that two ends were agreeing on while this one was closed.
    if (isClosing) return channel.destroy();
    serveOne(channel, onComm, options, { all, comms }).catch((error: unknown) => {
      logger.warning(
        `connection from ${channel.peer} ended: ${error instanceof Error ? error.message : String(error)}`,
        {
          code: error instanceof RsdatError ? error.code : "error",
          peer: channel.peer,
        },
      );
    });
  };
  const acceptor = await open(target, accept, options);
  const close = async (): Promise<void> => {
    isClosing = true;
    const stopped = acceptor.close();
    await Promise.all(Array.from(all, (comm) => comm.close()));
    await stopped;
  };
  return { address: acceptor.address, comms, close, [Symbol.asyncDispose]: close };
}

function open(target: Address, accept: (channel: Channel) => void, options: ListenOptions): Promise<Acceptor> {
  const { scheme } = target;
  if (scheme === "inproc") return Promise.resolve(listenInproc(target.host, accept));
  if (scheme !== "tcp" && scheme !== "tls")
    throw new UnsupportedError(`listening on ${scheme}://; expected tcp://, tls:// or inproc://`);
  const identity = identityFor(target, options.security);
  const how = {
    limits: options.limits ?? {},
    timeoutMs: options.settings?.tcpTimeoutMs ?? null,
    connectionsMax: options.connectionsMax ?? 16_384,
    backlog: options.backlog ?? 511,
    contactHost: WILDCARDS.has(target.host) ? (options.contactHost ?? "127.0.0.1") : target.host,
    onError: (error: Error) =>
      options.logger?.[error instanceof RsdatError ? "warning" : "error"](`accepting connections: ${error.message}`, {
        code: error instanceof RsdatError ? error.code : "accept",
      }),
  };
  return identity ? listenTls(target, identity, accept, how) : listenTcp(target, accept, how);
}

async function serveOne(
  channel: Channel,
  onComm: (comm: Comm) => Promise<void>,
  options: ListenOptions,
  { all, comms }: { readonly all: Set<Comm>; readonly comms: Set<Comm> },
): Promise<void> {
  const comm = new MessageComm(channel, options);
  all.add(comm);
  const timeout = new AbortController();
  const timeoutMs = options.handshakeTimeoutMs ?? 10_000;
  const timer = setTimeout(
    () => timeout.abort(new CommError("handshake-timeout", `no handshake within ${timeoutMs} ms`)),
    timeoutMs,
  );
  try {
    await comm.shakeHands(timeout.signal);
    clearTimeout(timer);
    comms.add(comm);
    await onComm(comm);
  } finally {
    clearTimeout(timer);
    await comm.close();
    comms.delete(comm);
    all.delete(comm);
  }
}
