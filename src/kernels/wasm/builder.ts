/** Structured, typed construction of WebAssembly functions: expressions are values, statements are methods. */
import { Bytes, type FunctionCode, IMPORTED_FUNCTIONS, type ValueType } from "./encoder.ts";
import {
  BITMASK,
  CONTROL,
  EXTRACT,
  LANE_SELECT,
  LOAD_LANE,
  REPLACE,
  SCALAR_COMPARE,
  SCALAR_LOAD,
  SCALAR_STORE,
  SCALAR1,
  SCALAR2,
  SHIFT,
  SHIFT_RIGHT,
  SPLAT,
  STORE_LANE,
  TRUNCATE_IN_RANGE,
  VECTOR_ANY,
  VECTOR_CONST,
  VECTOR_LOAD,
  VECTOR_PREFIX,
  VECTOR_SELECT,
  VECTOR_SHUFFLE,
  VECTOR_STORE,
  VECTOR1,
  VECTOR2,
} from "./opcodes.ts";

/** An expression of type `T`; emitting it again computes it again, so name with `let` what is used twice. */
export interface Value<T extends ValueType = ValueType> {
  readonly type: T;
  readonly emit: (code: Bytes) => void;
}

export type I32 = Value<"i32">;
export type I64 = Value<"i64">;
export type F32 = Value<"f32">;
export type F64 = Value<"f64">;
export type Vector = Value<"v128">;

/** A local variable; reading it is free. */
export interface Local<T extends ValueType = ValueType> extends Value<T> {
  readonly index: number;
}

/** Address in one of the module's memories: `base` plus a constant. */
export interface Address {
  readonly memory: number;
  readonly base: I32;
  readonly offset: number;
}

function value<T extends ValueType>(type: T, emit: (code: Bytes) => void): Value<T> {
  return { type, emit };
}

export function i32(n: number): I32 {
  return value("i32", (code) => code.byte(CONTROL.i32Const).signed(n | 0));
}

export function i64(n: bigint): I64 {
  return value("i64", (code) => code.byte(CONTROL.i64Const).signed(BigInt.asIntN(64, n)));
}

export function f64(x: number): F64 {
  return value("f64", (code) => code.byte(CONTROL.f64Const).f64(x));
}

/** Type that a name begins with. */
type Prefix<N extends string> = N extends `${infer P extends ValueType}.${string}` ? P : never;

function prefix<N extends string>(name: N): Prefix<N> {
  return name.slice(0, 3) as Prefix<N>; // scalar types have three letters
}

function plain<T extends ValueType>(type: T, opcode: number, operands: readonly Value[]): Value<T> {
  return value(type, (code) => {
    for (const x of operands) x.emit(code);
    code.byte(opcode);
  });
}

/** A scalar operation of two operands of one type. */
export function scalar2<N extends keyof typeof SCALAR2>(
  name: N,
  a: Value<Prefix<N>>,
  b: Value<Prefix<N>>,
): Value<Prefix<N>> {
  return plain(prefix(name), SCALAR2[name], [a, b]);
}

/** A comparison of two scalars: 1 or 0. */
export function scalarCompare<N extends keyof typeof SCALAR_COMPARE>(
  name: N,
  a: Value<Prefix<N>>,
  b: Value<Prefix<N>>,
): I32 {
  return plain("i32", SCALAR_COMPARE[name], [a, b]);
}

/** A scalar operation of one operand, conversions included. */
export function scalar1<N extends keyof typeof SCALAR1>(name: N, a: Value): Value<Prefix<N>> {
  return plain(prefix(name), SCALAR1[name], [a]);
}

/** i64 nearest to zero of a float64; saturates, NaN gives 0. */
export function truncate(x: F64): I64 {
  return value("i64", (code) => {
    x.emit(code);
    code.byte(CONTROL.bulk).unsigned(CONTROL.truncSatF64);
  });
}

/** `a` where `c` is not 0, else `b`; all are computed. */
export function select<T extends ValueType>(c: I32, a: Value<T>, b: Value<T>): Value<T> {
  return value(a.type, (code) => {
    a.emit(code);
    b.emit(code);
    c.emit(code);
    code.byte(CONTROL.select);
  });
}

function vector(opcode: number, operands: readonly Value[], immediate: readonly number[] = []): Vector {
  return value("v128", (code) => {
    for (const x of operands) x.emit(code);
    code.byte(VECTOR_PREFIX).unsigned(opcode);
    for (const b of immediate) code.byte(b);
  });
}

