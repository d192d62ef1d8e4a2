/** Which results a submission is about. */
import { blockKeyAt, decodeGraph, type Key } from "../graph/index.ts";
import type { UpdateLayers } from "./client-messages.ts";
import type { ReleasesBlocks } from "./column-messages.ts";

/** The same submission, wanting only those of its keys that `isWanted`. @throws {RemoteProtocolError} its layers make no sense */
export function wantingOnly(message: UpdateLayers, isWanted: (key: Key) => boolean): UpdateLayers {
  const graph = decodeGraph(message.layers);
  const ranges: [string | number, number, number][] = [];
  for (const [name, start, stop] of message.wanted) {
    const layer = typeof name === "number" ? name : graph.layers.findIndex((each) => each.name === name);
    for (let i = start; i < stop; i++) {
      if (!isWanted(graph.key(graph.base(layer) + i))) continue;
      const last = ranges.at(-1);
      if (last && last[0] === name && last[2] === i) last[2] = i + 1;
      else ranges.push([name, i, i + 1]);
    }
  }
  return { ...message, wanted: ranges };
}

/** Keys of the blocks that `update-layers` wants. @throws {RemoteProtocolError} its layers make no sense */
export function wantedKeys({ layers, wanted }: Pick<UpdateLayers, "layers" | "wanted">): Key[] {
  const graph = decodeGraph(layers);
  return wanted.flatMap(([name, start, stop]) => {
    const layer = typeof name === "number" ? name : graph.layers.findIndex((each) => each.name === name);
    const base = graph.base(layer);
    return Array.from({ length: stop - start }, (_, i) => graph.key(base + start + i));
  });
}

/** Keys of blocks that a message names by layer and number. */
export function blockKeys(of: Pick<ReleasesBlocks, "layer" | "grid" | "blocks">): Key[] {
  return Array.from(of.blocks, (block) => blockKeyAt(of.layer, of.grid, block));
}
