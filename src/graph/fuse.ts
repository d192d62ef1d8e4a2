/** From nodes to a graph: slices move into sources, blockwise chains become one kernel, cheap layers go inline. */
import { itemsize } from "../dtype/index.ts";
import { sizeOf } from "../ndarray/index.ts";
import { type Fusion, Graph } from "./graph.ts";
import type { KernelCall, NodeId } from "./kernel.ts";
import { KernelBuilder } from "./kernel-build.ts";
import {
  type BlockInput,
  type Chunks,
  type GatherPart,
  gridOf,
  type Layer,
  type LayerNode,
  type LayerOf,
  layerInputs,
  mapInputs,
  shapeOfChunks,
} from "./layer.ts";
import { makeNode } from "./nodes.ts";
import { settledNodes } from "./settled.ts";
import type { AxisWalk } from "./task.ts";

/**
 * What is computed again rather than held when several consumers need it.
 * 0: nothing; 1: reads; 2: reads and the elementwise work on them. The values, and their bits, are the same.
 */
export type Recompute = 0 | 1 | 2;

/** Most nodes of one fused kernel; beyond it a chain is cut (code size, kernels.md §3.8). */
const KERNEL_NODES_MAX = 400;
/** Elementary functions are so many times the code of other operations. */
const OP_SIZES: Readonly<Record<string, number>> = {
  ...Object.fromEntries(
    "exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh cbrt atan2 logaddexp logaddexp2"
      .split(" ")
      .map((op) => [op, 12]),
  ),
  pow: 40,
};

/** Kernels whose work is worth repeating for every element of a larger loop. */
const CHEAP_OPS: ReadonlySet<string> = new Set(["in", "param", "cast"]);

type Of<K extends Layer["kind"]> = Extract<LayerOf<LayerNode>, { kind: K }>;

/** Choices beside {@link Recompute}. */
export interface BuildOptions {
  /** Reductions that do not make blocks smaller are tasks of their own: a task holds less at once, the graph more. */
  readonly smallTasks?: boolean;
}

/** Optimise the layers under `outputs` into a graph; its outputs are in their order. */
export function buildGraph(
  outputs: readonly LayerNode[],
  recompute: Recompute = 0,
  { smallTasks = false }: BuildOptions = {},
): Graph {
  const settled = settledNodes(outputs);
  return settled
    ? graphOf(settled, outputs, lone(settled), { recompute, smallTasks })
    : optimisedGraph(outputs, { recompute, smallTasks });
}

/** The graph of {@link buildGraph} the long way, which all graphs can go. */
export function optimisedGraph(outputs: readonly LayerNode[], how: Required<BuildOptions> & Again): Graph {
  const { outputs: fused, fusion } = fuseBlockwise(pushDown(outputs), how.recompute);
  return graphOf(topological(fused), fused, fusion, how);
}

interface Again {
  readonly recompute: Recompute;
}

function graphOf(
  nodes: readonly LayerNode[],
  outputs: readonly LayerNode[],
  fusion: ReadonlyMap<string, Fusion>,
  how: Required<BuildOptions> & Again,
): Graph {
  const index = new Map<LayerNode, number>();
  for (const n of nodes) index.set(n, index.size);
  const inline = markInline(nodes, new Set(outputs), how);
  const place = (n: LayerNode): number => index.get(n) as number;
  const layers = nodes.map((n): Layer => ({ ...mapInputs(n.layer, place), inline: inline.has(n) }));
  return new Graph(layers, outputs.map(place), fusion);
}

/** Whether every number of a range is exact, so that it is the same from whichever of them one counts. */
function isExactRange({ start, step, chunks }: Of<"arange">): boolean {
  const last = start + step * sizeOf(shapeOfChunks(chunks));
  return [start, step, last].every(Number.isSafeInteger);
}

/** What is told of layers of which none was fused. */
function lone(nodes: readonly LayerNode[]): ReadonlyMap<string, Fusion> {
  const fusion = new Map<string, Fusion>();
  for (const { layer } of nodes) fusion.set(layer.name, layer.kind === "blockwise" ? LONE_RESULT : LONE);
  return fusion;
}

