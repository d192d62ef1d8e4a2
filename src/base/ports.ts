/** Interfaces of the ambient powers that upper rooms inject: time and logging. */

/** Monotonic and wall time, both in milliseconds. */
export interface Clock {
  /** Monotonic milliseconds; only differences mean anything. */
  now(): number;
  /** Milliseconds since 1970, UTC. */
  wall(): number;
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
