/** The values a worker holds, by key: blocks in the arena, or whatever else a task or a peer gave. */
import { errorToRecord, isRsdatError, UnsupportedError } from "../base/index.ts";
import type { BlockHandle, Executor, TaskInput } from "../executor/index.ts";
import type { Key } from "../graph/index.ts";
import { NDArray } from "../ndarray/index.ts";
import { deserialize, pyGlobal, type Serialized, serialize, serializeFailure, writePickle } from "../protocol/index.ts";
import { BlockReceiver } from "./receive.ts";
import type { ValueFacts } from "./state/index.ts";

/** A held value. */
export type Stored =
  | { readonly kind: "block"; readonly handle: BlockHandle }
  /** A plain value, or a block that found no room in the arena. */
  | { readonly kind: "plain"; readonly value: unknown; readonly nbytes: number }
  /** Something without a JavaScript value, for a reason; served on as it came. */
  | { readonly kind: "opaque"; readonly serialized: Serialized; readonly why: string };

/** A value ready to be sent; `release` when it has left. */
export interface Outgoing {
  readonly serialized: Serialized;
  release(): void;
}

/** Values by key. The shell adds what it announces to the machine and removes what the machine drops. */
export class Values {
  readonly #executor: Executor;
  readonly #values = new Map<Key, Stored>();

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  has(key: Key): boolean {
    return this.#values.has(key);
  }

  keys(): Key[] {
    return Array.from(this.#values.keys());
  }

  /** Facts of everything held. */
  facts(): Map<Key, ValueFacts> {
    return new Map(Array.from(this.#values, ([key, value]) => [key, factsOf(value)] as const));
  }

  /** Hold `value` and give its facts for the machine. */
  set(key: Key, value: Stored): ValueFacts {
    this.drop(key);
    this.#values.set(key, value);
    return factsOf(value);
  }

  drop(key: Key): void {
    const value = this.#values.get(key);
    this.#values.delete(key);
    if (value?.kind === "block") this.#executor.release(value.handle);
  }

  /** For one answer of a peer: its blocks arrive in the arena. */
  receiver(): BlockReceiver {
    return new BlockReceiver(this.#executor);
  }

  /** What a peer sent, as this worker holds it: a block goes into the arena if there is room, and is not there already. */
  receive(serialized: Serialized, receiver?: BlockReceiver): Stored {
    const received = receiver?.take(serialized);
    if (received) return { kind: "block", handle: received };
    let value: unknown;
    try {
      value = deserialize(serialized);
    } catch (error) {
      // Not ours to understand, or not to be had: it may rest here and be fetched again; a task that reads it fails.
      const { code, message } = errorToRecord(error);
      if (code === "unsupported" || serialized.fields.get("serializer") === "error")
        return { kind: "opaque", serialized, why: message };
      throw error;
    }
    if (!(value instanceof NDArray)) return { kind: "plain", value, nbytes: serialized.nbytes };
    const handle = this.#place(value);
    return handle ? { kind: "block", handle } : { kind: "plain", value, nbytes: value.nbytes };
  }

  /**
   * An input for a task; `release` when the task has ended.
   * @throws {UnsupportedError} the value has no JavaScript form
   */
  input(key: Key): { readonly input: TaskInput; release(): void } {
    const value = this.#values.get(key);
    if (!value || value.kind === "opaque") {
      const why = value ? `: ${value.why}` : "";
      throw new UnsupportedError(`an input is a Python object without a JavaScript value${why}`, {
        details: { input: key },
      });
    }
    if (value.kind === "block") {
      this.#executor.retain(value.handle);
      return { input: value.handle, release: () => this.#executor.release(value.handle) };
    }
    const handle = value.value instanceof NDArray ? this.#place(value.value) : null;
    if (handle) return { input: handle, release: () => this.#executor.release(handle) };
    return { input: { value: value.value }, release: () => undefined };
  }

  /** The value as it travels; a block stays in place until `release`. */
  outgoing(key: Key): Outgoing | null {
    const value = this.#values.get(key);
    if (!value) return null;
    if (value.kind === "opaque") return { serialized: value.serialized, release: () => undefined };
    if (value.kind === "plain") return { serialized: serializePlain(value.value), release: () => undefined };
    const { handle } = value;
    this.#executor.retain(handle);
    this.#executor.pin(handle);
    const release = (): void => {
      this.#executor.unpin(handle);
      this.#executor.release(handle);
    };
    return { serialized: serialize(this.#executor.view(handle)), release };
  }

  /** Null when the arena is full, as it can be under a scheduler that does not count bytes. */
  #place(block: NDArray): BlockHandle | null {
    return this.#executor.putIfRoom(block);
  }
}

/** A value that cannot travel is told of in its place: the other keys of the answer are well. */
function serializePlain(value: unknown): Serialized {
  try {
    return serialize(value);
  } catch (error) {
    if (!isRsdatError(error)) throw error;
    return serializeFailure(error.message);
  }
}

const BLOCK_TYPE = writePickle(pyGlobal("numpy.ndarray"));
const TYPES = new Map<string, Uint8Array>();

/** Size and Python class of a held value. */
export function factsOf(value: Stored): ValueFacts {
  if (value.kind === "block") return { nbytes: value.handle.nbytes, type: BLOCK_TYPE, typename: "numpy.ndarray" };
  if (value.kind === "opaque")
    return { nbytes: value.serialized.nbytes, type: typePickle("builtins.object"), typename: "object" };
  if (value.value instanceof NDArray) return { nbytes: value.nbytes, type: BLOCK_TYPE, typename: "numpy.ndarray" };
  const typename = pythonType(value.value);
  return { nbytes: value.nbytes, type: typePickle(`builtins.${typename}`), typename };
}

function typePickle(path: string): Uint8Array {
  const known = TYPES.get(path);
  if (known) return known;
  const pickle = writePickle(pyGlobal(path));
  TYPES.set(path, pickle);
  return pickle;
}

function pythonType(value: unknown): string {
  if (typeof value === "string") return "str";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "bigint") return "int";
  if (typeof value === "number") return Number.isInteger(value) ? "int" : "float";
  if (Array.isArray(value)) return "list";
  return value instanceof Uint8Array ? "bytes" : value === null || value === undefined ? "object" : "dict";
}
