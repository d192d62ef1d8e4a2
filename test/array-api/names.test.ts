/** Every name of the standard is in the namespace; and what the namespace says of itself. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as array from "../../src/array/index.ts";
import { DTYPES, type DType } from "../../src/dtype/index.ts";
import { lookUp } from "../array/grid/cases.ts";
import { ALL, COMPLEX, dtype, FLOATS, INTEGERS, ours, promotable, promoted, SIGNED, UNSIGNED } from "./arbitraries.ts";

const { names } = JSON.parse(readFileSync(new URL("./fixtures/names.json", import.meta.url), "utf8")) as {
  names: Record<string, string[]>;
};
const OMITTED = new Set(["from_dlpack"]); // Python's protocol between libraries in one process

test.each(Object.entries(names).filter(([category]) => category !== "inspection"))(
  "%s functions are there",
  (category, list) => {
    const prefix = category === "fft" || category === "linalg" ? `${category}.` : "";
    expect(list.filter((name) => !OMITTED.has(name) && !lookUp(`${prefix}${ours(name)}`))).toEqual([]);
  },
);

describe("inspection", () => {
  const info = array.arrayNamespaceInfo();

  test("capabilities, devices, default dtypes", () => {
    expect(info.capabilities()).toEqual({
      "boolean indexing": true,
      "data-dependent shapes": true,
      "max dimensions": null,
    });
    expect(info.devices()).toContain(info.defaultDevice());
    expect(() => info.defaultDtypes({ device: "gpu" })).toThrow('expected "cpu"');
    expect(info.defaultDtypes({ device: info.defaultDevice() })).toEqual({
      "real floating": array.zeros(1).dtype,
      "complex floating": "complex128",
      integral: array.arange(1).dtype,
      indexing: array.argmax(array.zeros(1)).dtype,
    });
  });

  test("dtypes of kinds", () => {
    const kinds = ["bool", "signed integer", "unsigned integer", "real floating", "complex floating"] as const;
    for (const kind of kinds) {
      for (const [name, value] of Object.entries(info.dtypes({ kind }))) {
        expect(name).toBe(value);
        expect(array.isdtype(value, kind)).toBe(true);
        expect(array.zeros(1, { dtype: value }).dtype).toBe(value);
      }
    }
    expect(Object.keys(info.dtypes({ kind: "signed integer" }))).toEqual(SIGNED);
    expect(Object.keys(info.dtypes({ kind: ["unsigned integer", "bool"] })).sort()).toEqual(
      ["bool", ...UNSIGNED].sort(),
    );
    expect(new Set(Object.keys(info.dtypes()))).toEqual(new Set([...ALL, "float16"]));
    expect(() => info.dtypes({ kind: "real" as "numeric" })).toThrow("real");
  });
});

describe("data types", () => {
  test("can_cast where promotion gives the target", () => {
    fc.assert(
      fc.property(dtype(ALL), dtype(ALL), (from, to) => {
        if (ALL.some((other) => promoted(from, other) === to)) expect(array.canCast(from, to)).toBe(true);
      }),
    );
    expect(array.canCast("float64", "int64")).toBe(false);
    expect(array.canCast(array.zeros(1, { dtype: "int16" }), "int8")).toBe(false);
  });

  test.each([...FLOATS, ...COMPLEX])("finfo of %s", (name) => {
    const real = name === "complex64" ? "float32" : name === "complex128" ? "float64" : name;
    const facts = array.finfo(name);
    expect(array.finfo(array.zeros(1, { dtype: name }))).toEqual(facts);
    expect(facts.dtype).toBe(real);
    expect(facts.bits).toBe(DTYPES[real].itemsize * 8);
    const one = real === "float32" ? new Float32Array(1) : new Float64Array(1);
    one[0] = 1 + facts.eps;
    expect(one[0]).toBeGreaterThan(1);
    one[0] = 1 + facts.eps / 4;
    expect(one[0]).toBe(1);
    one[0] = facts.max;
    expect(one[0]).toBe(facts.max);
    one[0] = facts.max * (1 + facts.eps);
    expect(one[0]).toBe(Number.POSITIVE_INFINITY);
    expect(facts.min).toBe(-facts.max);
    one[0] = facts.smallestNormal;
    expect(one[0]).toBe(facts.smallestNormal);
  });

  test.each(INTEGERS)("iinfo of %s", (name) => {
    const facts = array.iinfo(name);
    expect(array.iinfo(array.zeros(1, { dtype: name }))).toEqual(facts);
    const bits = BigInt(facts.bits);
    const signed = name.startsWith("i");
    expect(facts.bits).toBe(DTYPES[name].itemsize * 8);
    expect(BigInt(facts.max)).toBe((1n << (signed ? bits - 1n : bits)) - 1n);
    expect(BigInt(facts.min)).toBe(signed ? -(1n << (bits - 1n)) : 0n);
    expect(() => array.finfo(name)).toThrow("iinfo");
    expect(() => array.iinfo("float32")).toThrow("finfo");
  });

  test("isdtype", () => {
    const kinds: readonly (readonly [array.DTypeKind, readonly DType[]])[] = [
      ["bool", ["bool"]],
      ["signed integer", SIGNED],
      ["unsigned integer", UNSIGNED],
      ["integral", INTEGERS],
      ["real floating", FLOATS],
      ["complex floating", COMPLEX],
      ["numeric", [...INTEGERS, ...FLOATS, ...COMPLEX]],
    ];
    for (const name of ALL) {
      for (const [kind, members] of kinds) expect(array.isdtype(name, kind)).toBe(members.includes(name));
      expect(array.isdtype(name, ["int8", "complex floating"])).toBe(name === "int8" || COMPLEX.includes(name));
      for (const other of ALL) expect(array.isdtype(name, other)).toBe(name === other);
    }
    expect(() => array.isdtype("int8", "integer" as "integral")).toThrow("integer");
  });

  test("result_type is the promotion, in any order, of arrays and dtypes", () => {
    const resultType = lookUp("resultType") as (...args: unknown[]) => unknown;
    fc.assert(
      fc.property(promotable(ALL), fc.boolean(), fc.boolean(), ([a, b], first, second) => {
        const given = (name: DType, isArray: boolean) => (isArray ? array.zeros(1, { dtype: name }) : name);
        expect(resultType(given(a, first), given(b, second))).toBe(promoted(a, b));
        expect(resultType(given(b, second), given(a, first))).toBe(promoted(a, b));
      }),
    );
  });

  test("result_type with scalars is the dtype that can hold them", () => {
    const resultType = lookUp("resultType") as (...args: unknown[]) => unknown;
    for (const name of ALL) {
      const scalars = name === "bool" ? [true] : INTEGERS.includes(name) ? [1] : [1, 1.5];
      for (const s of scalars) {
        expect(resultType(name, s)).toBe(name);
        expect(resultType(s, array.zeros(1, { dtype: name }))).toBe(name);
      }
    }
  });
});
