import { expect, test } from "vitest";
import { createSegment } from "../../../src/kernels/index.ts";
import {
  bitselect,
  FunctionBuilder,
  i32,
  laneSelect,
  loadVector,
  shiftRight,
  shuffle,
  type Vector,
  type Vector1Name,
  type Vector2Name,
  vector1,
  vector2,
} from "../../../src/kernels/wasm/builder.ts";
import { Bytes, encodeModule } from "../../../src/kernels/wasm/encoder.ts";
import { VECTOR1, VECTOR2 } from "../../../src/kernels/wasm/opcodes.ts";
import { wasm } from "../../../src/kernels/wasm/webassembly.ts";

type Lane = number | bigint;

const { memory, buffer } = createSegment(65536);
const bytes = new Uint8Array(buffer);

/** Run one vector expression over two 16-byte operands. */
function run(x: Uint8Array, y: Uint8Array, make: (a: Vector, b: Vector) => Vector): Uint8Array {
  const f = new FunctionBuilder(["i32", "i32", "i32"]);
  const at = (offset: number) => ({ memory: 0, base: f.param(0, "i32"), offset });
  f.storeVector(at(32), make(loadVector("v128.load", at(0)), loadVector("v128.load", at(16))));
  const module = new wasm.Module(encodeModule([f.finish()], 1));
  bytes.set(x, 64);
  bytes.set(y, 80);
  new wasm.Instance(module, { e: { m0: memory, f: () => 0 } }).exports["k"]?.(64, 0, 0);
  return bytes.slice(96, 112);
}

function lanes(shape: string, data: Uint8Array, signed = true): Lane[] {
  const copy = data.slice().buffer;
  const arrays: Readonly<Record<string, readonly [ArrayLike<Lane>, ArrayLike<Lane>]>> = {
    i8x16: [new Int8Array(copy), new Uint8Array(copy)],
    i16x8: [new Int16Array(copy), new Uint16Array(copy)],
    i32x4: [new Int32Array(copy), new Uint32Array(copy)],
    i64x2: [new BigInt64Array(copy), new BigUint64Array(copy)],
    f32x4: [new Float32Array(copy), new Float32Array(copy)],
    f64x2: [new Float64Array(copy), new Float64Array(copy)],
  };
  return Array.from(arrays[shape]?.[signed ? 0 : 1] as ArrayLike<Lane>);
}

function pack(shape: string, values: readonly Lane[]): Uint8Array {
  const big = shape === "i64x2";
  const array =
    shape === "f32x4"
      ? Float32Array.from(values as number[])
      : shape === "f64x2"
        ? Float64Array.from(values as number[])
        : big
          ? BigInt64Array.from(values.map((v) => BigInt.asIntN(64, BigInt(v))))
          : shape === "i32x4"
            ? Int32Array.from(values, (v) => Number(BigInt.asIntN(32, BigInt(v))))
            : shape === "i16x8"
              ? Int16Array.from(values, (v) => Number(BigInt.asIntN(16, BigInt(v))))
              : Int8Array.from(values, (v) => Number(BigInt.asIntN(8, BigInt(v))));
  return new Uint8Array(array.buffer);
}

/** Integer lane shape of the same width, for masks. */
function maskShape(shape: string): string {
  return shape.replace("f32", "i32").replace("f64", "i64");
}

const COMPARE: Readonly<Record<string, (a: Lane, b: Lane) => boolean>> = {
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  lt: (a, b) => a < b,
  gt: (a, b) => a > b,
  le: (a, b) => a <= b,
  ge: (a, b) => a >= b,
};

