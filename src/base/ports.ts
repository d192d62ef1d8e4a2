/** Interfaces of the ambient powers that upper rooms inject: time and logging. */

/** Monotonic and wall time, both in milliseconds. */
export interface Clock {
  /** Monotonic milliseconds; only differences mean anything. */
  now(): number;
  /** Milliseconds since 1970, UTC. */
  wall(): number;
}

/** One end's certificates for Dask's mutual TLS; all texts are PEM. */
export interface TlsIdentity {
  /** Certificates of the authorities that both ends trust, and no others. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** OpenSSL's list of ciphers; null: Node's. */
  readonly ciphers: string | null;
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  readonly maxVersion: "TLSv1.2" | "TLSv1.3" | null;
  /** Name that the other end is asked for (SNI), where it differs from its host. */
  readonly serverName: string | null;
}

/** How the connections of one process are secured. */
export interface Security {
  /** Null: it has no certificates, so nothing can be encrypted. */
  readonly tls: TlsIdentity | null;
  /** True: connections that are not encrypted are refused, except those within the process. */
  readonly requiresEncryption: boolean;
}

/** How connections of one process write messages, and how long they wait for a peer: Dask's `distributed.comm`. */
export interface CommSettings {
  /** Compression of frames to peers on other hosts that name the same one; null: none. */
  readonly compression: "zlib" | "zstd" | null;
  /** Frames with more bytes are split; Infinity: none is. */
  readonly shardBytes: number;
  /** True: also towards peers of our own, which take a frame of any size. */
  readonly shardsForOwn: boolean;
  /** Messages with more bytes are compressed and decompressed off the event loop; Infinity: none is. */
  readonly offloadBytes: number;
  /** Milliseconds after which a peer counts as gone that takes nothing of what waits for it; null: never. */
  readonly tcpTimeoutMs: number | null;
}

/** Levels as in Dask's logs. */
export type LogLevel = "debug" | "info" | "warning" | "error";

/** A named logger; the implementation lives in `config`. */
export interface Logger {
  debug(message: string, details?: Readonly<Record<string, unknown>>): void;
  info(message: string, details?: Readonly<Record<string, unknown>>): void;
  warning(message: string, details?: Readonly<Record<string, unknown>>): void;
  error(message: string, details?: Readonly<Record<string, unknown>>): void;
}

/** Discards everything. */
export const silentLogger: Logger = { debug: nothing, info: nothing, warning: nothing, error: nothing };

function nothing(): void {
  // Deliberately silent.
}