const LONE: Fusion = { fused: [], apart: "" };
/** Elementwise work that is needed by nothing. */
const LONE_RESULT: Fusion = { fused: [], apart: "is a result" };

/** Nodes under `outputs`, inputs first. */
export function topological(outputs: readonly LayerNode[]): LayerNode[] {
  const done = new Set<LayerNode>();
  const stack: { node: LayerNode; inputs: readonly LayerNode[]; next: number }[] = [];
  const enter = (node: LayerNode): void => {
    if (!done.has(node)) stack.push({ node, inputs: layerInputs(node.layer), next: 0 });
  };
  for (const output of outputs) {
    enter(output);
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const input = top.inputs[top.next++];
      if (input !== undefined) enter(input);
      else {
        stack.pop();
        done.add(top.node);
      }
    }
  }
  return [...done];
}

/**
 * Equal layers (same name) become one node; slices, transposes and rechunks move down: into sources, into each other,
 * and through elementwise work that nothing else needs.
 */
function pushDown(outputs: readonly LayerNode[]): LayerNode[] {
  const nodes = topological(outputs);
  const pusher = new Pusher(nodes, outputs);
  const byName = new Map<string, LayerNode>();
  const made = new Map<LayerNode, LayerNode>();
  for (const node of nodes) {
    const layer = mapInputs(node.layer, (n) => made.get(n) as LayerNode); // inputs come first
    const known = byName.get(layer.name);
    const rewritten = known ?? { layer: pusher.push(layer) };
    byName.set(layer.name, rewritten);
    made.set(node, rewritten);
  }
  return outputs.map((o) => made.get(o) as LayerNode);
}

/** The part of a gather that is the whole result, where it may be merged. */
function onlyPart(layer: Of<"gather">): GatherPart<LayerNode> | null {
  if (layer.isStep) return null;
  const part = layer.parts.length === 1 ? layer.parts[0] : undefined;
  const shape = shapeOfChunks(layer.chunks);
  return part?.lo.every((v) => v === 0) && part.hi.every((v, k) => v === shape[k]) ? part : null;
}

/** A part over a view, as a part over what the view sees: slices side by side are copied once. */
function seenThrough(part: GatherPart<LayerNode>): GatherPart<LayerNode> {
  const inner = part.layer.layer;
  const only = inner.kind === "gather" ? onlyPart(inner) : null;
  return only ? seenThrough({ ...part, layer: only.layer, walk: composeWalks(only.walk, part.walk) }) : part;
}

/** Rewrites views over what they see. */
class Pusher {
  /** Names of layers that one consumer alone needs. */
  readonly #single = new Set<string>();
  /** Views made here, by name: equal ones are one node. */
  readonly #views = new Map<string, LayerNode>();

  constructor(nodes: readonly LayerNode[], outputs: readonly LayerNode[]) {
    const users = new Map<string, Set<string>>();
    for (const n of nodes)
      for (const input of layerInputs(n.layer)) {
        const names = users.get(input.layer.name) ?? new Set();
        users.set(input.layer.name, names.add(n.layer.name));
      }
    for (const [name, names] of users) if (names.size === 1) this.#single.add(name);
    for (const o of outputs) this.#single.delete(o.layer.name);
  }

  push(layer: LayerOf<LayerNode>): LayerOf<LayerNode> {
    if (layer.kind === "gather") return this.#gather(layer);
    if (layer.kind !== "window") return layer;
    const inner = layer.input.layer;
    if (inner.kind !== "source" || inner.starts) return layer;
    return { ...inner, name: layer.name, chunks: layer.chunks, starts: layer.starts };
  }

