/** Opening Zarr stores: one object where metadata are consolidated, else one per variable; never one per chunk. */
import { isRsdatError, MetadataError, NotFoundError, type RsdatError } from "../../base/index.ts";
import { config } from "../../config/index.ts";
import type { DType, Scalar } from "../../dtype/index.ts";
import { NDArray } from "../../ndarray/index.ts";
import { plainByteKernels } from "../codecs/index.ts";
import type { Json, ReadContext, Region, SourceSpec } from "../source.ts";
import { openStore, type StoreOptions, toUrl } from "../store/open-store.ts";
import type { ObjectVersion, Store } from "../store/store.ts";
import { childNames } from "./children.ts";
import { decodeZarr, fetchZarr } from "./fetch.ts";
import { fillScalar } from "./fill.ts";
import { isObject, type LooseObject, parseLooseJson } from "./json.ts";
import { sweepLedgers } from "./ledger.ts";
import { parseArrayV2, parseArrayV3, parseGroup } from "./metadata.ts";
import { type ArrayModel, type Attributes, CHUNK_BYTES_MAX, METADATA_BYTES_MAX } from "./model.ts";
import { planZarrRead, readZarrSync } from "./read.ts";
import { restoreFolder } from "./stage.ts";

/** An array in a store: plain data. */
export interface ZarrArrayInfo {
  readonly name: string;
  readonly url: string;
  readonly zarrFormat: 2 | 3;
  readonly shape: readonly number[];
  /** The unit of decoding: inner chunks where there are shards. */
  readonly chunkShape: readonly number[];
  /** One object: the shard, or the chunk. Writers own whole objects. */
  readonly objectShape: readonly number[];
  readonly dtype: DType;
  /** What chunks that were never written read as; null where v2 states none (they read as 0). */
  readonly fill: Scalar | null;
  /** v3 `dimension_names`, or v2 `_ARRAY_DIMENSIONS`. */
  readonly dimensionNames: readonly (string | null)[] | null;
  /** As written, but `_FillValue` as a number. */
  readonly attributes: Attributes;
  /** Interpreted by `planRead`. */
  readonly source: SourceSpec;
}

/** Options of {@link openZarrGroup}. */
export interface OpenZarrOptions extends StoreOptions {
  /** Path of the group below the URL. */
  readonly group?: string;
  /** Open these arrays only. */
  readonly vars?: readonly string[];
  /** Default: use consolidated metadata when present. `false` ignores it, `true` insists. */
  readonly consolidated?: boolean;
  /** Bytes of a decoded chunk at most; default 512 MiB (`rsdat.io.max-block-bytes`). */
  readonly chunkBytesMax?: number;
}

/** A group and its direct arrays. */
export interface ZarrGroupInfo {
  readonly url: string;
  readonly zarrFormat: 2 | 3;
  readonly attributes: Attributes;
  readonly arrays: ReadonlyMap<string, ZarrArrayInfo>;
  /** Names of the direct subgroups, where metadata name them. */
  readonly groups: readonly string[];
  /** Arrays that rsdat cannot read (strings, an unknown codec, broken metadata), with the reason. */
  readonly unreadable: ReadonlyMap<string, RsdatError>;
  readonly consolidated: boolean;
  readonly warnings: readonly string[];
  /**
   * What a plan carries to read the array.
   * @throws {NotFoundError} no such array; or the reason why it is unreadable
   */
  source(name: string): SourceSpec;
}

/** A metadata object, and its state when it was read. */
interface Document {
  readonly json: LooseObject;
  readonly version: ObjectVersion;
}

/** Metadata documents found at one path. */
interface Documents {
  readonly v3: LooseObject | null;
  readonly consolidated: LooseObject | null;
  readonly group: LooseObject | null;
  readonly array: LooseObject | null;
  readonly attrs: LooseObject | null;
  /** Of the document that describes arrays: `zarr.json`, else `.zmetadata`, else `.zarray`. */
  readonly version: ObjectVersion | null;
}

function folderUrl(url: string | URL): URL {
  const root = new URL(toUrl(url));
  if (!root.pathname.endsWith("/")) root.pathname += "/";
  return root;
}

async function document(store: Store, key: string): Promise<Document | null> {
  const found = await store.read(key, { maxBytes: METADATA_BYTES_MAX });
  return found && { json: parseLooseJson(found.bytes, `${store.url.href}${key}`), version: found.version };
}

