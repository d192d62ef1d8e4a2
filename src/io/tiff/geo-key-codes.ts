/** GeoKeys by name, and access to their values (OGC GeoTIFF 1.1). */

/** Values of GeoKeys: numbers for shorts and doubles, text for citations. */
export type GeoKeys = ReadonlyMap<number, number | string>;

/** Keys by name. */
export const GEO_KEY = {
  modelType: 1024,
  rasterType: 1025,
  citation: 1026,
  geographicType: 2048,
  geographicCitation: 2049,
  datum: 2050,
  angularUnits: 2054,
  ellipsoid: 2056,
  semiMajor: 2057,
  semiMinor: 2058,
  inverseFlattening: 2059,
  primeMeridianLongitude: 2061,
  projectedType: 3072,
  projectedCitation: 3073,
  projection: 3074,
  method: 3075,
  linearUnits: 3076,
} as const;

/** A numeric key. */
export function number(keys: GeoKeys, key: number): number | undefined {
  const value = keys.get(key);
  return typeof value === "number" ? value : undefined;
}
