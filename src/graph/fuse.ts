/** From nodes to a graph: slices move into sources, blockwise chains become one kernel, cheap layers go inline. */
import { sizeOf } from "../ndarray/index.ts";
import { Graph } from "./graph.ts";
import type { KernelCall, NodeId } from "./kernel.ts";
import { KernelBuilder } from "./kernel-build.ts";
import {
  type BlockInput,
  type Chunks,
  gridOf,
  type Layer,
  type LayerNode,
  type LayerOf,
  layerInputs,
  mapInputs,
  shapeOfChunks,
} from "./layer.ts";
import type { AxisWalk } from "./task.ts";

/**
 * What is computed again rather than held when several consumers need it.
 * 0: nothing; 1: reads; 2: reads and the elementwise work on them. The values, and their bits, are the same.
 */
export type Recompute = 0 | 1 | 2;

/** Most nodes of one fused kernel; beyond it a chain is cut (code size, kernels.md §3.8). */
const KERNEL_NODES_MAX = 400;

/** Kernels whose work is worth repeating for every element of a larger loop. */
const CHEAP_OPS: ReadonlySet<string> = new Set(["in", "param", "cast"]);

type Of<K extends Layer["kind"]> = Extract<LayerOf<LayerNode>, { kind: K }>;

/** Optimise the layers under `outputs` into a graph; its outputs are in their order. */
export function buildGraph(outputs: readonly LayerNode[], recompute: Recompute = 0): Graph {
  const pushed = pushDown(outputs);
  const fused = fuseBlockwise(pushed, recompute);
  const nodes = topological(fused);
  const index = new Map(nodes.map((n, i) => [n, i]));
  const inline = markInline(nodes, new Set(fused), recompute);
  const layers = nodes.map(
    (n): Layer => ({ ...mapInputs(n.layer, (ref) => index.get(ref) as number), inline: inline.has(n) }),
  );
  return new Graph(
    layers,
    fused.map((n) => index.get(n) as number),
  );
}

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

/** Equal layers (same name) become one node; slices, transposes and rechunks of sources and of each other are composed. */
function pushDown(outputs: readonly LayerNode[]): LayerNode[] {
  const byName = new Map<string, LayerNode>();
  const made = new Map<LayerNode, LayerNode>();
  for (const node of topological(outputs)) {
    const layer = mapInputs(node.layer, (n) => made.get(n) as LayerNode); // inputs come first
    const known = byName.get(layer.name);
    const rewritten = known ?? { layer: pushInto(layer) };
    byName.set(layer.name, rewritten);
    made.set(node, rewritten);
  }
  return outputs.map((o) => made.get(o) as LayerNode);
}

function pushInto(layer: LayerOf<LayerNode>): LayerOf<LayerNode> {
  if (layer.kind === "gather") return pushGather(layer);
  if (layer.kind !== "window") return layer;
  const inner = layer.input.layer;
  if (inner.kind !== "source" || inner.starts) return layer;
  return { ...inner, name: layer.name, chunks: layer.chunks, starts: layer.starts };
}

function pushGather(layer: Of<"gather">): LayerOf<LayerNode> {
  const part = layer.parts[0];
  const shape = shapeOfChunks(layer.chunks);
  const whole =
    layer.parts.length === 1 &&
    part !== undefined &&
    part.lo.every((v) => v === 0) &&
    part.hi.every((v, k) => v === shape[k]);
  if (!whole || sizeOf(shape) === 0) return layer;
  const inner = part.layer.layer;
  if (inner.kind === "source" && !inner.starts)
    return { ...inner, name: layer.name, chunks: layer.chunks, walk: composeWalks(inner.walk, part.walk) };
  if (inner.kind !== "gather") return layer;
  const only = inner.parts.length === 1 ? inner.parts[0] : undefined;
  const innerShape = shapeOfChunks(inner.chunks);
  if (only?.lo.every((v) => v === 0) && only.hi.every((v, k) => v === innerShape[k])) {
    return { ...layer, parts: [{ ...only, lo: part.lo, hi: part.hi, walk: composeWalks(only.walk, part.walk) }] };
  }
  const identity = part.walk.every((w, k) => w.axis === k && w.start === 0 && w.step === 1);
  return identity ? { ...layer, parts: inner.parts } : layer;
}

