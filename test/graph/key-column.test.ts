import { describe, expect, test } from "vitest";
import { seededRandom } from "../../src/base/index.ts";
import { type Key, KeyColumn, KeyTable, keyOfValue } from "../../src/graph/index.ts";

const random = seededRandom(7);
const digits = (): string => Array.from({ length: 32 }, () => Math.floor(random.next() * 16).toString(16)).join("");
const hashed = (head: string): Key => keyOfValue(`${head}${digits()}`);

/** Keys of all kinds; `inc` in capital digits, one digit short, and tuples are texts. */
const KINDS: readonly (readonly Key[])[] = [
  [hashed("inc-"), hashed("inc-"), hashed("inc-")],
  [hashed("inc-"), hashed("ü-"), hashed(""), hashed("inc-")],
  [keyOfValue("a"), hashed("inc-"), keyOfValue(["x", 1, 2]), keyOfValue("ö ✓"), keyOfValue("")],
  [keyOfValue(`inc-${digits().toUpperCase()}A`), keyOfValue(`inc-${digits().slice(1)}g`)],
];

describe("a column of keys", () => {
  test.each(KINDS)("gives the keys that were put in, also after the wire (%s, …)", (...keys) => {
    const column = KeyColumn.of(keys);
    expect(column.toArray()).toEqual(keys);
    expect(KeyColumn.fromPlain(column.toPlain()).toArray()).toEqual(keys);
    const picked = KeyColumn.pick(
      keys.map(() => column),
      keys.map((_, i) => keys.length - 1 - i),
    );
    expect(picked.toArray()).toEqual(keys.toReversed());
  });

  test("equal keys are equal and have one hash, however their columns hold them", () => {
    const all = KINDS.flat();
    const whole = KeyColumn.of(all); // texts, since some are
    all.forEach((key, i) => {
      const alone = KeyColumn.of([key]);
      expect(alone.hashAt(0)).toBe(whole.hashAt(i));
      all.forEach((_, j) => {
        expect(alone.equals(0, whole, j)).toBe(i === j);
        expect(whole.equals(j, alone, 0)).toBe(i === j);
      });
    });
    expect(KeyColumn.ofDigits("inc-", Uint32Array.of(1, 2, 0xffff_ffff, 0)).at(0)).toBe(
      "inc-0000000100000002ffffffff00000000",
    );
    const mixed = KeyColumn.pick([KeyColumn.of([all[0] as Key]), whole], [0, 7]);
    expect(mixed.toArray()).toEqual([all[0], all[7]]);
  });

  test("a hash costs 16 bytes; its text is made when it is asked for", () => {
    const keys = Array.from({ length: 100 }, () => hashed("nothing-"));
    const plain = KeyColumn.of(keys).toPlain();
    expect(plain).toMatchObject({ heads: ["nothing-"], headOf: null });
    expect("words" in plain && plain.words.byteLength).toBe(1600);
  });

  test.each([
    ["no object", 7],
    ["words that are cut", { heads: ["a"], headOf: null, words: new Uint8Array(15) }],
    ["no beginning", { heads: [], headOf: null, words: new Uint8Array(16) }],
    ["a beginning that there is not", { heads: ["a"], headOf: Uint8Array.of(1, 0), words: new Uint8Array(16) }],
    ["beginnings for others", { heads: ["a"], headOf: new Uint8Array(4), words: new Uint8Array(16) }],
    ["beginnings that are no texts", { heads: [1], headOf: null, words: new Uint8Array(16) }],
    ["texts without end", { bytes: new Uint8Array(3), start: new Uint8Array(4) }],
    ["texts that go back", { bytes: new Uint8Array(3), start: new Uint8Array(Uint32Array.of(0, 5, 3).buffer) }],
    ["a beginning that is too long", { heads: ["a".repeat(2 ** 20)], headOf: null, words: new Uint8Array(16) }],
    ["bytes that are no text", { bytes: Uint8Array.of(0xff), start: new Uint8Array(Uint32Array.of(0, 1).buffer) }],
    [
      "texts cut within a character",
      { bytes: Uint8Array.of(0xc3, 0xa9), start: new Uint8Array(Uint32Array.of(0, 1, 2).buffer) },
    ],
    ["starts that are cut", { bytes: new Uint8Array(0), start: new Uint8Array(3) }],
  ])("refuses %s", (_, plain) => {
    expect(() => KeyColumn.fromPlain(plain)).toThrow(expect.objectContaining({ code: "remote-protocol" }));
  });
});

test("a table finds each key while others come and go, as a Map does", () => {
  const keys = KeyColumn.of(Array.from({ length: 400 }, (_, i) => (i % 3 === 0 ? keyOfValue(`k${i}`) : hashed("f-"))));
  // Few hashes: runs of cells are long, and wrap around the end.
  const hash = (entry: number): number => (entry % 37) * 116_080_000 + (entry % 5);
  const table = new KeyTable({ hash, is: (entry, column, index) => keys.equals(entry, column, index) });
  const known = new Map<Key, number>();
  for (let step = 0; step < 4000; step++) {
    const entry = Math.floor(random.next() * (step < 2000 ? 400 : 60));
    const key = keys.at(entry);
    if (known.delete(key)) table.delete(entry);
    else {
      known.set(key, entry);
      table.add(entry, hash(entry));
    }
    const asked = Math.floor(random.next() * 400);
    expect(table.find(keys, asked, hash(asked))).toBe(known.get(keys.at(asked)) ?? -1);
    expect(table.size).toBe(known.size);
  }
  expect(new Set(table.entries())).toEqual(new Set(known.values()));
  for (const entry of known.values()) table.delete(entry);
  expect(table.size).toBe(0);
  expect([...table.entries()]).toEqual([]);
});
