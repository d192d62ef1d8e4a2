/** Tree → pickle, protocol 5. Every value is written where it stands; only names and texts are shared through the memo. */
import { LocalProtocolError } from "../../base/index.ts";
import { OP } from "./opcodes.ts";
import { PyBuffer, PyCall, PyCode, PyFloat, PyGlobal, PySet, PyTuple, type PyValue } from "./tree.ts";

const DEPTH_MAX = 500;

/**
 * Bytes of a pickle. An integral number is a Python int, any other a float; {@link PyFloat} forces a float.
 *
 * @throws {LocalProtocolError} nested too deeply, or an out-of-band buffer
 */
export function writePickle(value: PyValue): Uint8Array {
  const writer = new PickleWriter();
  writer.byte(OP.PROTO);
  writer.byte(5);
  writer.value(value, 0);
  writer.byte(OP.STOP);
  return writer.bytes();
}

class PickleWriter {
  #out = new Uint8Array(512);
  #view = new DataView(this.#out.buffer);
  #at = 0;
  #memoCount = 0;
  readonly #memo = new Map<string, number>();

  bytes(): Uint8Array {
    return this.#out.slice(0, this.#at);
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#out[this.#at++] = value;
  }

  value(value: PyValue, depth: number): void {
    if (depth > DEPTH_MAX) throw new LocalProtocolError(`a value nested more than ${DEPTH_MAX} deep cannot be pickled`);
    if (value === null) this.byte(OP.NONE);
    else if (typeof value === "boolean") this.byte(value ? OP.NEWTRUE : OP.NEWFALSE);
    else if (typeof value === "number") this.#number(value);
    else if (typeof value === "bigint") this.#integer(value);
    else if (typeof value === "string") this.#text(value);
    else if (value instanceof Uint8Array) this.#blob(value);
    else if (value instanceof PyFloat) this.#float(value.value);
    else if (value instanceof PyGlobal) this.#global(value);
    else if (value instanceof PyCall) this.#call(value, depth + 1);
    else if (value instanceof PyCode) this.#code(value);
    else if (value instanceof PyBuffer) throw new LocalProtocolError("an out-of-band buffer cannot be pickled");
    else this.#containerValue(value, depth + 1);
  }

