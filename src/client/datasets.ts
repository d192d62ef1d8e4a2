/**
 * Published data sets: results that outlive the client that made them, by name, for every client of the scheduler. Futures
 * are written as Python's own, persisted arrays as dask arrays, so that both languages read what either has published.
 */
import { randomUUID } from "node:crypto";
import { ArgumentError, invariant, NotFoundError, RemoteProtocolError, UnsupportedError } from "../base/index.ts";
import {
  type ArrayMaker,
  arrayMaker,
  type Hold,
  type Key,
  type KeyValue,
  type LayerNode,
  valueOfKey,
} from "../graph/index.ts";
import { NDArray } from "../ndarray/index.ts";
import {
  checkReply,
  dtypeOfPy,
  KEY,
  keyOfPy,
  nameOf,
  PyCall,
  PyGlobal,
  PyTuple,
  type PyValue,
  pickledTree,
  plainOf,
  pyKey,
  pyValueOf,
  serializePickle,
  writePickle,
} from "../protocol/index.ts";
import { settled } from "./fetch.ts";
import { Future } from "./future.ts";
import { blockKeys, futuresOf } from "./futures-of.ts";
import type { Link } from "./link.ts";

const FUTURE = new PyGlobal("distributed.client", "Future");
const ARRAY = new PyGlobal("dask.array.core", "Array");

/** Most blocks of a published array. */
const BLOCKS_MAX = 2 ** 22;

/** Options of `publishDataset`. */
export interface PublishOptions {
  /** Name of the one value that is given; without it an object of values by name is. */
  readonly name?: KeyValue;
  /** True: take the place of sets of the same names. */
  readonly override?: boolean;
}

/** As `Client.publishDataset`. */
export async function publish(link: Link, given: unknown, { name, override = false }: PublishOptions): Promise<void> {
  const named: [KeyValue, unknown][] = name === undefined ? Object.entries(objectOf(given)) : [[name, given]];
  const uid = randomUUID().replaceAll("-", "");
  link.tellPublished(uid);
  const answer = await link.rpc.call(link.address, {
    op: "publish_put",
    names: named.map(([each]) => each),
    keys: named.map(([, data]) => futuresOf(data, { clients: [{ link }] }).map(({ key }) => valueOfKey(key))),
    data: named.map(([, data]) => serializePickle(writePickle(pyOf(data)))),
    override,
    client: link.id,
    uid,
  });
  checkReply(answer);
}

function objectOf(given: unknown): object {
  if (typeof given === "object" && given !== null && Object.getPrototypeOf(given) === Object.prototype) return given;
  throw new ArgumentError("publishDataset: give { name: value, … }, or one value and the option name");
}

/** As `Client.unpublishDataset`. */
export async function unpublish(link: Link, names: readonly KeyValue[]): Promise<void> {
  const uid = randomUUID().replaceAll("-", "");
  link.tellPublished(uid);
  checkReply(await link.rpc.call(link.address, { op: "publish_delete", names, client: link.id, uid }));
}

/** As `Client.listDatasets`. */
export async function listPublished(link: Link): Promise<KeyValue[]> {
  const answer = await link.rpc.call(link.address, { op: "publish_list" });
  checkReply(answer);
  if (!Array.isArray(answer)) throw new RemoteProtocolError("publish_list: expected an array of names");
  return answer.map((name) => valueOfKey(KEY.read(name, "publish_list")));
}

/** As `Client.getDataset`. */
export async function readPublished(link: Link, name: KeyValue, fallback: unknown): Promise<unknown> {
  const answer = await link.rpc.call(link.address, { op: "publish_get", names: [name] });
  checkReply(answer);
  const found: unknown = Array.isArray(answer) ? answer[0] : undefined;
  if (found === null || found === undefined) {
    if (fallback !== undefined) return fallback;
    throw new NotFoundError(`no data set ${JSON.stringify(name)} is published`, { details: { name } });
  }
  if (!(found instanceof Map)) throw new RemoteProtocolError("publish_get: expected data and keys");
  const tree = pickledTree(found.get("data"));
  const make = holdsArray(tree) ? await arrayMaker() : null;
  return objectsOf(valueOfPy(tree, { link, make }));
}

