/** Real files of many origins, against what GDAL reads from them (`truth/readers.json` of the team's test data). */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openTiff } from "../../../src/io/index.ts";
import { describePeer, peerVersion } from "../../peers.ts";
import { readAll, sha256 } from "./support.ts";

interface Truth {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly crs: string | null;
  readonly transform: readonly number[];
  readonly nodata: number | "NaN" | null;
  readonly scales: readonly number[];
  readonly offsets: readonly number[];
  readonly sha256: string;
  readonly gcps?: unknown;
  readonly overview_sha256?: readonly { readonly shape: readonly number[]; readonly sha256: string }[];
}

/** Named in the error that refuses them. */
const REFUSED: Readonly<Record<string, RegExp>> = { "rgb/cogeo.tif": /jpeg/, "sar/cint16.tif": /complex/ };

describePeer("TIFF files from the wild", "test-data", () => {
  const folder = peerVersion("test-data")!;
  const truth: Record<string, Truth> = JSON.parse(readFileSync(join(folder, "truth", "readers.json"), "utf8"));

  test("read to GDAL's pixels, grid, CRS and nodata, or are refused by name", async () => {
    const wrong: string[] = [];
    for (const [name, t] of Object.entries(truth)) {
      const check = (what: string, ok: boolean): void => {
        if (!ok) wrong.push(`${name}: ${what}`);
      };
      if (REFUSED[name]) {
        const read = async (): Promise<unknown> => readAll((await openTiff(join(folder, name))).source("all"));
        await expect(read()).rejects.toMatchObject({
          code: "unsupported",
          message: expect.stringMatching(REFUSED[name]),
        });
        continue;
      }
      const info = await openTiff(join(folder, name));
      check("shape", info.source("all").shape.join() === t.shape.join());
      check("dtype", info.dtype === t.dtype);
      check("pixels", sha256(readAll(info.source("all"))) === t.sha256);
      check("levels", info.levels.length === 1 + (t.overview_sha256 ?? []).length);
      for (const [i, o] of (t.overview_sha256 ?? []).entries()) {
        check(`overview ${i}`, sha256(readAll(info.source("all", i + 1))) === o.sha256);
      }
      if (t.crs?.startsWith("EPSG:")) check("crs", `EPSG:${info.crs?.epsg}` === t.crs);
      else if (t.crs) check("crs", info.crs?.wkt?.startsWith(t.crs.slice(0, 16)) === true);
      if (info.transform)
        check(
          "transform",
          t.transform.every((v, i) => Math.abs(v - info.transform![i]!) <= 1e-12 * Math.max(1, Math.abs(v))),
        );
      else check("transform", t.transform.join() === "1,0,0,0,1,0");
      check("nodata", Object.is(info.nodata[0], t.nodata === "NaN" ? Number.NaN : t.nodata));
      check("scale", info.scale.join() === t.scales.join() && info.offset.join() === t.offsets.join());
    }
    expect(wrong).toEqual([]);
    expect(Object.keys(truth).length).toBeGreaterThan(100);
  }, 240_000);
});
