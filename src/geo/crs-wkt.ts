/**
 * WKT 2 of common EPSG codes, from their parameters. Source: EPSG dataset v12 (IOGP), WKT 2:2019 (OGC 18-010r7).
 * Held against PROJ's database by the tests.
 */
import type { Crs } from "./crs.ts";

/** Geographic systems: name, datum, ellipsoid, semi-major axis, inverse flattening. */
const GEOGRAPHIC: Readonly<Record<number, readonly [string, string, string, number, number]>> = {
  4326: ["WGS 84", "World Geodetic System 1984", "WGS 84", 6378137, 298.257223563],
  4258: ["ETRS89", "European Terrestrial Reference System 1989", "GRS 1980", 6378137, 298.257222101],
  4269: ["NAD83", "North American Datum 1983", "GRS 1980", 6378137, 298.257222101],
  4267: ["NAD27", "North American Datum 1927", "Clarke 1866", 6378206.4, 294.978698213898],
  4674: ["SIRGAS 2000", "Sistema de Referencia Geocentrico para las AmericaS 2000", "GRS 1980", 6378137, 298.257222101],
  4283: ["GDA94", "Geocentric Datum of Australia 1994", "GRS 1980", 6378137, 298.257222101],
  7844: ["GDA2020", "Geocentric Datum of Australia 2020", "GRS 1980", 6378137, 298.257222101],
  4167: ["NZGD2000", "New Zealand Geodetic Datum 2000", "GRS 1980", 6378137, 298.257222101],
  4171: ["RGF93 v1", "Reseau Geodesique Francais 1993 v1", "GRS 1980", 6378137, 298.257222101],
  4277: ["OSGB36", "Ordnance Survey of Great Britain 1936", "Airy 1830", 6377563.396, 299.3249646],
  4289: ["Amersfoort", "Amersfoort", "Bessel 1841", 6377397.155, 299.1528128],
  4150: ["CH1903+", "CH1903+", "Bessel 1841", 6377397.155, 299.1528128],
};

/** Projection methods: EPSG code, name, and the codes of their parameters. */
const METHODS = {
  tm: [9807, "Transverse Mercator", [8801, 8802, 8805, 8806, 8807]],
  laea: [9820, "Lambert Azimuthal Equal Area", [8801, 8802, 8806, 8807]],
  polar: [9829, "Polar Stereographic (variant B)", [8832, 8833, 8806, 8807]],
  lcc: [9802, "Lambert Conic Conformal (2SP)", [8821, 8822, 8823, 8824, 8826, 8827]],
  albers: [9822, "Albers Equal Area", [8821, 8822, 8823, 8824, 8826, 8827]],
  stereo: [9809, "Oblique Stereographic", [8801, 8802, 8805, 8806, 8807]],
  web: [1024, "Popular Visualisation Pseudo Mercator", [8801, 8802, 8806, 8807]],
  cea: [9835, "Lambert Cylindrical Equal Area", [8823, 8802, 8806, 8807]],
  omerc: [9815, "Hotine Oblique Mercator (variant B)", [8811, 8812, 8813, 8814, 8815, 8816, 8817]],
} as const satisfies Record<string, readonly [number, string, readonly number[]]>;

type Unit = "degree" | "metre" | "unity";

const PARAMETERS: Readonly<Record<number, readonly [string, Unit]>> = {
  8801: ["Latitude of natural origin", "degree"],
  8802: ["Longitude of natural origin", "degree"],
  8805: ["Scale factor at natural origin", "unity"],
  8806: ["False easting", "metre"],
  8807: ["False northing", "metre"],
  8811: ["Latitude of projection centre", "degree"],
  8812: ["Longitude of projection centre", "degree"],
  8813: ["Azimuth of initial line", "degree"],
  8814: ["Angle from Rectified to Skew Grid", "degree"],
  8815: ["Scale factor on initial line", "unity"],
  8816: ["Easting at projection centre", "metre"],
  8817: ["Northing at projection centre", "metre"],
  8821: ["Latitude of false origin", "degree"],
  8822: ["Longitude of false origin", "degree"],
  8823: ["Latitude of 1st standard parallel", "degree"],
  8824: ["Latitude of 2nd standard parallel", "degree"],
  8826: ["Easting at false origin", "metre"],
  8827: ["Northing at false origin", "metre"],
  8832: ["Latitude of standard parallel", "degree"],
  8833: ["Longitude of origin", "degree"],
};