/** Any value with futures and persisted arrays in it, as Python has it. */
function pyOf(value: unknown): PyValue {
  if (value instanceof Future) return new PyCall(FUTURE, [pyKey(value.key)]);
  if (value instanceof NDArray)
    throw new ArgumentError("a block in memory cannot be published: scatter it, and publish the future");
  if (Array.isArray(value)) return value.map(pyOf);
  if (value === null || typeof value !== "object") return pyValueOf(value);
  if ("outputs" in value) return pyArrayOf(value as Lazy);
  if (Object.getPrototypeOf(value) === Object.prototype)
    return new Map(Object.entries(value).map(([name, item]) => [name, pyOf(item)]));
  return pyValueOf(value);
}

interface Lazy {
  readonly outputs: readonly LayerNode[];
}

function pyArrayOf({ outputs }: Lazy): PyCall {
  const [node] = outputs;
  const layer = node?.layer;
  if (!node || layer?.kind !== "held" || outputs.length !== 1)
    throw new UnsupportedError(
      "what is published is a persisted array: publish await x.persist(); of a DataArray or Dataset its .data",
    );
  const graph = new Map<PyValue, PyValue>(blockKeys(node).map((key) => [pyKey(key), new PyCall(FUTURE, [pyKey(key)])]));
  const chunks = new PyTuple(...layer.chunks.map((sizes) => new PyTuple(...sizes)));
  return new PyCall(ARRAY, [graph, layer.name, chunks, layer.dtype]);
}

/** True where a published pickle needs arrays to be made. */
function holdsArray(tree: PyValue): boolean {
  let found = false;
  plainOf(tree, (node, plain) => {
    if (!(node instanceof PyCall)) return null;
    const { args } = node;
    if (isCallOf(node, ARRAY)) found = true;
    else for (const arg of args) plain(arg);
    return null;
  });
  return found;
}

function isCallOf(node: PyValue, callee: PyGlobal): node is PyCall {
  return node instanceof PyCall && node.callee instanceof PyGlobal && node.callee.path === callee.path;
}

/** Python's dicts as objects, where their keys are texts. */
function objectsOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(objectsOf);
  if (!(value instanceof Map)) return value;
  const entries = Array.from(value, ([name, item]): [unknown, unknown] => [name, objectsOf(item)]);
  return entries.every(([name]) => typeof name === "string") ? Object.fromEntries(entries) : new Map(entries);
}

interface Binding {
  readonly link: Link;
  readonly make: ArrayMaker | null;
}

/** The value that a published pickle stands for, bound to this client. */
function valueOfPy(tree: PyValue, binding: Binding): unknown {
  return plainOf(tree, (node, plain) => {
    if (isCallOf(node, FUTURE)) return futureOf(binding.link, keyOfPy(node.args[0] ?? null));
    if (isCallOf(node, ARRAY)) return arrayOfPy(node, plain, binding);
    throw new UnsupportedError(`the Python object ${nameOf(node)} in a data set has no JavaScript value`, {
      details: { python: nameOf(node) },
    });
  });
}

function futureOf(link: Link, key: Key): Future {
  const future = new Future(link, key);
  link.send({ op: "client-desires-keys", keys: [key], client: link.id });
  return future;
}

/** `Array(graph, name, chunks, dtype)`, all blocks of which are futures. */
function arrayOfPy(node: PyCall, plain: (inner: PyValue) => unknown, { link, make }: Binding): unknown {
  const [, name, chunks, dtype] = node.args;
  const sizes = plain(chunks ?? null);
  const isSizes =
    Array.isArray(sizes) &&
    sizes.every((axis) => Array.isArray(axis) && axis.every((n) => Number.isSafeInteger(n) && n >= 0)) &&
    sizes.reduce((count: number, axis: readonly unknown[]) => count * axis.length, 1) <= BLOCKS_MAX;
  if (typeof name !== "string" || !isSizes || dtype === undefined)
    throw new RemoteProtocolError("a published array without name, chunks and dtype");
  // Checked just above.
  const held: LayerNode = { layer: { kind: "held", name, dtype: dtypeOfPy(dtype), chunks: sizes as number[][] } };
  invariant(make, "arrays were not asked for");
  return make(held, holdOf(link, blockKeys(held)));
}

/** Blocks that others have made, kept for as long as this client uses them. */
function holdOf(link: Link, keys: readonly Key[]): Hold {
  const watches = keys.map((key) => link.retain(key));
  link.send({ op: "client-desires-keys", keys, client: link.id });
  let isHeld = true;
  return {
    names: [],
    wait: () => settled(link, keys),
    release: () => {
      if (isHeld) for (const watch of watches) link.release(watch);
      isHeld = false;
    },
  };
}
