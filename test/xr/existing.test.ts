/** Writing into stores that exist: values are stored as the store's own metadata say, or refused by name. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { openZarrGroup, readZarrArray } from "../../src/io/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { concat, type DataArray, dataArray, dataset, openZarr } from "../../src/xr/index.ts";
import type { VariableEncoding } from "../../src/xr/to-zarr.ts";
import { describePeer, runPython } from "../peers.ts";
import { useInlineRunner } from "../run-inline.ts";

useInlineRunner();
const root = mkdtempSync(join(tmpdir(), "rsdat-existing-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const GRID = { crs: 32631, transform: [10, 0, 600000, 0, -10, 5800000] } as const;
let n = 0;
let store = "";
beforeEach(() => {
  store = join(root, `${n++}.zarr`);
});

const floats = (...values: number[]): DataArray<"y" | "x"> =>
  dataArray(NDArray.of(Float32Array.from(values), [2, values.length / 2]), { dims: ["y", "x"], ...GRID, name: "v" });
const uints = (values: readonly number[], nodata?: number): DataArray<"y" | "x"> =>
  dataArray(NDArray.of(Uint16Array.from(values), [2, values.length / 2]), {
    dims: ["y", "x"],
    ...GRID,
    name: "v",
    ...(nodata === undefined ? {} : { nodata }),
  });
const PACKED: VariableEncoding = { dtype: "uint16", scale_factor: 0.1, add_offset: -5, _FillValue: 65535 };
const pack = (encoding = PACKED): Promise<unknown> =>
  floats(1, 2, 3, Number.NaN).toZarr(store, { encoding: { v: encoding } });

/** The numbers in the store, no metadata applied. */
const storedIn = async (name = "v"): Promise<unknown[]> => {
  const { data } = await readZarrArray({ source: (await openZarrGroup(store)).source(name) });
  return [...(data as unknown as Iterable<unknown>)];
};
const physical = async (): Promise<number[]> => {
  const { values } = await (await openZarr(store, { decode: "scaled" })).get("v").compute();
  return Array.from(values.data as Float32Array);
};

