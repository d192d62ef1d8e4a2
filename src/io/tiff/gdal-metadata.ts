/** GDAL's private fields: the GDAL_METADATA text and the nodata text. Pure. */
import { type DType, dtypeInfo } from "../../dtype/index.ts";

/** One `<Item>`: `sample` is the band, from 0; absent for the whole file. */
export interface MetadataItem {
  readonly name: string;
  readonly value: string;
  readonly sample?: number;
  readonly role?: string;
  readonly domain?: string;
}

/** What GDAL_METADATA says about bands and file. */
export interface GdalMetadata {
  readonly scale: ReadonlyMap<number, number>;
  readonly offset: ReadonlyMap<number, number>;
  readonly unit: ReadonlyMap<number, string>;
  readonly description: ReadonlyMap<number, string>;
  /** Items without band and without domain. */
  readonly tags: Readonly<Record<string, string>>;
}

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

/** Items of a GDAL_METADATA text. Anything that is no `<Item name="…">…</Item>` is passed over, as GDAL does. */
function parseItems(xml: string): MetadataItem[] {
  const items: MetadataItem[] = [];
  for (const [, attributes = "", value = ""] of xml.matchAll(/<Item\b([^>]*)>([^<]*)<\/Item>/g)) {
    const found: Record<string, string> = {};
    for (const [, key = "", double, single] of attributes.matchAll(/([\w:]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g)) {
      found[key] = unescapeXml(double ?? single ?? "");
    }
    const { name, sample, role, domain } = found;
    if (name === undefined) continue;
    const band = sample !== undefined && /^\d+$/.test(sample) ? { sample: Number(sample) } : {};
    // GDAL escapes a value twice: once itself, once as XML.
    items.push({
      name,
      value: unescapeXml(unescapeXml(value)),
      ...band,
      ...(role ? { role } : {}),
      ...(domain ? { domain } : {}),
    });
  }
  return items;
}

/** Bands' scale, offset, unit and description, and the file's own tags. */
export function parseGdalMetadata(xml: string): GdalMetadata {
  const found = {
    scale: new Map<number, number>(),
    offset: new Map<number, number>(),
    unit: new Map<number, string>(),
    description: new Map<number, string>(),
  };
  const tags: Record<string, string> = {};
  for (const { name, value, sample = 0, role, domain } of parseItems(xml)) {
    if (role === "scale" || role === "offset") {
      const number = Number(value);
      if (Number.isFinite(number)) found[role].set(sample, number);
    } else if (role === "unittype") found.unit.set(sample, value);
    else if (role === "description") found.description.set(sample, value);
    else if (domain === undefined && role === undefined) tags[name] = value;
  }
  return { ...found, tags };
}

/** The text of GDAL_METADATA for these items, with GDAL's indentation. */
export function formatItems(items: readonly MetadataItem[]): string {
  const line = ({ name, value, sample, role, domain }: MetadataItem): string => {
    const attributes = Object.entries({ name, sample, role, domain })
      .filter(([, v]) => v !== undefined)
      .map(([k, v]) => ` ${k}="${escapeXml(String(v))}"`);
    return `  <Item${attributes.join("")}>${escapeXml(escapeXml(value))}</Item>\n`;
  };
  return items.length === 0 ? "" : `<GDALMetadata>\n${items.map(line).join("")}</GDALMetadata>\n`;
}

/** A nodata value of `dtype`; `warning` says why the text gives none. */
export interface NodataResult {
  readonly value: number | bigint | null;
  readonly warning?: string;
}

/**
 * GDAL_NODATA as a value of `dtype`: parsed as a double (64-bit integers exactly) and rounded to the type.
 * A value that the type cannot hold is ignored with a warning, because no pixel can have it.
 */
export function parseNodata(text: string, dtype: DType): NodataResult {
  const trimmed = text.trim();
  if (trimmed === "") return { value: null };
  const { kind, big, min, max } = dtypeInfo(dtype);
  const ignored = { value: null, warning: `nodata ${JSON.stringify(trimmed)} is no ${dtype} value and is ignored` };
  const isInteger = kind === "i" || kind === "u";
  if (isInteger && /^[+-]?\d+$/.test(trimmed)) {
    const exact = BigInt(trimmed.replace(/^\+/, ""));
    if (exact < min! || exact > max!) return ignored;
    return { value: big ? exact : Number(exact) };
  }
  const value = parseDouble(trimmed);
  if (value === null) return ignored;
  if (!isInteger) return { value: roundTo(dtype, value) };
  if (!Number.isInteger(value) || BigInt(value) < min! || BigInt(value) > max!) return ignored;
  return { value: big ? BigInt(value) : value };
}

/** C's `strtod` for a whole text, with the spellings of Windows; null when it is no number. */
function parseDouble(text: string): number | null {
  if (/^[+-]?(nan|1\.#(ind|qnan|snan|nan).*)$/i.test(text)) return Number.NaN;
  if (/^[+-]?(inf(inity)?|1\.#inf.*)$/i.test(text))
    return text.startsWith("-") ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  const value = Number(text);
  return Number.isNaN(value) ? null : value;
}

function roundTo(dtype: DType, value: number): number {
  return dtype === "float32" ? Math.fround(value) : dtype === "float16" ? Math.f16round(value) : value;
}

function unescapeXml(text: string): string {
  return text.replace(/&(#x[0-9a-f]+|#\d+|\w+);/gi, (whole, name: string) => {
    if (!name.startsWith("#")) return ENTITIES[name] ?? whole;
    const code = name[1] === "x" || name[1] === "X" ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1));
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
