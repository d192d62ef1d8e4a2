/** CRS handles: an EPSG code where one is known, else the text that was given. Axis order is always x, y. */
import { ArgumentError } from "../base/index.ts";
import { wktOfEpsg } from "./crs-wkt.ts";

/** A coordinate reference system. */
export interface Crs {
  /** EPSG code, or null where none is known. */
  readonly epsg: number | null;
  /** WKT or PROJJSON as given; null where only a code was given. */
  readonly text: string | null;
}

const WKT_ROOT =
  /^\s*(PROJCS|GEOGCS|PROJCRS|GEOGCRS|GEODCRS|BOUNDCRS|COMPD_CS|COMPOUNDCRS|PROJECTEDCRS|GEOGRAPHICCRS)\s*\[/i;

/**
 * A CRS from an EPSG number, `"EPSG:32631"`, an OGC URN or URL, WKT 1 or 2, or PROJJSON.
 * @throws {ArgumentError} none of these
 */
export function parseCrs(input: string | number): Crs {
  if (typeof input === "number") return fromCode(input, input);
  const text = input.trim();
  const code =
    /^(?:EPSG:|urn:ogc:def:crs:EPSG:[^:]*:|https?:\/\/www\.opengis\.net\/def\/crs\/EPSG\/[^/]*\/)(\d+)$/i.exec(text);
  if (code) return fromCode(Number(code[1]), input);
  if (/^(?:OGC:CRS84|urn:ogc:def:crs:OGC:[^:]*:CRS84)$/i.test(text)) return { epsg: 4326, text: null };
  if (WKT_ROOT.test(text)) return { epsg: rootCode(text), text };
  if (text.startsWith("{")) return fromProjjson(text);
  throw new ArgumentError(
    `CRS ${JSON.stringify(text.slice(0, 80))} is not understood; expected an EPSG number, "EPSG:32631", WKT or PROJJSON`,
    { details: { crs: text.slice(0, 1000) } },
  );
}

function fromCode(code: number, given: string | number): Crs {
  if (Number.isInteger(code) && code >= 1024 && code < 1_000_000) return { epsg: code, text: null };
  throw new ArgumentError(`CRS ${given} is not an EPSG code; expected a whole number from 1024 on`, {
    details: { crs: given },
  });
}

/** Code of the WKT's own authority: the last one, at the outermost level. */
function rootCode(wkt: string): number | null {
  const found =
    /,\s*(?:AUTHORITY\s*\[\s*"EPSG"\s*,\s*"(\d+)"|ID\s*\[\s*"EPSG"\s*,\s*(\d+)\s*(?:,[^\]]*)?)\s*\]\s*\]\s*$/i.exec(
      wkt,
    );
  const code = found?.[1] ?? found?.[2];
  return code === undefined ? null : Number(code);
}

function fromProjjson(text: string): Crs {
  try {
    // A PROJJSON object carries its identifier at the top level.
    const { id } = JSON.parse(text) as { id?: { authority?: unknown; code?: unknown } };
    const code = id?.authority === "EPSG" ? Number(id.code) : Number.NaN;
    return { epsg: Number.isInteger(code) ? code : null, text };
  } catch (cause) {
    throw new ArgumentError(`CRS ${JSON.stringify(text.slice(0, 80))} is not PROJJSON`, { cause });
  }
}

/** `"EPSG:32631"` where a code is known, else the text. */
export function crsText(crs: Crs): string {
  return crs.epsg === null ? (crs.text ?? "") : `EPSG:${crs.epsg}`;
}

/** Equal codes, or equal texts but for spaces outside names. */
export function sameCrs(a: Crs, b: Crs): boolean {
  if (a.epsg !== null && b.epsg !== null) return a.epsg === b.epsg;
  const bare = (text: string | null): string => (text ?? "").replace(/\s*([[\],])\s*/g, "$1").trim();
  return a.text !== null && b.text !== null && bare(a.text) === bare(b.text);
}

/** True for latitude and longitude, false for projected systems, null where neither code nor text tells. */
export function isGeographic(crs: Crs): boolean | null {
  const text = crs.text ?? (crs.epsg === null ? null : wktOfEpsg(crs.epsg));
  if (text?.startsWith("{")) return /"type"\s*:\s*"Geographic(2D|3D)?CRS"/.test(text.slice(0, 400));
  if (text !== null) return /^\s*(GEOGCS|GEOGCRS|GEODCRS|GEOGRAPHICCRS)\b/i.test(text);
  return null;
}