  #containerValue(value: PyTuple | PySet | PyValue[] | Map<PyValue, PyValue>, depth: number): void {
    if (value instanceof PyTuple) this.#tuple(value.items, depth);
    else if (value instanceof PySet) {
      if (!value.isFrozen) this.byte(OP.EMPTY_SET);
      if (value.isFrozen || value.items.length > 0)
        this.#marked(value.items, value.isFrozen ? OP.FROZENSET : OP.ADDITEMS, depth);
    } else if (Array.isArray(value)) {
      this.byte(OP.EMPTY_LIST);
      if (value.length > 0) this.#marked(value, OP.APPENDS, depth);
    } else {
      this.byte(OP.EMPTY_DICT);
      if (value.size > 0) this.#marked(Array.from(value).flat(), OP.SETITEMS, depth);
    }
  }

  #marked(items: readonly PyValue[], code: number, depth: number): void {
    this.byte(OP.MARK);
    for (const item of items) this.value(item, depth);
    this.byte(code);
  }

  #tuple(items: readonly PyValue[], depth: number): void {
    if (items.length === 0) return this.byte(OP.EMPTY_TUPLE);
    if (items.length > 3) return this.#marked(items, OP.TUPLE, depth);
    for (const item of items) this.value(item, depth);
    this.byte(items.length === 1 ? OP.TUPLE1 : items.length === 2 ? OP.TUPLE2 : OP.TUPLE3);
  }

  #call(call: PyCall, depth: number): void {
    this.value(call.callee, depth);
    this.#tuple(call.args, depth);
    if (call.how === "reduce") this.byte(OP.REDUCE);
    else if (call.kwargs === null) this.byte(OP.NEWOBJ);
    else {
      this.value(call.kwargs, depth);
      this.byte(OP.NEWOBJ_EX);
    }
    if (call.listItems.length > 0) this.#marked(call.listItems, OP.APPENDS, depth);
    if (call.dictItems.length > 0) this.#marked(call.dictItems.flat(), OP.SETITEMS, depth);
    if (call.state !== undefined) {
      this.value(call.state, depth);
      this.byte(OP.BUILD);
    }
  }

  /** `operator.getitem(namespace, name)` after `exec(source, namespace)`: the pickle defines the function it returns. */
  #code(code: PyCode): void {
    this.#global(new PyGlobal("operator", "getitem"));
    this.byte(OP.EMPTY_DICT);
    const namespace = this.#memoize();
    this.#global(new PyGlobal("builtins", "exec"));
    this.#text(code.source);
    this.#recall(namespace);
    this.byte(OP.TUPLE2);
    this.byte(OP.REDUCE);
    this.byte(OP.POP);
    this.#text(code.name);
    this.byte(OP.TUPLE2);
    this.byte(OP.REDUCE);
  }

  #global(global: PyGlobal): void {
    const id = `g${global.path}`;
    const known = this.#memo.get(id);
    if (known !== undefined) return this.#recall(known);
    this.#text(global.module);
    this.#text(global.name);
    this.byte(OP.STACK_GLOBAL);
    this.#memo.set(id, this.#memoize());
  }

  #memoize(): number {
    this.byte(OP.MEMOIZE);
    return this.#memoCount++;
  }

  #recall(index: number): void {
    if (index < 256) {
      this.byte(OP.BINGET);
      this.byte(index);
    } else {
      this.byte(OP.LONG_BINGET);
      this.#u32(index);
    }
  }

  #number(value: number): void {
    if (!Number.isInteger(value) || Object.is(value, -0))
      this.#float(value); // Python's integers have one zero
    else if (value >= 0 && value < 256) {
      this.byte(OP.BININT1);
      this.byte(value);
    } else if (value >= -0x80000000 && value <= 0x7fffffff) {
      this.byte(OP.BININT);
      this.#u32(value >>> 0);
    } else this.#integer(BigInt(value));
  }

  #float(value: number): void {
    this.byte(OP.BINFLOAT);
    this.#reserve(8);
    this.#view.setFloat64(this.#at, value, false);
    this.#at += 8;
  }

  #integer(value: bigint): void {
    const bytes: number[] = [];
    for (let rest = value; ; rest >>= 8n) {
      const low = Number(rest & 0xffn);
      bytes.push(low);
      if (rest >= -128n && rest < 128n) break;
    }
    if (bytes.length > 255) throw new LocalProtocolError(`an integer of ${bytes.length} bytes cannot be pickled`);
    this.byte(OP.LONG1);
    this.byte(bytes.length);
    for (const byte of bytes) this.byte(byte);
  }

  #text(value: string): void {
    const id = `s${value}`;
    const known = value.length <= 256 ? this.#memo.get(id) : undefined;
    if (known !== undefined) return this.#recall(known);
    this.#sized(Buffer.from(value, "utf-8"), {
      short: OP.SHORT_BINUNICODE,
      medium: OP.BINUNICODE,
      long: OP.BINUNICODE8,
    });
    if (value.length <= 256) this.#memo.set(id, this.#memoize());
  }

  #blob(value: Uint8Array): void {
    this.#sized(value, { short: OP.SHORT_BINBYTES, medium: OP.BINBYTES, long: OP.BINBYTES8 });
  }

  #sized(bytes: Uint8Array, codes: { readonly short: number; readonly medium: number; readonly long: number }): void {
    const nbytes = bytes.byteLength;
    if (nbytes < 256) {
      this.byte(codes.short);
      this.byte(nbytes);
    } else if (nbytes < 2 ** 32) {
      this.byte(codes.medium);
      this.#u32(nbytes);
    } else {
      this.byte(codes.long);
      this.#u32(nbytes % 2 ** 32);
      this.#u32(Math.floor(nbytes / 2 ** 32));
    }
    this.#reserve(nbytes);
    this.#out.set(bytes, this.#at);
    this.#at += nbytes;
  }

  #u32(value: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.#at, value, true);
    this.#at += 4;
  }

  #reserve(nbytes: number): void {
    if (this.#at + nbytes <= this.#out.byteLength) return;
    const larger = new Uint8Array(Math.max(this.#out.byteLength * 2, this.#at + nbytes));
    larger.set(this.#out);
    this.#out = larger;
    this.#view = new DataView(larger.buffer);
  }
}