  #gather(given: Of<"gather">): LayerOf<LayerNode> {
    const layer = given.parts.length > 1 ? { ...given, parts: given.parts.map(seenThrough) } : given;
    const part = onlyPart(layer);
    if (!part || sizeOf(shapeOfChunks(layer.chunks)) === 0) return layer;
    const inner = part.layer.layer;
    if (inner.kind === "source" && !inner.starts)
      return { ...inner, name: layer.name, chunks: layer.chunks, walk: composeWalks(inner.walk, part.walk) };
    if (inner.kind === "literal" && inner.bytes.length === itemsize(inner.dtype))
      return { ...inner, name: layer.name, chunks: layer.chunks };
    const along = part.walk[0];
    if (inner.kind === "arange" && layer.chunks.length === 1 && along?.axis === 0 && isExactRange(inner)) {
      const [start, step] = [inner.start + inner.step * along.start, inner.step * along.step];
      return { ...inner, name: layer.name, chunks: layer.chunks, start, step };
    }
    if (inner.kind === "blockwise") return this.#through(layer, part, inner);
    if (inner.kind !== "gather" || inner.isStep) return layer;
    const only = onlyPart(inner);
    if (only) {
      const parts = [{ ...only, lo: part.lo, hi: part.hi, walk: composeWalks(only.walk, part.walk) }];
      return this.#gather({ ...layer, parts });
    }
    const identity =
      part.walk.length === layer.chunks.length &&
      part.walk.every((w, k) => w.axis === k && w.start === 0 && w.step === 1);
    return identity ? { ...layer, parts: inner.parts } : layer;
  }

  /** The view of elementwise work is the work on views, where nothing else needs it and nothing more is moved for it. */
  #through(layer: Of<"gather">, part: GatherPart<LayerNode>, inner: Of<"blockwise">): LayerOf<LayerNode> {
    const repeats = inner.inputs.some((i) =>
      i.axes.some((a, k) => a !== null && !sameSizes(i.layer.layer.chunks[k] ?? [], inner.chunks[a] ?? [])),
    );
    const isSmaller = 2 * sizeOf(shapeOfChunks(layer.chunks)) <= sizeOf(shapeOfChunks(inner.chunks));
    const isFree = inner.inputs.every((i) => isMadeInPlace(i.layer));
    if (repeats || !this.#single.has(inner.name) || !(isSmaller || isFree)) return layer;
    const inputs = inner.inputs.map((i): BlockInput<LayerNode> => {
      const followed = i.axes.map((a) => (a === null ? null : (part.walk[a] as AxisWalk))); // one walk per axis
      const axes = [...new Set(followed.flatMap((w) => w?.axis ?? []))].sort((p, q) => p - q);
      const walk = followed.map(
        (w): AxisWalk =>
          w === null
            ? { axis: null, start: 0, step: 1 }
            : { ...w, axis: w.axis === null ? null : axes.indexOf(w.axis) },
      );
      return {
        layer: this.#view(
          i.layer,
          walk,
          axes.map((a) => layer.chunks[a] as readonly number[]),
        ),
        axes,
      };
    });
    return { ...inner, name: layer.name, chunks: layer.chunks, inputs };
  }

  #view(node: LayerNode, walk: readonly AxisWalk[], chunks: Chunks): LayerNode {
    const isWhole = walk.every((w, k) => w.axis === k && w.start === 0 && w.step === 1);
    if (isWhole && walk.length === chunks.length && chunks.every((c, k) => sameSizes(c, node.layer.chunks[k] ?? [])))
      return node;
    const shape = shapeOfChunks(chunks);
    const { dtype } = node.layer;
    const view = makeNode(shortName(node.layer.name), {
      kind: "gather",
      dtype,
      chunks,
      parts: [{ layer: node, lo: shape.map(() => 0), hi: shape, walk }],
    });
    const known = this.#views.get(view.layer.name);
    if (known) return known;
    if (this.#single.has(node.layer.name)) this.#single.add(view.layer.name);
    const pushed = { layer: this.push(view.layer) };
    this.#views.set(view.layer.name, pushed);
    return pushed;
  }
}

/** True for what each task makes or reads for itself, in any cut, without blocks of others. */
function isMadeInPlace(node: LayerNode): boolean {
  const { layer } = node;
  if (layer.kind === "source" || layer.kind === "literal" || layer.kind === "arange") return true;
  return isPassedThrough(layer) && layerInputs(layer).every(isMadeInPlace);
}

/** True for what can be done within the task that needs it. */
function isPassedThrough(layer: LayerOf<LayerNode>): boolean {
  return layer.kind === "blockwise" || (layer.kind === "gather" && !layer.isStep);
}

