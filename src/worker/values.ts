/** The values a worker holds, by key: blocks in the arena, or whatever else a task or a peer gave. */
import { errorToRecord, invariant, shownKind, UnsupportedError } from "../base/index.ts";
import type { BlockHandle, Executor, TaskInput } from "../executor/index.ts";
import { type Graph, type Key, showKey, type TaskId } from "../graph/index.ts";
import { NDArray } from "../ndarray/index.ts";
import {
  type BlockPack,
  type BlockPacker,
  deserialize,
  PACKED_BYTES_MAX,
  packedNbytes,
  plainBlockOf,
  pyGlobal,
  pyTypeName,
  type Serialized,
  serialize,
  serializeFailure,
  writePickle,
} from "../protocol/index.ts";
import { BlockPages } from "./block-pages.ts";
import { LentBytes } from "./lent-bytes.ts";
import { BlockReceiver } from "./receive.ts";
import type { Ref, ValueFacts } from "./state/index.ts";

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

/** Which task a block is that has a number instead of a key. */
export interface BlockName {
  readonly graph: Graph;
  readonly task: TaskId;
}

/**
 * Values by what the machine calls them. The shell adds what it announces to the machine and removes what the machine
 * drops.
 */
export class Values {
  readonly #executor: Executor;
  readonly #refOf: (key: Key) => Ref;
  readonly #lent = new LentBytes();
  readonly #byKey = new Map<Key, Stored>();
  readonly #blocks = new BlockPages<BlockHandle | Stored, Key | Graph>();

  /** @param refOf the machine's name for a key */
  constructor(executor: Executor, refOf: (key: Key) => Ref) {
    this.#executor = executor;
    this.#refOf = refOf;
  }

  has(key: Key): boolean {
    return this.#get(this.#refOf(key)) !== undefined;
  }

