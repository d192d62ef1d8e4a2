import { expect, test } from "vitest";
import { DTYPES, type DType, viewOf } from "../../src/dtype/index.ts";
import type { KernelCall, UnaryOp } from "../../src/graph/index.ts";
import { kernelStats, runMap } from "../../src/kernels/index.ts";
import { CallBuilder } from "../../src/kernels/map/ir.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { elementsAt, resetSegments } from "./layouts.ts";

const N = 300_001;
const NARROW: readonly DType[] = ["uint8", "int8", "uint16", "int16", "float16"];

/** Every value of a narrow dtype many times, in no order. */
function scrambled(dtype: DType, length: number, place: "ordinary" | 0): NDArray {
  const data = elementsAt(place, dtype, length);
  const words = viewOf(DTYPES[dtype].itemsize === 1 ? "uint8" : "uint16", data.buffer, data.byteOffset, length);
  for (let i = 0; i < length; i++) words[i] = (i * 40503) >>> 3;
  return new NDArray(dtype, data, [length]);
}

function bytes({ data }: NDArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Loop nests that a run takes: two where a table is made first. */
function nests(run: () => void): number {
  const before = kernelStats();
  run();
  const after = kernelStats();
  return after.wasm + after.interpreted - before.wasm - before.interpreted;
}

function callOf(dtype: DType, ops: readonly UnaryOp[], computing: DType): KernelCall {
  const b = new CallBuilder();
  const x = b.cast(b.input(dtype), computing);
  return b.build(ops.map((op) => b.unary(op, x)));
}

/** Results in segments, where tables serve, and in ordinary memory, where they do not. */
function bothWays(call: KernelCall, dtype: DType, length = N): void {
  resetSegments();
  const results = (["ordinary", 0] as const).map((place) => {
    const x = scrambled(dtype, length, place);
    const outs = call.kernel.outputs.map((id) => {
      const out = call.kernel.nodes[id]?.dtype as DType; // one node per output
      return new NDArray(out, elementsAt(place, out, length), [length]);
    });
    expect(nests(() => runMap(call, [x], outs, [length]))).toBe(place === 0 ? 2 : 1);
    return outs;
  });
  const [plain, shared] = results as [NDArray[], NDArray[]];
  plain.forEach((x, k) => {
    expect(Buffer.compare(bytes(x), bytes(shared[k] as NDArray)), `${dtype} output ${k}`).toBe(0);
  });
}

test.each(NARROW)("functions of %s by table have the kernel's bits", (dtype) => {
  for (const op of ["exp", "sin", "log1p", "atanh"] as const) bothWays(callOf(dtype, [op], "float32"), dtype);
  bothWays(callOf(dtype, ["cbrt"], "float64"), dtype);
});

test("two results of one input, and a chain with parameters", () => {
  bothWays(callOf("int16", ["exp", "sin"], "float32"), "int16");
  const b = new CallBuilder();
  const x = b.binary("mul", b.cast(b.input("uint16"), "float32"), b.param(0.0001, "float32"));
  bothWays(b.build([b.compare("lt", b.unary("log", x), b.param(-1.5, "float32"))]), "uint16");
});

test("an output may be the narrow input", () => {
  resetSegments();
  const call = callOf("float16", ["sin"], "float16");
  const x = scrambled("float16", N, 0);
  const other = new NDArray("float16", elementsAt("ordinary", "float16", N), [N]);
  runMap(call, [scrambled("float16", N, "ordinary")], [other], [N]);
  expect(nests(() => runMap(call, [x], [x], [N]))).toBe(2);
  expect(Buffer.compare(bytes(x), bytes(other))).toBe(0);
  const two = callOf("float16", ["sin", "cos"], "float16");
  const [same, out] = [scrambled("float16", N, 0), new NDArray("float16", elementsAt(0, "float16", N), [N])];
  expect(nests(() => runMap(two, [same], [same, out], [N]))).toBe(1);
});

test("no table where it does not pay, and none for operations that refuse values", () => {
  resetSegments();
  const run = (call: KernelCall, dtype: DType, length: number, out: DType): number => {
    const x = new NDArray(dtype, elementsAt(0, dtype, length).fill(2 as never), [length]);
    return nests(() => runMap(call, [x], [new NDArray(out, elementsAt(0, out, length), [length])], [length]));
  };
  expect(run(callOf("uint16", ["sqrt"], "float32"), "uint16", N, "float32")).toBe(1);
  expect(run(callOf("uint16", ["exp"], "float32"), "uint16", 4 * 65536 - 1, "float32")).toBe(1);
  const b = new CallBuilder();
  const x = b.input("int16");
  const power = b.build([b.binary("pow", x, x)]);
  expect(run(power, "int16", N, "int16")).toBe(1);
});

test("rows that do not follow each other take the kernel", () => {
  resetSegments();
  const data = scrambled("uint16", 1024 * 600, 0).data;
  const x = new NDArray("uint16", data, [1024, 512], [600, 1]);
  const call = callOf("uint16", ["exp"], "float32");
  const out = new NDArray("float32", elementsAt(0, "float32", 1024 * 512), [1024, 512]);
  expect(nests(() => runMap(call, [x], [out], [1024, 512]))).toBe(1);
  const whole = new NDArray("float32", elementsAt(0, "float32", 1024 * 600), [1024 * 600]);
  expect(nests(() => runMap(call, [new NDArray("uint16", data, [1024 * 600])], [whole], [1024 * 600]))).toBe(2);
  const row = (block: NDArray, pitch: number): unknown =>
    viewOf("float32", block.data.buffer, block.data.byteOffset + 4 * 777 * pitch, 512);
  expect(row(out, 512)).toEqual(row(whole, 600));
});
