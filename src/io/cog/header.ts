/** The bytes of a COG before its first tile: signature, ghost area, one directory per level (io.md §6.1). Pure. */
import { invariant } from "../../base/index.ts";
import { dtypeInfo } from "../../dtype/index.ts";
import { TAG, TYPE, TYPE_BYTES } from "../tiff/codes.ts";
import { formatItems, type MetadataItem } from "../tiff/gdal-metadata.ts";
import { geoKeyFields, modelFields } from "./geo.ts";
import type { CogLevel, CogPlan } from "./plan.ts";

/** What the header depends on. */
export type HeaderFacts = Omit<CogPlan, "isBig" | "headerBytes" | "fileBytesMax">;

/** Place of each tile of each level, in the order of the tile arrays; 0 and 0: sparse. */
export interface LevelTiles {
  readonly offsets: Float64Array;
  readonly counts: Uint32Array;
}

const COMPRESSION_CODE = { deflate: 8, zstd: 50000, lzw: 5, none: 1 } as const;
const SAMPLE_FORMAT: Readonly<Record<string, number>> = { u: 1, i: 2, f: 3 };

/** One field: type and values; the tile arrays are written from {@link LevelTiles}. */
interface Field {
  readonly tag: number;
  readonly type: number;
  readonly count: number;
  readonly values: readonly number[] | Float64Array | Uint32Array | string | null;
}

/** Length of the header; follows from tile counts and texts alone. */
export function headerBytes(plan: HeaderFacts, isBig: boolean): number {
  return plan.levels.reduce(
    (at, _, k) => layOut(fieldsOf(plan, k, { isBig, tiles: null }), at, isBig).end,
    directoryStart(isBig, plan),
  );
}

/** The header's bytes. `tiles` has one entry per level, full resolution first. */
export function writeHeader(plan: CogPlan, tiles: readonly LevelTiles[]): Uint8Array {
  const { isBig } = plan;
  const bytes = new Uint8Array(plan.headerBytes);
  const view = new DataView(bytes.buffer);
  const start = directoryStart(isBig, plan);
  writeSignature(bytes, view, isBig, start);
  bytes.set(ghostArea(plan), isBig ? 16 : 8);
  let at = start;
  plan.levels.forEach((_, k) => {
    const fields = fieldsOf(plan, k, { isBig, tiles: tiles[k]! }); // one per level
    const laid = layOut(fields, at, isBig);
    writeDirectory(view, fields, { ...laid, isBig, next: k + 1 < plan.levels.length ? laid.end : 0 });
    at = laid.end;
  });
  invariant(at === plan.headerBytes, `header of ${at} bytes, ${plan.headerBytes} planned`);
  return bytes;
}

/** The ghost area tells GDAL that headers come first, that tiles lie in order, and what frames each. */
function ghostArea(plan: Pick<HeaderFacts, "isPlanar">): Uint8Array {
  const lines = [
    "LAYOUT=IFDS_BEFORE_DATA",
    // With one plane per band the order of the file is not that of the tile array.
    ...(plan.isPlanar ? [] : ["BLOCK_ORDER=ROW_MAJOR"]),
    "BLOCK_LEADER=SIZE_AS_UINT4",
    "BLOCK_TRAILER=LAST_4_BYTES_REPEATED",
    "KNOWN_INCOMPATIBLE_EDITION=NO",
    " ",
  ];
  const body = lines.join("\n");
  return new TextEncoder().encode(
    `GDAL_STRUCTURAL_METADATA_SIZE=${String(body.length).padStart(6, "0")} bytes\n${body}`,
  );
}

/** The first directory follows the ghost at once, aligned to 2: aligned to 8, GDAL's validator refuses. */
function directoryStart(isBig: boolean, plan: Pick<HeaderFacts, "isPlanar">): number {
  const end = (isBig ? 16 : 8) + ghostArea(plan).length;
  return end + (end % 2);
}

