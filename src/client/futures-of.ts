/** The futures in anything: lists, objects, persisted arrays and what follows from them. */
import { ArgumentError } from "../base/index.ts";
import { blockKey, gridOf, type Key, type LayerNode, layerInputs } from "../graph/index.ts";
import { Future } from "./future.ts";
import type { Link } from "./link.ts";

/** Who holds what lazy objects name; a Client is one. */
export interface Holder {
  readonly link: Link;
}

/**
 * Futures in `items`, in the order they stand there: of lists, objects, maps and sets at any depth, and the blocks of
 * persisted arrays, also of those that something lazy follows from. dask `futures_of`.
 * @throws {ArgumentError} a Promise among them, which somebody forgot to await
 * @param options `clients` may hold the blocks; the first that does is taken
 */
export function futuresOf(items: unknown, { clients = [] }: { readonly clients?: readonly Holder[] } = {}): Future[] {
  const found = new Map<Key, Future>();
  const seen = new Set<unknown>();
  const visit = (value: unknown): void => {
    if (value === null || typeof value !== "object" || seen.has(value)) return;
    seen.add(value);
    if (value instanceof Future) found.set(value.key, value);
    else if (Array.isArray(value) || value instanceof Set) for (const item of value) visit(item);
    else if (value instanceof Map) for (const item of value.values()) visit(item);
    else if (value instanceof Promise)
      throw new ArgumentError("a Promise is no future and no value: await what submit, map, scatter or persist gave");
    else if (isLazy(value)) {
      for (const { link } of clients)
        for (const key of heldKeys(value.outputs, link)) if (!found.has(key)) found.set(key, new Future(link, key));
    } else if (Object.getPrototypeOf(value) === Object.prototype) for (const item of Object.values(value)) visit(item);
  };
  visit(items);
  return Array.from(found.values());
}

/** Anything lazy: it has layers. */
function isLazy(value: object): value is { readonly outputs: readonly LayerNode[] } {
  return "outputs" in value && Array.isArray(value.outputs) && value.outputs.every(isLayerNode);
}

function isLayerNode(value: unknown): value is LayerNode {
  if (typeof value !== "object" || value === null || !("layer" in value)) return false;
  return typeof value.layer === "object" && value.layer !== null && "kind" in value.layer;
}

/** Keys of the blocks under these layers that the client's cluster holds. */
function heldKeys(outputs: readonly LayerNode[], link: Link): Key[] {
  const keys: Key[] = [];
  const seen = new Set<LayerNode>();
  const stack = [...outputs].reverse();
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    stack.push(...layerInputs(node.layer));
    if (node.layer.kind !== "held") continue;
    for (const key of blockKeys(node)) if (link.isWatched(key)) keys.push(key);
  }
  return keys;
}

/** Keys of a layer's blocks, in C order of its grid. */
export function blockKeys({ layer }: LayerNode): Key[] {
  let positions: number[][] = [[]];
  for (const n of gridOf(layer.chunks))
    positions = positions.flatMap((p) => Array.from({ length: n }, (_, k) => [...p, k]));
  return positions.map((position) => blockKey(layer.name, position));
}