async function documentsAt(store: Store, prefix: string, wantConsolidated: boolean): Promise<Documents> {
  const names = ["zarr.json", ...(wantConsolidated ? [".zmetadata"] : []), ".zgroup", ".zarray", ".zattrs"];
  const found = presentOf(await Promise.allSettled(names.map((name) => document(store, prefix + name))));
  const of = (name: string): LooseObject | null => found[names.indexOf(name)]?.json ?? null;
  const described = names.findIndex((name, k) => found[k] && [".zarray", ".zmetadata", "zarr.json"].includes(name));
  return {
    v3: of("zarr.json"),
    consolidated: of(".zmetadata"),
    group: of(".zgroup"),
    array: of(".zarray"),
    attrs: of(".zattrs"),
    version: found[described]?.version ?? null,
  };
}

/**
 * Documents that are there. Object stores answer 403 for absent keys to those who may not list: once one document is
 * found, a refusal of another kind's is taken as its absence. Chunks are never treated so.
 */
function presentOf(results: readonly PromiseSettledResult<Document | null>[]): (Document | null)[] {
  const isFound = results.some((r) => r.status === "fulfilled" && r.value !== null);
  return results.map((r) => {
    if (r.status === "fulfilled") return r.value;
    if (isFound && isRsdatError(r.reason, "forbidden")) return null;
    throw r.reason;
  });
}

/** One array's or group's documents, from wherever they come. */
interface Node {
  readonly name: string;
  readonly v3: LooseObject | null;
  readonly array: LooseObject | null;
  readonly attrs: LooseObject | null;
  readonly isGroup: boolean;
  /** Of the metadata object that holds the documents. */
  readonly version: ObjectVersion | null;
}

/** A writer that is alive has put its store in place of the old one long before. */
const REPLACED_WITHIN_MS = 10_000;

function isEmpty({ v3, consolidated, group, array }: Documents): boolean {
  return v3 === null && consolidated === null && group === null && array === null;
}

/**
 * Open a Zarr group, v2 or v3 (v3 when both are there). A store that a killed run has moved aside is brought back.
 * @throws {NotFoundError} no Zarr metadata at the URL
 * @throws {MetadataError} broken metadata; `zarr-unlisted`: neither consolidated nor listable, and no `vars`
 */
export async function openZarrGroup(url: string | URL, options: OpenZarrOptions = {}): Promise<ZarrGroupInfo> {
  const root = folderUrl(url);
  const store = openStore(root, options);
  const path = (options.group ?? "").split("/").filter((p) => p !== "");
  let found = await documentsAt(store, "", options.consolidated !== false);
  if (isEmpty(found) && root.protocol === "file:" && restoreFolder(root.href, REPLACED_WITHIN_MS))
    found = await documentsAt(store, "", options.consolidated !== false);
  if (root.protocol === "file:") sweepLedgers(root.href);
  const nodes = consolidatedNodes(found, options);
  if (path.length > 0 && nodes === null) {
    const { group: _, ...rest } = options;
    return openZarrGroup(new URL(path.map((p) => `${encodeURIComponent(p)}/`).join(""), root), rest);
  }
  if (options.consolidated === true && nodes === null) {
    throw new MetadataError(
      `${root.href} has no consolidated metadata`,
      { details: { url: root.href } },
      "zarr-consolidated",
    );
  }
  const base = new URL(path.map((p) => `${encodeURIComponent(p)}/`).join(""), root);
  const group = groupDocument(found, { nodes, path, place: base.href });
  const members = nodes === null ? await separateNodes(store, group.zarrFormat, options) : membersOf(nodes, path);
  return groupInfo(base, group, { members, consolidated: nodes !== null, options, warnings: warningsOf(found, root) });
}

function warningsOf(found: Documents, root: URL): string[] {
  return found.v3 && (found.group || found.array) ? [`${root.href} holds Zarr v2 and v3 metadata; v3 is used`] : [];
}

