/** Error classes of the whole project: one root, one literal `code` each. See api.md §15 and house.md §6. */
import { shownValue } from "./shown-value.ts";

/** Structured facts that travel with an error; plain data only, so that it survives threads and wires. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

/** Options of every rsdat error. */
export interface ErrorOptions2 {
  readonly cause?: unknown;
  readonly details?: ErrorDetails;
}

/**
 * Root of all errors thrown by rsdat.
 *
 * `code` is a stable literal; test with {@link isRsdatError}, not `instanceof`, because errors cross threads,
 * processes and wires.
 */
export class RsdatError extends Error {
  readonly code: string;
  readonly details: ErrorDetails;

  constructor(code: string, message: string, options: ErrorOptions2 = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
    this.name = new.target.name;
  }
}

/** Base of a family whose members carry one fixed code. */
function member(name: string, code: string, base: typeof RsdatError): MemberClass {
  const made = class extends base {
    constructor(message: string, options: ErrorOptions2 = {}, specific: string = code) {
      super(specific, message, options);
      this.name = name;
    }
  };
  Object.defineProperty(made, "name", { value: name });
  CLASSES.set(name, made as unknown as MemberClass);
  return made as unknown as MemberClass;
}

/** Constructor of a concrete error class: `new X(message, { cause, details }, specificCode?)`. */
export type MemberClass = new (message: string, options?: ErrorOptions2, specificCode?: string) => RsdatError;
const CLASSES = new Map<string, MemberClass>();

// Families. A family is itself a class so that `instanceof UsageError` works within one thread.
/** The caller must act, before anything runs. */
export class UsageError extends RsdatError {}
/** The data's owner must act; carries store, path, chunk. */
export class DataError extends RsdatError {}
/** Operators must act. */
export class ClusterError extends RsdatError {}
/** A peer broke the protocol, or we were about to. */
export class ProtocolError extends RsdatError {}
/** The transport failed. */
export class CommError extends RsdatError {}
/** A task failed. */
export class TaskError extends RsdatError {}

/** A feature that is not there, named; never a silent wrong answer. */
export const UnsupportedError: MemberClass = member("UnsupportedError", "unsupported", RsdatError);

export const OperatorError: MemberClass = member("OperatorError", "operator", UsageError);
export const ExprSyntaxError: MemberClass = member("ExprSyntaxError", "expr-syntax", UsageError);
export const ShapeError: MemberClass = member("ShapeError", "shape", UsageError);
export const BroadcastError: MemberClass = member("BroadcastError", "broadcast", UsageError);
export const UnknownShapeError: MemberClass = member("UnknownShapeError", "unknown-shape", UsageError);
export const AxisError: MemberClass = member("AxisError", "axis", UsageError);
export const DTypeError: MemberClass = member("DTypeError", "dtype", UsageError);
export const DTypeMismatchError: MemberClass = member("DTypeMismatchError", "dtype-mismatch", UsageError);
export const ChunkError: MemberClass = member("ChunkError", "chunk", UsageError);
export const SelectionError: MemberClass = member("SelectionError", "selection", UsageError);
export const ConfigError: MemberClass = member("ConfigError", "config", UsageError);
export const ClosureError: MemberClass = member("ClosureError", "closure", UsageError);
export const MemoryBudgetError: MemberClass = member("MemoryBudgetError", "memory-budget", UsageError);
export const GridMismatchError: MemberClass = member("GridMismatchError", "grid-mismatch", UsageError);
export const CrsMismatchError: MemberClass = member("CrsMismatchError", "crs-mismatch", UsageError);
export const MissingCrsError: MemberClass = member("MissingCrsError", "missing-crs", UsageError);
export const NodataError: MemberClass = member("NodataError", "nodata", UsageError);
export const OverlappingWriteError: MemberClass = member("OverlappingWriteError", "overlapping-write", UsageError);
export const ExistsError: MemberClass = member("ExistsError", "exists", UsageError);
export const VersionError: MemberClass = member("VersionError", "version", UsageError);
export const ArgumentError: MemberClass = member("ArgumentError", "argument", UsageError);