function sameSizes(a: readonly number[], b: readonly number[]): boolean {
  return a === b || (a.length === b.length && a.every((n, i) => n === b[i]));
}

/** Walk of an input's axes in terms of the outer result, through an intermediate array. */
function composeWalks(inner: readonly AxisWalk[], outer: readonly AxisWalk[]): AxisWalk[] {
  return inner.map((w) => {
    const o = w.axis === null ? undefined : (outer[w.axis] as AxisWalk); // inner walks name intermediate axes
    if (o === undefined) return w;
    return { axis: o.axis, start: w.start + w.step * o.start, step: o.axis === null ? 1 : w.step * o.step };
  });
}

/** Layers that need each of the nodes, but of those in `without`. */
function consumersOf(nodes: readonly LayerNode[], without?: ReadonlySet<LayerNode>): Map<LayerNode, LayerNode[]> {
  const out = new Map<LayerNode, LayerNode[]>();
  for (const n of nodes) if (!without?.has(n)) out.set(n, []);
  for (const n of nodes)
    for (const input of layerInputs(n.layer)) {
      const users = out.get(input);
      if (users && users.at(-1) !== n) users.push(n);
    }
  return out;
}

/** Fuse blockwise layers into the blockwise or reducing layers that alone consume them. */
function fuseBlockwise(
  outputs: readonly LayerNode[],
  recompute: Recompute,
): { readonly outputs: LayerNode[]; readonly fusion: ReadonlyMap<string, Fusion> } {
  const nodes = topological(outputs);
  const wanted = new Set(outputs);
  const consumers = consumersOf(nodes);
  const duplicable = recompute === 2 ? sourceRooted(nodes) : new Set<LayerNode>();
  /** Roots into whose kernel a node goes; a node that stays is its own root. */
  const roots = new Map<LayerNode, Set<LayerNode>>();
  const weight = new Map<LayerNode, number>();
  const guests = new Map<LayerNode, string[]>();
  const apart = new Map<LayerNode, string>();
  const weigh = (n: LayerNode): number => weight.get(n) ?? kernelSize(n.layer);
  for (const node of [...nodes].reverse()) {
    const { layer } = node;
    const hosts = new Set((consumers.get(node) ?? []).flatMap((c) => [...(roots.get(c) as Set<LayerNode>)]));
    const why =
      layer.kind !== "blockwise"
        ? ""
        : wanted.has(node)
          ? "is a result"
          : hosts.size > 1 && !duplicable.has(node)
            ? `is needed by ${hosts.size} layers`
            : whyApart(layer, [...hosts], weigh);
    if (layer.kind !== "blockwise" || why !== "") {
      roots.set(node, new Set([node]));
      apart.set(node, why);
      continue;
    }
    for (const h of hosts) {
      weight.set(h, weigh(h) + kernelSize(layer));
      guests.set(h, [layer.name, ...(guests.get(h) ?? [])]);
    }
    roots.set(node, hosts);
  }
  const fusion = new Map<string, Fusion>();
  const made = new Map<LayerNode, LayerNode>();
  for (const node of nodes) {
    if (!roots.get(node)?.has(node)) continue;
    const { layer } = node;
    const fused =
      layer.kind === "blockwise" || layer.kind === "reduce" || layer.kind === "select"
        ? composeKernel(layer, (n) => roots.get(n)?.has(node) === true && n !== node)
        : layer;
    made.set(node, { layer: mapInputs(fused, (n) => made.get(n) as LayerNode) });
    fusion.set(layer.name, { fused: guests.get(node) ?? [], apart: apart.get(node) ?? "" });
  }
  return { outputs: outputs.map((o) => made.get(o) as LayerNode), fusion };
}

/** Why elementwise work does not go into the kernels of `hosts`; empty where it does. */
function whyApart(layer: Of<"blockwise">, hosts: readonly LayerNode[], weigh: (n: LayerNode) => number): string {
  for (const h of hosts) {
    if (!("call" in h.layer)) return `${h.layer.kind} takes whole blocks`;
    if (!canHost(h.layer, layer)) return `its values repeat in the larger ${shortName(h.layer.name)}`;
    if (weigh(h) + kernelSize(layer) > KERNEL_NODES_MAX)
      return `the kernel of ${shortName(h.layer.name)} would exceed ${KERNEL_NODES_MAX} operations`;
  }
  return "";
}

