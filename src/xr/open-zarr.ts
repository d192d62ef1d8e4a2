/** Opening Zarr groups as labelled arrays: metadata and small coordinates are read, no chunk of a variable is. */
import { type OptionNames, requireKnownOptions, SelectionError } from "../base/index.ts";
import type { Crs } from "../geo/index.ts";
import {
  type OpenZarrOptions as GroupOptions,
  openZarrGroup,
  readZarrArray,
  type ZarrArrayInfo,
  type ZarrGroupInfo,
} from "../io/index.ts";
import { crsOfMapping, ownAttributes, storageOf, transformOf } from "./cf.ts";
import { checkDecode, type Decode, decoded } from "./decode.ts";
import { type Attributes, type Coordinate, type Labelled, labelled } from "./labelled.ts";
import { type NamedChunks, sourceArray } from "./source.ts";
import { decodeTimes, isTimeUnits } from "./time.ts";

/** Options of `openZarr`. */
export interface OpenZarrOptions extends Omit<GroupOptions, "vars"> {
  /** Open these variables only (and their coordinates). */
  readonly vars?: readonly string[];
  /** Default `"auto"`: about `array.chunk-size`, along the store's chunks. */
  readonly chunks?: NamedChunks;
  readonly decode?: Decode;
  /** CF numbers of time become times; default true. */
  readonly decodeTimes?: boolean;
}

const OPTIONS: OptionNames<OpenZarrOptions> = {
  http: true,
  group: true,
  consolidated: true,
  chunkBytesMax: true,
  vars: true,
  chunks: true,
  decode: true,
  decodeTimes: true,
};

/** State of a dataset. */
export interface OpenedGroup {
  readonly variables: ReadonlyMap<string, Labelled>;
  readonly attrs: Attributes;
}

/**
 * State of the group at `url`.
 * @throws {NotFoundError | MetadataError | UnsupportedError} what cannot be opened, and why
 * @throws {SelectionError} no such variable, naming those there are
 */
export async function openZarrState(url: string | URL, options: OpenZarrOptions): Promise<OpenedGroup> {
  requireKnownOptions("openZarr", options, OPTIONS);
  const decode = checkDecode(options.decode ?? "masked");
  const { vars, chunks, decode: _, decodeTimes: times = true, ...open } = options;
  const group = await openZarrGroup(url, vars === undefined ? open : { ...open, vars });
  for (const name of vars ?? []) if (!group.arrays.has(name)) throw await unknownVariable(group, name, url, open);
  const arrays = new Map(group.arrays);
  if (vars !== undefined) {
    const extra = companions([...arrays.values()]).filter((name) => !arrays.has(name));
    if (extra.length > 0)
      for (const [name, info] of (await openZarrGroup(url, { ...open, vars: extra })).arrays) arrays.set(name, info);
  }
  const labels = labelNames([...arrays.values()]);
  const coords = new Map<string, Coordinate>();
  const small = [...arrays.values()].filter((a) => labels.has(a.name) && a.shape.length <= 1);
  await Promise.all(small.map(async (a) => coords.set(a.name, await readCoordinate(a, times))));
  const variables = new Map<string, Labelled>();
  for (const info of arrays.values()) {
    const isWanted = vars === undefined ? !coords.has(info.name) : vars.includes(info.name);
    if (isWanted) variables.set(info.name, variableOf(info, { coords, arrays, decode, chunks }));
  }
  return { variables, attrs: ownAttributes(group.attributes) };
}

async function unknownVariable(
  group: ZarrGroupInfo,
  name: string,
  url: string | URL,
  open: GroupOptions,
): Promise<Error> {
  const reason = group.unreadable.get(name);
  if (reason) return reason;
  const all = await openZarrGroup(url, open).catch(() => group); // the listing is for the message only
  return new SelectionError(
    `${group.url} has no variable ${JSON.stringify(name)}; it has ${[...all.arrays.keys()].join(", ") || "none"}`,
    {
      details: { url: group.url, name },
    },
  );
}

function dimsOf(info: ZarrArrayInfo): string[] {
  return info.shape.map((_, k) => info.dimensionNames?.[k] ?? `dim_${k}`);
}

function words(value: unknown): string[] {
  return typeof value === "string" ? value.split(/\s+/).filter((w) => w !== "" && !w.endsWith(":")) : [];
}

/** Arrays that variables name: their dimensions' labels, further coordinates, grid mappings. */
function companions(arrays: readonly ZarrArrayInfo[]): string[] {
  const names = arrays.flatMap((a) => [
    ...dimsOf(a),
    ...words(a.attributes["coordinates"]),
    ...words(a.attributes["grid_mapping"]),
  ]);
  return [...new Set(names)];
}

/** Which arrays label others. */
function labelNames(arrays: readonly ZarrArrayInfo[]): Set<string> {
  const named = arrays.flatMap((a) => [...words(a.attributes["coordinates"]), ...words(a.attributes["grid_mapping"])]);
  const ownDims = arrays.filter((a) => a.shape.length === 1 && dimsOf(a)[0] === a.name).map((a) => a.name);
  return new Set([...named, ...ownDims]);
}

async function readCoordinate(info: ZarrArrayInfo, times: boolean): Promise<Coordinate> {
  const values = await readZarrArray(info);
  const { units, calendar, ...attrs } = info.attributes;
  if (times && isTimeUnits(units))
    return { dims: dimsOf(info), values: decodeTimes(values, units, calendar), attrs: ownAttributes(attrs) };
  return { dims: dimsOf(info), values, attrs: ownAttributes(info.attributes) };
}

interface Surroundings {
  readonly coords: ReadonlyMap<string, Coordinate>;
  readonly arrays: ReadonlyMap<string, ZarrArrayInfo>;
  readonly decode: Decode;
  readonly chunks: NamedChunks | undefined;
}

function variableOf(info: ZarrArrayInfo, { coords, arrays, decode, chunks }: Surroundings): Labelled {
  const dims = dimsOf(info);
  const mappingName = words(info.attributes["grid_mapping"])[0] ?? (arrays.has("spatial_ref") ? "spatial_ref" : "");
  const mapping = arrays.get(mappingName)?.attributes ?? {};
  const own = new Map([...coords].filter(([name, c]) => name !== mappingName && c.dims.every((d) => dims.includes(d))));
  const named = typeof chunks === "object" && chunks !== null && !Array.isArray(chunks);
  const spec = named ? Object.fromEntries(Object.entries(chunks).filter(([d]) => dims.includes(d))) : chunks;
  const crs: Crs | null = crsOfMapping(mapping);
  const array = labelled({
    dims,
    data: sourceArray("open-zarr", info.source, dims, spec as NamedChunks | undefined),
    coords: own,
    crs,
    transform: transformOf(dims, own, mapping),
    attrs: ownAttributes(info.attributes),
    name: info.name,
  });
  const fill = info.zarrFormat === 2 && info.attributes["_FillValue"] === undefined ? info.fill : null;
  const place = decode === "raw" ? null : info.url;
  return place === null
    ? decoded(array, { nodata: null, scale: 1, offset: 0 }, "raw")
    : decoded(array, storageOf(info.attributes, info.dtype, fill, place), decode);
}
