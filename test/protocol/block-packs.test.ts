/** C-I18: small blocks that travel together. */
import { describe, expect, test } from "vitest";
import { type BlockPack, BlockPacker, GET_DATA, PACKED_BYTES_MAX } from "../../src/protocol/index.ts";

const bytes = (n: number, from = 0): Uint8Array => Uint8Array.from({ length: n }, (_, i) => from + i);
const empty = { status: "OK", data: new Map() } as const;
/** As an answer is read at the other side. */
const sent = (packs: readonly BlockPack[]): ReturnType<typeof GET_DATA.parseAnswer> =>
  GET_DATA.parseAnswer(new Map(Object.entries(toMaps(GET_DATA.answer({ ...empty, packs })) as object)));
const toMaps = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map((item) => new Map(Object.entries(item as object)));
  if (value === null || typeof value !== "object" || value instanceof Uint8Array || value instanceof Map) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, toMaps(item)]));
};

describe("C-I18 packs of blocks", () => {
  test("hold blocks by kind, in the order in which they came, with their places in the request", () => {
    const packer = new BlockPacker(100);
    for (let place = 0; place < 50; place++)
      expect(packer.add(2 * place, { dtype: "int16", shape: [2, 2] }, bytes(8, place))).toBe(true);
    expect(packer.add(1, { dtype: "float64", shape: [] }, bytes(8, 7))).toBe(true);
    const { packs } = sent(packer.packs());
    expect(packs?.map(({ dtype, shape }) => [dtype, shape])).toEqual([
      ["int16", [2, 2]],
      ["float64", []],
    ]);
    const [many, one] = packs ?? [];
    expect(many?.places).toEqual(Uint32Array.from({ length: 50 }, (_, i) => 2 * i));
    for (let k = 0; k < 50; k++) expect(many?.bytes.slice(8 * k, 8 * k + 8)).toEqual(bytes(8, k));
    expect([one?.places, one && Uint8Array.from(one.bytes)]).toEqual([Uint32Array.of(1), bytes(8, 7)]);
  });

  test("take no blocks without elements, and no large ones", () => {
    const packer = new BlockPacker(2);
    expect(packer.add(0, { dtype: "uint8", shape: [0] }, bytes(0))).toBe(false);
    const n = PACKED_BYTES_MAX + 1;
    expect(packer.add(0, { dtype: "uint8", shape: [n] }, new Uint8Array(n))).toBe(false);
    expect(packer.packs()).toEqual([]);
  });

  test.each<[string, Partial<Record<keyof BlockPack, unknown>>]>([
    ["of an unknown dtype", { dtype: "object" }],
    ["of a negative extent", { shape: [-1, -8] }],
    ["of too many axes", { shape: new Array(65).fill(1) }],
    ["with fewer bytes than blocks", { bytes: bytes(7) }],
    ["of blocks without elements", { shape: [0], bytes: bytes(0) }],
    ["of large blocks", { shape: [PACKED_BYTES_MAX + 8], dtype: "uint8", bytes: new Uint8Array(PACKED_BYTES_MAX + 8) }],
  ])("%s are refused", (_, wrong) => {
    const pack = { dtype: "float64", shape: [], places: Uint32Array.of(0), bytes: bytes(8), ...wrong };
    expect(() => sent([pack as BlockPack])).toThrow(expect.objectContaining({ code: "remote-protocol" }));
  });
});
