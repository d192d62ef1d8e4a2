/**
 * The tls transport: the same frames inside TLS. As Dask's, it is mutual: both ends show a certificate that one authority
 * of the cluster's own has signed, and host names are not compared. Source: distributed/security.py, comm/tcp.py.
 */
import { isIP } from "node:net";
import { createServer, type SecureContextOptions, type TLSSocket, connect as tlsConnect } from "node:tls";
import { ArgumentError, CommError, type Security, type TlsIdentity } from "../base/index.ts";
import { type Address, FrameDecoder, formatAddress } from "../protocol/index.ts";
import type { Acceptor, Channel } from "./channel.ts";
import { type AcceptOptions, acceptorOf, codeOf, messageOf, type SocketOptions, TcpChannel } from "./tcp.ts";

const HANDSHAKE_MS = 10_000;

/**
 * The certificates with which `address` may be used; null for one that needs none.
 * @throws {CommError} code `tls`: it is not encrypted where encryption is required, or it is and there are no certificates
 */
export function identityFor(address: Address, security: Security | undefined): TlsIdentity | null {
  if (address.scheme === "tls") {
    if (security?.tls) return security.tls;
    throw new CommError(
      "tls",
      `${formatAddress(address)} needs certificates: set distributed.comm.tls.ca-file and the cert and key of this role, or give --tls-ca-file, --tls-cert and --tls-key`,
      { details: { address: formatAddress(address) } },
    );
  }
  if (security?.requiresEncryption && address.scheme !== "inproc") {
    throw new CommError(
      "tls",
      `${formatAddress(address)} is not encrypted, and distributed.comm.require-encryption is set: use a tls:// address`,
      { details: { address: formatAddress(address) } },
    );
  }
  return null;
}

function contextOf(identity: TlsIdentity): SecureContextOptions {
  return {
    ca: identity.ca,
    cert: identity.cert,
    key: identity.key,
    minVersion: identity.minVersion,
    ...(identity.ciphers === null ? {} : { ciphers: identity.ciphers }),
    ...(identity.maxVersion === null ? {} : { maxVersion: identity.maxVersion }),
  };
}

/** Run what reads certificates. @throws {ArgumentError} they are unusable */
function withUsable<T>(make: () => T): T {
  try {
    return make();
  } catch (cause) {
    throw new ArgumentError(`the certificates for TLS cannot be used: ${messageOf(cause)}`, { cause });
  }
}

/** Connect once and agree on keys; rejects with a CommError of code `tls` where the two ends do not trust each other. */
export function connectTls(
  address: Address,
  identity: TlsIdentity,
  { signal, ...options }: SocketOptions & { readonly signal: AbortSignal },
): Promise<Channel> {
  if (signal.aborted) return Promise.reject(signal.reason);
  const { promise, resolve, reject } = Promise.withResolvers<Channel>();
  const { host, port } = address;
  const socket = withUsable(() =>
    tlsConnect({
      host,
      port,
      ...contextOf(identity),
      servername: identity.serverName ?? (isIP(host) === 0 ? host : ""),
      rejectUnauthorized: true,
      checkServerIdentity: () => undefined, // a cluster's own authority signs; people use addresses, not names
    }),
  );
  const onAbort = (): void => {
    socket.destroy();
    reject(signal.reason);
  };
  const onError = (cause: Error): void => {
    signal.removeEventListener("abort", onAbort);
    socket.destroy();
    reject(failure(`no encrypted connection to ${formatAddress(address)}`, cause));
  };
  signal.addEventListener("abort", onAbort, { once: true });
  socket.once("error", onError);
  socket.once("secureConnect", () => {
    signal.removeEventListener("abort", onAbort);
    socket.off("error", onError);
    resolve(channelOf(socket, options));
  });
  return promise;
}

/** Accept encrypted connections of peers whose certificate the authority has signed; others are told off and logged. */
export async function listenTls(
  address: Address,
  identity: TlsIdentity,
  onChannel: (channel: Channel) => void,
  options: AcceptOptions,
): Promise<Acceptor> {
  const server = withUsable(() =>
    createServer(
      { ...contextOf(identity), requestCert: true, rejectUnauthorized: true, handshakeTimeout: HANDSHAKE_MS },
      (socket) => onChannel(channelOf(socket, options)),
    ),
  );
  server.on("tlsClientError", (cause, socket) => {
    // Where the certificate was at fault Node says only that the socket hung up; the reason stands on the socket.
    const { authorizationError: reason, remoteAddress = "an unknown address" } = socket;
    options.onError(
      failure(`a peer at ${remoteAddress} is refused`, reason ? new Error(`certificate: ${reason}`) : cause),
    );
  });
  return acceptorOf(server, address, options);
}

function channelOf(socket: TLSSocket, { limits, timeoutMs = null }: SocketOptions): Channel {
  const channel = new TcpChannel(socket, new FrameDecoder(limits), { scheme: "tls", timeoutMs });
  socket.on("data", (bytes: Buffer) => channel.received(bytes));
  return channel;
}

/** A failed handshake has code `tls`; a connection that never was keeps its own (`econnrefused`), so that it is tried again. */
function failure(what: string, cause: Error): CommError {
  const code = codeOf(cause);
  const isTransport = /^e[a-z]+$/.test(code) && code !== "eproto";
  return new CommError(isTransport ? code : "tls", `${what}: ${explained(cause)}`, { cause });
}

function explained(cause: Error): string {
  // OpenSSL's own errors are long lines; Node puts what matters beside them.
  const message = "reason" in cause && typeof cause.reason === "string" ? cause.reason : messageOf(cause);
  if (/wrong version number|packet length too long|http request|unexpected message/i.test(message))
    return `the other end does not speak TLS (${message})`;
  if (/peer did not return a certificate/i.test(message)) return `it shows no certificate (${message})`;
  if (/self.signed|unable to (?:verify|get)|certificate/i.test(message))
    return `its certificate is not of this cluster's authority (${message})`;
  return message;
}
