/** WKT 1 of a CRS whose GeoKeys spell it out instead of naming an EPSG code. Source: GeoTIFF 1.1 annex C, GDAL's `gt_wkt_srs`. */
import { GEO_KEY, type GeoKeys, number } from "./geo-key-codes.ts";

interface Method {
  readonly name: string;
  /** WKT parameter names and the keys that may hold each, the first present one counts. */
  readonly parameters: readonly (readonly [name: string, fallback: number, ...keys: readonly number[]])[];
}

const ORIGIN_LATITUDE = ["latitude_of_origin", 0, 3081, 3085, 3089] as const;
const CENTRAL_MERIDIAN = ["central_meridian", 0, 3080, 3084, 3088] as const;
const FALSE_EASTING = ["false_easting", 0, 3082, 3086, 3090] as const;
const FALSE_NORTHING = ["false_northing", 0, 3083, 3087, 3091] as const;
const SCALE = ["scale_factor", 1, 3092, 3093] as const;
const PARALLEL_1 = ["standard_parallel_1", 0, 3078] as const;
const PARALLEL_2 = ["standard_parallel_2", 0, 3079] as const;
const EASTING_NORTHING = [FALSE_EASTING, FALSE_NORTHING] as const;

/** Projection methods (GeoTIFF `ProjCoordTransGeoKey` values). */
const METHODS: Readonly<Record<number, Method>> = {
  1: { name: "Transverse_Mercator", parameters: [ORIGIN_LATITUDE, CENTRAL_MERIDIAN, SCALE, ...EASTING_NORTHING] },
  7: { name: "Mercator_1SP", parameters: [CENTRAL_MERIDIAN, SCALE, ...EASTING_NORTHING] },
  8: {
    name: "Lambert_Conformal_Conic_2SP",
    parameters: [
      PARALLEL_1,
      PARALLEL_2,
      ["latitude_of_origin", 0, 3085, 3081],
      ["central_meridian", 0, 3084, 3080],
      ...EASTING_NORTHING,
    ],
  },
  9: {
    name: "Lambert_Conformal_Conic_1SP",
    parameters: [ORIGIN_LATITUDE, CENTRAL_MERIDIAN, SCALE, ...EASTING_NORTHING],
  },
  10: {
    name: "Lambert_Azimuthal_Equal_Area",
    parameters: [["latitude_of_center", 0, 3089, 3081], ["longitude_of_center", 0, 3088, 3080], ...EASTING_NORTHING],
  },
  11: {
    name: "Albers_Conic_Equal_Area",
    parameters: [
      PARALLEL_1,
      PARALLEL_2,
      ["latitude_of_center", 0, 3081, 3085, 3089],
      ["longitude_of_center", 0, 3080, 3084, 3088],
      ...EASTING_NORTHING,
    ],
  },
  12: {
    name: "Azimuthal_Equidistant",
    parameters: [["latitude_of_center", 0, 3089, 3081], ["longitude_of_center", 0, 3088, 3080], ...EASTING_NORTHING],
  },
  14: { name: "Stereographic", parameters: [ORIGIN_LATITUDE, CENTRAL_MERIDIAN, SCALE, ...EASTING_NORTHING] },
  15: {
    name: "Polar_Stereographic",
    parameters: [ORIGIN_LATITUDE, ["central_meridian", 0, 3095, 3080], SCALE, ...EASTING_NORTHING],
  },
  16: { name: "Oblique_Stereographic", parameters: [ORIGIN_LATITUDE, CENTRAL_MERIDIAN, SCALE, ...EASTING_NORTHING] },
  17: {
    name: "Equirectangular",
    parameters: [
      ["latitude_of_origin", 0, 3089, 3081],
      ["central_meridian", 0, 3088, 3080],
      PARALLEL_1,
      ...EASTING_NORTHING,
    ],
  },
  24: { name: "Sinusoidal", parameters: [["longitude_of_center", 0, 3088, 3080], ...EASTING_NORTHING] },
  28: { name: "Cylindrical_Equal_Area", parameters: [PARALLEL_1, CENTRAL_MERIDIAN, ...EASTING_NORTHING] },
};

/** Geographic systems that user-defined projections commonly stand on: name, datum, ellipsoid, axis, 1/f. */
const GEOGRAPHIC: Readonly<
  Record<number, readonly [name: string, datum: string, ellipsoid: string, axis: number, flattening: number]>
> = {
  4258: ["ETRS89", "European_Terrestrial_Reference_System_1989", "GRS 1980", 6378137, 298.257222101],
  4267: ["NAD27", "North_American_Datum_1927", "Clarke 1866", 6378206.4, 294.9786982138982],
  4269: ["NAD83", "North_American_Datum_1983", "GRS 1980", 6378137, 298.257222101],
  4322: ["WGS 72", "WGS_1972", "WGS 72", 6378135, 298.26],
  4326: ["WGS 84", "WGS_1984", "WGS 84", 6378137, 298.257223563],
};

const LINEAR_UNITS: Readonly<Record<number, readonly [name: string, metres: number]>> = {
  9001: ["metre", 1],
  9002: ["foot", 0.3048],
  9003: ["US survey foot", 0.3048006096012192],
  9036: ["kilometre", 1000],
};

