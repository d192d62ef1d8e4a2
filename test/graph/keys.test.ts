/** Keys of blocks go a shorter way than others, both ways: what is said of them is the same. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  type Key,
  KeyColumn,
  KeyRanges,
  type KeyValue,
  keyOfValue,
  keyPrefix,
  valueOfKey,
} from "../../src/graph/index.ts";

const NAMES = ["x", 'a"b', "a", "ab", "ö ✓", ""];

test("texts of keys of any form, one after another", () => {
  const forms: [KeyValue, string][] = NAMES.flatMap((name): [KeyValue, string][] => [
    [[name], `\0[${JSON.stringify(name)}]`],
    [[name, 0, 12], `\0[${JSON.stringify(name)},0,12]`],
    [[name, 3, "y"], `\0[${JSON.stringify(name)},3,"y"]`],
    [[name, [1, 2]], `\0[${JSON.stringify(name)},[1,2]]`],
    [[name, -1, 2.5], `\0[${JSON.stringify(name)},-1,2.5]`],
    [[name, 12345678901234567890n], `\0[${JSON.stringify(name)},12345678901234567890]`],
  ]);
  for (const [value, text] of [...forms, ...forms.toReversed()]) {
    expect(keyOfValue(value)).toBe(text);
    expect(valueOfKey(text as Key)).toEqual(value);
  }
});

test("texts that are nearly those of blocks are read as they are", () => {
  valueOfKey(keyOfValue(["x", 1]));
  expect(valueOfKey('\0["x",9007199254740993]' as Key)).toEqual(["x", 9007199254740993n]);
  expect(valueOfKey('\0["x",1e3]' as Key)).toEqual(["x", 1000]);
  expect(() => valueOfKey('\0["x",' as Key)).toThrow(/not canonical/);
});

test("keys of blocks are found among those of calls only where calls have such", () => {
  const ranges = new KeyRanges<{ start: number; readonly keys: KeyColumn; readonly name: string }>();
  const enter = (name: string, keys: readonly Key[]) => {
    const range = ranges.add({ start: 0, keys: KeyColumn.of(keys), name });
    keys.forEach((_, i) => {
      ranges.enter(range, i, range.keys.hashAt(i));
    });
    return range;
  };
  const block = keyOfValue(["x", 1]);
  const texts = enter("texts", [keyOfValue("f-1"), keyOfValue("f-2"), keyOfValue("")]);
  expect([texts.keys.hasTuples, ranges.findKey(block)]).toEqual([false, undefined]);
  const tuples = enter("tuples", [keyOfValue("g-1"), block]);
  expect(tuples.keys.hasTuples).toBe(true);
  expect(ranges.findKey(block)).toEqual({ range: tuples, index: 1 });
  expect(ranges.findKey(keyOfValue("f-2"))).toEqual({ range: texts, index: 1 });
  ranges.close([tuples]);
  expect([ranges.findKey(block), ranges.findKey(keyOfValue("f-1"))?.range]).toEqual([undefined, texts]);
});

test("prefixes are Dask's (make_key_prefixes.py)", () => {
  const text = readFileSync(join(import.meta.dirname, "key-prefixes.json"), "utf8");
  const cases = JSON.parse(text) as readonly (readonly [key: string, prefix: string])[];
  expect(cases.length).toBeGreaterThan(200);
  expect(cases.map(([key]) => [key, keyPrefix(keyOfValue(key))])).toEqual(cases);
  expect(keyPrefix(keyOfValue(["x-2", 1]))).toBe("x");
});