describe.each(["r+", "a"] as const)("mode %s into packed numbers", (mode) => {
  test("physical values of any dtype take the store's scale, offset, fill and dtype", async () => {
    await pack();
    expect(await storedIn()).toEqual([60, 70, 80, 65535]);
    // (162 + 5) / 0.1 = 1670, by the store's own scale
    await uints([162, 1, 2, 9], 9).toZarr(store, { mode });
    expect(await storedIn()).toEqual([1670, 60, 70, 65535]);
    expect(await physical()).toEqual([162, 1, 2, Number.NaN].map(Math.fround));
    await floats(Number.NaN, -5, 0.1, 6000).toZarr(store, { mode });
    expect(await storedIn()).toEqual([65535, 0, 51, 60050]);
  });

  test("stored numbers of the same encoding go in unchanged", async () => {
    await pack();
    const other = join(root, `${n++}.zarr`);
    await floats(4, Number.NaN, 5, 6).toZarr(other, { encoding: { v: { ...PACKED, _FillValue: 0 } } });
    const masked = (await openZarr(other)).get("v");
    await masked.toZarr(store, { mode });
    expect(await storedIn()).toEqual([90, 65535, 100, 110]);
  });

  test("stored numbers of another encoding are refused, both named", async () => {
    await pack();
    const other = join(root, `${n++}.zarr`);
    await floats(4, 4, 5, 6).toZarr(other, { encoding: { v: { ...PACKED, scale_factor: 0.01, add_offset: 0 } } });
    await expect((await openZarr(other)).get("v").toZarr(store, { mode })).rejects.toMatchObject({
      code: "argument",
      message: expect.stringMatching(/scale 0\.01.*offset 0.*scale 0\.1.*offset -5/),
    });
    expect(await storedIn()).toEqual([60, 70, 80, 65535]);
  });

  test.each<[string, VariableEncoding, string, RegExp]>([
    ["scale_factor", { scale_factor: 1 }, "argument", /scale_factor.*0\.1.*1/],
    ["_FillValue", { _FillValue: 0 }, "argument", /_FillValue.*65535.*0/],
    ["dtype", { dtype: "int16" }, "dtype", /uint16.*int16/],
    ["chunks", { chunks: [1, 1] }, "chunk", /\(2, 2\).*\(1, 1\)/],
    ["codecs", { codecs: [{ id: "gzip", options: { level: 1 } }] }, "argument", /codecs/],
  ])("an encoding that is given and differs is refused: %s", async (_, encoding, code, message) => {
    await pack();
    await expect(floats(1, 2, 3, 4).toZarr(store, { mode, encoding: { v: encoding } })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect(await storedIn()).toEqual([60, 70, 80, 65535]);
  });

  test("an encoding that is given and equal is taken", async () => {
    await pack();
    await floats(7, 2, 3, 4).toZarr(store, { mode, encoding: { v: { ...PACKED, chunks: [2, 2] } } });
    expect(await storedIn()).toEqual([120, 70, 80, 90]);
  });
});

describe("mode r+ into plain numbers", () => {
  test("missing integers take the store's fill value; where it has none they are refused", async () => {
    await uints([1, 2, 3, 0], 0).toZarr(store, { encoding: { v: { _FillValue: 9 } } });
    await uints([7, 1, 2, 3], 7).toZarr(store, { mode: "r+" });
    expect(await storedIn()).toEqual([9, 1, 2, 3]);
    await uints([1, 2, 3, 4]).toZarr(store, { mode: "w" });
    await expect(uints([7, 1, 2, 3], 7).toZarr(store, { mode: "r+" })).rejects.toMatchObject({
      code: "nodata",
      message: expect.stringMatching(/7.*_FillValue/),
    });
  });

  test("floats are rounded into integers, integers of another size are not guessed", async () => {
    await uints([1, 2, 3, 4]).toZarr(store, { encoding: { v: { _FillValue: 9 } } });
    await floats(1.5, 2.4, 70000, Number.NaN).toZarr(store, { mode: "r+" });
    expect(await storedIn()).toEqual([2, 2, 65535, 9]);
    const wide = dataArray(NDArray.of(Int32Array.of(1, 2, 3, 70000), [2, 2]), { dims: ["y", "x"], ...GRID, name: "v" });
    await expect(wide.toZarr(store, { mode: "r+" })).rejects.toMatchObject({
      code: "dtype",
      message: expect.stringMatching(/uint16.*int32/),
    });
  });

  test("the store's chunks are kept, whatever the blocks", async () => {
    await floats(1, 2, 3, 4).toZarr(store, { encoding: { v: { chunks: [1, 2] } } });
    await floats(5, 6, 7, 8).chunk({ y: 2, x: 1 }).toZarr(store, { mode: "r+" });
    expect(await storedIn()).toEqual([5, 6, 7, 8]);
    expect((await openZarrGroup(store)).arrays.get("v")?.chunkShape).toEqual([1, 2]);
  });
});

describe("labels of a store that is written into", () => {
  const dated = (...days: string[]) =>
    concat(
      days.map((_, k) => floats(k, k, k, k)),
      "time",
      { values: days },
    ).rename("v");

  test("equal labels stay as they are stored", async () => {
    await dated("2024-06-01", "2024-06-02").toZarr(store);
    const before = await storedIn("time");
    await dated("2024-06-01", "2024-06-02").add(1).rename("v").toZarr(store, { mode: "r+" });
    expect(await storedIn("time")).toEqual(before);
    expect((await storedIn()).slice(0, 5)).toEqual([1, 1, 1, 1, 2]);
  });

  test("times in other units would be other times: refused", async () => {
    await dated("2024-06-01", "2024-06-02").toZarr(store); // days
    await expect(
      dated("2024-06-01T01:00:00Z", "2024-06-02").toZarr(store, { mode: "r+" }), // hours
    ).rejects.toMatchObject({ code: "labels", message: expect.stringMatching(/time.*2024-06-01T01.*2024-06-01T00/) });
  });

  test("another coordinate system is refused", async () => {
    await floats(1, 2, 3, 4).toZarr(store);
    await expect(floats(1, 2, 3, 4).rio.writeCrs(32632).toZarr(store, { mode: "r+" })).rejects.toMatchObject({
      code: "crs-mismatch",
    });
  });

  test("a appends a variable to the store's grid", async () => {
    await pack();
    await dataset({ w: floats(9, 8, 7, 6).rename("w") }).toZarr(store, { mode: "a" });
    expect(await storedIn()).toEqual([60, 70, 80, 65535]);
    expect(await storedIn("w")).toEqual([9, 8, 7, 6]);
  });
});

describePeer("as Xarray writes into the same store", ["xarray", "zarr"], () => {
  test("the stored numbers are the same", async () => {
    await pack();
    const peer = join(root, `${n++}.zarr`);
    await floats(1, 2, 3, Number.NaN).toZarr(peer, { encoding: { v: PACKED } });
    const script = [
      "import sys, numpy, xarray",
      "ds = xarray.open_zarr(sys.argv[1])",
      "new = numpy.array([[162, 0.25], [-5, numpy.nan]], 'float32')",
      "new = xarray.Dataset({'v': (('y', 'x'), new)})",
      "new.to_zarr(sys.argv[1], mode='r+', consolidated=False)",
    ].join("\n");
    await runPython(["-c", script, peer]);
    await floats(162, 0.25, -5, Number.NaN).toZarr(store, { mode: "r+" });
    const ours = await storedIn();
    store = peer;
    expect(ours).toEqual(await storedIn());
  });
});