/** A layer's label, without its token. */
function shortName(name: string): string {
  return name.replace(/-[0-9a-f]{32}$/, "");
}

function kernelSize(layer: LayerOf<LayerNode>): number {
  return "call" in layer ? layer.call.kernel.nodes.reduce((n, { op }) => n + (OP_SIZES[op] ?? 1), 0) : 0;
}

function canHost(host: LayerOf<LayerNode>, guest: Of<"blockwise">): boolean {
  if (!("call" in host)) return false;
  const loop = sizeOf(shapeOfChunks(loopOf(host)));
  return sizeOf(shapeOfChunks(guest.chunks)) >= loop || guest.call.kernel.nodes.every((n) => CHEAP_OPS.has(n.op));
}

/** Blocks over which a layer's work loops. */
function loopOf(layer: LayerOf<LayerNode>): Chunks {
  return layer.kind === "reduce" || layer.kind === "select" ? layer.loop : layer.chunks;
}

/** Nodes that only elementwise work separates from sources and literals. */
function sourceRooted(nodes: readonly LayerNode[]): Set<LayerNode> {
  const out = new Set<LayerNode>();
  for (const n of nodes) {
    const { kind } = n.layer;
    if (
      ["source", "literal", "arange"].includes(kind) ||
      (isPassedThrough(n.layer) && layerInputs(n.layer).every((i) => out.has(i)))
    )
      out.add(n);
  }
  return out;
}

function composeKernel<L extends Of<"blockwise"> | Of<"reduce"> | Of<"select">>(
  root: L,
  inside: (n: LayerNode) => boolean,
): L {
  const builder = new KernelBuilder();
  const inputs: BlockInput<LayerNode>[] = [];
  const slots = new Map<string, NodeId>();
  const ids = new Map<LayerNode, number>();
  const visit = (input: BlockInput<LayerNode>): NodeId => {
    const { layer } = input.layer;
    const id = ids.get(input.layer) ?? ids.size;
    ids.set(input.layer, id);
    const key = `${id}:${input.axes.join(",")}`;
    const known = slots.get(key);
    if (known !== undefined) return known;
    let value: NodeId;
    if (layer.kind === "blockwise" && inside(input.layer)) {
      value = embed(
        builder,
        layer.call,
        layer.inputs.map((i) => ({
          layer: i.layer,
          axes: i.axes.map((a) => (a === null ? null : (input.axes[a] as number | null))),
        })),
        visit,
      )[0] as NodeId;
    } else {
      inputs.push(input);
      value = builder.input(layer.dtype);
    }
    slots.set(key, value);
    return value;
  };
  const outputs = embed(builder, root.call, root.inputs, visit);
  return { ...root, call: builder.build(outputs), inputs };
}

function embed(
  builder: KernelBuilder,
  call: KernelCall,
  inputs: readonly BlockInput<LayerNode>[],
  visit: (i: BlockInput<LayerNode>) => NodeId,
): NodeId[] {
  return builder.embed(call, inputs.map(visit));
}

/** Consumers in whose tasks elementwise work is done that no kernel of theirs takes in. */
const INLINE_HOSTS: ReadonlySet<string> = new Set(["write-zarr", "write-cog-part", "apply", "call"]);

/** Most bytes of coordinates and the like that every task makes for itself. */
const TRIFLE_BYTES = 65536;

/** True where the layer's values repeat in its consumer, or go on as they are into what is no result yet. */
function serves(layer: LayerOf<LayerNode>, consumer: LayerOf<LayerNode>, isResult: boolean): boolean {
  if (consumer.kind === "combine") return false;
  const [own, size] = [layer.chunks, loopOf(consumer)].map((chunks) => sizeOf(shapeOfChunks(chunks))) as [
    number,
    number,
  ];
  return own < size || (!isResult && own === size && (consumer.kind === "gather" || consumer.kind === "blockwise"));
}

