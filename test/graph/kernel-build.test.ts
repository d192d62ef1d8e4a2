import { expect, test } from "vitest";
import { KernelBuilder, type KernelCall } from "../../src/graph/index.ts";

function scaled(by: number, most: number): KernelCall {
  const b = new KernelBuilder();
  const x = b.input("float32");
  b.unary("sqrt", x); // not needed by the output
  return b.build([b.binary("min", b.binary("mul", x, b.param(by, "float32")), b.param(most, "float32"))]);
}

test("equal kernels are one object, and equal calls", () => {
  expect(scaled(2, 3)).toBe(scaled(2, 3));
  expect(scaled(2, 3).kernel).toBe(scaled(4, 5).kernel);
  expect(scaled(4, 5).params).toEqual([4, 5]);
  expect(scaled(2, 3).kernel.nodes.map((n) => n.op)).toEqual(["in", "param", "mul", "param", "min"]);
});

test("but not where a literal, a dtype or an operand differs", () => {
  expect(Object.is(scaled(-0, 3).params[0], -0)).toBe(true);
  expect(Object.is(scaled(0, 3).params[0], 0)).toBe(true);
  expect(scaled(Number.NaN, 3).params[0]).toBeNaN();
  const less = (flip: boolean): KernelCall => {
    const b = new KernelBuilder();
    const [x, y] = [b.input("float32"), b.input("float32")];
    return b.build([flip ? b.binary("lt", y, x) : b.binary("lt", x, y)]);
  };
  expect(less(true).kernel.nodes.at(-1)).toMatchObject({ op: "lt", a: 1, b: 0 });
  expect(less(false).kernel.nodes.at(-1)).toMatchObject({ op: "lt", a: 0, b: 1 });
  // One literal that is used twice is not two equal ones.
  expect(scaled(2, 2).kernel.params).toEqual(["float32"]);
});

test("a kernel stays as it is when its builder goes on", () => {
  const b = new KernelBuilder();
  const first = b.build([b.input("int32")]);
  b.input("bool");
  expect(first.kernel.inputs).toEqual(["int32"]);
  expect(b.build([0]).kernel.inputs).toEqual(["int32", "bool"]);
});

test("members of sets are each call's own", () => {
  const member = (values: number[]): KernelCall => {
    const b = new KernelBuilder();
    return b.build([b.inSet(b.input("uint8"), values)]);
  };
  expect(member([1, 2]).sets).toEqual([[1, 2]]);
  expect(member([3]).sets).toEqual([[3]]);
  expect(member([1, 2]).kernel).toBe(member([3]).kernel);
});
