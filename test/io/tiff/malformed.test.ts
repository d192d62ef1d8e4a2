/** Files that lie: each gives a typed error that names the value, soon and in little memory, or reads as it should. */
import { deflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { isRsdatError, type RsdatError } from "../../../src/base/index.ts";
import { openStore, openTiff, plainByteKernels, planRead, readRegion } from "../../../src/io/index.ts";
import { NDArray } from "../../../src/ndarray/index.ts";
import { readMutations } from "./mutations.ts";
import { makeTiff, readAll, soundFields, type TestField, whole } from "./support.ts";

let files = 0;

/** Put bytes under a fresh URL. */
async function put(bytes: Uint8Array): Promise<string> {
  const key = `f${++files}.tif`;
  await openStore("memory://malformed/").write(key, [bytes]);
  return `memory://malformed/${key}`;
}

async function failure(bytes: Uint8Array): Promise<RsdatError> {
  const url = await put(bytes);
  const e = await openTiff(url)
    .then((info) => readAll(info.source("all")))
    .catch((error: unknown) => error);
  if (!isRsdatError(e)) throw new Error(`no typed error but ${String(e)}`);
  expect(e.message).toContain(url);
  return e;
}

/** The sound fields with some replaced or added. */
function fields(...changes: readonly TestField[]): TestField[] {
  const replaced = new Map(soundFields(8).map((f) => [f[0], f]));
  for (const change of changes) replaced.set(change[0], change);
  return [...replaced.values()].sort((a, b) => a[0] - b[0]);
}

test("the sound file reads", async () => {
  const info = await openTiff(await put(makeTiff([fields()])));
  expect(readAll(info.source(0)).toArray()).toEqual([
    [1, 2, 3, 4],
    [5, 6, 7, 8],
  ]);
});

describe("refused, naming the value", () => {
  const sound = makeTiff([fields()]);
  const many = Array.from({ length: 300 }, () => fields());
  const cases: readonly (readonly [name: string, bytes: Uint8Array, code: string, says: RegExp])[] = [
    ["nothing", new Uint8Array(0), "tiff-magic", /not a TIFF/],
    ["text", new TextEncoder().encode("<html><body>404</body></html>"), "tiff-magic", /3c 68 74 6d/],
    [
      "only a signature",
      Uint8Array.from([0x49, 0x49, 42, 0, 8, 0, 0, 0]),
      "tiff-offset",
      /beyond the end of the file at 8/,
    ],
    [
      "BigTIFF of 4-byte offsets",
      Uint8Array.from([0x49, 0x49, 43, 0, 4, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0]),
      "tiff-magic",
      /offsets of 4 bytes/,
    ],
    [
      "offset beyond 2^53",
      Uint8Array.from([0x49, 0x49, 43, 0, 8, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 127]),
      "tiff-offset",
      /2\^53/,
    ],
    ["directory that links to itself", makeTiff([fields()], (_, at) => at[0]!), "tiff-loop", /16 is linked twice/],
    ["two directories in a ring", makeTiff([fields(), fields()], (i, at) => at[1 - i]!), "tiff-loop", /linked twice/],
    ["SubIFD that is its parent", makeTiff([fields([330, 4, 16])]), "tiff-loop", /linked twice/],
    ["300 directories", makeTiff(many), "tiff-loop", /more than 256 directories/],
    ["empty directory", makeTiff([[]]), "tiff-count", /claims 0 entries/],
    ["width 0", makeTiff([fields([256, 4, 0])]), "tiff-size", /0 × 2 pixels/],
    [
      "absurd size",
      makeTiff([fields([256, 4, 0xffffffff], [257, 4, 0xffffffff], [277, 3, 65535])]),
      "tiff-size",
      /4294967295 × 4294967295/,
    ],
    [
      "tile width 0",
      makeTiff([fields([322, 4, 0], [323, 4, 16], [324, 4, 8], [325, 4, 8])]),
      "tiff-size",
      /tiles of 0 × 16/,
    ],
    ["too few strips", makeTiff([fields([278, 4, 1])]), "tiff-count", /2 tiles or strips were expected/],
    ["too many strips", makeTiff([fields([273, 4, 8, 8], [279, 4, 8, 8])]), "tiff-count", /has 2 values; 1 /],
    [
      "strip beyond the end",
      makeTiff([fields([273, 4, 100000])]),
      "tiff-offset",
      /tile 0: 8 bytes at 100000.*truncated/,
    ],
    [
      "huge tile",
      makeTiff([fields([256, 4, 30000], [257, 4, 30000], [259, 3, 8], [278, 4, 30000])]),
      "tiff-size",
      /at most 536870912/,
    ],
    [
      "values beyond the end",
      corrupt(sound, (v, end) => v.setUint32(end + 4, 0x7fffffff, true)),
      "tiff-offset",
      /beyond the end/,
    ],
    ["strip too short", makeTiff([fields([279, 4, 5])]), "short", /5 bytes stored, 8 expected/],
    ["no deflate stream", makeTiff([fields([259, 3, 8])]), "corrupt", /tile 0, bytes 8-15.*zlib/],
    ["complex", makeTiff([fields([258, 3, 32], [339, 3, 6])]), "unsupported", /complex/],
    ["unknown compression", makeTiff([fields([259, 3, 34925])]), "unsupported", /lzma/],
    ["unknown predictor", makeTiff([fields([259, 3, 8], [317, 3, 9])]), "unsupported", /predictor 9/],
    ["float predictor on integers", makeTiff([fields([259, 3, 8], [317, 3, 3])]), "unsupported", /predictor 3/],
    [
      "subsampled JPEG colour",
      makeTiff([fields([259, 3, 7], [262, 3, 6], [277, 3, 3], [258, 3, 8, 8, 8])]),
      "unsupported",
      /subsampled YCbCr/,
    ],
    ["mixed samples", makeTiff([fields([277, 3, 2], [258, 3, 8, 16])]), "unsupported", /bits 8, 16/],
    ["reversed bits", makeTiff([fields([266, 3, 2])]), "unsupported", /FillOrder/],
  ];
  test.each(cases)("%s", async (_, bytes, code, says) => {
    const e = await failure(bytes);
    expect([e.code, e.message]).toEqual([code, expect.stringMatching(says)]);
  });
});

test("a JPEG tile that is none, or claims another size, is corrupt and costs nothing", async () => {
  const huge = [0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, 0xff, 0xff, 0xff, 0xff, 1, 1, 0x11, 0, 0xff, 0xda, 0, 2];
  for (const stream of [[1, 2, 3, 4, 5, 6, 7, 8], huge]) {
    const place = makeTiff([fields([259, 3, 7])]).length;
    const bytes = new Uint8Array(place + stream.length);
    bytes.set(makeTiff([fields([259, 3, 7], [273, 4, place], [279, 4, stream.length])]));
    bytes.set(stream, place);
    const source = (await openTiff(await put(bytes))).source(0);
    const reading = readRegion(source, whole(source), NDArray.zeros("uint8", source.shape), {
      kernels: plainByteKernels,
    });
    await expect(reading).rejects.toMatchObject({
      code: "corrupt",
      message: expect.stringMatching(/tile 0, bytes .*jpeg: .*expected 4 × 2 × 1/),
    });
  }
});

/** Change the first entry's count field (an offset 4 into the entry) or anything else, on a copy. */
function corrupt(bytes: Uint8Array, change: (view: DataView, firstEntry: number) => void): Uint8Array {
  const copy = bytes.slice();
  change(new DataView(copy.buffer), 18);
  return copy;
}

test("a deflate bomb stops at the tile's size", async () => {
  const bomb = deflateSync(new Uint8Array(64 * 2 ** 20));
  const head = makeTiff([fields([259, 3, 8])]);
  // A stored size beyond twice the pixels and 64 KiB is refused before it is fetched; a smaller one while it inflates.
  const place = head.length;
  const withStream = (stream: Uint8Array): Uint8Array => {
    const made = makeTiff([fields([259, 3, 8], [273, 4, place], [279, 4, stream.length])]);
    const bytes = new Uint8Array(place + stream.length);
    bytes.set(made);
    bytes.set(stream, place);
    return bytes;
  };
  const before = process.memoryUsage().arrayBuffers;
  expect(await failure(withStream(bomb))).toMatchObject({ code: "oversize" });
  expect(await failure(withStream(new Uint8Array(80_000)))).toMatchObject({
    code: "oversize",
    message: expect.stringMatching(/80000 bytes stored/),
  });
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 2 ** 20);
});

