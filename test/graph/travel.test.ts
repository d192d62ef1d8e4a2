/** Functions as text: which forms travel, and which names they may use. */
import { describe, expect, test } from "vitest";
import { functionText } from "../../src/graph/index.ts";

const outside = 3;
const helper = (a: number): number => a + outside;

/** A function from text, so that no test tool rewrites its names. */
function made(text: string): (...args: never[]) => unknown {
  return new Function(`return (${text});`)() as (...args: never[]) => unknown;
}

describe("forms", () => {
  const object = {
    method(a: number) {
      return a + 1;
    },
    async later(a: number) {
      return a + 2;
    },
    get value() {
      return 1;
    },
  };
  test.each([
    ["arrow", (a: number) => a + 1, 3],
    [
      "function",
      function named(a: number): number {
        return a < 0 ? named(-a) : a + 1;
      },
      3,
    ],
    ["method", object.method, 3],
    ["async method", object.later, 4],
    ["async arrow", async (a: number) => a + 1, 3],
  ])("%s", async (_name, fn, expected) => {
    const text = functionText(fn);
    // The worker evaluates the text as an expression, in strict mode.
    const again = new Function(`"use strict"; return (${text});`)() as (a: number) => unknown;
    expect(await again(2)).toBe(expected);
  });

  test("built-in functions have none", () => {
    expect(() => functionText(Math.max)).toThrow(
      expect.objectContaining({ code: "argument", message: expect.stringContaining("(...args) => max(...args)") }),
    );
    expect(() => functionText((() => 1).bind(null))).toThrow(expect.objectContaining({ code: "argument" }));
  });

  test("classes and getters cannot", () => {
    class Some {}
    expect(() => functionText(Some as never)).toThrow(expect.objectContaining({ code: "argument" }));
    const getter = Object.getOwnPropertyDescriptor(object, "value")?.get;
    expect(() => functionText(getter as never)).toThrow(expect.objectContaining({ code: "argument" }));
    expect(() => functionText("x => x" as never)).toThrow(expect.objectContaining({ code: "argument" }));
  });
});

describe("names", () => {
  test("a function of this file that uses another is refused, with the names", () => {
    const fn = (a: number): number => helper(a) + outside;
    expect(() => functionText(fn)).toThrow(
      expect.objectContaining({ code: "closure", details: { names: ["helper", "outside"] } }),
    );
  });

  test.each([
    ["(a) => b", ["b"]],
    ["(a) => { x = a; return y.z; }", ["x", "y"]],
    ["(a, b = c) => a", ["c"]],
    ["({ a = d, ...rest }, [e, { f: g }]) => a + e + g + f", ["d", "f"]],
    ["(a) => { { let q = 1; } return q; }", ["q"]],
    ["(a) => { for (const i of a) { } return i; }", ["i"]],
    ["(a) => { try { } catch (e) { } return e; }", ["e"]],
    ["function f() { return g(); }", ["g"]],
    ["(a) => class extends Base { x = y; [k]() { return z; } }", ["Base", "y", "k", "z"]],
    ["(a) => ({ short, key: a, [computed]: 1, method() { return inner; } })", ["short", "computed", "inner"]],
    ["(a) => `${tag}` + a.name", ["tag"]],
    ["(a) => { switch (a) { case 1: let w = 1; } return w; }", ["w"]],
    ["(a) => (() => { var hidden; })() ?? hidden", ["hidden"]],
    ["async (a) => { for await (const x of source) ; }", ["source"]],
    ["(a) => { label: for (;;) { break label; } return label2; }", ["label2"]],
    ["(a) => require('node:fs')", ["require"]],
  ])("%s needs %j", (text, names) => {
    expect(() => functionText(made(text))).toThrow(expect.objectContaining({ code: "closure", details: { names } }));
  });

  test.each([
    "(a) => Math.max(a, NaN, undefined, Infinity) + parseInt('1')",
    "(a) => { var b = a; if (a) { var c = b; } return c; }",
    "(a) => { const f = (n) => n ? f(n - 1) : g(); function g() { return arguments.length; } return f(a); }",
    "function fact(n) { return n < 2 ? 1 : n * fact(n - 1); }",
    "({ a, b: { c = a }, ...rest }) => [a, c, rest]",
    "([x, , y = x, ...z]) => { for (let i = 0, n = z.length; i < n; i++) x += z[i]; return x; }",
    "(a) => { for (var k in a) ; return k; }",
    "(a) => { class A { static #n = 1; m() { return A.#n; } } return new A().m(); }",
    "(a) => { try { throw a; } catch ({ message }) { return message; } }",
    "(a) => typeof window === 'undefined' ? a.b.c : a?.[0]",
    "(a) => { outer: for (const x of a) { for (const y of x) { if (y) continue outer; } } }",
    "function () { return this === undefined && new.target; }",
    "(block, info, { t, period }) => block.data.map((v) => v * Math.sin((2 * Math.PI * t) / period))",
    "async (a) => { const { b } = await a; return b; }",
    "(a) => { switch (a) { case 1: { let w = 1; return w; } default: return globalThis; } }",
  ])("%s is complete", (text) => {
    expect(functionText(made(text))).toContain(text.slice(0, 8));
  });
});
