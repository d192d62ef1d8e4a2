import { describe, expect, test } from "vitest";
import {
  type Affine,
  affineText,
  applyAffine,
  axisCentres,
  bboxOf,
  compareGrids,
  crsText,
  crsWkt,
  geobox,
  gridMismatch,
  invertAffine,
  isGeographic,
  knownCodes,
  parseCrs,
  regularAxis,
  requireSameCrs,
  sameCrs,
  windowAffine,
} from "../../src/geo/index.ts";
import { describePeer, runPython } from "../peers.ts";

const UTM: Affine = [10, 0, 600000, 0, -10, 5800000];
const TURNED: Affine = [3, 4, 100, 4, -3, 200];

describe("affine", () => {
  test("corners, inverse, centres", () => {
    expect(applyAffine(UTM, { col: 2, row: 3 })).toEqual([600020, 5799970]);
    const [col, row] = applyAffine(invertAffine(TURNED), { col: 3 * 5 + 4 * 7 + 100, row: 4 * 5 - 3 * 7 + 200 });
    expect(col).toBeCloseTo(5, 12);
    expect(row).toBeCloseTo(7, 12);
    expect([...axisCentres(600000, 10, 3)]).toEqual([600005, 600015, 600025]);
    expect(affineText(UTM)).toBe("600000 10 0 5800000 0 -10");
  });

  test.each([
    ["a slice", { start: 2, step: 1 }, { start: 4, step: 1 }],
    ["every third", { start: 1, step: 3 }, { start: 0, step: 2 }],
    ["backwards", { start: 9, step: -1 }, { start: 8, step: -2 }],
  ])("the pixels of %s keep their centres", (_, rows, cols) => {
    for (const t of [UTM, TURNED])
      for (let i = 0; i < 3; i++) {
        const kept = applyAffine(windowAffine(t, rows, cols), { col: i + 0.5, row: i + 0.5 });
        const was = applyAffine(t, { col: cols.start + cols.step * i + 0.5, row: rows.start + rows.step * i + 0.5 });
        expect(kept[0]).toBeCloseTo(was[0], 8);
        expect(kept[1]).toBeCloseTo(was[1], 8);
      }
  });

  test("evenly spaced labels are a regular axis, others are not", () => {
    expect(regularAxis([600005, 600015, 600025])).toEqual({ origin: 600000, size: 10 });
    expect(regularAxis([90, 89.75, 89.5])).toEqual({ origin: 90.125, size: -0.25 });
    expect(regularAxis([5], 2)).toEqual({ origin: 4, size: 2 });
    expect([regularAxis([5]), regularAxis([1, 2, 4]), regularAxis([1, 1]), regularAxis([])]).toEqual([
      null,
      null,
      null,
      null,
    ]);
  });
});

describe("geoboxes", () => {
  test("bounding box and resolution", () => {
    expect(bboxOf(UTM, [100, 50])).toEqual([600000, 5799000, 600500, 5800000]);
    expect(geobox(UTM, [100, 50], parseCrs(32631))).toMatchObject({ crs: "EPSG:32631", resolution: [10, 10] });
    expect(geobox(TURNED, [2, 2], null)).toMatchObject({ crs: "", resolution: [5, 5], bbox: [100, 194, 114, 208] });
  });

  test("grids compare to a millionth of a pixel, and say how far they are apart", () => {
    const box = (t: Affine, shape: [number, number] = [100, 50]) => geobox(t, shape, null);
    const moved = (dx: number, dy: number): Affine => [10, 0, 600000 + dx, 0, -10, 5800000 + dy];
    expect(compareGrids(box(UTM), box(moved(5e-6, -5e-6)))).toBeNull();
    expect(compareGrids(box(UTM), box(moved(2e-5, 0)))).not.toBeNull();
    expect(compareGrids(box(UTM), box(moved(5, -20)))).toMatchObject({ shift: [0.5, 2], sameShape: true });
    expect(compareGrids(box(UTM), box(UTM, [100, 51]))).toMatchObject({ shift: [0, 0], sameShape: false });
    // Half a metre too wide over 50 pixels of 10 m: the corners drift although they begin alike.
    expect(compareGrids(box(UTM), box([10.01, 0, 600000, 0, -10, 5800000]))?.most).toBeCloseTo(0.05, 9);
    const difference = compareGrids(box(UTM), box(moved(5, -20)));
    const error = difference && gridMismatch(box(UTM), box(moved(5, -20)), difference);
    expect(error).toMatchObject({ code: "grid-mismatch" });
    expect(error?.message).toMatch(/0\.5 pixels to the right of and 2 below.*cut both to the pixels that they share/);
  });
});

