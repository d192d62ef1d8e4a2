import { expect, test } from "vitest";
import { allocate, type DType } from "../../src/dtype/index.ts";
import { KernelBuilder, type KernelCall, type NodeId } from "../../src/graph/index.ts";
import { splitCall } from "../../src/kernels/complex/split.ts";
import { copyStrided } from "../../src/kernels/copy.ts";
import { compileFrom, supports } from "../../src/kernels/map/engine.ts";
import { interpretMap } from "../../src/kernels/map/interpret.ts";
import { runMap } from "../../src/kernels/map/map.ts";
import { copyBlock, NDArray, sizeOf } from "../../src/ndarray/index.ts";
import { distance, numbers } from "../array/complex/values.ts";

const SPECIAL = [0, -0, 1, -2.5, 1e-30, 3e30, Infinity, -Infinity, NaN];

/** Special values first, in all pairs, then numbers. */
function values(dtype: DType, shape: readonly number[], seed: number): NDArray {
  const x = numbers(dtype, shape, seed);
  const pairs = SPECIAL.flatMap((re) => SPECIAL.flatMap((im) => [re, im]));
  for (let k = 0; k < Math.min(x.data.length, pairs.length); k++)
    x.data[seed === 1 ? k : x.data.length - 1 - k] = pairs[k] as never;
  return x;
}

type Build = (b: KernelBuilder, x: NodeId, y: NodeId) => NodeId;
const KERNELS: Readonly<Record<string, Build>> = {
  ...Object.fromEntries(
    (["add", "sub", "mul", "div", "min", "max", "lt", "le", "gt", "ge", "eq", "ne"] as const).map(
      (op): [string, Build] => [op, (b, x, y) => b.binary(op, x, y)],
    ),
  ),
  ...Object.fromEntries(
    (["neg", "square", "isnan", "isinf", "isfinite"] as const).map((op): [string, Build] => [
      op,
      (b, x) => b.unary(op, x),
    ]),
  ),
  ...Object.fromEntries(
    (["conj", "real", "imag", "abs"] as const).map((op): [string, Build] => [op, (b, x) => b.complexUnary(op, x)]),
  ),
  where: (b, x, y) => b.where(b.binary("ne", x, y), x, y),
  "to bool": (b, x) => b.cast(x, "bool"),
  "to float": (b, x) => b.cast(x, "float64"),
  "to the other": (b, x) => b.cast(x, b.dtype(x) === "complex64" ? "complex128" : "complex64"),
  parts: (b, x, y) => b.complex(b.complexUnary("imag", x), b.complexUnary("real", y)),
  constant: (b, x) => b.binary("mul", x, b.param(3, b.dtype(x))),
  chain: (b, x, y) => b.complexUnary("abs", b.binary("div", b.binary("sub", x, y), b.binary("add", x, y))),
};

function callOf(build: Build, dtype: DType): KernelCall {
  const b = new KernelBuilder();
  const [x, y] = [b.input(dtype), b.input(dtype)];
  return b.build([build(b, x, y)]);
}

const bytes = ({ data }: NDArray): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

test.each(Object.keys(KERNELS))("%s: compiled over parts gives the interpreter's bits", (name) => {
  const before = compileFrom.elements;
  compileFrom.elements = 0;
  for (const dtype of ["complex64", "complex128"] as const) {
    const call = callOf(KERNELS[name] as Build, dtype);
    expect(supports(call).way).toBe("wasm");
    const shape = [37, 41];
    const [x, y] = [values(dtype, shape, 1), values(dtype, shape, 2).transpose()];
    const turned = new NDArray(dtype, y.data, shape, [1, 37], 0);
    for (const inputs of [
      [x, values(dtype, shape, 2)],
      [turned, x],
      [new NDArray(dtype, x.data, shape, [41, -1], 40), new NDArray(dtype, x.data, shape, [0, 1])],
    ]) {
      const node = call.kernel.nodes[call.kernel.outputs[0] as number];
      const make = (): NDArray =>
        new NDArray(node?.dtype as DType, allocate(node?.dtype as DType, sizeOf(shape)), shape);
      const [ours, want] = [make(), make()];
      runMap(call, inputs, [ours], shape);
      interpretMap(call, inputs, [want], shape);
      // The modulus is an approximation: 1 unit in the last place of float64, 2 of float32 (kernels.md §10).
      if (name === "abs" || name === "chain")
        expect(distance(ours, want)).toBeLessThanOrEqual(dtype === "complex128" ? 2 ** -52 : 2 ** -22);
      else expect(Buffer.compare(bytes(ours), bytes(want)), `${name} ${dtype}`).toBe(0);
    }
  }
  compileFrom.elements = before;
});

test("kernels with other functions stay whole", () => {
  const call = callOf((b, x) => b.unary("exp", x), "complex64");
  expect(splitCall(call)).toBeNull();
  expect(supports(call)).toMatchObject({ way: "interpreted" });
});

test("copies of complex views keep every bit", () => {
  for (const dtype of ["complex64", "complex128"] as const) {
    const x = values(dtype, [40, 33], 1);
    for (const view of [
      x.transpose(),
      new NDArray(dtype, x.data, [20, 11], [66, -3], 32),
      new NDArray(dtype, x.data, [33, 7], [1, 0], 5),
    ]) {
      const [a, b] = [NDArray.zeros(dtype, view.shape), NDArray.zeros(dtype, view.shape)];
      copyStrided(a, view);
      copyBlock(b, view);
      expect(Buffer.compare(bytes(a), bytes(b))).toBe(0);
    }
  }
});