/** The WKT, or null where method, unit or ellipsoid is none of those known here. */
export function userDefinedWkt(keys: GeoKeys): string | null {
  const geographic = geographicWkt(keys);
  if (geographic === null) return null;
  if (number(keys, GEO_KEY.modelType) === 2) return geographic;
  const method = METHODS[number(keys, GEO_KEY.method) ?? 0];
  const unit = LINEAR_UNITS[number(keys, GEO_KEY.linearUnits) ?? 9001];
  if (!method || !unit) return null;
  const parameters = method.parameters.map(([name, fallback, ...candidates]) => {
    const value = candidates.map((key) => number(keys, key)).find((v) => v !== undefined) ?? fallback;
    return `PARAMETER["${name}",${value}]`;
  });
  const name = cited(keys, GEO_KEY.projectedCitation) ?? cited(keys, GEO_KEY.citation) ?? "unnamed";
  return `PROJCS["${name}",${geographic},PROJECTION["${method.name}"],${parameters.join(",")},UNIT["${unit[0]}",${unit[1]}],AXIS["Easting",EAST],AXIS["Northing",NORTH]]`;
}

function geographicWkt(keys: GeoKeys): string | null {
  const code = number(keys, GEO_KEY.geographicType);
  const known = GEOGRAPHIC[code ?? 0] ?? GEOGRAPHIC[(number(keys, GEO_KEY.datum) ?? 0) - 2000];
  const axis = number(keys, GEO_KEY.semiMajor) ?? known?.[3];
  const flattening = flatteningOf(keys, axis) ?? known?.[4];
  if (axis === undefined || flattening === undefined) return null;
  const name = known?.[0] ?? cited(keys, GEO_KEY.geographicCitation) ?? "unknown";
  const authority = known && code !== undefined && GEOGRAPHIC[code] ? `,AUTHORITY["EPSG","${code}"]` : "";
  const meridian = number(keys, GEO_KEY.primeMeridianLongitude) ?? 0;
  const primeMeridian = meridian === 0 ? 'PRIMEM["Greenwich",0]' : `PRIMEM["unnamed",${meridian}]`;
  return `GEOGCS["${name}",DATUM["${known?.[1] ?? "unknown"}",SPHEROID["${known?.[2] ?? "unknown"}",${axis},${flattening}]],${primeMeridian},UNIT["degree",0.0174532925199433]${authority}]`;
}

/** Inverse flattening; 0 for a sphere. */
function flatteningOf(keys: GeoKeys, axis: number | undefined): number | undefined {
  const inverse = number(keys, GEO_KEY.inverseFlattening);
  const minor = number(keys, GEO_KEY.semiMinor);
  if (inverse !== undefined) return inverse;
  if (minor === undefined || axis === undefined) return undefined;
  return axis === minor ? 0 : axis / (axis - minor);
}

/** A citation fit to be a quoted WKT name. */
function cited(keys: GeoKeys, key: number): string | null {
  const text = keys.get(key);
  if (typeof text !== "string") return null;
  const name = (/PCS Name = ([^|]*)/.exec(text)?.[1] ?? /GCS Name = ([^|]*)/.exec(text)?.[1] ?? text)
    .split("|")[0]!
    .replaceAll('"', "");
  return name === "" ? null : name;
}

const WGS84 = 4326;
/** Polar stereographic systems on WGS 84 that satellite archives spell out: latitude of true scale, meridian, code. */
const POLAR: readonly (readonly [latitude: number, meridian: number, epsg: number])[] = [
  [-71, 0, 3031],
  [70, -45, 3413],
  [71, 0, 3995],
];

/**
 * EPSG code of a projection that the keys spell out although it has one: UTM and the common polar systems on WGS 84.
 * Null for anything else: rather no code than a wrong one.
 */
export function identifyEpsg(keys: GeoKeys): number | null {
  const isPlain = (number(keys, GEO_KEY.linearUnits) ?? 9001) === 9001 && number(keys, GEO_KEY.modelType) === 1;
  const isWgs84 =
    number(keys, GEO_KEY.geographicType) === WGS84 && (number(keys, GEO_KEY.semiMajor) ?? 6378137) === 6378137;
  if (!isPlain || !isWgs84) return null;
  const value = (fallback: number, ...candidates: readonly number[]): number =>
    candidates.map((key) => number(keys, key)).find((v) => v !== undefined) ?? fallback;
  const [easting, northing, scale] = [value(0, 3082), value(0, 3083), value(1, 3092)];
  const method = number(keys, GEO_KEY.method);
  if (method === 15 && easting === 0 && northing === 0 && scale === 1) {
    const [latitude, meridian] = [value(0, 3081), value(0, 3095, 3080)];
    return POLAR.find((p) => p[0] === latitude && p[1] === meridian)?.[2] ?? null;
  }
  const zone = (value(Number.NaN, 3080) + 183) / 6;
  const isUtm =
    method === 1 &&
    scale === 0.9996 &&
    easting === 500000 &&
    value(0, 3081) === 0 &&
    Number.isInteger(zone) &&
    zone >= 1 &&
    zone <= 60;
  if (!isUtm || (northing !== 0 && northing !== 10_000_000)) return null;
  return (northing === 0 ? 32600 : 32700) + zone;
}
