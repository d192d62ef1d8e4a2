import { createHash } from "node:crypto";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import type { DType } from "../../src/dtype/index.ts";
import type { KernelCall } from "../../src/graph/index.ts";
import {
  compileKernel,
  copyStrided,
  createSegment,
  fill,
  type KernelStats,
  kernelStats,
  runMap,
  supports,
} from "../../src/kernels/index.ts";
import { CallBuilder } from "../../src/kernels/map/ir.ts";
import { broadcastTo, copyBlock, NDArray } from "../../src/ndarray/index.ts";
import { elementsAt, resetSegments } from "./layouts.ts";

const N = 4096;

function segmentBlock(dtype: DType, shape: readonly number[], value: (i: number) => number): NDArray {
  const size = shape.reduce((a, b) => a * b, 1);
  const data = elementsAt(0, dtype, size);
  for (let i = 0; i < size; i++) data[i] = value(i) as never;
  return new NDArray(dtype, data, shape);
}

function binaryCall(op: "add" | "sub" | "mul" | "div" | "floordiv" | "pow", dtype: DType): KernelCall {
  const b = new CallBuilder();
  return b.build([b.binary(op, b.input(dtype), b.input(dtype))]);
}

test("a thousand thresholds share one module", () => {
  resetSegments();
  const x = segmentBlock("float32", [N], (i) => i);
  const out = segmentBlock("bool", [N], () => 0);
  const before = kernelStats();
  for (let t = 0; t < 1000; t++) {
    const b = new CallBuilder();
    runMap(b.build([b.compare("lt", b.input("float32"), b.param(t, "float32"))]), [x], [out], [N]);
    if (t % 333 === 0) expect((out.data as Uint8Array).reduce((n, v) => n + v, 0)).toBe(t);
  }
  expect(kernelStats().modulesCompiled - before.modulesCompiled).toBe(1);
});

test("an output may be an input", () => {
  resetSegments();
  const x = segmentBlock("int32", [N + 3], (i) => i);
  runMap(binaryCall("mul", "int32"), [x, x], [x], [N + 3]);
  expect([0, 1, 2, 3, 1000, N + 2].map((i) => x.data[i])).toEqual([0, 1, 4, 9, 1000000, (N + 2) ** 2]);
  const plain = NDArray.of(Int32Array.from({ length: N + 3 }, (_, i) => i));
  runMap(binaryCall("mul", "int32"), [plain, plain], [plain], [N + 3]);
  expect(plain.data[4000]).toBe(16000000);
});

test("several outputs of different dtypes in one pass", () => {
  resetSegments();
  const x = segmentBlock("uint16", [N], (i) => i % 7);
  const b = new CallBuilder();
  const [v] = [b.input("uint16")];
  const call = b.build([b.cast(v, "float64"), b.compare("eq", v, b.param(3, "uint16")), v]);
  const outs = [
    segmentBlock("float64", [N], () => 0),
    segmentBlock("bool", [N], () => 0),
    segmentBlock("uint16", [N], () => 0),
  ];
  runMap(call, [x], outs, [N]);
  expect(outs.map((o) => o.data[3])).toEqual([3, 1, 3]);
  expect(outs.map((o) => o.data[4091])).toEqual([4091 % 7, Number(4091 % 7 === 3), 4091 % 7]);
});

test("four axes, permuted and broadcast, against plain index arithmetic", () => {
  resetSegments();
  const shape = [3, 4, 5, 6];
  const a = segmentBlock("float64", [6, 5, 4, 3], (i) => i).transpose();
  const row = segmentBlock("float64", [4, 1, 6], (i) => 1000 * i);
  const out = segmentBlock("float64", [5, 3, 6, 4], () => 0).transpose([1, 3, 0, 2]);
  runMap(binaryCall("add", "float64"), [a, broadcastTo(row, shape)], [out], shape);
  for (let i = 0; i < 3; i++)
    for (let j = 0; j < 4; j++)
      for (let k = 0; k < 5; k++)
        for (let l = 0; l < 6; l++)
          expect(out.item(i, j, k, l)).toBe(((l * 5 + k) * 4 + j) * 3 + i + 1000 * (j * 6 + l));
});

test("a module compiled here runs in another thread, in place on the same segment", async () => {
  const { memory, buffer } = createSegment(1 << 20);
  const block = (k: number): NDArray => NDArray.view("float32", buffer, 4 * N * k, [N]);
  for (let i = 0; i < N; i++) {
    block(0).data[i] = i;
    block(1).data[i] = 0.5;
  }
  const call = binaryCall("add", "float32");
  const module = compileKernel(call);
  const worker = new Worker(new URL("./thread-fixture.ts", import.meta.url), {
    workerData: { memory, module, call, n: N },
  });
  const [stats] = (await once(worker, "message")) as [KernelStats];
  await worker.terminate();
  expect([stats.modulesCompiled, stats.wasm]).toEqual([0, 1]);
  expect([0, 1, N - 1].map((i) => block(2).data[i])).toEqual([0.5, 1.5, N - 0.5]);
});