/** All nodes that consolidated metadata list, by path; null where there are none. */
function consolidatedNodes(found: Documents, options: OpenZarrOptions): Map<string, Node> | null {
  if (options.consolidated === false) return null;
  const inline = found.v3?.["consolidated_metadata"];
  if (isObject(inline) && isObject(inline["metadata"])) {
    return new Map(
      Object.entries(inline["metadata"]).flatMap(([path, doc]): [string, Node][] => {
        if (!isObject(doc)) return [];
        return [
          [
            path,
            {
              name: path,
              v3: doc,
              array: null,
              attrs: null,
              isGroup: doc["node_type"] === "group",
              version: found.version,
            },
          ],
        ];
      }),
    );
  }
  const flat = found.consolidated?.["metadata"];
  if (found.v3 !== null || !isObject(flat)) return null;
  const nodes = new Map<string, Node>();
  const at = (path: string): LooseObject | null => (isObject(flat[path]) ? flat[path] : null);
  for (const key of Object.keys(flat)) {
    const kind = /^(?:(.*)\/)?(\.zarray|\.zgroup)$/.exec(key);
    if (!kind) continue;
    const path = kind[1] ?? "";
    const prefix = path === "" ? "" : `${path}/`;
    const isGroup = kind[2] === ".zgroup";
    nodes.set(path, {
      name: path,
      v3: null,
      array: isGroup ? null : at(key),
      attrs: at(`${prefix}.zattrs`),
      isGroup,
      version: found.version,
    });
  }
  return nodes;
}

interface GroupDocument {
  readonly zarrFormat: 2 | 3;
  readonly attributes: Attributes;
}

function groupDocument(
  found: Documents,
  at: { readonly nodes: Map<string, Node> | null; readonly path: readonly string[]; readonly place: string },
): GroupDocument {
  const { nodes, path, place } = at;
  const node = path.length > 0 ? nodes?.get(path.join("/")) : undefined;
  if (path.length > 0 && !node?.isGroup)
    throw new NotFoundError(`${place}: consolidated metadata name no such group`, { details: { url: place } });
  const v3 = node ? node.v3 : found.v3;
  if (v3) {
    if (v3["node_type"] === "array") throw notAGroup(place);
    return parseGroup(v3, place);
  }
  if (node) return parseGroup({ zarr_format: 2 }, place, node.attrs ?? {});
  const top = nodes?.get("");
  if (top || found.group) return parseGroup(found.group ?? { zarr_format: 2 }, place, found.attrs ?? top?.attrs ?? {});
  if (found.array) throw notAGroup(place);
  throw new NotFoundError(`${place} is no Zarr store: zarr.json, .zmetadata, .zgroup and .zarray are absent`, {
    details: { url: place },
  });
}

function notAGroup(place: string): Error {
  return new MetadataError(`${place} is a Zarr array, not a group`, { details: { url: place } }, "zarr-node");
}

/** Direct members of the group at `path`. */
function membersOf(nodes: ReadonlyMap<string, Node>, path: readonly string[]): Node[] {
  const prefix = path.length === 0 ? "" : `${path.join("/")}/`;
  return [...nodes].flatMap(([full, node]) => {
    const name = full.slice(prefix.length);
    return full.startsWith(prefix) && name !== "" && !name.includes("/") ? [{ ...node, name }] : [];
  });
}

/** Members of a group whose metadata are not consolidated: one read or three per name. */
async function separateNodes(store: Store, zarrFormat: 2 | 3, options: OpenZarrOptions): Promise<Node[]> {
  const names = options.vars ?? (await childNames(store));
  if (names === null) {
    throw new MetadataError(
      `${store.url.href} is not consolidated and its store lists nothing; name the arrays with vars`,
      { details: { url: store.url.href } },
      "zarr-unlisted",
    );
  }
  const nodes = await Promise.all(names.map((name) => separateNode(store, name, zarrFormat)));
  return nodes.filter((n) => n !== null);
}

async function separateNode(store: Store, name: string, zarrFormat: 2 | 3): Promise<Node | null> {
  if (zarrFormat === 3) {
    const found = await document(store, `${name}/zarr.json`);
    if (!found) return null;
    const { json, version } = found;
    return { name, v3: json, array: null, attrs: null, isGroup: json["node_type"] === "group", version };
  }
  const names = [".zarray", ".zattrs", ".zgroup"];
  const [array, attrs, group] = await Promise.all(names.map((n) => document(store, `${name}/${n}`)));
  if (!array && !group) return null;
  const version = array?.version ?? null;
  return { name, v3: null, array: array?.json ?? null, attrs: attrs?.json ?? null, isGroup: !array, version };
}

interface Members {
  readonly members: readonly Node[];
  readonly consolidated: boolean;
  readonly options: OpenZarrOptions;
  readonly warnings: readonly string[];
}