  /** Blocks: those with keys, then the others, each in the order in which they came. */
  *blocks(): Generator<readonly [Key, BlockHandle], void, undefined> {
    for (const [key, value] of this.#byKey) if (value.kind === "block") yield [key, value.handle];
    for (const [ref, value] of this.#blocks) if (isHandle(value)) yield [this.#keyOf(ref), value];
  }

  /** Work towards `nbytes` free for what a peer will send. */
  async makeRoom(nbytes: number): Promise<void> {
    await this.#executor.makeRoom(nbytes);
  }

  /** Until it is disposed, blocks are on their way here that nobody can spill yet. */
  bringing(): Disposable {
    return this.#executor.bringing();
  }

  /** Give back what came and is not held. */
  giveBack(values: Iterable<Stored>): void {
    for (const value of values) if (value.kind === "block") this.#executor.release(value.handle);
  }

  /** A block that found no room when it came, in the arena if room can be made. */
  async settle(value: Stored): Promise<Stored> {
    if (value.kind !== "plain" || !(value.value instanceof NDArray)) return value;
    await this.#executor.makeRoom(value.nbytes);
    const handle = this.#place(value.value);
    return handle ? { kind: "block", handle } : value;
  }

  keys(): Key[] {
    return [...this.#byKey.keys(), ...Array.from(this.#blocks, ([ref]) => this.#keyOf(ref))];
  }

  /** Facts of everything held. */
  facts(): Map<Key, ValueFacts> {
    const facts = new Map(Array.from(this.#byKey, ([key, value]) => [key, factsOf(value)] as const));
    for (const [ref, value] of this.#blocks) facts.set(this.#keyOf(ref), factsOf(storedOf(value)));
    return facts;
  }

  /** Hold `value` under the machine's name for its key, and give its facts for the machine. */
  hold(key: Key, value: Stored): ValueFacts {
    return this.set(this.#refOf(key), value, key);
  }

  /** As {@link hold}, under a name that the machine has given. */
  set(ref: Ref, value: Stored, name: Key | BlockName): ValueFacts {
    this.drop(ref);
    if (typeof ref !== "number") this.#byKey.set(ref, value);
    else {
      const owned = typeof name === "string" ? { owner: name, task: 0 } : { owner: name.graph, task: name.task };
      this.#blocks.set(ref, value.kind === "block" ? value.handle : value, owned);
    }
    return factsOf(value);
  }

  drop(ref: Ref): void {
    if (typeof ref === "number") {
      const value = this.#blocks.delete(ref);
      if (value === undefined) return;
      const handle = isHandle(value) ? value : value.kind === "block" ? value.handle : null;
      if (handle) this.#executor.release(handle);
      return;
    }
    const value = this.#byKey.get(ref);
    this.#byKey.delete(ref);
    if (value?.kind === "block") this.#executor.release(value.handle);
  }

  /** Call everything by its key from now on: another machine knows nothing of numbers. */
  nameByKeys(): void {
    for (const [ref, value] of this.#blocks) {
      this.#byKey.set(this.#keyOf(ref), storedOf(value));
      this.#blocks.delete(ref);
    }
  }

  /** A block in the arena; null for any other value. */
  block(ref: Ref): BlockHandle | null {
    if (typeof ref === "number") {
      const value = this.#blocks.get(ref);
      return value !== undefined && isHandle(value) ? value : null;
    }
    const value = this.#byKey.get(ref);
    return value?.kind === "block" ? value.handle : null;
  }

  #get(ref: Ref): Stored | undefined {
    if (typeof ref !== "number") return this.#byKey.get(ref);
    const value = this.#blocks.get(ref);
    return value === undefined ? undefined : storedOf(value);
  }

  #keyOf(ref: Ref): Key {
    if (typeof ref !== "number") return ref;
    const name = this.#blocks.name(ref);
    invariant(name, `value ${ref} has no name`);
    return typeof name.owner === "string" ? name.owner : name.owner.key(name.task);
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
      value = plainBlock(serialized) ?? deserialize(serialized);
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

  /** As {@link receive}, of values that came together: all of them, or none. */
  receiveAll(values: ReadonlyMap<Key, Serialized>): Map<Key, Stored> {
    const received = new Map<Key, Stored>();
    try {
      for (const [key, serialized] of values) received.set(key, this.receive(serialized));
    } catch (error) {
      this.giveBack(received.values());
      throw error;
    }
    return received;
  }

  /** Blocks that a peer sent together, with their places, as this worker holds them. */
  *unpack(pack: BlockPack): Generator<readonly [place: number, Stored], void, undefined> {
    const { dtype, shape, places, bytes } = pack;
    const nbytes = packedNbytes(pack);
    for (let k = 0; k < places.length; k++) {
      const elements = bytes.subarray(k * nbytes, (k + 1) * nbytes);
      const handle = this.#executor.allocateIfRoom(dtype, shape);
      if (handle) bytesOf(this.#executor.view(handle)).set(elements);
      const value = handle ? null : NDArray.view(dtype, new Uint8Array(elements).buffer, 0, shape);
      yield [places[k] as number, handle ? { kind: "block", handle } : { kind: "plain", value, nbytes }]; // k < length
    }
  }

  /** Add a value to what is sent together, if it is a small block that is in memory. */
  pack(key: Key, place: number, packer: BlockPacker): boolean {
    const handle = this.block(this.#refOf(key));
    if (!handle || handle.nbytes > PACKED_BYTES_MAX || !this.#executor.isResident(handle)) return false;
    return packer.add(place, handle, bytesOf(this.#executor.view(handle)));
  }

  /** As {@link input}, by its key. */
  inputOf(key: Key): ReturnType<Values["input"]> {
    return this.input(this.#refOf(key));
  }

  /**
   * An input for a task; `release` when the task has ended.
   * @throws {UnsupportedError} the value has no JavaScript form
   */
  input(ref: Ref): { readonly input: TaskInput; release(): void } {
    const value = this.#get(ref);
    if (!value || value.kind === "opaque") {
      const why = value ? `: ${value.why}` : "";
      throw new UnsupportedError(`an input is a Python object without a JavaScript value${why}`, {
        details: { input: typeof ref === "number" && !value ? null : this.#keyOf(ref) },
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

  /** The value as it travels; a block stays in place until `release`. One that lies on disk takes its time. */
  outgoing(key: Key): Outgoing | Promise<Outgoing | null> | null {
    const value = this.#get(this.#refOf(key));
    if (!value) return null;
    if (value.kind === "opaque") return { serialized: value.serialized, release: () => undefined };
    if (value.kind === "plain") return { serialized: serializePlain(key, value.value), release: () => undefined };
    const { handle } = value;
    if (!this.#executor.isResident(handle)) return this.#fromDisk(handle);
    this.#executor.retain(handle);
    this.#executor.pin(handle);
    const release = (): void => {
      this.#executor.unpin(handle);
      this.#executor.release(handle);
    };
    return { serialized: serialize(this.#executor.view(handle)), release };
  }

  /** Null when it cannot be read back: whoever asked computes it again. */
  async #fromDisk(handle: BlockHandle): Promise<Outgoing | null> {
    const memory = this.#lent.take(handle.nbytes);
    const release = (): void => this.#lent.give(memory);
    try {
      return { serialized: serialize(await this.#executor.load(handle, memory)), release };
    } catch {
      release();
      return null;
    }
  }

  /** Null when the arena is full, as it can be under a scheduler that does not count bytes. */
  #place(block: NDArray): BlockHandle | null {
    if (!block.isContiguous || block.nbytes > SMALL_BYTES) return this.#executor.putIfRoom(block);
    const handle = this.#executor.allocateIfRoom(block.dtype, block.shape);
    if (handle) bytesOf(this.#executor.view(handle)).set(bytesOf(block));
    return handle;
  }
}

/** A block whose header has been read before, or is soon, without reading more of it. */
function plainBlock({ header, frames }: Serialized): NDArray | undefined {
  const [frame] = frames;
  const block = plainBlockOf(header);
  if (!block || frames.length !== 1 || frame?.byteLength !== block.nbytes || frame.byteOffset % 16 !== 0)
    return undefined;
  return NDArray.view(block.dtype, frame.buffer, frame.byteOffset, block.shape);
}

/** A value that cannot travel is told of in its place: the other keys of the answer are well. */
function serializePlain(key: Key, value: unknown): Serialized {
  try {
    return serialize(value);
  } catch (error) {
    // The only range that recursion leaves is that of the stack.
    const isTooDeep = error instanceof RangeError;
    const why = isTooDeep ? "it is nested too deeply, or has itself in it" : errorToRecord(error).message;
    return serializeFailure(`the result of task ${showKey(key)}, ${shownKind(value)}, cannot be sent: ${why}`);
  }
}

/** Blocks up to this many bytes are copied as bytes: to begin with a kernel takes longer. */
const SMALL_BYTES = 16 * 1024;

/** Bytes of a contiguous block. */
function bytesOf({ data, offset, nbytes, size }: NDArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset + (size > 0 ? offset * (nbytes / size) : 0), nbytes);
}

function isHandle(value: BlockHandle | Stored): value is BlockHandle {
  return "id" in value;
}

function storedOf(value: BlockHandle | Stored): Stored {
  return isHandle(value) ? { kind: "block", handle: value } : value;
}

/** Facts of the last block: those of a layer are mostly alike. */
let lastFacts: ValueFacts | null = null;

function factsOfBlock(nbytes: number): ValueFacts {
  if (lastFacts?.nbytes !== nbytes) lastFacts = { nbytes, type: BLOCK_TYPE, typename: "numpy.ndarray" };
  return lastFacts;
}

const BLOCK_TYPE = writePickle(pyGlobal("numpy.ndarray"));
const TYPES = new Map<string, { readonly type: Uint8Array; readonly typename: string }>();

/** Size and Python class of a held value. */
export function factsOf(value: Stored): ValueFacts {
  if (value.kind === "block") return factsOfBlock(value.handle.nbytes);
  if (value.kind === "opaque") return { nbytes: value.serialized.nbytes, ...typeOf("builtins.object") };
  if (value.value instanceof NDArray) return { nbytes: value.nbytes, type: BLOCK_TYPE, typename: "numpy.ndarray" };
  const plain = value.value;
  const { nbytes } = value;
  const { type, typename } = typeOf(pyTypeName(plain));
  if (typeof plain === "number" || typeof plain === "boolean" || plain === null)
    return { nbytes, type, typename, scalar: plain };
  return { nbytes, type, typename };
}

function typeOf(path: string): { readonly type: Uint8Array; readonly typename: string } {
  const known = TYPES.get(path);
  if (known) return known;
  const made = { type: writePickle(pyGlobal(path)), typename: path.slice("builtins.".length) };
  TYPES.set(path, made);
  return made;
}
