/** Evenly spaced numbers, eight at a time. */
import type { NDArray } from "../../ndarray/index.ts";
import { memoryOf } from "../segment.ts";
import {
  type Address,
  FunctionBuilder,
  i32,
  type Local,
  loadScalar,
  loadVector,
  scalar2,
  type Vector,
  vector2,
} from "../wasm/builder.ts";
import { encodeModule } from "../wasm/encoder.ts";
import { countRun, kernelFor, SCRATCH, scratch } from "../wasm/runtime.ts";

/** Numbers per turn of the loop, in vectors of two. */
const GROUP = 8;
const VECTORS = GROUP / 2;
/** Shorter ranges are filled one by one. */
const RANGE_MIN = 64;
/** Numbers per call: a call that runs sees no cancellation. */
const CALL_NUMBERS = 1 << 20;
/** Offsets in the parameter block: address and turns; start, step and first index, or the first group and its step. */
const WORD = { to: 0, turns: 4, start: 16, step: 24, first: 32, group: 16, groupStep: 80 } as const;
const KERNELS = { float64: {}, int64: {} };

type Kind = keyof typeof KERNELS;

/** Fill a block in C order, float64 or int64, with `start + step * (first + i)`; integers are whole numbers below 2^53. */
export function fillRange(out: NDArray, start: number, step: number, first: number): void {
  const kind: Kind = out.dtype === "float64" ? "float64" : "int64";
  const { data, offset, size } = out;
  let done = 0;
  if (size >= RANGE_MIN && memoryOf(data.buffer) !== undefined) {
    const whole = Math.floor(size / GROUP) * GROUP;
    while (done < whole) {
      const count = Math.min(CALL_NUMBERS, whole - done);
      runGroups(kind, out, { at: done, count }, { start, step, first: first + done });
      done += count;
    }
  }
  if (kind === "float64") for (let i = done; i < size; i++) data[offset + i] = start + step * (first + i);
  else for (let i = done; i < size; i++) data[offset + i] = BigInt(start + step * (first + i));
}

function runGroups(
  kind: Kind,
  { data, offset }: NDArray,
  { at, count }: { readonly at: number; readonly count: number },
  { start, step, first }: { readonly start: number; readonly step: number; readonly first: number },
): void {
  const own = scratch();
  const memory = memoryOf(data.buffer) ?? own.memory; // looked at
  const list = memory === own.memory ? [memory] : [memory, own.memory];
  const run = kernelFor(KERNELS[kind], "", list, {
    key: () => `range ${kind} ${list.length}`,
    emit: () => emitRange(kind, list.length - 1),
  });
  countRun("wasm");
  own.i32[(SCRATCH.block + WORD.to) / 4] = data.byteOffset + (offset + at) * 8;
  own.i32[(SCRATCH.block + WORD.turns) / 4] = count / GROUP;
  if (kind === "float64") {
    const numbers = new Float64Array(own.buffer, SCRATCH.block + WORD.start, 3);
    numbers.set([start, step, first]);
  } else {
    const numbers = new BigInt64Array(own.buffer, SCRATCH.block + WORD.group, GROUP + 2);
    const by = BigInt(step);
    const from = BigInt(start) + by * BigInt(first);
    for (let k = 0; k < GROUP; k++) numbers[k] = from + BigInt(k) * by;
    numbers.fill(BigInt(GROUP) * by, GROUP);
  }
  run(SCRATCH.block, 1, 1);
}

function emitRange(kind: Kind, own: number): Uint8Array<ArrayBuffer> {
  const f = new FunctionBuilder(["i32", "i32", "i32"]);
  const at = (offset: number): Address => ({ memory: own, base: f.param(0, "i32"), offset });
  const word = (offset: number): Local<"i32"> => f.let(loadScalar("i32.load", at(offset)));
  const [to, turns] = [word(WORD.to), word(WORD.turns)];
  const store = (k: number, x: Vector): void => f.storeVector({ memory: 0, base: to, offset: 16 * k }, x);
  const turn = kind === "float64" ? floatTurn(f, at, store) : integerTurn(f, at, store);
  f.doWhile(
    () => turns,
    () => {
      turn();
      f.set(to, scalar2("i32.add", to, i32(8 * GROUP)));
      f.set(turns, scalar2("i32.sub", turns, i32(1)));
    },
  );
  return encodeModule([f.finish()], own + 1);
}

/** `start + step * index`, each operation rounded; indices below 2^53 are exact. */
function floatTurn(
  f: FunctionBuilder,
  at: (offset: number) => Address,
  store: (k: number, x: Vector) => void,
): () => void {
  const splat = (offset: number): Local<"v128"> => f.let(loadVector("v128.load64_splat", at(offset)));
  const [start, step, index] = [splat(WORD.start), splat(WORD.step), splat(WORD.first)];
  const constant = (...x: readonly [number, number]): Vector => f.constant(new Uint8Array(Float64Array.from(x).buffer));
  return () => {
    for (let k = 0; k < VECTORS; k++) {
      const place = vector2("f64x2.add", index, constant(2 * k, 2 * k + 1));
      store(k, vector2("f64x2.add", vector2("f64x2.mul", place, step), start));
    }
    f.set(index, vector2("f64x2.add", index, constant(GROUP, GROUP)));
  };
}

/** The first group, and each later one that much more. */
function integerTurn(
  f: FunctionBuilder,
  at: (offset: number) => Address,
  store: (k: number, x: Vector) => void,
): () => void {
  const load = (offset: number): Local<"v128"> => f.let(loadVector("v128.load", at(offset)));
  const group = Array.from({ length: VECTORS }, (_, k) => load(WORD.group + 16 * k));
  const more = load(WORD.groupStep);
  return () => {
    for (const [k, x] of group.entries()) {
      store(k, x);
      f.set(x, vector2("i64x2.add", x, more));
    }
  };
}
