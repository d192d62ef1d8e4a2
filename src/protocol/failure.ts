/** Errors on the wire: for Python a pickled exception, for everybody texts (dask-protocol §5 "Errors"). */
import { errorToRecord, isRsdatError, RemoteError, type RsdatError } from "../base/index.ts";
import { Pickled, Serialized } from "./msgpack.ts";
import { pyException } from "./pickle/build.ts";
import { readPickle } from "./pickle/reader.ts";
import { exceptionOf } from "./pickle/values.ts";
import { writePickle } from "./pickle/writer.ts";
import { deserialize, serializeBytes } from "./serialize.ts";
import type { WireFailure } from "./worker-messages.ts";

/** Longest text of an error or traceback that is sent; Dask cuts at 10 kB too. */
const TEXT_CHARS_MAX = 10_000;

/** The wire form of any thrown value; a Python client raises it as a RuntimeError with this text. */
export function failureOf(error: unknown): WireFailure {
  const record = errorToRecord(error);
  const text = cut(`${record.name}: ${record.message}`);
  return {
    exception: serializeBytes(writePickle(pyException(text))),
    traceback: null,
    exceptionText: text,
    tracebackText: cut(record.stack ?? ""),
  };
}

function cut(text: string): string {
  return text.length <= TEXT_CHARS_MAX ? text : `${text.slice(0, TEXT_CHARS_MAX)}…`;
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
 * (class name), `text`, `traceback`, `key` and `worker` as far as known.
 */
export function remoteError(exception: unknown, context: FailureContext = {}): RsdatError {
  const found = pickledException(exception);
  const text =
    context.exceptionText || (found ? `${found.type}: ${found.message}` : "the peer's error could not be read");
  const where = [
    context.key === undefined ? "" : `task ${context.key}`,
    context.worker === undefined ? "" : `on ${context.worker}`,
  ]
    .filter(Boolean)
    .join(" ");
  return new RemoteError(`${where === "" ? "" : `${where}: `}${text}`, {
    details: {
      type: found?.type ?? /^\w+/.exec(text)?.[0] ?? "Exception",
      text: found?.message ?? text,
      traceback: context.tracebackText ?? "",
      ...(context.key === undefined ? {} : { key: context.key }),
      ...(context.worker === undefined ? {} : { worker: context.worker }),
    },
  });
}

function pickledException(value: unknown): { readonly type: string; readonly message: string } | undefined {
  try {
    let bytes: unknown = value;
    if (value instanceof Pickled) bytes = value.pickle;
    else if (value instanceof Serialized)
      bytes = value.fields.get("serializer") === "pickle" ? value.frames[0] : deserialize(value);
    return bytes instanceof Uint8Array ? exceptionOf(readPickle(bytes)) : undefined;
  } catch (error) {
    // An unreadable pickle must not hide the failure itself: its texts are shown instead.
    if (isRsdatError(error)) return undefined;
    throw error;
  }
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