describe("CRS", () => {
  const wkt = crsWkt(parseCrs(32631));
  test.each([
    [32631, "EPSG:32631"],
    ["epsg:4326", "EPSG:4326"],
    ["urn:ogc:def:crs:EPSG::3035", "EPSG:3035"],
    ["http://www.opengis.net/def/crs/EPSG/0/3857", "EPSG:3857"],
    ["OGC:CRS84", "EPSG:4326"],
    [wkt, "EPSG:32631"],
    [
      'GEOGCS["x",DATUM["d",SPHEROID["s",6378137,298.2,AUTHORITY["EPSG","7030"]]],AUTHORITY["EPSG","4326"]]',
      "EPSG:4326",
    ],
    ['{"type": "ProjectedCRS", "name": "x", "id": {"authority": "EPSG", "code": 2056}}', "EPSG:2056"],
    [
      'PROJCS["custom",GEOGCS["WGS 84",AUTHORITY["EPSG","4326"]]]',
      'PROJCS["custom",GEOGCS["WGS 84",AUTHORITY["EPSG","4326"]]]',
    ],
  ])("%s is %s", (input, text) => {
    expect(crsText(parseCrs(input))).toBe(text);
  });

  test.each([["utm"], [12], [32631.5], ["EPSG:abc"], ["{broken"]])("%s is refused by name", (input) => {
    expect(() => parseCrs(input)).toThrow(expect.objectContaining({ code: "argument" }));
  });

  test("equality and kind", () => {
    expect(sameCrs(parseCrs(32631), parseCrs(wkt))).toBe(true);
    expect(sameCrs(parseCrs(32631), parseCrs(32632))).toBe(false);
    expect(sameCrs(parseCrs('PROJCS["a", GEOGCS["b"]]'), parseCrs('PROJCS["a",GEOGCS["b"]]'))).toBe(true);
    expect([4326, 32631, wkt, 99999].map((c) => isGeographic(parseCrs(c)))).toEqual([true, false, false, null]);
    expect(() => requireSameCrs(parseCrs(4326), parseCrs(3857))).toThrow(/EPSG:4326 and EPSG:3857.*reproject/);
    expect(() => requireSameCrs(null, parseCrs(3857))).not.toThrow();
  });

  test("codes without parameters here are written as codes", () => {
    expect(crsWkt({ epsg: 99999, text: null })).toBe("EPSG:99999");
  });
});

describePeer("WKT of EPSG codes", "rioxarray", () => {
  test("PROJ's database says the same, with and without the code", async () => {
    const all = knownCodes().map((code) => [code, crsWkt(parseCrs(code))]);
    expect(all.length).toBeGreaterThan(200);
    const program = `
import json, sys
from pyproj import CRS
wrong = []
for code, wkt in json.load(sys.stdin):
    known = CRS.from_epsg(code)
    bare = wkt[: wkt.rindex(",ID[")] + "]"
    if CRS.from_wkt(wkt).to_epsg() != code or CRS.from_wkt(bare) != known or CRS.from_wkt(wkt).name != known.name:
        wrong.append(code)
print(json.dumps(wrong))`;
    expect(JSON.parse(await runPython(["-c", program], { input: JSON.stringify(all) }))).toEqual([]);
  });
});