/** Name of an operation of two vectors. */
export type Vector2Name = keyof typeof VECTOR2;
/** Name of an operation of one vector. */
export type Vector1Name = keyof typeof VECTOR1;

export function vector2(name: Vector2Name, a: Vector, b: Vector): Vector {
  return vector(VECTOR2[name], [a, b]);
}

export function vector1(name: Vector1Name, a: Vector): Vector {
  return vector(VECTOR1[name], [a]);
}

/**
 * int32 lanes nearest to zero. All lanes must lie within ±2^31: beyond, machines differ (relaxed SIMD), which the
 * caller has ruled out.
 */
export function truncateInRange(name: keyof typeof TRUNCATE_IN_RANGE, a: Vector): Vector {
  return vector(TRUNCATE_IN_RANGE[name], [a]);
}

/** A scalar in every lane. */
export function splat(name: keyof typeof SPLAT, x: I32 | I64): Vector {
  return vector(SPLAT[name], [x]);
}

/** Every lane shifted right by `bits`, zeros from above. */
export function shiftRight(shape: keyof typeof SHIFT_RIGHT, a: Vector, bits: number): Vector {
  return vector(SHIFT_RIGHT[shape], [a, i32(bits)]);
}

/** Every lane shifted by `bits`, modulo its width. */
export function shift(name: keyof typeof SHIFT, a: Vector, bits: number | I32): Vector {
  return vector(SHIFT[name], [a, typeof bits === "number" ? i32(bits) : bits]);
}

/** Bits of `a` where the mask is 1, of `b` where it is 0. */
export function bitselect(a: Vector, b: Vector, mask: Vector): Vector {
  return vector(VECTOR_SELECT, [a, b, mask]);
}

/**
 * Lanes of `a` where the mask is all ones, of `b` where it is all zeros: one instruction, {@link bitselect} takes three.
 * All bits of a lane of the mask must be equal: for others machines differ (relaxed SIMD).
 */
export function laneSelect(width: keyof typeof LANE_SELECT, a: Vector, b: Vector, mask: Vector): Vector {
  return vector(LANE_SELECT[width], [a, b, mask]);
}

/** Bytes of `a` (0 … 15) and `b` (16 … 31) by index. */
export function shuffle(a: Vector, b: Vector, lanes: readonly number[]): Vector {
  return vector(VECTOR_SHUFFLE, [a, b], lanes);
}

export function vectorConst(bytes: Uint8Array): Vector {
  return vector(VECTOR_CONST, [], [...bytes]);
}

/** 1 when any bit is set. */
export function anyTrue(a: Vector): I32 {
  return value("i32", vector(VECTOR_ANY, [a]).emit);
}

/** Top bit of every lane, the first lane's in bit 0. */
export function bitmask(shape: keyof typeof BITMASK, a: Vector): I32 {
  return value("i32", vector(BITMASK[shape], [a]).emit);
}

/** Scalar type of a lane by the name of its shape. */
type LaneType<N extends string> = N extends `i64x2${string}`
  ? "i64"
  : N extends `f32x4${string}`
    ? "f32"
    : N extends `f64x2${string}`
      ? "f64"
      : "i32";

/** One lane as a scalar. */
export function extract<N extends keyof typeof EXTRACT>(name: N, a: Vector, lane: number): Value<LaneType<N>> {
  const shape = name.slice(0, 3);
  const type = (shape === "i64" || shape === "f32" || shape === "f64" ? shape : "i32") as LaneType<N>; // by the names' table
  return value(type, vector(EXTRACT[name], [a], [lane]).emit);
}

export function replace(name: keyof typeof REPLACE, a: Vector, lane: number, x: Value): Vector {
  return vector(REPLACE[name], [a, x], [lane]);
}

/** Alignment is a hint; 0 promises nothing. */
function memarg(code: Bytes, { memory, offset }: Address): void {
  code.byte(memory === 0 ? 0 : 0x40);
  if (memory !== 0) code.unsigned(memory);
  code.unsigned(offset);
}

export function loadVector(name: keyof typeof VECTOR_LOAD, at: Address): Vector {
  const opcode = VECTOR_LOAD[name];
  return value("v128", (code) => {
    at.base.emit(code);
    code.byte(VECTOR_PREFIX).unsigned(opcode);
    memarg(code, at);
  });
}