/** Walk of an input's axes in terms of the outer result, through an intermediate array. */
function composeWalks(inner: readonly AxisWalk[], outer: readonly AxisWalk[]): AxisWalk[] {
  return inner.map((w) => {
    const o = w.axis === null ? undefined : (outer[w.axis] as AxisWalk); // inner walks name intermediate axes
    if (o === undefined) return w;
    return { axis: o.axis, start: w.start + w.step * o.start, step: o.axis === null ? 1 : w.step * o.step };
  });
}

function consumersOf(nodes: readonly LayerNode[]): Map<LayerNode, LayerNode[]> {
  const out = new Map<LayerNode, LayerNode[]>(nodes.map((n) => [n, []]));
  for (const n of nodes) for (const input of new Set(layerInputs(n.layer))) out.get(input)?.push(n);
  return out;
}

/** Fuse blockwise layers into the blockwise or reducing layers that alone consume them. */
function fuseBlockwise(outputs: readonly LayerNode[], recompute: Recompute): LayerNode[] {
  const nodes = topological(outputs);
  const wanted = new Set(outputs);
  const consumers = consumersOf(nodes);
  const duplicable = recompute === 2 ? sourceRooted(nodes) : new Set<LayerNode>();
  /** Roots into whose kernel a node goes; a node that stays is its own root. */
  const roots = new Map<LayerNode, Set<LayerNode>>();
  const weight = new Map<LayerNode, number>();
  for (const node of [...nodes].reverse()) {
    const own = new Set([node]);
    const { layer } = node;
    const hosts = new Set((consumers.get(node) ?? []).flatMap((c) => [...(roots.get(c) as Set<LayerNode>)]));
    const fits =
      layer.kind === "blockwise" &&
      !wanted.has(node) &&
      hosts.size > 0 &&
      (hosts.size === 1 || duplicable.has(node)) &&
      [...hosts].every(
        (h) =>
          canHost(h.layer, layer) && (weight.get(h) ?? kernelSize(h.layer)) + kernelSize(layer) <= KERNEL_NODES_MAX,
      );
    if (fits) for (const h of hosts) weight.set(h, (weight.get(h) ?? kernelSize(h.layer)) + kernelSize(layer));
    roots.set(node, fits ? hosts : own);
  }
  const made = new Map<LayerNode, LayerNode>();
  for (const node of nodes) {
    if (!roots.get(node)?.has(node)) continue;
    const { layer } = node;
    const fused =
      layer.kind === "blockwise" || layer.kind === "reduce" || layer.kind === "select"
        ? composeKernel(layer, (n) => roots.get(n)?.has(node) === true && n !== node)
        : layer;
    made.set(node, { layer: mapInputs(fused, (n) => made.get(n) as LayerNode) });
  }
  return outputs.map((o) => made.get(o) as LayerNode);
}

function kernelSize(layer: LayerOf<LayerNode>): number {
  return "call" in layer ? layer.call.kernel.nodes.length : 0;
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
      ((kind === "blockwise" || kind === "gather") && layerInputs(n.layer).every((i) => out.has(i)))
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

/** Layers whose work runs inside their consumers' tasks. */
function markInline(
  nodes: readonly LayerNode[],
  outputs: ReadonlySet<LayerNode>,
  recompute: Recompute,
): Set<LayerNode> {
  const consumers = consumersOf(nodes);
  const inline = new Set<LayerNode>();
  /** Inline down to what is read or made: no block of another task is held for them. */
  const selfMade = new Set<LayerNode>();
  for (const node of nodes) {
    const { layer } = node;
    if (outputs.has(node)) continue;
    const users = consumers.get(node) ?? [];
    const only = users.length === 1 ? (users[0] as LayerNode).layer : undefined;
    const once = only !== undefined && usesEachBlockOnce(layer, only);
    const inputsInline = layerInputs(layer).every((i) => inline.has(i));
    // A reduction inside its combination would have all blocks that both read wait for each other.
    const inputsSelfMade = layerInputs(layer).every((i) => selfMade.has(i));
    const goes =
      layer.kind === "literal" || layer.kind === "arange"
        ? true
        : layer.kind === "source"
          ? once || recompute >= 1
          : layer.kind === "gather" || layer.kind === "window"
            ? (once || (recompute >= 1 && inputsInline)) && only?.kind !== "combine"
            : layer.kind === "reduce"
              ? once && inputsSelfMade
              : layer.kind === "blockwise"
                ? once && only !== undefined && INLINE_HOSTS.has(only.kind)
                : false;
    if (goes) inline.add(node);
    if (goes && inputsSelfMade) selfMade.add(node);
  }
  return inline;
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