/** What the specification says an operation of two vectors gives, lane by lane. */
function expected2(name: Vector2Name, x: Uint8Array, y: Uint8Array): Uint8Array {
  const [shape, rest] = name.split(".") as [string, string];
  if (shape === "v128")
    return x.map((a, k) => {
      const b = y[k] as number;
      return rest === "and" ? a & b : rest === "andnot" ? a & ~b : rest === "or" ? a | b : a ^ b;
    });
  if (rest === "swizzle") return y.map((k) => x[k] ?? 0);
  if (rest.startsWith("narrow")) {
    const [, from, sign] = rest.split("_") as [string, string, string];
    const bits = shape === "i8x16" ? 8 : 16;
    const [low, high] = sign === "s" ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
    return pack(
      shape,
      [...lanes(from, x), ...lanes(from, y)].map((v) => Math.min(Math.max(Number(v), low), high)),
    );
  }
  if (rest.startsWith("extmul")) {
    const half = (data: Uint8Array): Lane[] =>
      lanes("i16x8", data, false).slice(...(rest.includes("low") ? [0, 4] : [4]));
    const q = half(y);
    return pack(
      shape,
      half(x).map((p, k) => BigInt(p) * BigInt(q[k] as Lane)),
    );
  }
  const [op, sign] = rest.split("_") as [string, string | undefined];
  const [a, b] = [lanes(shape, x, sign !== "u"), lanes(shape, y, sign !== "u")];
  const compare = COMPARE[op];
  if (compare)
    return pack(
      maskShape(shape),
      a.map((v, k) => (compare(v, b[k] as Lane) ? -1n : 0n)),
    );
  const f: Readonly<Record<string, (p: Lane, q: Lane) => Lane>> = shape.startsWith("f")
    ? {
        add: (p, q) => Number(p) + Number(q),
        sub: (p, q) => Number(p) - Number(q),
        mul: (p, q) => Number(p) * Number(q),
        div: (p, q) => Number(p) / Number(q),
        pmin: (p, q) => (q < p ? q : p),
        pmax: (p, q) => (p < q ? q : p),
      }
    : {
        add: (p, q) => BigInt(p) + BigInt(q),
        sub: (p, q) => BigInt(p) - BigInt(q),
        mul: (p, q) => BigInt(p) * BigInt(q),
        min: (p, q) => (q < p ? q : p),
        max: (p, q) => (p < q ? q : p),
      };
  return pack(
    shape,
    a.map((v, k) => (f[op] as (p: Lane, q: Lane) => Lane)(v, b[k] as Lane)),
  );
}

function even(x: number): number {
  const r = Math.round(x);
  return Math.abs(x % 1) === 0.5 && r % 2 !== 0 ? r - 1 : r;
}

function saturate(v: Lane): number {
  return Number.isNaN(v) ? 0 : Math.trunc(Math.min(Math.max(Number(v), -(2 ** 31)), 2 ** 31 - 1));
}

function expected1(name: Vector1Name, x: Uint8Array): Uint8Array {
  const [shape, rest] = name.split(".") as [string, string];
  if (shape === "v128") return x.map((a) => ~a);
  const source = /_((?:i8x16|i16x8|i32x4|f32x4|f64x2))/.exec(rest)?.[1];
  const signed = !/_u(_|$)/.test(rest);
  const from = source === undefined ? lanes(shape, x) : lanes(source, x, signed);
  const half = from.length / 2;
  if (rest.startsWith("extadd"))
    return pack(
      shape,
      Array.from({ length: half }, (_, k) => Number(from[2 * k]) + Number(from[2 * k + 1])),
    );
  if (rest.startsWith("extend_low") || rest.startsWith("promote_low")) return pack(shape, from.slice(0, half));
  if (rest.startsWith("convert_low")) return pack(shape, from.slice(0, half));
  if (rest.startsWith("extend_high")) return pack(shape, from.slice(half));
  if (rest.startsWith("convert")) return pack(shape, from);
  if (rest.startsWith("demote")) return pack(shape, [...from, 0, 0]);
  if (rest.startsWith("trunc_sat")) return pack(shape, [...from.map(saturate), ...(from.length === 2 ? [0, 0] : [])]);
  const f: Readonly<Record<string, (v: Lane) => Lane>> = {
    abs: (v) => (v < 0 || Object.is(v, -0) ? -(v as number) : v),
    neg: (v) => -(v as number),
    sqrt: (v) => Math.sqrt(Number(v)),
    ceil: (v) => Math.ceil(Number(v)),
    floor: (v) => Math.floor(Number(v)),
    trunc: (v) => Math.trunc(Number(v)),
    nearest: (v) => even(Number(v)),
  };
  return pack(shape, from.map(f[rest] as (v: Lane) => Lane));
}

const FLOATS = [
  0,
  -0,
  1.5,
  -2.5,
  0.1,
  -1e30,
  Number.POSITIVE_INFINITY,
  Number.NaN,
  3.7,
  -3.2,
  2147483648,
  -2147483649,
  7,
  -7,
  0.5,
  123456.75,
];

