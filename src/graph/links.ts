/** Edges between layers, ready to be asked from both ends. */
import type { AxisMap, Inverse } from "./axis-map.ts";
import { type AxisAsk, type EdgeRows, everywhere, inverseRowOf, type Places, rowOf, rowsOf } from "./edge-rows.ts";
import type { Graph } from "./graph.ts";
import { type LayerEdge, layerEdges, NoFormula } from "./layer-edges.ts";
import { inverseOf } from "./link-places.ts";

/** An edge, ready to be asked from both ends. */
export interface Link {
  /** Layer that needs, and layer that is needed. */
  readonly from: number;
  readonly to: number;
  readonly edge: LayerEdge;
  /** Per axis of the needed layer: for tables, where each place is used. Made when first asked for. */
  readonly inverses: (Inverse | undefined)[];
  /** The only link between these two layers. */
  readonly isOnly: boolean;
  /** Each block needs the one at the same place of an equal grid: number for number. */
  readonly isAlike: boolean;
}

/** All links of a layer in one direction. */
export interface Side {
  readonly links: readonly Link[];
  /** The same, ready to be asked fast; null: not made yet. */
  rows: readonly (EdgeRows | null)[] | null;
  /** Those of its only link, when they are made and there are such. */
  only: EdgeRows | null;
  /** Its only link is number for number, so many tasks away. */
  readonly isAlike: boolean;
  readonly away: number;
}

/** Links of all layers, by user, then in the order of its formula; null where some cannot be said. */
export function linksOf(graph: Graph): Link[] | null {
  // Edges of calls that read others are columns.
  if (graph.layers.some((layer) => layer.kind === "calls" && layer.inputs.byteLength > 0)) return null;
  try {
    return graph.layers.flatMap((layer, from) => {
      if (layer.inline) return [];
      const edges = layerEdges(graph, from);
      return edges.map(
        (edge): Link => ({
          from,
          to: edge.layer,
          edge,
          inverses: [],
          isOnly: edges.every((other) => other === edge || other.layer !== edge.layer),
          isAlike: isAlike(graph, from, edge),
        }),
      );
    });
  } catch (error) {
    if (error instanceof NoFormula) return null;
    throw error;
  }
}

/** Axes of one place do not count: a reduction's first one is that of its components. */
function isAlike(graph: Graph, from: number, { layer, axes, holds: masks }: LayerEdge): boolean {
  const [own, other] = [graph.grid(from), graph.grid(layer)];
  const long = own.flatMap((n, axis) => (n === 1 ? [] : [axis]));
  let next = 0;
  for (const [k, map] of axes.entries()) {
    if (other[k] === 1) {
      const isFirst = map.kind === "range" || (map.kind === "same" && own[map.axis] === 1);
      if (!isFirst) return false;
    } else {
      const axis = long[next++];
      if (axis === undefined || map.kind !== "same" || map.axis !== axis || own[axis] !== other[k]) return false;
    }
  }
  return next === long.length && masks.every((mask) => mask === null);
}

/** True when every block of the input is used by some block. */
export function coversAll(graph: Graph, { from, to, edge }: Link): boolean {
  const followed = new Set<number>();
  return edge.axes.every((map, k) => {
    const count = graph.grid(to)[k] as number; // one per axis of the input
    if (map.kind === "range") return map.from === 0 && map.count === count;
    if (map.kind === "table") {
      const isUsed = new Uint8Array(count);
      for (const item of map.items) isUsed[item] = 1;
      if (!isUsed.every((bit) => bit === 1)) return false;
    } else if (edge.holds[map.axis]) return false;
    if (map.axis < 0) return true;
    if (followed.has(map.axis)) return false;
    followed.add(map.axis);
    const places = graph.grid(from)[map.axis] as number; // an axis of the layer
    return map.kind === "table" || places * (map.kind === "group" ? map.size : 1) >= count;
  });
}

/** `sign`: 1 for what the layer needs, -1 for what needs it. */
export function sideOf(graph: Graph, links: readonly Link[], sign: 1 | -1): Side {
  const [first, second] = links;
  const isAlone = first?.isAlike === true && second === undefined;
  const away = isAlone ? sign * (graph.base(first.from) - graph.base(first.to)) : 0;
  return { links, rows: null, only: null, isAlike: isAlone, away };
}

/** What a link's user needs, ready to be asked fast; null: it is to be asked in the general way. */
export function needRows(graph: Graph, { to, edge }: Link, places: Places): EdgeRows | null {
  if (edge.holds.some((mask) => mask !== null)) return null;
  const asks: AxisAsk[] = [];
  for (const [k, count] of graph.grid(to).entries()) {
    const map = edge.axes[k] as AxisMap; // one per axis of the input
    const row = rowOf(map, count);
    if (row === null) return null;
    asks.push({ axis: "axis" in map ? map.axis : -1, row, count });
  }
  return rowsOf(places, graph.base(to), asks);
}

/** What uses a link's input, likewise. */
export function userRows(graph: Graph, link: Link, places: Places): EdgeRows | null {
  const { from, to, edge } = link;
  if (edge.holds.some((mask) => mask !== null)) return null;
  const grid = graph.grid(from);
  const asks: (AxisAsk | null)[] = grid.map(() => null);
  for (const [k, map] of edge.axes.entries()) {
    const count = graph.grid(to)[k] as number; // one per axis of the input
    if (map.kind === "range") {
      if (map.from > 0 || map.count < count) return null;
      continue;
    }
    if (map.axis < 0 || asks[map.axis] !== null) return null;
    const own = grid[map.axis] as number; // an axis of the user
    const row = map.kind === "table" ? inverseOf(link, k, map, count) : inverseRowOf(map, own);
    asks[map.axis] = { axis: k, row, count: own };
  }
  return rowsOf(
    places,
    graph.base(from),
    asks.map((ask, a) => ask ?? { axis: -1, row: everywhere(grid[a] as number), count: grid[a] as number }), // one per axis
  );
}
