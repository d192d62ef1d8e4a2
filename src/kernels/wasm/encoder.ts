/** WebAssembly's binary format: bytes, LEB128 numbers and sections. */

/** Value types of the format. */
export type ValueType = "i32" | "i64" | "f32" | "f64" | "v128";

const TYPE_CODE: Readonly<Record<ValueType, number>> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };

/** A growable run of bytes. */
export class Bytes {
  #data: Uint8Array<ArrayBuffer> = new Uint8Array(256);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  byte(value: number): this {
    if (this.#length === this.#data.length) this.#grow(1);
    this.#data[this.#length++] = value;
    return this;
  }

  /** Unsigned LEB128 of up to 32 bits. */
  unsigned(value: number): this {
    let rest = value >>> 0;
    while (rest >= 0x80) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    return this.byte(rest);
  }

  /** Signed LEB128 of up to 64 bits. */
  signed(value: number | bigint): this {
    let rest = BigInt(value);
    for (;;) {
      const low = Number(rest & 0x7fn);
      rest >>= 7n;
      const done = (rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0);
      this.byte(done ? low : low | 0x80);
      if (done) return this;
    }
  }

  f32(value: number): this {
    return this.append(new Uint8Array(Float32Array.of(value).buffer));
  }

  f64(value: number): this {
    return this.append(new Uint8Array(Float64Array.of(value).buffer));
  }

  text(value: string): this {
    const bytes = new TextEncoder().encode(value);
    return this.unsigned(bytes.length).append(bytes);
  }

  append(bytes: Uint8Array | Bytes): this {
    const data = bytes instanceof Bytes ? bytes.finish() : bytes;
    if (this.#length + data.length > this.#data.length) this.#grow(data.length);
    this.#data.set(data, this.#length);
    this.#length += data.length;
    return this;
  }

  /** View of the bytes so far. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#data.subarray(0, this.#length);
  }

  #grow(by: number): void {
    const next = new Uint8Array(Math.max(this.#data.length * 2, this.#length + by));
    next.set(this.#data);
    this.#data = next;
  }
}

/** One function of a module. */
export interface FunctionCode {
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
  /** Types of the locals after the parameters, in order. */
  readonly locals: readonly ValueType[];
  readonly code: Bytes;
}

const PAGES_MAX = 65536;

/** Kind of the memories that modules import: shared between threads, or the private one of `singleMemory`. */
export const memoryKind: { shared: boolean } = { shared: true };

function section(out: Bytes, id: number, count: number, body: Bytes): void {
  const content = new Bytes().unsigned(count).append(body);
  out.byte(id).unsigned(content.length).append(content);
}

/** Imported functions of every module; they come first in its index space. */
export const IMPORTED_FUNCTIONS = 1;
/** Parameters of the imported function `e.f`, see `host.ts`: code of the operation, two operands; gives f64. */
const HOST_PARAMS: readonly ValueType[] = ["i32", "f64", "f64"];

/**
 * A module that imports `memories` shared memories (`e.m0`, `e.m1`, …) and the function `e.f`, and exports its first function as `k`.
 * `globals` counts mutable i32 globals, starting at 0.
 */
export function encodeModule(
  functions: readonly FunctionCode[],
  memories: number,
  globals = 0,
): Uint8Array<ArrayBuffer> {
  const out = new Bytes().append(Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00));
  const types = new Bytes();
  for (const f of functions) {
    types.byte(0x60).unsigned(f.params.length);
    for (const t of f.params) types.byte(TYPE_CODE[t]);
    types.unsigned(f.results.length);
    for (const t of f.results) types.byte(TYPE_CODE[t]);
  }
  types.byte(0x60).unsigned(HOST_PARAMS.length);
  for (const t of HOST_PARAMS) types.byte(TYPE_CODE[t]);
  types.unsigned(1).byte(TYPE_CODE.f64);
  section(out, 1, functions.length + 1, types);
  const imports = new Bytes();
  const limits = memoryKind.shared ? 3 : 1; // has a maximum; bit 1: shared
  for (let k = 0; k < memories; k++)
    imports.text("e").text(`m${k}`).byte(2).byte(limits).unsigned(0).unsigned(PAGES_MAX);
  imports.text("e").text("f").byte(0).unsigned(functions.length);
  section(out, 2, memories + IMPORTED_FUNCTIONS, imports);
  const indices = new Bytes();
  for (const k of functions.keys()) indices.unsigned(k);
  section(out, 3, functions.length, indices);
  if (globals > 0) {
    const body = new Bytes();
    for (let k = 0; k < globals; k++) body.byte(TYPE_CODE.i32).byte(1).byte(0x41).signed(0).byte(0x0b);
    section(out, 6, globals, body);
  }
  section(out, 7, 1, new Bytes().text("k").byte(0).unsigned(IMPORTED_FUNCTIONS));
  const bodies = new Bytes();
  for (const f of functions) {
    const body = new Bytes().unsigned(f.locals.length);
    for (const t of f.locals) body.unsigned(1).byte(TYPE_CODE[t]);
    body.append(f.code).byte(0x0b);
    bodies.unsigned(body.length).append(body);
  }
  section(out, 10, functions.length, bodies);
  return out.finish();
}