/** Operands with edges, for lanes of the shape an operation reads. */
function operands(shape: string): Uint8Array[] {
  if (shape === "f32x4") return [0, 4, 8, 12].map((k) => pack(shape, FLOATS.slice(k, k + 4)));
  if (shape === "f64x2") return [0, 2, 4, 6, 8, 10, 12, 14].map((k) => pack(shape, FLOATS.slice(k, k + 2)));
  return [0, 1, 2, 3].map((s) =>
    Uint8Array.from(
      { length: 16 },
      (_, k) => [0, 255, 128, 127, 1, 254, k * 37 + s * 11, k * 91 + 5][(k * 3 + s * 5) % 8] as number,
    ),
  );
}

/** Bytes with every NaN alike. */
function canonical(shape: string, data: Uint8Array): string {
  return shape.startsWith("f")
    ? lanes(shape, data)
        .map((v) => (Object.is(v, -0) ? "-0" : String(v)))
        .join()
    : data.join();
}

test.each(Object.keys(VECTOR2) as Vector2Name[])("%s", (name) => {
  const shape = name.split(".")[0] as string;
  const compares = name.split(".")[1]?.match(/^(eq|ne|lt|gt|le|ge)/) !== null;
  for (const x of operands(shape)) {
    for (const y of operands(shape)) {
      const got = run(x, y, (a, b) => vector2(name, a, b));
      const as = compares ? maskShape(shape) : shape;
      expect(canonical(as, got)).toBe(canonical(as, expected2(name, x, y)));
    }
  }
});

test.each(Object.keys(VECTOR1) as Vector1Name[])("%s", (name) => {
  const shape = name.split(".")[0] as string;
  const source = /_((?:i8x16|i16x8|i32x4|f32x4|f64x2))/.exec(name)?.[1] ?? shape;
  for (const x of operands(source))
    expect(
      canonical(
        shape,
        run(x, x, (a) => vector1(name, a)),
      ),
    ).toBe(canonical(shape, expected1(name, x)));
});

test("bitselect, shuffle and shifts", () => {
  const [x, y] = operands("i8x16") as [Uint8Array, Uint8Array];
  expect(run(x, y, (a, b) => bitselect(a, b, b))).toEqual(
    x.map((v, k) => (v & (y[k] as number)) | ((y[k] as number) & ~(y[k] as number))),
  );
  for (const width of [1, 2, 4, 8] as const) {
    const mask = Uint8Array.from({ length: 16 }, (_, k) => (Math.floor(k / width) % 2 === 0 ? 255 : 0));
    const inverse = (m: Vector): Vector => vector1("v128.not", m);
    expect(run(x, mask, (a, m) => laneSelect(width, a, inverse(a), m))).toEqual(
      x.map((v, k) => (mask[k] === 255 ? v : ~v)),
    );
  }
  const order = Array.from({ length: 16 }, (_, k) => (k * 7) % 32);
  const both = [...x, ...y];
  expect([...run(x, y, (a, b) => shuffle(a, b, order))]).toEqual(order.map((k) => both[k]));
  expect(run(x, y, (a) => shiftRight("i8x16", a, 3))).toEqual(x.map((v) => v >> 3));
});

test("LEB128 numbers", () => {
  const of = (f: (b: Bytes) => Bytes): number[] => [...f(new Bytes()).finish()];
  // Examples of the format's own definition (Wikipedia's and the DWARF standard's table).
  expect(of((b) => b.unsigned(624485))).toEqual([0xe5, 0x8e, 0x26]);
  expect(of((b) => b.unsigned(2 ** 32 - 1))).toEqual([0xff, 0xff, 0xff, 0xff, 0x0f]);
  expect(of((b) => b.signed(-123456))).toEqual([0xc0, 0xbb, 0x78]);
  expect(of((b) => b.signed(63))).toEqual([63]);
  expect(of((b) => b.signed(64))).toEqual([0xc0, 0x00]);
  expect(of((b) => b.signed(-1n))).toEqual([0x7f]);
});

test("a module with constants of every scalar type validates", () => {
  const f = new FunctionBuilder(["i32", "i32", "i32"]);
  f.set(f.local("i32"), i32(-1));
  expect(wasm.validate(encodeModule([f.finish()], 3, 1))).toBe(true);
});
