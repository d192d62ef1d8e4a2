/** Pickle → tree. A stack machine that records what it would have called; bounded, never executes. */
import { RemoteProtocolError, UnsupportedError } from "../../base/index.ts";
import { OP, OP_NAMES } from "./opcodes.ts";
import { PyBuffer, PyCall, PyGlobal, PySet, PyTuple, type PyValue } from "./tree.ts";

/** Bounds of reading. */
export interface PickleLimits {
  /** Most opcodes. Default 4 million: memory stays within about 100 bytes of each. */
  readonly operationsMax?: number;
}

const OPERATIONS_MAX = 2 ** 22;
const TEXT = new TextDecoder("utf-8");

/**
 * The tree of a pickle of protocol 2 to 5. Bytes in it are copies.
 *
 * @param buffers out-of-band buffers, in order
 * @throws {RemoteProtocolError} malformed, cut short or beyond the limits
 * @throws {UnsupportedError} an opcode of protocol 0 or 1, or a persistent id
 */
export function readPickle(
  pickle: Uint8Array,
  buffers: readonly Uint8Array[] = [],
  limits: PickleLimits = {},
): PyValue {
  return new PickleReader(pickle, buffers, limits.operationsMax ?? OPERATIONS_MAX).read();
}

class PickleReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #buffers: readonly Uint8Array[];
  readonly #operationsMax: number;
  #at = 0;
  #nextBuffer = 0;
  #stack: PyValue[] = [];
  readonly #marks: PyValue[][] = [];
  readonly #memo = new Map<number, PyValue>();

  constructor(bytes: Uint8Array, buffers: readonly Uint8Array[], operationsMax: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#buffers = buffers;
    this.#operationsMax = operationsMax;
  }

  read(): PyValue {
    for (let operations = 0; operations < this.#operationsMax; operations++) {
      const code = this.#u8();
      if (code === OP.STOP) return this.#pop();
      if (!this.#constant(code) && !this.#container(code) && !this.#object(code) && !this.#stackOp(code)) {
        const name = OP_NAMES.get(code) ?? `0x${code.toString(16)}`;
        throw new UnsupportedError(`pickle opcode ${name} at byte ${this.#at - 1}; protocols 2 to 5 are read`);
      }
    }
    throw broken(`more than ${this.#operationsMax} operations`);
  }

  /** Opcodes that push a constant. */
  #constant(code: number): boolean {
    switch (code) {
      case OP.NONE:
        return this.#push(null);
      case OP.NEWTRUE:
        return this.#push(true);
      case OP.NEWFALSE:
        return this.#push(false);
      case OP.BININT:
        return this.#push(this.#view.getInt32(this.#take(4), true));
      case OP.BININT1:
        return this.#push(this.#u8());
      case OP.BININT2:
        return this.#push(this.#view.getUint16(this.#take(2), true));
      case OP.LONG1:
        return this.#push(this.#long(this.#u8()));
      case OP.LONG4:
        return this.#push(this.#long(this.#u32()));
      case OP.BINFLOAT:
        return this.#push(this.#view.getFloat64(this.#take(8), false));
      case OP.SHORT_BINUNICODE:
        return this.#push(this.#text(this.#u8()));
      case OP.BINUNICODE:
        return this.#push(this.#text(this.#u32()));
      case OP.BINUNICODE8:
        return this.#push(this.#text(this.#u64()));
      case OP.SHORT_BINBYTES:
      case OP.SHORT_BINSTRING:
        return this.#push(this.#blob(this.#u8()));
      case OP.BINBYTES:
      case OP.BINSTRING:
        return this.#push(this.#blob(this.#u32()));
      case OP.BINBYTES8:
      case OP.BYTEARRAY8:
        return this.#push(this.#blob(this.#u64()));
      case OP.NEXT_BUFFER:
        return this.#push(new PyBuffer(this.#buffers[this.#nextBuffer++]));
      default:
        return false;
    }
  }

  /** Opcodes that make or fill containers. */
  #container(code: number): boolean {
    switch (code) {
      case OP.EMPTY_LIST:
        return this.#push([]);
      case OP.EMPTY_DICT:
        return this.#push(new Map());
      case OP.EMPTY_SET:
        return this.#push(new PySet([]));
      case OP.EMPTY_TUPLE:
        return this.#push(new PyTuple());
      case OP.LIST:
        return this.#push(this.#popMark());
      case OP.TUPLE:
        return this.#push(new PyTuple(...this.#popMark()));
      case OP.TUPLE1:
        return this.#push(new PyTuple(this.#pop()));
      case OP.TUPLE2:
      case OP.TUPLE3: {
        const items = [this.#pop(), this.#pop()];
        if (code === OP.TUPLE3) items.push(this.#pop());
        return this.#push(new PyTuple(...items.reverse()));
      }
      case OP.FROZENSET:
        return this.#push(new PySet(this.#popMark(), true));
      case OP.DICT: {
        const items = this.#popMark();
        this.#push(new Map());
        return this.#setItems(items);
      }
      case OP.APPEND:
        return this.#append([this.#pop()]);
      case OP.APPENDS:
        return this.#append(this.#popMark());
      case OP.ADDITEMS: {
        const items = this.#popMark();
        const set = this.#top();
        if (!(set instanceof PySet)) throw broken("items added to something that is no set");
        for (const item of items) set.items.push(item);
        return true;
      }
      case OP.SETITEM: {
        const value = this.#pop();
        return this.#setItems([this.#pop(), value]);
      }
      case OP.SETITEMS:
        return this.#setItems(this.#popMark());
      default:
        return false;
    }
  }

  /** Opcodes about names and calls. */
  #object(code: number): boolean {
    switch (code) {
      case OP.GLOBAL:
        return this.#push(new PyGlobal(this.#line(), this.#line()));
      case OP.STACK_GLOBAL: {
        const name = this.#pop();
        const module = this.#pop();
        if (typeof name !== "string" || typeof module !== "string") throw broken("a global whose name is no text");
        return this.#push(new PyGlobal(module, name));
      }
      case OP.REDUCE: {
        const args = this.#popTuple();
        return this.#push(new PyCall(this.#pop(), args));
      }
      case OP.NEWOBJ: {
        const args = this.#popTuple();
        return this.#push(new PyCall(this.#pop(), args, "new"));
      }
      case OP.NEWOBJ_EX: {
        const kwargs = this.#pop();
        const args = this.#popTuple();
        return this.#push(new PyCall(this.#pop(), args, "new", kwargs));
      }
      case OP.BUILD: {
        const state = this.#pop();
        const target = this.#top();
        if (!(target instanceof PyCall)) throw broken("state for something that is no object");
        target.state = state;
        return true;
      }
      case OP.READONLY_BUFFER: {
        const buffer = this.#top();
        if (buffer instanceof PyBuffer) buffer.isReadonly = true;
        return true;
      }
      default:
        return false;
    }
  }

  /** Opcodes about the stack and the memo. */
  #stackOp(code: number): boolean {
    switch (code) {
      case OP.PROTO: {
        const protocol = this.#u8();
        if (protocol > 5) throw new UnsupportedError(`pickle protocol ${protocol}; protocols 2 to 5 are read`);
        return true;
      }
      case OP.FRAME:
        this.#u64();
        return true;
      case OP.MARK:
        this.#marks.push(this.#stack);
        this.#stack = [];
        return true;
      case OP.POP:
        this.#pop();
        return true;
      case OP.POP_MARK:
        this.#popMark();
        return true;
      case OP.DUP:
        return this.#push(this.#top());
      case OP.MEMOIZE:
        this.#memo.set(this.#memo.size, this.#top());
        return true;
      case OP.BINPUT:
        this.#memo.set(this.#u8(), this.#top());
        return true;
      case OP.LONG_BINPUT:
        this.#memo.set(this.#u32(), this.#top());
        return true;
      case OP.BINGET:
        return this.#get(this.#u8());
      case OP.LONG_BINGET:
        return this.#get(this.#u32());
      default:
        return false;
    }
  }

  #push(value: PyValue): true {
    this.#stack.push(value);
    return true;
  }

  #pop(): PyValue {
    const value = this.#stack.pop();
    if (value === undefined) throw broken("stack underflow");
    return value;
  }

  #top(): PyValue {
    const value = this.#stack.at(-1);
    if (value === undefined) throw broken("stack underflow");
    return value;
  }

  #popMark(): PyValue[] {
    const items = this.#stack;
    const below = this.#marks.pop();
    if (!below) throw broken("no mark on the stack");
    this.#stack = below;
    return items;
  }

  #popTuple(): PyValue[] {
    const args = this.#pop();
    if (!(args instanceof PyTuple)) throw broken("a call whose arguments are no tuple");
    return args.items;
  }

  #get(index: number): true {
    const value = this.#memo.get(index);
    if (value === undefined) throw broken(`memo ${index} is empty`);
    return this.#push(value);
  }

  #append(items: PyValue[]): true {
    const target = this.#top();
    const list = target instanceof PyCall ? target.listItems : target;
    if (!Array.isArray(list)) throw broken("items appended to something that is no list");
    for (const item of items) list.push(item);
    return true;
  }

  #setItems(items: PyValue[]): true {
    const target = this.#top();
    if (items.length % 2 !== 0) throw broken("a dict key without a value");
    for (let i = 0; i < items.length; i += 2) {
      // Both exist: the length is even.
      const key = items[i] as PyValue;
      const value = items[i + 1] as PyValue;
      if (target instanceof Map) target.set(key, value);
      else if (target instanceof PyCall) target.dictItems.push([key, value]);
      else throw broken("items set on something that is no dict");
    }
    return true;
  }

  #take(nbytes: number): number {
    const from = this.#at;
    if (!(nbytes <= this.#bytes.byteLength - from)) throw broken(`cut short at byte ${from}`);
    this.#at += nbytes;
    return from;
  }

  #u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  #u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  #u64(): number {
    const from = this.#take(8);
    return this.#view.getUint32(from, true) + this.#view.getUint32(from + 4, true) * 2 ** 32;
  }

  #blob(nbytes: number): Uint8Array {
    const from = this.#take(nbytes);
    return this.#bytes.slice(from, from + nbytes);
  }

  #text(nbytes: number): string {
    const from = this.#take(nbytes);
    return TEXT.decode(this.#bytes.subarray(from, from + nbytes));
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) throw broken("a name without its end");
    const text = this.#text(end - this.#at);
    this.#at++;
    return text;
  }

  /** Two's complement, little-endian. */
  #long(nbytes: number): number | bigint {
    if (nbytes > 1024) throw broken(`an integer of ${nbytes} bytes`);
    const from = this.#take(nbytes);
    let value = 0n;
    for (let i = nbytes - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.#bytes[from + i]!);
    if (nbytes > 0 && this.#bytes[from + nbytes - 1]! >= 0x80) value -= 1n << BigInt(8 * nbytes);
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
}

function broken(what: string): Error {
  return new RemoteProtocolError(`malformed pickle: ${what}`);
}
