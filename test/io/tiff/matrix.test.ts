/** Every kind of TIFF that GDAL writes and we claim: pixels, overviews, masks and georeferencing as GDAL reads them. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTiff, plainByteKernels, planRead, readRegion } from "../../../src/io/index.ts";
import { NDArray } from "../../../src/ndarray/index.ts";
import { describePeer, runPython } from "../../peers.ts";
import { readAll, sha256, whole } from "./support.ts";

interface Entry {
  readonly file: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly sha256: string;
  readonly refused: string | null;
  /** Text for what JSON has no number for: `"nan"`, `"-inf"`. */
  readonly nodata: number | string | null;
  readonly scales: readonly number[];
  readonly offsets: readonly number[];
  readonly descriptions: readonly (string | null)[];
  readonly transform: readonly number[] | null;
  readonly epsg: number | null;
  readonly gcps: readonly (readonly number[])[];
  readonly mask: string | null;
  /** File of GDAL's pixels, for what is lossy. */
  readonly near: string | null;
  readonly overviews: readonly { readonly shape: readonly number[]; readonly sha256: string }[];
}

describePeer("TIFF matrix of GDAL", ["rasterio", "numpy"], () => {
  const folder = mkdtempSync(join(tmpdir(), "rsdat-tiff-"));
  let entries: readonly Entry[] = [];
  beforeAll(async () => {
    await runPython([join(import.meta.dirname, "make_matrix.py"), folder]);
    entries = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8"));
  }, 480_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("has all that it promises", () => {
    expect(entries.length).toBeGreaterThan(220);
    expect(entries.filter((e) => e.refused === "complex")).toHaveLength(3);
  });

  test("pixels of every file and overview are GDAL's", async () => {
    const wrong: string[] = [];
    for (const entry of entries.filter((e) => e.refused === null && e.near === null)) {
      const info = await openTiff(join(folder, entry.file));
      if (info.dtype !== entry.dtype) wrong.push(`${entry.file}: ${info.dtype}, expected ${entry.dtype}`);
      if (sha256(readAll(info.source("all"))) !== entry.sha256) wrong.push(`${entry.file}: pixels`);
      if (info.levels.length !== 1 + entry.overviews.length) wrong.push(`${entry.file}: ${info.levels.length} levels`);
      entry.overviews.forEach((o, i) => {
        if (sha256(readAll(info.source("all", i + 1))) !== o.sha256) wrong.push(`${entry.file}: overview ${i}`);
      });
      const mask = info.maskSource();
      if ((mask === null) !== (entry.mask === null)) wrong.push(`${entry.file}: mask`);
      else if (mask && sha256(readAll(mask)) !== entry.mask) wrong.push(`${entry.file}: mask pixels`);
    }
    expect(wrong).toEqual([]);
  }, 240_000);

  test("georeferencing, nodata, scale and names of every file are GDAL's", async () => {
    for (const entry of entries.filter((e) => e.refused === null)) {
      const info = await openTiff(join(folder, entry.file));
      const nodata = info.nodata[0] ?? null;
      expect({
        file: entry.file,
        epsg: info.crs?.epsg ?? null,
        transform: info.transform,
        nodata: nodata === null || Number.isFinite(Number(nodata)) ? nodata : String(nodata).slice(0, 4).toLowerCase(),
        scales: info.scale,
        offsets: info.offset,
        descriptions: info.descriptions,
        gcps: info.gcps.map(({ col, row, x, y, z }) => [col, row, x, y, z]),
      }).toEqual({
        file: entry.file,
        epsg: entry.gcps.length > 0 ? 4326 : entry.epsg,
        transform: entry.transform,
        nodata: entry.nodata,
        scales: entry.scales,
        offsets: entry.offsets,
        descriptions: entry.descriptions,
        gcps: entry.gcps,
      });
    }
    const { tags } = await openTiff(join(folder, "scaled.tif"));
    expect(tags["NOTE"]).toBe("x < y & z");
  });

  test("JPEG without subsampled colour is within one of libjpeg", async () => {
    const lossy = entries.filter((e) => e.near !== null);
    expect(lossy).toHaveLength(4);
    for (const entry of lossy) {
      const source = (await openTiff(join(folder, entry.file))).source("all");
      const into = NDArray.zeros("uint8", source.shape);
      expect(planRead(source, whole(source)).local).toBe(false);
      await readRegion(source, whole(source), into, { kernels: plainByteKernels });
      const theirs = readFileSync(join(folder, entry.near!));
      const worst = theirs.reduce((max, v, i) => Math.max(max, Math.abs(v - Number(into.data[i]))), 0);
      expect(worst, entry.file).toBeLessThanOrEqual(1);
      expect(() => readAll(source)).toThrow(/cannot be read synchronously/);
    }
  });

  test("what is not read is refused by name, never read wrong", async () => {
    for (const entry of entries.filter((e) => e.refused !== null)) {
      const read = async (): Promise<unknown> => readAll((await openTiff(join(folder, entry.file))).source("all"));
      await expect(read(), entry.file).rejects.toMatchObject({
        code: "unsupported",
        message: expect.stringMatching(new RegExp(entry.refused!)),
      });
    }
  });
});