function groupInfo(base: URL, group: GroupDocument, of: Members): ZarrGroupInfo {
  const { members, options } = of;
  const arrays = new Map<string, ZarrArrayInfo>();
  const unreadable = new Map<string, RsdatError>();
  for (const node of members) {
    if (node.isGroup || (options.vars && !options.vars.includes(node.name))) continue;
    try {
      arrays.set(node.name, arrayInfo(node, new URL(`${encodeURIComponent(node.name)}/`, base).href, options));
    } catch (e) {
      if (!isRsdatError(e)) throw e;
      unreadable.set(node.name, e); // told when the array is asked for
    }
  }
  return {
    url: base.href,
    ...group,
    arrays,
    groups: members.filter((m) => m.isGroup).map((m) => m.name),
    unreadable,
    consolidated: of.consolidated,
    warnings: of.warnings,
    source(name): SourceSpec {
      const found = arrays.get(name);
      if (found) return found.source;
      const reason = unreadable.get(name);
      if (reason) throw reason;
      throw new NotFoundError(
        `${base.href} has no array ${JSON.stringify(name)}; it has ${[...arrays.keys()].join(", ") || "none"}`,
        { details: { url: base.href, name } },
      );
    },
  };
}

function arrayInfo(node: Omit<Node, "isGroup">, url: string, options: OpenZarrOptions): ZarrArrayInfo {
  const context = {
    place: url,
    chunkBytesMax: options.chunkBytesMax ?? config.bytes("rsdat.io.max-block-bytes") ?? CHUNK_BYTES_MAX,
  };
  const model = node.v3
    ? parseArrayV3(node.v3, context)
    : parseArrayV2(node.array ?? {}, node.attrs ?? undefined, context);
  return infoOf(model, node.name, { url, version: node.version });
}

/** The user's view of a model at `url`, the array's folder; `version` of its metadata tells two stores at one URL apart. */
export function infoOf(
  model: ArrayModel,
  name: string,
  at: { readonly url: string; readonly version: ObjectVersion | null },
): ZarrArrayInfo {
  const { url, version } = at;
  const { shape, chunkShape, dtype, storage } = model;
  return {
    name,
    url,
    zarrFormat: model.zarrFormat,
    shape,
    chunkShape,
    objectShape: storage.shard?.shape ?? chunkShape,
    dtype,
    fill: fillScalar(storage.fill, dtype),
    dimensionNames: model.dimensionNames,
    attributes: model.attributes,
    source: { format: "zarr", url, version, shape, dtype, chunkShape, meta: storage as unknown as Json }, // StorageSpec is JSON
  };
}

/**
 * Open one Zarr array by the URL of its folder.
 * @throws {NotFoundError} no array metadata there
 * @throws {MetadataError} broken metadata
 * @throws {UnsupportedError} a data type or codec that rsdat lacks
 */
export async function openZarrArray(
  url: string | URL,
  options: Omit<OpenZarrOptions, "group" | "vars" | "consolidated"> = {},
): Promise<ZarrArrayInfo> {
  const root = folderUrl(url);
  const { v3, array, attrs, group, version } = await documentsAt(openStore(root, options), "", false);
  const name = decodeURIComponent(root.pathname.split("/").at(-2) ?? "");
  if (v3?.["node_type"] === "array" || (!v3 && array))
    return arrayInfo({ name, v3, array, attrs, version }, root.href, options);
  if (v3 || group)
    throw new MetadataError(`${root.href} is a Zarr group, not an array`, { details: { url: root.href } }, "zarr-node");
  throw new NotFoundError(`${root.href} is no Zarr array: zarr.json and .zarray are absent`, {
    details: { url: root.href },
  });
}

/** Read a whole array into ordinary memory: coordinates and other small arrays. */
export async function readZarrArray(
  info: Pick<ZarrArrayInfo, "source">,
  context: ReadContext = { kernels: plainByteKernels },
): Promise<NDArray> {
  const { source } = info;
  const region: Region = source.shape.map((stop) => ({ start: 0, stop }));
  const into = NDArray.zeros(source.dtype, source.shape);
  const plan = planZarrRead(source, region);
  if (plan.local) readZarrSync(source, region, into, context);
  else {
    const slots = new Uint8Array(plan.slotBytes);
    await fetchZarr(plan, slots, context);
    decodeZarr(plan, slots, into, context);
  }
  return into;
}
