/** Small graphs of which optimising would leave every layer as it is: most of what one call of a function makes. */
import { type BlockInput, type LayerNode, type LayerOf, layerInputs } from "./layer.ts";

/** Most layers of such a graph: they are compared with each other. */
const NODES_MAX = 12;

/** Kinds that a view moves into: a gather or a window over them is written anew. */
const REWRITTEN: ReadonlySet<string> = new Set(["source", "literal", "arange", "blockwise", "gather"]);

/**
 * Layers under `outputs`, inputs first, if no view moves, no kernels fuse and no two layers are equal; else, or where
 * there are many, null.
 */
export function settledNodes(outputs: readonly LayerNode[]): LayerNode[] | null {
  const nodes: LayerNode[] = [];
  for (const output of outputs) if (!collect(output, nodes, 0)) return null;
  for (let i = 1; i < nodes.length; i++)
    for (let j = 0; j < i; j++) if (nodes[i]?.layer.name === nodes[j]?.layer.name) return null;
  return nodes;
}

function collect(node: LayerNode, nodes: LayerNode[], depth: number): boolean {
  if (nodes.includes(node)) return true;
  if (depth === NODES_MAX || !isSettled(node.layer)) return false;
  for (const input of layerInputs(node.layer)) if (!collect(input, nodes, depth + 1)) return false;
  return nodes.push(node) <= NODES_MAX;
}

function isSettled(layer: LayerOf<LayerNode>): boolean {
  if (layer.kind === "window") return false;
  if (layer.kind === "gather") return layer.parts.every((part) => !REWRITTEN.has(part.layer.layer.kind));
  if (layerInputs(layer).some((input) => input.layer.kind === "blockwise")) return false;
  return !("call" in layer) || areDistinct(layer.inputs);
}

/** One input that a kernel reads twice becomes one slot. */
function areDistinct(inputs: readonly BlockInput<LayerNode>[]): boolean {
  for (let i = 1; i < inputs.length; i++)
    for (let j = 0; j < i; j++) if (inputs[i]?.layer === inputs[j]?.layer) return false;
  return true;
}