function writeSignature(bytes: Uint8Array, view: DataView, isBig: boolean, first: number): void {
  bytes[0] = bytes[1] = 0x49;
  view.setUint16(2, isBig ? 43 : 42, true);
  if (!isBig) view.setUint32(4, first, true);
  else {
    view.setUint16(4, 8, true);
    view.setBigUint64(8, BigInt(first), true);
  }
}

/** `tiles`: null while only the layout matters. */
interface FieldContext {
  readonly isBig: boolean;
  readonly tiles: LevelTiles | null;
}

/** Fields of one level, ascending by tag. */
function fieldsOf(plan: HeaderFacts, k: number, { isBig, tiles }: FieldContext): Field[] {
  const level = plan.levels[k]!; // callers count the levels
  const { bands, colorMap } = plan;
  const { kind, itemsize } = dtypeInfo(plan.dtype);
  const short = (tag: number, ...values: number[]): Field => ({ tag, type: TYPE.short, count: values.length, values });
  const long = (tag: number, value: number): Field => ({ tag, type: TYPE.long, count: 1, values: [value] });
  const each = (tag: number, value: number, n: number = bands): Field =>
    short(tag, ...new Array<number>(n).fill(value));
  const fields: Field[] = [
    ...(k > 0 ? [long(TAG.subfileType, 1)] : []),
    long(TAG.width, level.width),
    long(TAG.height, level.height),
    each(TAG.bitsPerSample, itemsize * 8),
    short(TAG.compression, COMPRESSION_CODE[plan.compress]),
    short(TAG.photometric, colorMap ? 3 : 1),
    short(TAG.samplesPerPixel, bands),
    short(TAG.planarConfig, plan.isPlanar ? 2 : 1),
    ...(plan.predictor === 1 ? [] : [short(TAG.predictor, plan.predictor)]),
    ...(colorMap ? [short(TAG.colorMap, ...colorMap.flat())] : []),
    short(TAG.tileWidth, plan.blocksize),
    short(TAG.tileHeight, plan.blocksize),
    { tag: TAG.tileOffsets, type: isBig ? TYPE.long8 : TYPE.long, count: level.tiles, values: tiles?.offsets ?? null },
    { tag: TAG.tileByteCounts, type: TYPE.long, count: level.tiles, values: tiles?.counts ?? null },
    ...(bands > 1 ? [each(TAG.extraSamples, 0, bands - 1)] : []),
    each(TAG.sampleFormat, SAMPLE_FORMAT[kind]!), // planCog let only these kinds through
    ...(k === 0 ? geoFields(plan) : []),
    ...(plan.nodata === null ? [] : [text(TAG.gdalNodata, plan.nodata)]),
  ];
  return fields.sort((a, b) => a.tag - b.tag);
}

function geoFields(plan: HeaderFacts): Field[] {
  const model = modelFields(plan.transform);
  const keys = geoKeyFields(plan.crs);
  const doubles = (tag: number, values: readonly number[] | undefined): Field[] =>
    values ? [{ tag, type: TYPE.double, count: values.length, values }] : [];
  const metadata = formatItems(metadataItems(plan));
  return [
    ...doubles(TAG.pixelScale, model.pixelScale),
    ...doubles(TAG.tiepoints, model.tiepoints),
    ...doubles(TAG.transformation, model.transformation),
    ...(keys ? [{ tag: TAG.geoKeys, type: TYPE.short, count: keys.directory.length, values: keys.directory }] : []),
    ...(keys?.ascii ? [text(TAG.geoAscii, keys.ascii)] : []),
    ...(metadata ? [text(TAG.gdalMetadata, metadata)] : []),
  ];
}

