/** Rechunks of a graph: layers whose blocks hold all of another array, cut differently, its axes perhaps permuted. */
import { Graph } from "./graph.ts";
import { type Chunks, type GatherPart, type Layer, layerInputs, shapeOfChunks } from "./layer.ts";

type Gather = Extract<Layer, { kind: "gather" }>;

/** Cuts of the result in the axes of the input, where the result is all of the input with its axes permuted; else null. */
export function targetCuts({ chunks }: Gather, { walk, lo }: GatherPart<number>, input: Layer): Chunks | null {
  const axes = walk.map(({ axis }) => axis);
  const isWhole =
    walk.length === chunks.length &&
    new Set(axes).size === chunks.length &&
    walk.every(({ axis, start, step }) => axis !== null && start === 0 && step === 1) &&
    lo.every((v) => v === 0);
  if (!isWhole) return null;
  const cuts = axes.map((axis) => chunks[axis as number] as readonly number[]); // checked just above
  const shape = shapeOfChunks(input.chunks);
  return shapeOfChunks(cuts).every((n, k) => n === shape[k]) ? cuts : null;
}

/** Layers, by number, whose blocks a rechunk cuts: what Dask's P2P rechunks take to pieces, send and store. */
export function rechunkInputs({ layers }: Graph): ReadonlySet<number> {
  const seen = new Set<number>();
  for (const layer of layers) {
    const [part, ...others] = layer.kind === "gather" ? layer.parts : [];
    if (layer.kind !== "gather" || part === undefined || others.length > 0) continue;
    const input = layers[part.layer] as Layer; // inputs come first
    const cuts = targetCuts(layer, part, input);
    if (cuts?.some((sizes, k) => !isSame(sizes, input.chunks[k] as readonly number[])))
      addSeen(layers, part.layer, seen);
  }
  return new Set(Array.from(seen).filter((index) => layers[index]?.inline === false));
}

/** A layer, and where that is inline those that it is made from. */
function addSeen(layers: readonly Layer[], index: number, seen: Set<number>): void {
  const layer = layers[index] as Layer; // a layer of the graph
  if (seen.has(index)) return;
  seen.add(index);
  if (layer.inline) for (const input of layerInputs(layer)) addSeen(layers, input, seen);
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a === b || (a.length === b.length && a.every((n, k) => n === b[k]));
}

/** Names of layers whose blocks stay in memory, of some graphs; null: of none. */
export function layersInMemory(graphs: readonly Graph[]): ReadonlySet<string> | null {
  const names = graphs.flatMap(({ layers }) =>
    layers.flatMap(({ name, inMemory }) => (inMemory === true ? [name] : [])),
  );
  return names.length > 0 ? new Set(names) : null;
}

/** The graph with what its rechunks cut kept off the disk; what a runner holds already is where it is. */
export function withRechunksInMemory(graph: Graph): Graph {
  const inputs = rechunkInputs(graph);
  if (inputs.size === 0) return graph;
  const layers = graph.layers.map((layer, k) =>
    inputs.has(k) && layer.kind !== "held" ? { ...layer, inMemory: true } : layer,
  );
  return new Graph(layers, graph.outputs, graph.fusion);
}
