/** Opening connections: one try after another until the time is up (dask-protocol §1). */
import {
  ConnectTimeoutError,
  isRsdatError,
  LONGEST_TIMER_MS,
  type Random,
  RemoteProtocolError,
  type Security,
  seededRandom,
  UnsupportedError,
} from "../base/index.ts";
import { type Address, type FrameLimits, formatAddress, parseAddress } from "../protocol/index.ts";
import type { Channel } from "./channel.ts";
import { type Comm, type CommOptions, MessageComm } from "./comm.ts";
import { connectInproc } from "./inproc.ts";
import { connectTcp } from "./tcp.ts";
import { connectTls, identityFor } from "./tls.ts";

/** How to connect. */
export interface ConnectOptions extends CommOptions {
  readonly signal?: AbortSignal;
  /** Time for everything, handshake included. Default 30 s, as Dask. */
  readonly timeoutMs?: number;
  readonly limits?: Partial<FrameLimits>;
  /** False: a refused connection is final, for peers that are known to have listened. Default true: they may not be up yet. */
  readonly retryRefused?: boolean;
  /** Jitter between tries; give one seeded per process so that many workers do not knock in step. */
  readonly random?: Random;
  /** Certificates for `tls://` addresses, and whether others are refused. Default: none, and none are. */
  readonly security?: Security;
}

const TIMEOUT_MS = 30_000;
const BACKOFF_FIRST_MS = 10;
const BACKOFF_MAX_MS = 2_000;
const FINAL: ReadonlySet<string> = new Set(["remote-protocol", "version", "unsupported", "argument", "tls"]);

/**
 * Connect to `address` and shake hands. Refused and timed-out tries are repeated with exponential back-off and full
 * jitter until `timeoutMs`; a peer that answers but speaks something else is not tried again.
 *
 * @throws {ConnectTimeoutError} nobody answered in time; names the address and the last reason
 * @throws {RemoteProtocolError} what answers is no Dask peer
 * @throws {UnsupportedError} the address names a transport that is not there
 * @throws {CommError} code `tls`: the two ends do not trust each other, or encryption is required and this is not
 */
export async function connect(address: string, options: ConnectOptions = {}): Promise<Comm> {
  const target = parseAddress(address);
  if (target.scheme !== "tcp" && target.scheme !== "tls" && target.scheme !== "inproc") {
    throw new UnsupportedError(`transport ${target.scheme}:// of ${address}; expected tcp://, tls:// or inproc://`);
  }
  identityFor(target, options.security);
  const timeoutMs = Math.min(options.timeoutMs ?? TIMEOUT_MS, LONGEST_TIMER_MS);
  const random = options.random ?? seededRandom(target.port + 1);
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(new Error("timed out")), timeoutMs);
  const signal = options.signal ? AbortSignal.any([options.signal, deadline.signal]) : deadline.signal;
  let last: unknown;
  try {
    for (let backoffMs = BACKOFF_FIRST_MS; ; backoffMs = Math.min(backoffMs * 2, BACKOFF_MAX_MS)) {
      try {
        return await connectOnce(target, { ...options, signal, timeoutMs: timeoutMs / 5 });
      } catch (error) {
        if (isFinal(error) || (options.retryRefused === false && isRsdatError(error, "econnrefused")))
          throw named(error, target);
        if (error !== signal.reason) last = error;
      }
      if (!signal.aborted) await pause(backoffMs * random.next(), signal);
      if (options.signal?.aborted) throw options.signal.reason;
      if (signal.aborted) throw timedOut(target, timeoutMs, last);
    }
  } finally {
    clearTimeout(timer);
  }
}

async function connectOnce(
  target: Address,
  options: ConnectOptions & { readonly signal: AbortSignal; readonly timeoutMs: number },
): Promise<Comm> {
  const attempt = new AbortController();
  const timer = setTimeout(() => attempt.abort(new Error("no answer to the connection request")), options.timeoutMs);
  let comm: MessageComm;
  try {
    const channel = await open(target, AbortSignal.any([options.signal, attempt.signal]), options);
    comm = new MessageComm(channel, options);
  } finally {
    clearTimeout(timer);
  }
  // Silence after a connection is not helped by another one, so the handshake may use all the time that is left.
  await comm.shakeHands(options.signal).catch((cause: unknown) => {
    if (options.signal.aborted) throw new Error("connected, but the peer sent no handshake", { cause });
    throw cause;
  });
  return comm;
}

async function open(target: Address, signal: AbortSignal, options: ConnectOptions): Promise<Channel> {
  const how = { limits: options.limits ?? {}, timeoutMs: options.settings?.tcpTimeoutMs ?? null };
  if (target.scheme === "inproc") return connectInproc(target.host);
  const identity = identityFor(target, options.security);
  return identity ? connectTls(target, identity, { signal, ...how }) : connectTcp(target, signal, how);
}

/** Errors that another try would only repeat. */
function isFinal(error: unknown): boolean {
  return isRsdatError(error) && FINAL.has(error.code);
}

function named(error: unknown, target: Address): unknown {
  if (!isRsdatError(error, "remote-protocol")) return error;
  return new RemoteProtocolError(`${formatAddress(target)} is no Dask scheduler or worker: ${error.message}`, {
    cause: error,
    details: { address: formatAddress(target) },
  });
}

function timedOut(target: Address, timeoutMs: number, last: unknown): Error {
  const why = last instanceof Error ? last.message : "no answer";
  return new ConnectTimeoutError(`no connection to ${formatAddress(target)} within ${timeoutMs / 1000} s: ${why}`, {
    cause: last,
    details: { address: formatAddress(target), timeoutMs },
  });
}

/** Wait; returns early on abort. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = (): void => {
    clearTimeout(timer);
    signal.removeEventListener("abort", done);
    resolve();
  };
  const timer = setTimeout(done, ms);
  signal.addEventListener("abort", done, { once: true });
  return promise;
}
