/** What somebody new to the library writes wrong: each is told with the value and with what was expected; nothing runs. */
import { expect, test } from "vitest";
import * as da from "../../src/array/index.ts";
import { Client } from "../../src/client/index.ts";
import { quicklook } from "../../src/plot/index.ts";
import * as xr from "../../src/xr/index.ts";
import { useInlineRunner } from "../run-inline.ts";

useInlineRunner();
const x = da.ones([6, 8], { chunks: [3, 4] });
const r = xr.dataArray(x, { dims: ["y", "x"], coords: { y: [0, 1, 2, 3, 4, 5] } });
/** As plain JavaScript sees it: nothing is typed. */
// biome-ignore lint/suspicious/noExplicitAny: wrong uses have wrong types
const js = (value: unknown): any => value;

test.each<[what: string, run: () => unknown, code: string, message: string]>([
  ["a shape that is a text", () => da.zeros(js("abc")), "shape", 'shape "abc": expected a size or a list of sizes'],
  ["no shape", () => js(da.ones)(), "shape", "shape undefined: expected a size or a list of sizes"],
  [
    "a dtype by NumPy's code",
    () => da.zeros(4, { dtype: js("f4") }),
    "dtype",
    'dtype "f4" is unknown; expected one of',
  ],
  ["a dtype of a block", () => x.mapBlocks((b) => b, { dtype: js("f4") }), "dtype", 'dtype "f4" is unknown'],
  ["an axis by name", () => x.sum(js("time")), "axis", 'axis "time": expected a whole number, from -2 to 1'],
  ["axes by name", () => x.sum(js(["y"])), "axis", 'axis "y": expected a whole number, from -2 to 1'],
  ["no operand", () => js(x).add(), "dtype", "operand undefined: expected an array, a number"],
  ["an object as operand", () => x.add(js({ a: 1 })), "dtype", 'operand {"a":1}: expected an array, a number'],
  ["no labelled operand", () => js(r).add(null), "dtype", "operand null: expected an array, a number"],
  [
    "a dimension by number",
    () => r.mean(js(0)),
    "argument",
    "mean over 0: expected names of dimensions; the array has y, x",
  ],
  ["another method", () => r.sel({ y: 2 }, { method: js("pad") }), "argument", 'sel: method "pad": expected "nearest"'],
  ["no new name", () => js(r).rename(), "argument", "rename to undefined: expected a name, or new names by old"],
  ["a number as variable", () => xr.dataset({ a: js(3) }), "argument", "variable a is 3: expected a labelled array"],
  ["no dimensions", () => js(xr.dataArray)(x, {}), "argument", "dataArray needs the option dims"],
  ["a list joined along nothing", () => js(xr.concat)([r, r]), "argument", "concat along undefined: expected the name"],
  [
    "dim as in Python",
    () => xr.concat([r, r], js({ dim: "t" })),
    "argument",
    'concat along {"dim":"t"}: expected the name',
  ],
  ["arrays without a list", () => js(xr.compute)(x, x), "argument", "as in compute([a, b])"],
  [
    "a number to compute",
    () => xr.compute([js(3)]),
    "argument",
    "compute of 3: expected lazy arrays, datasets or lazy",
  ],
  ["a picture of what is lazy", () => quicklook(js(x)), "argument", "shape=(6, 8)"],
  [
    "an address without a port",
    () => Client.connect("foo bar"),
    "argument",
    'address "foo bar" is unreadable: it lacks a host or a port',
  ],
])("%s", async (_, run, code, message) => {
  await expect(Promise.try(run)).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
});

test("axes and dimensions go into the options too, as Python's keywords do; a list of axes is a permutation", async () => {
  const told = x.sum({ axis: 0, keepdims: true });
  expect(told.shape).toEqual([1, 8]);
  expect((await told.compute()).item(0, 7)).toBe(6); // six ones
  expect(da.argmax(x, { axis: 1 }).shape).toEqual([6]);
  expect(r.mean({ dim: "y" }).dims).toEqual(["x"]);
  expect(r.std({ dim: ["y", "x"], ddof: 1 }).dims).toEqual([]);
  expect(x.transpose([1, 0]).shape).toEqual([8, 6]);
});