/** Layers whose work runs inside their consumers' tasks. */
function markInline(
  nodes: readonly LayerNode[],
  outputs: ReadonlySet<LayerNode>,
  { recompute, smallTasks }: { readonly recompute: Recompute; readonly smallTasks: boolean },
): Set<LayerNode> {
  const consumers = consumersOf(nodes, outputs);
  const inline = new Set<LayerNode>();
  /** Inline down to what is read or made: no block of another task is held for them. */
  const selfMade = new Set<LayerNode>();
  /** Coordinates and the like: made from nothing in less time than a task takes to be sent, for something larger. */
  const trifles = new Set<LayerNode>();
  for (const node of nodes) {
    const { layer } = node;
    if (outputs.has(node) || (layer.kind === "gather" && layer.isStep)) continue;
    const users = consumers.get(node) ?? [];
    const only = users.length === 1 ? (users[0] as LayerNode).layer : undefined;
    const once = only !== undefined && usesEachBlockOnce(layer, only);
    const inputsInline = layerInputs(layer).every((i) => inline.has(i));
    // A reduction inside its combination would have all blocks that both read wait for each other, where there are several.
    const inputsSelfMade = layerInputs(layer).every((i) => selfMade.has(i));
    const isTrifle =
      layer.kind === "literal" ||
      layer.kind === "arange" ||
      (isPassedThrough(layer) &&
        sizeOf(shapeOfChunks(layer.chunks)) * itemsize(layer.dtype) <= TRIFLE_BYTES &&
        users.every((u) => serves(layer, u.layer, outputs.has(u))) &&
        layerInputs(layer).every((i) => trifles.has(i)));
    if (isTrifle) trifles.add(node);
    const goes = isTrifle
      ? true
      : layer.kind === "source"
        ? once || recompute >= 1
        : layer.kind === "gather" || layer.kind === "window"
          ? (once || (recompute >= 1 && inputsInline)) && only?.kind !== "combine"
          : layer.kind === "reduce"
            ? once && (inputsSelfMade || isOne(layer) || (!smallTasks && !shrinks(layer)))
            : layer.kind === "blockwise"
              ? once && only !== undefined && INLINE_HOSTS.has(only.kind)
              : layer.kind === "apply" && layer.kernel === "reshape" && isShown(layer, users, inline);
    if (goes) inline.add(node);
    if (goes && inputsSelfMade) selfMade.add(node);
  }
  return inline;
}

/** True for a reshape of blocks that tasks give: where it is used, it is those blocks under another shape. */
function isShown(layer: Of<"apply">, users: readonly LayerNode[], inline: ReadonlySet<LayerNode>): boolean {
  return !layer.inputs.some((i) => inline.has(i.layer)) && users.every((u) => u.layer.kind !== "combine");
}

/** True for a layer of one block. */
function isOne(layer: LayerOf<LayerNode>): boolean {
  return layer.chunks.every((sizes) => sizes.length === 1);
}

/** True when a reduction's partials have fewer bytes than what they are made of; else their group's inputs are held at less cost. */
function shrinks(layer: Of<"reduce">): boolean {
  const bytes = (l: LayerOf<LayerNode>): number => sizeOf(shapeOfChunks(l.chunks)) * itemsize(l.dtype);
  return bytes(layer) < layer.inputs.reduce((sum, i) => sum + bytes(i.layer.layer), 0);
}

/** True when no two tasks of `consumer` need the same block of `layer`. */
function usesEachBlockOnce(layer: LayerOf<LayerNode>, consumer: LayerOf<LayerNode>): boolean {
  switch (consumer.kind) {
    case "gather":
    case "window":
    case "take":
    case "coarsen":
      return false;
    case "blockwise":
    case "reduce":
    case "select":
      return sizeOf(gridOf(loopOf(consumer))) <= sizeOf(gridOf(layer.chunks));
    case "apply":
    case "call": {
      if (consumer.kind === "apply" && consumer.byNumber) return true;
      // One task per block of the result: an input is used once where it follows every axis that is cut.
      const cut = consumer.chunks.flatMap((sizes, k) => (sizes.length > 1 ? [k] : []));
      return consumer.inputs.every((i) => i.layer.layer.name !== layer.name || cut.every((k) => i.axes.includes(k)));
    }
    default:
      return true;
  }
}