function metadataItems(plan: HeaderFacts): MetadataItem[] {
  const items: MetadataItem[] = Object.entries(plan.tags).map(([name, value]) => ({ name, value }));
  const isScaled = plan.scale.some((v) => v !== 1) || plan.offset.some((v) => v !== 0);
  for (let sample = 0; sample < plan.bands; sample++) {
    const description = plan.descriptions[sample];
    const unit = plan.units[sample];
    if (description) items.push({ name: "DESCRIPTION", sample, role: "description", value: description });
    if (isScaled) {
      items.push({ name: "OFFSET", sample, role: "offset", value: String(plan.offset[sample]) });
      items.push({ name: "SCALE", sample, role: "scale", value: String(plan.scale[sample]) });
    }
    if (unit) items.push({ name: "UNITTYPE", sample, role: "unittype", value: unit });
  }
  return items;
}

/** A NUL-terminated text. */
function text(tag: number, value: string): Field {
  return { tag, type: TYPE.ascii, count: new TextEncoder().encode(value).length + 1, values: value };
}

/** Where a directory, the values that do not fit its entries, and its end lie. */
interface Laid {
  readonly at: number;
  readonly places: readonly (number | null)[];
  readonly end: number;
}

/** `next`: the directory that follows, or 0. */
interface PlacedDirectory extends Laid {
  readonly isBig: boolean;
  readonly next: number;
}

function layOut(fields: readonly Field[], at: number, isBig: boolean): Laid {
  const inlineBytes = isBig ? 8 : 4;
  let next = at + (isBig ? 8 + 20 * fields.length + 8 : 2 + 12 * fields.length + 4);
  const places: (number | null)[] = new Array(fields.length).fill(null);
  const isTileArray = (f: Field): boolean => f.tag === TAG.tileOffsets || f.tag === TAG.tileByteCounts;
  // Tile arrays last: readers that fetch the start of a file get everything small in one go.
  for (const wanted of [false, true]) {
    fields.forEach((f, i) => {
      const nbytes = f.count * TYPE_BYTES[f.type]!;
      if (isTileArray(f) !== wanted || nbytes <= inlineBytes) return;
      next += next % 2;
      places[i] = next;
      next += nbytes;
    });
  }
  return { at, places, end: next + (next % 2) };
}

function writeDirectory(view: DataView, fields: readonly Field[], laid: PlacedDirectory): void {
  const { isBig, next } = laid;
  let at = laid.at;
  if (isBig) view.setBigUint64(at, BigInt(fields.length), true);
  else view.setUint16(at, fields.length, true);
  at += isBig ? 8 : 2;
  fields.forEach((field, i) => {
    view.setUint16(at, field.tag, true);
    view.setUint16(at + 2, field.type, true);
    if (isBig) view.setBigUint64(at + 4, BigInt(field.count), true);
    else view.setUint32(at + 4, field.count, true);
    const valueAt = at + (isBig ? 12 : 8);
    const place = laid.places[i] ?? null;
    if (place !== null) {
      if (isBig) view.setBigUint64(valueAt, BigInt(place), true);
      else view.setUint32(valueAt, place, true);
    }
    writeValues(view, field, place ?? valueAt);
    at += isBig ? 20 : 12;
  });
  if (isBig) view.setBigUint64(at, BigInt(next), true);
  else view.setUint32(at, next, true);
}

function writeValues(view: DataView, field: Field, at: number): void {
  const { values, type } = field;
  if (values === null) return;
  if (typeof values === "string") {
    const bytes = new TextEncoder().encode(values);
    new Uint8Array(view.buffer).set(bytes, at);
    return;
  }
  const step = TYPE_BYTES[type]!;
  for (let i = 0; i < values.length; i++) {
    const v = values[i]!;
    if (type === TYPE.short) view.setUint16(at + i * step, v, true);
    else if (type === TYPE.long) view.setUint32(at + i * step, v, true);
    else if (type === TYPE.double) view.setFloat64(at + i * step, v, true);
    else view.setBigUint64(at + i * step, BigInt(v), true);
  }
}

/** Index in the tile array of the `index`-th tile of a level's file order. */
export function tileArrayIndex(plan: Pick<CogPlan, "isPlanar" | "bands">, level: CogLevel, index: number): number {
  if (!plan.isPlanar) return index;
  const place = Math.floor(index / plan.bands);
  return (index % plan.bands) * level.across * level.down + place;
}
