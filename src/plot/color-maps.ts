/** Colour maps: anchors at equal distances, linear between them in sRGB. */
import { ArgumentError } from "../base/index.ts";

/** Names of the maps. `viridis` is van der Walt and Smith's (CC0), at nine anchors; the others are ours. */
export type ColorMap = "gray" | "viridis" | "vegetation" | "terrain";

const ANCHORS: Readonly<Record<ColorMap, string>> = {
  gray: "000000 ffffff",
  viridis: "440154 472d7b 3b528b 2c728e 21918c 28ae80 5ec962 addc30 fde725",
  vegetation: "274b7a 7aa0c4 e9e2cf d8bd86 b9a45a 8fae4b 5c9a3c 2f7d32 12561f",
  terrain: "2f6b4f 6f9f5a c9c07a a97f4e 8a6a55 d9d4cf ffffff",
};

/** 256 colours of a map, three bytes each. @throws {ArgumentError} unknown name */
export function colorTable(name: ColorMap): Uint8Array {
  const text = (ANCHORS as Record<string, string | undefined>)[name];
  if (text === undefined)
    throw new ArgumentError(
      `colour map ${JSON.stringify(name)} is unknown; expected one of ${Object.keys(ANCHORS).join(", ")}`,
    );
  const anchors = text.split(" ").map((hex) => Number.parseInt(hex, 16));
  const table = new Uint8Array(256 * 3);
  for (let i = 0; i < 256; i++) {
    const at = (i / 255) * (anchors.length - 1);
    const k = Math.min(anchors.length - 2, Math.floor(at));
    const t = at - k;
    for (let c = 0; c < 3; c++) {
      const [a, b] = [anchors[k], anchors[k + 1]].map((v) => ((v as number) >> (16 - 8 * c)) & 255) as [number, number]; // k + 1 < length
      table[i * 3 + c] = Math.round(a + (b - a) * t);
    }
  }
  return table;
}