export const NotFoundError: MemberClass = member("NotFoundError", "not-found", DataError);
export const MetadataError: MemberClass = member("MetadataError", "metadata", DataError);
export const CodecError: MemberClass = member("CodecError", "codec", DataError);
export const ReadError: MemberClass = member("ReadError", "read", DataError);
export const SourceChangedError: MemberClass = member("SourceChangedError", "source-changed", DataError);
export const WriteError: MemberClass = member("WriteError", "write", DataError);

export const LocalProtocolError: MemberClass = member("LocalProtocolError", "local-protocol", ProtocolError);
export const RemoteProtocolError: MemberClass = member("RemoteProtocolError", "remote-protocol", ProtocolError);
export const CommClosedError: MemberClass = member("CommClosedError", "comm-closed", CommError);
export const ConnectTimeoutError: MemberClass = member("ConnectTimeoutError", "connect-timeout", CommError);

export const RemoteError: MemberClass = member("RemoteError", "remote", TaskError);
export const KilledWorkerError: MemberClass = member("KilledWorkerError", "killed-worker", TaskError);
export const CancelledError: MemberClass = member("CancelledError", "cancelled", TaskError);

export const SlurmSubmitError: MemberClass = member("SlurmSubmitError", "slurm-submit", ClusterError);
export const WorkerStartError: MemberClass = member("WorkerStartError", "worker-start", ClusterError);
export const NoWorkersError: MemberClass = member("NoWorkersError", "no-workers", ClusterError);

/** A broken promise of ours: stop and report a bug. Never caught to carry on. */
export const InvariantError: MemberClass = member("InvariantError", "invariant", RsdatError);

/** True when `e` is an rsdat error, of this `code` if one is given; works across threads and wires. */
export function isRsdatError(e: unknown, code?: string): e is RsdatError {
  if (!(e instanceof Error) || !("code" in e) || !("details" in e)) return false;
  return code === undefined || e.code === code;
}

/** Plain-data form of an error, for threads and wires. */
export interface ErrorRecord {
  readonly name: string;
  readonly code: string;
  readonly message: string;
  readonly details: ErrorDetails;
  readonly stack?: string;
  readonly cause?: ErrorRecord;
}

/** Turn any thrown value into plain data; keeps up to four causes. */
export function errorToRecord(e: unknown, depth = 4): ErrorRecord {
  if (!(e instanceof Error)) return { name: "Error", code: "error", message: textOf(e), details: {} };
  const own = e as Partial<RsdatError> & Error;
  const code = typeof own.code === "string" ? own.code : "error";
  return {
    name: textOf(e.name),
    code,
    message: textOf(e.message),
    details: own.details ?? {},
    ...(typeof e.stack === "string" ? { stack: e.stack } : {}),
    ...(e.cause === undefined || depth <= 0 ? {} : { cause: errorToRecord(e.cause, depth - 1) }),
  };
}

/** A user's error may have anything in the place of a text. */
function textOf(value: unknown): string {
  return typeof value === "string" ? value : shownValue(value);
}

/** Rebuild an error from {@link errorToRecord}; unknown names become plain {@link RsdatError}s with that name. */
export function errorFromRecord(record: ErrorRecord): RsdatError {
  const options: ErrorOptions2 = {
    details: record.details,
    ...(record.cause === undefined ? {} : { cause: errorFromRecord(record.cause) }),
  };
  const known = CLASSES.get(record.name);
  const error = known
    ? new known(record.message, options, record.code)
    : new RsdatError(record.code, record.message, options);
  error.name = record.name;
  error.stack = record.stack ?? `${record.name}: ${record.message}`; // that of this function says nothing
  return error;
}

/**
 * Assert a promise of our own.
 * @throws {InvariantError} when `condition` is false
 */
export function invariant(condition: unknown, message: string, details?: ErrorDetails): asserts condition {
  if (!condition) throw new InvariantError(message, { details: details ?? {} });
}

/** End of an exhaustive `switch`. */
export function assertNever(value: never): never {
  throw new InvariantError(`unexpected value ${JSON.stringify(value)}`);
}
