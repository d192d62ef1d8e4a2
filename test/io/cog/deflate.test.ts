/** The tile encoder against zlib's own level: sound streams, about as small, whatever the pixels. */
import { deflateSync, inflateSync } from "node:zlib";
import { expect, test } from "vitest";
import { seededRandom } from "../../../src/base/index.ts";
import { deflateTile } from "../../../src/io/cog/deflate.ts";

const random = seededRandom(3);
const N = 512 * 512 * 2;
const motif = Uint8Array.from({ length: 3001 }, () => random.below(256));

const tiles: readonly (readonly [name: string, value: (i: number) => number])[] = [
  ["nothing", () => 0],
  ["noise", () => random.below(256)],
  ["noise of few values", () => random.below(7)],
  ["one motif, repeated", (i) => motif[i % motif.length]!],
  ["a ramp", (i) => (i >> 9) & 255],
  ["classes in runs", (i) => (i / 97) & 3],
  ["noise in every second byte", (i) => (i & 1 ? random.below(16) : 0)],
];

test.each(tiles)("%s", (_, value) => {
  const tile = Uint8Array.from({ length: N }, (_x, i) => value(i));
  for (const level of [1, 6, 9]) {
    const stream = deflateTile(tile, level);
    expect(Buffer.compare(inflateSync(stream), tile)).toBe(0);
    expect(stream.length).toBeLessThanOrEqual(1.06 * deflateSync(tile, { level }).length + 64);
  }
});
