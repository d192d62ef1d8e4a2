/** Errors on the wire: for Python a pickled exception, for everybody texts (dask-protocol §5 "Errors"). */
import {
  type ErrorRecord,
  errorFromRecord,
  errorToRecord,
  isRsdatError,
  RemoteError,
  type RsdatError,
  shownValue,
} from "../base/index.ts";
import { Pickled, Serialized } from "./msgpack.ts";
import { pyException } from "./pickle/build.ts";
import { readPickle } from "./pickle/reader.ts";
import { PyCall, type PyValue } from "./pickle/tree.ts";
import { exceptionOf } from "./pickle/values.ts";
import { writePickle } from "./pickle/writer.ts";
import { deserialize, serializeBytes, wholeFrames } from "./serialize.ts";
import type { WireFailure } from "./worker-messages.ts";

/** Longest text of an error or traceback that is sent; Dask cuts at 10 kB too. */
const TEXT_CHARS_MAX = 10_000;

/** Where something failed. */
export interface FailurePlace {
  /** Address of the worker. */
  readonly worker?: string;
  /** Longest text of an error or traceback. Default 10 000. */
  readonly charsMax?: number;
}

/** Attribute of our exceptions that holds the whole error as JSON; Python objects carry it along unread. */
const RECORD = "rsdat";

/**
 * The wire form of any thrown value. A Python client raises it as a RuntimeError with this text, the place and the stack
 * as notes; an rsdat client gets the error itself back, as the cause of a RemoteError.
 */
export function failureOf(error: unknown, { charsMax = TEXT_CHARS_MAX, ...place }: FailurePlace = {}): WireFailure {
  const cut = (whole: string): string => (whole.length <= charsMax ? whole : `${whole.slice(0, charsMax)}…`);
  const record = shortened(errorToRecord(error), cut);
  const text = cut(`${record.name}: ${record.message}`);
  const stack = record.stack ?? "";
  // Python waits for its own class where something took too long.
  const exception =
    record.code === "timeout" ? pyException(record.message, "builtins.TimeoutError") : pyException(text);
  const notes = [
    ...(place.worker === undefined ? [] : [`on worker ${place.worker}`]),
    ...(stack === "" ? [] : [stack]),
  ];
  exception.state = new Map<PyValue, PyValue>([
    ["__notes__", notes],
    [RECORD, jsonOf({ ...place, record })],
  ]);
  return {
    exception: serializeBytes(writePickle(exception)),
    traceback: null,
    exceptionText: text,
    tracebackText: stack,
  };
}

/** The same with texts that are cut, also those of its causes. */
function shortened(record: ErrorRecord, cut: (text: string) => string): ErrorRecord {
  return {
    ...record,
    message: cut(record.message),
    details: sayable(record.details),
    ...(record.stack === undefined ? {} : { stack: cut(record.stack) }),
    ...(record.cause === undefined ? {} : { cause: shortened(record.cause, cut) }),
  };
}

/** A user's own details may be anything: what JSON cannot say is told by its text. */
function sayable(details: ErrorRecord["details"]): ErrorRecord["details"] {
  return Object.fromEntries(
    Object.entries(details).map(([name, value]) => {
      try {
        jsonOf(value);
        return [name, value];
      } catch {
        return [name, shownValue(value)]; // it has itself in it, or is nested too deeply
      }
    }),
  );
}

function jsonOf(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => (typeof inner === "bigint" ? String(inner) : inner));
}

/** The map a handler's error becomes on a request connection. */
export function errorReply(error: unknown): Record<string, unknown> {
  const failure = failureOf(error);
  return {
    status: "uncaught-error",
    exception: failure.exception,
    traceback: failure.traceback,
    exception_text: failure.exceptionText,
    traceback_text: failure.tracebackText,
  };
}

/** What is known besides the failure itself. */
export interface FailureContext {
  readonly key?: string;
  readonly worker?: string;
  readonly exceptionText?: string;
  readonly tracebackText?: string;
}

/**
 * A {@link RemoteError} from what a peer sent; reads the pickled exception without executing it. `details` has `type`
 * (class name), `text`, `traceback`, `key`, `layer`, `position` (of the block in its array) and `worker` as far as known:
 * those of the task that failed, which may be another than the one whose result is wanted, `wanted`.
 */