/** `a` with lane `lane` (of `bytes` bytes) loaded from memory. */
export function loadLane(bytes: 1 | 2 | 4 | 8, at: Address, a: Vector, lane: number): Vector {
  const opcode = LOAD_LANE[bytes];
  return value("v128", (code) => {
    at.base.emit(code);
    a.emit(code);
    code.byte(VECTOR_PREFIX).unsigned(opcode);
    memarg(code, at);
    code.byte(lane);
  });
}

export function loadScalar<N extends keyof typeof SCALAR_LOAD>(name: N, at: Address): Value<Prefix<N>> {
  const opcode = SCALAR_LOAD[name];
  return value(prefix(name), (code) => {
    at.base.emit(code);
    code.byte(opcode);
    memarg(code, at);
  });
}

/** Builds one function; hoisted values are computed once, before everything else. */
export class FunctionBuilder {
  readonly #params: readonly ValueType[];
  readonly #results: readonly ValueType[];
  readonly #locals: ValueType[] = [];
  readonly #hoisted = new Map<string, Local>();
  readonly #prologue = new Bytes();
  #code = new Bytes();
  /** Where statements end, while bodies are recorded. */
  #ends: number[] | null = null;

  constructor(params: readonly ValueType[], results: readonly ValueType[] = []) {
    this.#params = params;
    this.#results = results;
  }

  param<T extends ValueType>(index: number, type: T): Local<T> {
    return this.#variable(index, type);
  }

  local<T extends ValueType>(type: T): Local<T> {
    return this.#variable(this.#params.length + this.#locals.push(type) - 1, type);
  }

