import { expect, test } from "vitest";
import { errorToRecord } from "../../src/base/index.ts";

test.each([
  ["no such band", "no such band"],
  [{ a: 1 }, '{"a":1}'],
  [7, "7"],
  [null, "null"],
  [Object.create(null), "an object"], // it has no text
])("what is thrown and is no error is told by its value: %#", (thrown, message) => {
  expect(errorToRecord(thrown)).toEqual({ name: "Error", code: "error", message, details: {} });
});