export function remoteError(exception: unknown, context: FailureContext = {}): RsdatError {
  const found = pickledException(exception);
  const worker = context.worker ?? found?.place.worker;
  const text = context.exceptionText || (found ? textOf(found) : "the peer's error could not be read");
  const task = taskOf(found?.record);
  const key = task.key ?? context.key;
  const where = [key === undefined ? "" : `task ${key}`, worker === undefined ? "" : `on ${worker}`]
    .filter(Boolean)
    .join(" ");
  const traceback = context.tracebackText ?? found?.record?.stack ?? "";
  const error = new RemoteError(`${where === "" ? "" : `${where}: `}${text}`, {
    ...(found?.record ? { cause: errorFromRecord(found.record) } : {}),
    details: {
      type: found?.record?.name ?? found?.type ?? /^\w+/.exec(text)?.[0] ?? "Exception",
      text: found?.record?.message ?? found?.message ?? text,
      traceback,
      ...(key === undefined ? {} : { key }),
      ...(context.key === undefined || context.key === key ? {} : { wanted: context.key }),
      ...task,
      ...(worker === undefined ? {} : { worker }),
    },
  });
  // Of a task it was heard of in some turn of the event loop: what matters is where it failed. The cause says so itself.
  if (key !== undefined)
    error.stack = [`${error.name}: ${error.message}`, ...(found?.record || traceback === "" ? [] : [traceback])].join(
      "\n",
    );
  return error;
}

/** Longest name of a task or layer that a peer is believed, and most axes of a block. */
const NAME_CHARS_MAX = 1_000;
const AXES_MAX = 64;

/** The task that an error of an rsdat worker says to be of. */
function taskOf(record: ErrorRecord | undefined): {
  readonly key?: string;
  readonly layer?: string;
  readonly position?: readonly number[];
} {
  const { key, layer, position } = record?.details ?? {};
  const isName = (value: unknown): value is string => typeof value === "string" && value.length <= NAME_CHARS_MAX;
  const isPosition = Array.isArray(position) && position.length <= AXES_MAX && position.every(Number.isInteger);
  if (!isName(key) || !isName(layer)) return {};
  return { key, layer, ...(isPosition ? { position } : {}) };
}

function textOf({ type, message, record }: FoundException): string {
  return record ? `${record.name}: ${record.message}` : `${type}: ${message}`;
}

interface FoundException {
  readonly type: string;
  readonly message: string;
  readonly place: FailurePlace;
  /** The error itself, when an rsdat peer sent it. */
  readonly record: ErrorRecord | undefined;
}

function pickledException(value: unknown): FoundException | undefined {
  try {
    let bytes: unknown = value;
    if (value instanceof Pickled) bytes = value.pickle;
    else if (value instanceof Serialized)
      bytes = value.fields.get("serializer") === "pickle" ? wholeFrames(value)[0] : deserialize(value);
    if (!(bytes instanceof Uint8Array)) return undefined;
    const tree = readPickle(bytes);
    const found = exceptionOf(tree);
    return found && { ...found, ...recordOf(tree) };
  } catch (error) {
    // An unreadable pickle must not hide the failure itself: its texts are shown instead.
    if (isRsdatError(error)) return undefined;
    throw error;
  }
}

/** What an rsdat peer tells beside the text; anything that is not exactly that is left alone. */
function recordOf(tree: PyValue): Pick<FoundException, "place" | "record"> {
  const nothing = { place: {}, record: undefined };
  const json = tree instanceof PyCall && tree.state instanceof Map ? tree.state.get(RECORD) : undefined;
  if (typeof json !== "string") return nothing;
  try {
    const { worker, record } = JSON.parse(json) as { worker?: unknown; record?: unknown };
    return { place: typeof worker === "string" ? { worker } : {}, record: checkedRecord(record, 0) };
  } catch {
    return nothing; // no JSON: not written by us
  }
}

/** A record whose fields have the types of one, or undefined; details are only shown. */
function checkedRecord(value: unknown, depth: number): ErrorRecord | undefined {
  if (typeof value !== "object" || value === null || depth > 8) return undefined;
  const { name, code, message, stack, details, cause } = value as Record<string, unknown>; // any JSON object
  if (typeof name !== "string" || typeof code !== "string" || typeof message !== "string") return undefined;
  const inner = checkedRecord(cause, depth + 1);
  return {
    name,
    code,
    message,
    details: typeof details === "object" && details !== null ? { ...details } : {},
    ...(typeof stack === "string" ? { stack } : {}),
    ...(inner ? { cause: inner } : {}),
  };
}

/** Throw what an `uncaught-error` or `error` reply means; other replies pass. @throws {RemoteError} */
export function checkReply(reply: unknown, context: FailureContext = {}): void {
  if (!(reply instanceof Map) || reply.get("status") !== "uncaught-error") return;
  const text = reply.get("exception_text");
  const traceback = reply.get("traceback_text");
  throw remoteError(reply.get("exception"), {
    ...context,
    ...(typeof text === "string" ? { exceptionText: text } : {}),
    ...(typeof traceback === "string" ? { tracebackText: traceback } : {}),
  });
}