const UNITS: Readonly<Record<Unit, string>> = {
  degree: 'ANGLEUNIT["degree",0.0174532925199433]',
  metre: 'LENGTHUNIT["metre",1]',
  unity: 'SCALEUNIT["unity",1]',
};

/** Order and direction of the two axes. Polar systems name the meridians along which their axes run. */
type Axes = "EN" | "NE" | "XY" | "YX" | "south-pole" | readonly [number, number];

interface Projected {
  readonly name: string;
  readonly base: number;
  readonly method: keyof typeof METHODS;
  readonly values: readonly number[];
  readonly axes: Axes;
}

const LISTED: Readonly<Record<number, readonly [string, number, keyof typeof METHODS, readonly number[], Axes]>> = {
  2056: ["CH1903+ / LV95", 4150, "omerc", [46.9524055555556, 7.43958333333333, 90, 90, 1, 2600000, 1200000], "EN"],
  2154: ["RGF93 v1 / Lambert-93", 4171, "lcc", [46.5, 3, 49, 44, 700000, 6600000], "XY"],
  2193: ["NZGD2000 / New Zealand Transverse Mercator 2000", 4167, "tm", [0, 173, 0.9996, 1600000, 10000000], "NE"],
  3031: ["WGS 84 / Antarctic Polar Stereographic", 4326, "polar", [-71, 0, 0, 0], "south-pole"],
  3035: ["ETRS89-extended / LAEA Europe", 4258, "laea", [52, 10, 4321000, 3210000], "YX"],
  3413: ["WGS 84 / NSIDC Sea Ice Polar Stereographic North", 4326, "polar", [70, -45, 0, 0], [45, 135]],
  3577: ["GDA94 / Australian Albers", 4283, "albers", [0, 132, -18, -36, 0, 0], "EN"],
  3857: ["WGS 84 / Pseudo-Mercator", 4326, "web", [0, 0, 0, 0], "XY"],
  3976: ["WGS 84 / NSIDC Sea Ice Polar Stereographic South", 4326, "polar", [-70, 0, 0, 0], "south-pole"],
  3995: ["WGS 84 / Arctic Polar Stereographic", 4326, "polar", [71, 0, 0, 0], [90, 180]],
  5070: ["NAD83 / Conus Albers", 4269, "albers", [23, -96, 29.5, 45.5, 0, 0], "XY"],
  6933: ["WGS 84 / NSIDC EASE-Grid 2.0 Global", 4326, "cea", [30, 0, 0, 0], "XY"],
  27700: ["OSGB36 / British National Grid", 4277, "tm", [49, -2, 0.9996012717, 400000, -100000], "EN"],
  28992: ["Amersfoort / RD New", 4289, "stereo", [52.1561605555556, 5.38763888888889, 0.9999079, 155000, 463000], "XY"],
};

/** Runs of codes that are UTM zones: first code, first zone, last zone, hemisphere, base system, prefix of the name. */
const UTM: readonly (readonly [number, number, number, "N" | "S", number, string])[] = [
  [32601, 1, 60, "N", 4326, "WGS 84 / UTM zone"],
  [32701, 1, 60, "S", 4326, "WGS 84 / UTM zone"],
  [25828, 28, 38, "N", 4258, "ETRS89 / UTM zone"],
  [26901, 1, 23, "N", 4269, "NAD83 / UTM zone"],
  [26701, 1, 22, "N", 4267, "NAD27 / UTM zone"],
  [31965, 11, 22, "N", 4674, "SIRGAS 2000 / UTM zone"],
  [31977, 17, 25, "S", 4674, "SIRGAS 2000 / UTM zone"],
  [28348, 48, 58, "S", 4283, "GDA94 / MGA zone"],
  [7846, 46, 59, "S", 7844, "GDA2020 / MGA zone"],
];

