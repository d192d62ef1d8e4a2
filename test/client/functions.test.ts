/** How functions and arguments travel: text, macs, places of inputs. */
import { describe, expect, test } from "vitest";
import { argumentToken, functionName, nativeTask, pythonTask } from "../../src/client/functions.ts";
import { py } from "../../src/client/index.ts";
import { decodeTaskSpec, keyOfValue, verifyTaskSpec } from "../../src/graph/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { readRunSpec, serializePickle, writePickle } from "../../src/protocol/index.ts";

const key = keyOfValue("k");

describe("names of functions", () => {
  test("names for keys", () => {
    expect([
      functionName(py("numpy.linalg.norm")),
      functionName(function inner() {
        return 1;
      }),
      functionName(
        (
          () => () =>
            0
        )(),
      ),
    ]).toEqual(["norm", "inner", "lambda"]);
  });
});

describe("Python functions", () => {
  test("by dotted name, or with a colon", () => {
    expect(py("pkg.mod:func").path).toBe("pkg.mod.func");
    for (const bad of ["", "numpy.", "os; rm", "a..b", "numpy.sum()"])
      expect(() => py(bad)).toThrow(expect.objectContaining({ code: "argument" }));
  });

  test("become tasks that Python recognises", () => {
    const { task } = pythonTask(key, py("numpy.sum"), { args: [[1, 2], "x", null], kwargs: {} });
    expect(readRunSpec(serializePickle(writePickle(task)))).toMatchObject({
      kind: "python",
      name: "numpy.sum",
      task: { key, args: [[1, 2], "x", null] },
    });
  });
});

describe("native tasks", () => {
  const built = (args: readonly unknown[], token: string | null = "secret") => {
    const { task } = nativeTask(key, "(a) => a", { args, token });
    const read = readRunSpec(serializePickle(writePickle(task)));
    if (read.kind !== "native") throw new Error("not native");
    return decodeTaskSpec(read.spec);
  };

  test("carry the mac of the whole spec under the token", () => {
    const spec = built([1, { a: [2n, "x"] }]);
    const step = spec.steps[0];
    if (step?.do !== "call") throw new Error("no call");
    expect(step.args).toEqual([1, { a: [2n, "x"] }]);
    expect(verifyTaskSpec(spec, "secret")).toBe(true);
    expect(verifyTaskSpec(spec, "other")).toBe(false);
    expect(verifyTaskSpec({ ...spec, steps: [{ ...step, args: [2, { a: [2n, "x"] }] }] }, "secret")).toBe(false);
    expect(verifyTaskSpec({ ...spec, steps: [{ ...step, text: "(a) => 0" }] }, "secret")).toBe(false);
    expect(built([1], null).steps[0]).toMatchObject({ mac: null });
  });

  test("arrays among the arguments become literals, counted as workspace", () => {
    const view = NDArray.of(new Int16Array([1, 2, 3, 4, 5, 6]), [2, 3]).transpose();
    const spec = built([[view], 7]);
    expect(spec).toMatchObject({
      inputs: 0,
      workspace: 12,
      steps: [
        { do: "literal", dtype: "int16", shape: [3, 2] },
        { do: "call", inputs: [0], args: [[{ input: 0 }], 7] },
      ],
    });
    const [literal] = spec.steps;
    if (literal?.do !== "literal") throw new Error("no literal");
    expect(Array.from(new Int16Array(literal.bytes.slice().buffer))).toEqual([1, 4, 2, 5, 3, 6]);
  });

  test("what cannot travel is named", () => {
    for (const mark of [{ $ndarray: [1] }, { $typed: [1] }])
      expect(() => built([[mark]])).toThrow(expect.objectContaining({ code: "argument" }));
    expect(() => built([{ input: 3 }])).toThrow(
      expect.objectContaining({ code: "argument", message: expect.stringContaining("input") }),
    );
    expect(() => built([new Date()])).toThrow(expect.objectContaining({ message: expect.stringContaining("Date") }));
    expect(() => built([[() => 1]])).toThrow(expect.objectContaining({ code: "closure" }));
    expect(() => built([Symbol("s")])).toThrow(expect.objectContaining({ code: "argument" }));
  });

  test("equal calls have equal tokens, different ones do not", () => {
    const array = (values: number[]) => NDArray.of(Float32Array.from(values));
    expect(argumentToken([array([1, 2]), "x"])).toEqual(argumentToken([array([1, 2]), "x"]));
    expect(argumentToken([array([1, 2])])).not.toEqual(argumentToken([array([1, 3])]));
  });
});
