/** Contact addresses as Dask spells them: `tcp://127.0.0.1:8786`, `tls://[::1]:8786`, `ws://host:80`, `inproc://name`. */
import { ArgumentError } from "../base/index.ts";

/** Transports an address can name. */
export type Scheme = "tcp" | "tls" | "ws" | "wss" | "inproc";

/** A parsed address; `host` is without brackets, and for `inproc` the whole name. */
export interface Address {
  readonly scheme: Scheme;
  readonly host: string;
  /** 0 where the system chooses (listening only) or where there is none (`inproc`). */
  readonly port: number;
}

const SCHEMES: ReadonlySet<string> = new Set<Scheme>(["tcp", "tls", "ws", "wss", "inproc"]);

/**
 * The parts of an address. A bare `host:port` means `defaultScheme`.
 *
 * @throws {ArgumentError} unknown scheme, missing host, or a port outside 0…65535
 */
export function parseAddress(text: string, defaultScheme: Scheme = "tcp"): Address {
  const found = /^(?:([a-z]+):\/\/)?(.*)$/.exec(text);
  const scheme = found?.[1] ?? defaultScheme;
  const rest = found?.[2] ?? "";
  if (!SCHEMES.has(scheme)) throw unreadable(text, `scheme "${scheme}" is none of ${[...SCHEMES].join(", ")}`);
  // The membership test above is what makes this a Scheme.
  const known = scheme as Scheme;
  if (known === "inproc") {
    if (rest === "") throw unreadable(text, "an inproc address needs a name");
    return { scheme: known, host: rest, port: 0 };
  }
  const parts = /^(?:\[([0-9a-fA-F:.%\w-]+)\]|([^:[\]/]*))(?::(\d{1,5}))?\/?$/.exec(rest);
  const host = parts?.[1] ?? parts?.[2] ?? "";
  const port = Number(parts?.[3] ?? "0");
  if (!parts || port > 65535) throw unreadable(text, "expected host:port, with IPv6 in brackets");
  return { scheme: known, host, port };
}

/** `tcp://host:port`, IPv6 in brackets. */
export function formatAddress(address: Address): string {
  if (address.scheme === "inproc") return `inproc://${address.host}`;
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `${address.scheme}://${host}:${address.port}`;
}

/** One spelling per address: scheme added, brackets right. Addresses are dictionary keys on this wire. */
export function normalizeAddress(text: string, defaultScheme: Scheme = "tcp"): string {
  return formatAddress(parseAddress(text, defaultScheme));
}

/**
 * As {@link normalizeAddress}, of somebody who shall be called: with a host and a port.
 * @throws {ArgumentError} an unreadable address, or one without them
 */
export function calledAddress(text: string, defaultScheme: Scheme = "tcp"): string {
  const { scheme, host, port } = parseAddress(text, defaultScheme);
  if (scheme !== "inproc" && (host === "" || port === 0)) throw unreadable(text, "it lacks a host or a port");
  return normalizeAddress(text, defaultScheme);
}

function unreadable(text: string, why: string): Error {
  return new ArgumentError(`address ${JSON.stringify(text)} is unreadable: ${why}; for example "tcp://127.0.0.1:8786"`);
}