test("the first call and the hundredth give the same bits", () => {
  resetSegments();
  const size = 70001;
  const x = segmentBlock("float32", [size], (i) => Math.fround(Math.sin(i) * 10 ** ((i % 60) - 30)));
  const y = segmentBlock("float32", [size], (i) => Math.fround(Math.cos(i * 7)));
  const out = segmentBlock("int16", [size], () => 0);
  const b = new CallBuilder();
  const call = b.build([
    b.cast(b.binary("div", b.unary("sqrt", b.unary("abs", b.input("float32"))), b.input("float32")), "int16"),
  ]);
  const digest = (): string =>
    createHash("sha256")
      .update(new Uint8Array(out.data.buffer, out.data.byteOffset, out.data.byteLength))
      .digest("hex");
  runMap(call, [x, y], [out], [size]);
  const first = digest();
  for (let i = 0; i < 100; i++) runMap(call, [x, y], [out], [size]);
  expect(digest()).toBe(first);
});

test("operations without a vector form are named and run by the interpreter", () => {
  const call = binaryCall("pow", "int16");
  expect(supports(call)).toEqual({ way: "interpreted", reason: "pow of int16 by an array" });
  expect(supports(binaryCall("add", "float32"))).toEqual({ way: "wasm" });
  const before = kernelStats();
  const x = NDArray.of(Int16Array.from({ length: N }, (_, i) => i - 2000));
  const out = NDArray.zeros("int16", [N]);
  runMap(call, [x, broadcastTo(NDArray.of(Int16Array.of(2)), [N])], [out], [N]);
  expect([out.data[0], out.data[2000], out.data[2015]]).toEqual([((2000 * 2000) << 16) >> 16, 0, 225]);
  expect(kernelStats().interpreted - before.interpreted).toBe(1);
});

test("a kernel of too many elementary functions is interpreted", () => {
  const chain = (n: number): KernelCall => {
    const b = new CallBuilder();
    let x = b.input("float64");
    for (let k = 0; k < n; k++) x = b.unary("exp", x);
    return b.build([x]);
  };
  expect(supports(chain(48))).toEqual({ way: "wasm" });
  expect(supports(chain(49)).way).toBe("interpreted");
});

test("small blocks in ordinary memory compile nothing", () => {
  const before = kernelStats();
  const b = new CallBuilder();
  const call = b.build([b.binary("sub", b.unary("square", b.input("int8")), b.param(3, "int8"))]);
  const out = NDArray.zeros("int8", [3]);
  runMap(call, [NDArray.of(Int8Array.of(1, 2, 12))], [out], [3]);
  expect([...(out.data as Int8Array)]).toEqual([-2, 1, 141 - 256]);
  expect(kernelStats().modulesCompiled).toBe(before.modulesCompiled);
});

test("copies and fills of any strides", () => {
  resetSegments();
  for (const dtype of ["uint8", "int16", "float32", "int64", "complex64"] as const) {
    const from = NDArray.zeros(dtype, [70, 3, 90]);
    for (let i = 0; i < from.data.length; i++) from.data[i] = (dtype === "int64" ? BigInt(i) : i % 251) as never;
    const want = NDArray.zeros(dtype, [90, 70, 3]);
    const seen = from.transpose([2, 0, 1]);
    copyBlock(want, seen);
    const got = NDArray.zeros(dtype, [90, 70, 3]);
    copyStrided(got, seen);
    expect(got.data).toEqual(want.data);
    if (dtype === "complex64") continue;
    const source = new NDArray(dtype, elementsAt(1, dtype, from.size), from.shape);
    copyBlock(source, from);
    const reversed = new NDArray(dtype, source.data, [90, 70, 3], [1, -270, 90], 69 * 270);
    for (const view of [
      source.transpose([2, 0, 1]),
      source.transpose([2, 1, 0]),
      source.transpose([1, 2, 0]),
      reversed,
    ]) {
      const target = new NDArray(dtype, elementsAt(0, dtype, from.size), view.shape);
      copyStrided(target, view);
      const plain = NDArray.zeros(dtype, view.shape);
      copyBlock(plain, view);
      expect(target.data.every((v, i) => v === plain.data[i])).toBe(true);
    }
  }
  const x = segmentBlock("uint16", [100, 100], () => 7);
  fill(new NDArray("uint16", x.data, [50, 50], [200, 2], 1), 9);
  expect([x.data[0], x.data[1], x.data[2], x.data[201], x.data[101]]).toEqual([7, 9, 7, 9, 7]);
});

test("what complex numbers lack is refused by name; a segment has a largest size", () => {
  const call = binaryCall("floordiv", "complex64");
  const x = NDArray.zeros("complex64", [2]);
  expect(() => runMap(call, [x, x], [x], [2])).toThrow(
    expect.objectContaining({ code: "unsupported", message: expect.stringContaining("complex64") }),
  );
  expect(() => createSegment(2 ** 33)).toThrow(expect.objectContaining({ code: "invariant" }));
});

test("blocks beyond 2 GiB of a segment", () => {
  const { buffer } = createSegment(3 * 2 ** 30);
  const at = (k: number): NDArray => NDArray.view("int16", buffer, 5 * 2 ** 29 + k * 8192, [N - 5]);
  for (let i = 0; i < N - 5; i++) at(0).data[i] = i;
  const reversed = new NDArray("int16", at(0).data, [N - 5], [-1], N - 6);
  runMap(binaryCall("sub", "int16"), [at(0), reversed], [at(1)], [N - 5]);
  expect([0, 1, N - 6].map((i) => at(1).data[i])).toEqual([-(N - 6), -(N - 8), N - 6]);
});
