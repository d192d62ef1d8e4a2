/** Coordinate systems from GeoKeys that GDAL's files do not show: spelled out, cited, broken. */
import { expect, test } from "vitest";
import { GEO_KEY, type GeoKeys } from "../../../src/io/tiff/geo-key-codes.ts";
import { readCrs, readGeoKeys } from "../../../src/io/tiff/geo-keys.ts";

/** Projected, WGS 84, metres, user-defined. */
const spelled = (...entries: readonly (readonly [number, number | string])[]): GeoKeys =>
  new Map<number, number | string>([
    [GEO_KEY.modelType, 1],
    [GEO_KEY.geographicType, 4326],
    [GEO_KEY.projectedType, 32767],
    [GEO_KEY.linearUnits, 9001],
    ...entries,
  ]);
const utm = (meridian: number, northing: number): GeoKeys =>
  spelled([GEO_KEY.method, 1], [3080, meridian], [3081, 0], [3082, 500000], [3083, northing], [3092, 0.9996]);

test("UTM and polar systems are known by their parameters", () => {
  expect(readCrs(utm(3, 0))?.epsg).toBe(32631); // EPSG: zone 31 has central meridian 3°E
  expect(readCrs(utm(-177, 10_000_000))?.epsg).toBe(32701);
  expect(readCrs(spelled([GEO_KEY.method, 15], [3081, -71], [3095, 0]))?.epsg).toBe(3031);
  expect(readCrs(spelled([GEO_KEY.method, 15], [3081, 70], [3095, -45]))?.epsg).toBe(3413);
});

test("what is nearly one of them is not", () => {
  expect(readCrs(utm(4, 0))?.epsg).toBeUndefined();
  expect(readCrs(utm(3, 1))?.epsg).toBeUndefined();
  expect(readCrs(new Map([...utm(3, 0), [GEO_KEY.linearUnits, 9003]]))).toMatchObject({
    wkt: expect.stringMatching(/UNIT\["US survey foot",0\.3048006096012192\]\]?,/),
  });
  expect(
    readCrs(new Map([...utm(3, 0), [GEO_KEY.semiMajor, 6378140], [GEO_KEY.inverseFlattening, 298.25]])),
  ).toMatchObject({ wkt: expect.stringMatching(/SPHEROID\["WGS 84",6378140,298\.25\]/) });
});

test("a cited WKT wins over parameters", () => {
  const wkt = 'PROJCS["x",GEOGCS["y"]]';
  expect(readCrs(spelled([GEO_KEY.projectedCitation, `ESRI PE String = ${wkt}`]))).toEqual({
    wkt,
    citation: `ESRI PE String = ${wkt}`,
  });
});

test("an unknown method keeps the citation, nothing at all is null", () => {
  expect(readCrs(spelled([GEO_KEY.method, 99], [GEO_KEY.citation, "local grid"]))).toEqual({ citation: "local grid" });
  expect(readCrs(new Map([[GEO_KEY.rasterType, 1]]))).toBeNull();
  expect(readCrs(new Map())).toBeNull();
});

test("keys whose values lie outside their arrays are passed over", () => {
  const geoKeys = [1, 1, 0, 4, 1024, 0, 1, 1, 2057, 34736, 1, 5, 1026, 34737, 4, 0, 3072, 0, 1];
  const keys = readGeoKeys({ geoKeys, geoDoubles: [6378137], geoAscii: "abc|" });
  expect([...keys]).toEqual([
    [1024, 1],
    [1026, "abc"],
  ]);
});