function projectedOf(code: number): Projected | null {
  const listed = LISTED[code];
  if (listed) {
    const [name, base, method, values, axes] = listed;
    return { name, base, method, values, axes };
  }
  for (const [first, from, to, hemisphere, base, prefix] of UTM) {
    const zone = from + code - first;
    if (code < first || zone > to) continue;
    const name = prefix.endsWith("MGA zone") ? `${prefix} ${zone}` : `${prefix} ${zone}${hemisphere}`;
    const northing = hemisphere === "N" ? 0 : 10000000;
    return { name, base, method: "tm", values: [0, 6 * zone - 183, 0.9996, 500000, northing], axes: "EN" };
  }
  return null;
}

const GREENWICH = `PRIMEM["Greenwich",0,${UNITS.degree}]`;

function datumText(code: number): string {
  const [, datum, ellipsoid, axis, flattening] = GEOGRAPHIC[code]!; // callers pass codes of the table
  return `DATUM["${datum}",ELLIPSOID["${ellipsoid}",${axis},${flattening},${UNITS.metre}]],${GREENWICH}`;
}

function axesText(axes: Axes): string {
  const line = (text: string, order: number): string => `AXIS[${text},ORDER[${order}],${UNITS.metre}]`;
  if (axes === "south-pole" || typeof axes !== "string") {
    const [direction, meridians] = axes === "south-pole" ? ["north", [90, 0]] : ["south", axes];
    const [first, second] = meridians.map((m) => `${direction},MERIDIAN[${m},${UNITS.degree}]`);
    return `${line(`"(E)",${first}`, 1)},${line(`"(N)",${second}`, 2)}`;
  }
  const named = [...axes].map((letter) => `"(${letter})",${letter === "E" || letter === "X" ? "east" : "north"}`);
  return named.map((text, k) => line(text, k + 1)).join(",");
}

/** WKT 2 of an EPSG code, or null for a code that is not listed here. */
export function wktOfEpsg(code: number): string | null {
  const geographic = GEOGRAPHIC[code];
  if (geographic) {
    const axes = [`"geodetic latitude (Lat)",north,ORDER[1]`, `"geodetic longitude (Lon)",east,ORDER[2]`];
    const cs = `CS[ellipsoidal,2],${axes.map((a) => `AXIS[${a},${UNITS.degree}]`).join(",")}`;
    return `GEOGCRS["${geographic[0]}",${datumText(code)},${cs},ID["EPSG",${code}]]`;
  }
  const projected = projectedOf(code);
  if (!projected) return null;
  const { name, base, method, values, axes } = projected;
  const [methodCode, methodName, parameters] = METHODS[method];
  const given = parameters.map((p, k) => {
    const [title, unit] = PARAMETERS[p]!; // METHODS names codes of the table
    return `PARAMETER["${title}",${values[k]},${UNITS[unit]},ID["EPSG",${p}]]`;
  });
  const baseText = `BASEGEOGCRS["${GEOGRAPHIC[base]![0]}",${datumText(base)},ID["EPSG",${base}]]`;
  const conversion = `CONVERSION["${name}",METHOD["${methodName}",ID["EPSG",${methodCode}]],${given.join(",")}]`;
  return `PROJCRS["${name}",${baseText},${conversion},CS[Cartesian,2],${axesText(axes)},ID["EPSG",${code}]]`;
}

/** EPSG codes whose WKT is known here. */
export function knownCodes(): number[] {
  const zones = UTM.flatMap(([first, from, to]) => Array.from({ length: to - from + 1 }, (_, i) => first + i));
  return [...Object.keys(GEOGRAPHIC), ...Object.keys(LISTED)].map(Number).concat(zones);
}

/** WKT of a CRS for metadata: the given text, else from the code; `"EPSG:n"`, which readers resolve, for codes not listed. */
export function crsWkt(crs: Crs): string {
  if (crs.text !== null) return crs.text;
  return (crs.epsg === null ? null : wktOfEpsg(crs.epsg)) ?? `EPSG:${crs.epsg}`;
}
