import { Packr } from "msgpackr";
import { expect, test } from "vitest";
import { seededRandom } from "../../src/base/index.ts";
import { encodeMessage, Pickled, pack, Serialized } from "../../src/protocol/index.ts";
import { WireColumn } from "../../src/protocol/msgpack-write.ts";

/** Another writer of the same format: every length and number is to be as short as its. */
const packr = new Packr({ useRecords: false, variableMapSize: true, encodeUndefinedAsNil: true, mapsAsObjects: false });

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const around = (n: number): number[] => [n - 1, n, n + 1];

test.each([0, 2 ** 5, 2 ** 7, 2 ** 8, 2 ** 15, 2 ** 16, 2 ** 31, 2 ** 32].flatMap(around).flatMap((n) => [n, -n]))(
  "the number %d",
  (n) => {
    // Beyond 32 bits they are to be integers also, where the other writer has floats.
    const isWide = n >= 2 ** 32 || n < -(2 ** 31);
    expect(hex(pack(n))).toBe(hex(packr.pack(isWide ? BigInt(n) : n)));
  },
);

test.each([0, 16, 32, 48, 64, 2 ** 8, 2 ** 16].flatMap(around).filter((n) => n >= 0))(
  "texts, bytes, lists and maps of %d",
  (n) => {
    const values = [
      "x".repeat(n),
      "ü".repeat(n >> 1),
      `${"x".repeat(Math.max(0, n - 2))}ü`,
      Buffer.alloc(n, 7),
      Array.from({ length: n }, (_, k) => k % 3),
      new Map(Array.from({ length: n }, (_, k) => [k, null])),
      Object.fromEntries(Array.from({ length: n }, (_, k) => [`field ${k}`, true])),
    ];
    for (const value of values) expect(hex(pack(value)) === hex(packr.pack(value)), typeof value).toBe(true);
  },
);

test("whatever the data", () => {
  const random = seededRandom(11);
  const some = (most: number): number => random.below(most);
  const any = (depth: number): unknown => {
    const kind = some(depth > 0 ? 9 : 6);
    if (kind === 0) return some(2 ** 32) - 2 ** 31;
    if (kind === 1) return random.next() * 10 ** some(300);
    if (kind === 2) return "aé€😀".repeat(some(30));
    if (kind === 3) return Buffer.alloc(some(300), some(256));
    if (kind === 4) return [null, true, false][some(3)];
    if (kind === 5) return BigInt(some(2 ** 30)) * BigInt(some(2 ** 30)) * (some(2) === 0 ? 1n : -1n);
    if (kind === 6) return Array.from({ length: some(20) }, () => any(depth - 1));
    if (kind === 7) return new Map(Array.from({ length: some(20) }, (_, k) => [k, any(depth - 1)]));
    return Object.fromEntries(Array.from({ length: some(20) }, (_, k) => [`${k} é`, any(depth - 1)]));
  };
  for (let i = 0; i < 300; i++) {
    const value = any(3);
    const ours = pack(value);
    const theirs = packr.pack(wideAsBigint(value));
    expect(hex(ours) === hex(theirs), `value ${i}`).toBe(true);
  }
});

/** As the other writer has to be given them. */
function wideAsBigint(value: unknown): unknown {
  if (typeof value === "number")
    return Number.isSafeInteger(value) && (value > 0xffff_ffff || value < -(2 ** 31)) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(wideAsBigint);
  if (value instanceof Map) return new Map(Array.from(value, ([k, v]) => [k, wideAsBigint(v)]));
  if (typeof value !== "object" || value === null || Buffer.isBuffer(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, wideAsBigint(v)]));
}

test("columns travel as their bytes, however many", () => {
  for (const n of [0, 1, 8, 9, 16, 17, 100])
    for (const make of [Uint8Array, Uint32Array, Float32Array, Float64Array]) {
      const numbers = Array.from({ length: n }, (_, k) => k * 1.5);
      const column = make.from([7, ...numbers]).subarray(1);
      const bytes = Buffer.from(column.buffer, column.byteOffset, column.byteLength);
      expect(hex(pack(new WireColumn(column))), `${n} of ${make.name}`).toBe(hex(packr.pack(bytes)));
    }
});

test("what stands in a message for frames is written beside it, and an error leaves nothing behind", () => {
  const header = pack({ a: 1 });
  const message = [new Pickled(Uint8Array.of(1)), new Set([new Serialized(header, [Uint8Array.of(2)])]), "end"];
  const { frames } = encodeMessage(message);
  expect(hex(frames[0] as Uint8Array)).toBe(
    hex(packr.pack([{ __Pickled__: 1 }, { __Set__: true, "as-list": [{ __Serialized__: 2 }] }, "end"])),
  );
  expect(frames).toHaveLength(4);
  for (const bad of [() => 1, new Date(), Symbol("s"), 2n ** 64n])
    expect(() => pack([1, "text", bad])).toThrow(expect.objectContaining({ code: "local-protocol" }));
  expect(hex(pack([1]))).toBe("9101");
});