test("missing files and folders say where the path ends", async () => {
  await expect(openTiff("/no/such/folder/a.tif")).rejects.toMatchObject({
    code: "not-found",
    message: expect.stringMatching(/\/no\/such\/folder\/a\.tif does not exist; the nearest existing folder is \/$/),
  });
  await expect(openTiff(import.meta.dirname)).rejects.toMatchObject({
    code: "not-found",
    message: expect.stringMatching(/test\/io\/tiff does not exist as a file: it is a folder$/),
  });
});

test("bands, levels and pages that are not there", async () => {
  const url = await put(makeTiff([fields()]));
  const info = await openTiff(url);
  expect(() => info.source(1)).toThrow(/bands 0 to 0; there is no band 1/);
  expect(() => info.source(0, 3)).toThrow(/there is no level 3/);
  await expect(openTiff(url, { page: 1 })).rejects.toMatchObject({
    code: "selection",
    message: expect.stringMatching(/no page 1/),
  });
  expect(() =>
    planRead(info.source(0), [
      { start: 0, stop: 3 },
      { start: 0, stop: 4 },
    ]),
  ).toThrow(/leaves the source of shape \(2, 4\)/);
});

test("2,000 seeded mutations: a typed error or an answer, in bounded time", async () => {
  const { outcomes, slow, untyped } = await readMutations({ count: 2000, seed: 42 });
  expect([untyped, slow]).toEqual([[], []]);
  expect(outcomes.get("read")).toBeGreaterThan(100);
  expect(outcomes.size).toBeGreaterThan(5);
});
