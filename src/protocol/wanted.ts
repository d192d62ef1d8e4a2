/** Which results a submission is about. */
import { decodeGraph, type Key } from "../graph/index.ts";
import type { UpdateLayers } from "./client-messages.ts";

/** Keys of the blocks that `update-layers` wants. @throws {RemoteProtocolError} its layers make no sense */
export function wantedKeys({ layers, wanted }: Pick<UpdateLayers, "layers" | "wanted">): Key[] {
  const graph = decodeGraph(layers);
  return wanted.flatMap(([name, start, stop]) => {
    const layer = typeof name === "number" ? name : graph.layers.findIndex((each) => each.name === name);
    const base = graph.base(layer);
    return Array.from({ length: stop - start }, (_, i) => graph.key(base + start + i));
  });
}