  #variable<T extends ValueType>(index: number, type: T): Local<T> {
    return { type, index, emit: (code) => code.byte(CONTROL.localGet).unsigned(index) };
  }

  /** A new local that holds `x`. */
  let<T extends ValueType>(x: Value<T>): Local<T> {
    const local = this.local(x.type);
    this.set(local, x);
    return local;
  }

  set<T extends ValueType>(local: Local<T>, x: Value<T>): void {
    x.emit(this.#code);
    this.#code.byte(CONTROL.localSet).unsigned(local.index);
    this.#ends?.push(this.#code.length);
  }

  /**
   * Independent bodies that only set locals, their statements in turns: a processor looks a few hundred instructions
   * ahead, and then sees as many chains of dependent ones as there are bodies.
   */
  interleave(bodies: readonly (() => void)[]): void {
    const [code, ends] = [this.#code, this.#ends];
    const strands = bodies.map((body) => {
      this.#code = new Bytes();
      this.#ends = [];
      body();
      return { bytes: this.#code.finish(), ends: this.#ends };
    });
    [this.#code, this.#ends] = [code, ends];
    const most = Math.max(0, ...strands.map((s) => s.ends.length));
    for (let k = 0; k < most; k++) {
      for (const s of strands) {
        if (k >= s.ends.length) continue;
        this.#code.append(s.bytes.subarray(s.ends[k - 1] ?? 0, s.ends[k]));
        this.#ends?.push(this.#code.length);
      }
    }
  }

  /** A local set once at the function's start; `name` identifies it. `x` may use parameters and constants only. */
  hoist<T extends ValueType>(name: string, x: () => Value<T>): Local<T> {
    const known = this.#hoisted.get(name);
    if (known !== undefined) return known as Local<T>; // the name determines the type
    const made = x();
    const local = this.local(made.type);
    made.emit(this.#prologue);
    this.#prologue.byte(CONTROL.localSet).unsigned(local.index);
    this.#hoisted.set(name, local);
    return local;
  }

  /** Statements of `body` run once, at the function's start. */
  once(body: () => void): void {
    const [code, ends] = [this.#code, this.#ends];
    [this.#code, this.#ends] = [this.#prologue, null];
    body();
    [this.#code, this.#ends] = [code, ends];
  }

  /** A hoisted vector constant. */
  constant(bytes: Uint8Array): Local<"v128"> {
    return this.hoist(`const ${bytes.join()}`, () => vectorConst(bytes));
  }

  if(condition: I32, then: () => void, otherwise?: () => void): void {
    condition.emit(this.#code);
    this.#code.byte(CONTROL.if).byte(CONTROL.empty);
    then();
    if (otherwise) {
      this.#code.byte(CONTROL.else);
      otherwise();
    }
    this.#code.byte(CONTROL.end);
  }

  /** Run `body`, then again as long as `condition` holds. */
  doWhile(condition: () => I32, body: () => void): void {
    this.#code.byte(CONTROL.loop).byte(CONTROL.empty);
    body();
    condition().emit(this.#code);
    this.#code.byte(CONTROL.brIf).unsigned(0).byte(CONTROL.end);
  }

  storeVector(at: Address, x: Vector): void {
    at.base.emit(this.#code);
    x.emit(this.#code);
    this.#code.byte(VECTOR_PREFIX).unsigned(VECTOR_STORE);
    memarg(this.#code, at);
  }

  /**
   * Store several vectors, the last first. All are computed before the first is stored, and wait on the stack instead of in locals: V8 widens pairs of stores
   * only if no load lies between them, and counts a local that is set in a loop as another use of what it holds.
   */
  storeVectors(all: readonly { readonly at: Address; readonly x: Vector }[]): void {
    for (const { at, x } of all) {
      at.base.emit(this.#code);
      x.emit(this.#code);
    }
    for (const { at } of [...all].reverse()) {
      this.#code.byte(VECTOR_PREFIX).unsigned(VECTOR_STORE);
      memarg(this.#code, at);
    }
  }

  storeLane(bytes: 1 | 2 | 4 | 8, at: Address, x: Vector, lane: number): void {
    const opcode = STORE_LANE[bytes];
    at.base.emit(this.#code);
    x.emit(this.#code);
    this.#code.byte(VECTOR_PREFIX).unsigned(opcode);
    memarg(this.#code, at);
    this.#code.byte(lane);
  }

  storeScalar(name: keyof typeof SCALAR_STORE, at: Address, x: Value): void {
    const opcode = SCALAR_STORE[name];
    at.base.emit(this.#code);
    x.emit(this.#code);
    this.#code.byte(opcode);
    memarg(this.#code, at);
  }

  /** Copy `bytes` bytes between memories. */
  copy(to: Address, from: Address, bytes: I32): void {
    for (const at of [to, from]) {
      at.base.emit(this.#code);
      if (at.offset !== 0) this.#code.byte(CONTROL.i32Const).signed(at.offset).byte(SCALAR2["i32.add"]);
    }
    bytes.emit(this.#code);
    this.#code.byte(CONTROL.bulk).unsigned(CONTROL.memoryCopy).unsigned(to.memory).unsigned(from.memory);
  }

  /** Set `bytes` bytes to the lowest byte of `x`. */
  fill(to: Address, x: I32, bytes: I32): void {
    to.base.emit(this.#code);
    if (to.offset !== 0) this.#code.byte(CONTROL.i32Const).signed(to.offset).byte(SCALAR2["i32.add"]);
    x.emit(this.#code);
    bytes.emit(this.#code);
    this.#code.byte(CONTROL.bulk).unsigned(CONTROL.memoryFill).unsigned(to.memory);
  }

  /** Call of function `index` of the module, which gives nothing. */
  call(index: number, args: readonly Value[]): void {
    for (const x of args) x.emit(this.#code);
    this.#code.byte(CONTROL.call).unsigned(index + IMPORTED_FUNCTIONS);
  }

  setGlobal(index: number, x: I32): void {
    x.emit(this.#code);
    this.#code.byte(CONTROL.globalSet).unsigned(index);
  }

  return(x: Value): void {
    x.emit(this.#code);
    this.#code.byte(CONTROL.return);
  }

  /** Return from a function without results. */
  leave(): void {
    this.#code.byte(CONTROL.return);
  }

  /** The finished function. */
  finish(result?: Value): FunctionCode {
    const code = new Bytes().append(this.#prologue).append(this.#code);
    result?.emit(code);
    return { params: this.#params, results: this.#results, locals: this.#locals, code };
  }
}

export function getGlobal(index: number): I32 {
  return value("i32", (code) => code.byte(CONTROL.globalGet).unsigned(index));
}

/** Call of function `index` of the module. */
export function call<T extends ValueType>(index: number, result: T, args: readonly Value[]): Value<T> {
  return value(result, (code) => {
    for (const x of args) x.emit(code);
    code.byte(CONTROL.call).unsigned(index + IMPORTED_FUNCTIONS);
  });
}

/** Call of the imported function: operation `code` of `host.ts` on two float64 operands. */
export function callHost(operation: number, a: F64, b: F64): F64 {
  return value("f64", (code) => {
    for (const x of [i32(operation), a, b]) x.emit(code);
    code.byte(CONTROL.call).unsigned(0);
  });
}
