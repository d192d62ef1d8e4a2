import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  decompressFrame,
  deserialize,
  encodeMessage,
  pack,
  Serialized,
  serializeBytes,
} from "../../src/protocol/index.ts";

const ROWS: readonly Record<"name" | "plain" | "lz4" | "zlib" | "zstd", string>[] = JSON.parse(
  readFileSync(join(import.meta.dirname, "compressed.json"), "utf-8"),
);
const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));
const hex = (data: Uint8Array): string => Buffer.from(data).toString("hex");

for (const codec of ["lz4", "zlib", "zstd"] as const) {
  test.each(ROWS)(`${codec}: $name`, (row) => {
    expect(hex(decompressFrame(codec, bytes(row[codec])))).toBe(row.plain);
  });
  test(`${codec}: every cut and every flipped bit is refused or gives bytes, never more than claimed`, () => {
    const whole = bytes(ROWS[2]![codec]);
    for (let at = 0; at < whole.byteLength; at++) {
      const flipped = new Uint8Array(whole);
      flipped[at] = flipped[at]! ^ 0x55;
      for (const bad of [whole.slice(0, at), flipped]) {
        try {
          decompressFrame(codec, bad);
        } catch (error) {
          expect(error).toMatchObject({ code: "remote-protocol" });
        }
      }
    }
  });
}

test("a claimed size that no block can have is refused before it is allocated", () => {
  expect(() => decompressFrame("lz4", Uint8Array.of(0xff, 0xff, 0xff, 0x7f, 0x10, 1))).toThrow(
    expect.objectContaining({
      code: "remote-protocol",
      cause: expect.objectContaining({ message: expect.stringContaining("claims 2147483647") }),
    }),
  );
});

test("snappy and unknown names are refused by name", () => {
  expect(() => decompressFrame("snappy", new Uint8Array(4))).toThrow(
    expect.objectContaining({ code: "unsupported", message: expect.stringContaining('"snappy"') }),
  );
});

test("compressed and split frames of one object are joined again", () => {
  const [runs, period] = [ROWS[1]!, ROWS[2]!];
  const fields = new Map(serializeBytes(new Uint8Array(0)).fields);
  fields.set("compression", ["lz4", "zstd", null]);
  fields.set("split-num-sub-frames", [3]);
  fields.set("split-offsets", [0]);
  fields.set("num-sub-frames", 3);
  const value = new Serialized(pack(fields), [bytes(runs.lz4), bytes(period.zstd), bytes("0102")]);
  expect(hex(deserialize(value) as Uint8Array)).toBe(`${runs.plain}${period.plain}0102`);
  expect(encodeMessage({ value }).frames.slice(1).map(hex)).toEqual([hex(value.header), runs.lz4, period.zstd, "0102"]);
});
