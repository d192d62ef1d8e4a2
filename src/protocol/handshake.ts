/** The first message each side writes (dask-protocol §3, with the `rsdat` field of §15). */
import { RemoteProtocolError, VersionError } from "../base/index.ts";
import { asMap, describe } from "./msgpack.ts";

/** Number of the rsdat dialect this code speaks. */
export const DIALECT = 2;
/** Pickle protocol we read and write. */
export const PICKLE_PROTOCOL = 5;
/** Least that a peer may speak: a Python scheduler says 4 when it connects to its workers, whatever its version. */
const PICKLE_PROTOCOL_MIN = 4;

/** What we say about ourselves. The cluster's token is not part of it: it is the key of the macs and never travels. */
export interface HandshakeOptions {
  /** Our package version. */
  readonly version?: string;
  /** False switches the dialect off: the connection is pure Dask. Default true. */
  readonly dialect?: boolean;
}

/** What the peer said about itself. */
export interface Handshake {
  /** Compression the peer would use; in effect when we would use the same. */
  readonly compression: string | null;
  readonly python: readonly number[];
  readonly pickleProtocol: number;
  /** Present when both sides speak the rsdat dialect. */
  readonly rsdat?: { readonly dialect: number; readonly version: string };
}

/** The map we send. `compression` is what we would use. */
export function handshakeMessage(
  options: HandshakeOptions = {},
  compression: string | null = null,
): Record<string, unknown> {
  return {
    compression,
    python: [3, 12, 0],
    "pickle-protocol": PICKLE_PROTOCOL,
    ...(options.dialect === false ? {} : { rsdat: { dialect: DIALECT, version: options.version ?? "0" } }),
  };
}

/**
 * The peer's handshake; `rsdat` is there only when we speak the dialect too.
 *
 * @throws {RemoteProtocolError} the message is no handshake
 * @throws {VersionError} the peer's pickle protocol is below 4
 */
export function parseHandshake(message: unknown, options: HandshakeOptions = {}): Handshake {
  const map = asMap(message, "handshake");
  const pickleProtocol = map.get("pickle-protocol");
  if (typeof pickleProtocol !== "number") {
    throw new RemoteProtocolError(`handshake: field pickle-protocol is ${describe(pickleProtocol)}; expected a number`);
  }
  if (pickleProtocol < PICKLE_PROTOCOL_MIN) {
    throw new VersionError(
      `peer speaks pickle protocol ${pickleProtocol}; ${PICKLE_PROTOCOL_MIN} is needed (distributed 2022.11 or later)`,
    );
  }
  const python = map.get("python");
  const compression = map.get("compression");
  const rsdat = options.dialect === false ? undefined : parseDialect(map.get("rsdat"));
  return {
    compression: typeof compression === "string" ? compression : null,
    python: Array.isArray(python) ? python.filter((part) => typeof part === "number") : [],
    pickleProtocol: Math.min(pickleProtocol, PICKLE_PROTOCOL),
    ...(rsdat ? { rsdat } : {}),
  };
}

function parseDialect(value: unknown): Handshake["rsdat"] {
  if (value === undefined || value === null) return undefined;
  const map = asMap(value, "handshake field rsdat");
  const dialect = map.get("dialect");
  const version = map.get("version");
  if (typeof dialect !== "number")
    throw new RemoteProtocolError(`handshake: field rsdat.dialect is ${describe(dialect)}; expected a number`);
  if (dialect !== DIALECT) return undefined;
  return { dialect, version: String(version ?? "0") };
}
