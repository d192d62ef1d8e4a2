/** Layers over sources that io describes: chunks along their tiles, and a bound on what reading one block needs. */
import { type ChunkSpec, type Chunks, type LayerNode, offsetsOf, type Plain, sourceNode } from "../../graph/index.ts";
import { planRead, type SourceSpec } from "../../io/index.ts";
import { cutChunks } from "../lazy.ts";

/** Blocks of a source, cut along its tiles or chunks by default. @throws {ChunkError} sizes that do not add up */
export function sourceLayer(label: string, source: SourceSpec, chunks: ChunkSpec = "auto"): LayerNode {
  const cut = cutChunks(source.shape, source.dtype, chunks, { align: source.chunkShape });
  return sourceNode({
    label,
    source: source as unknown as Plain, // plain data by its contract
    dtype: source.dtype,
    chunks: cut,
    scratchBytes: scratchBytes(source, cut),
  });
}

/** Most blocks looked at for the bound; beyond it, evenly chosen ones stand for all. */
const LOOKED_AT_MAX = 1024;

/** Bytes beside the block that reading any block may take. */
function scratchBytes(source: SourceSpec, chunks: Chunks): number {
  const total = chunks.reduce((n, sizes) => n * sizes.length, 1);
  const stride = Math.max(1, Math.floor(total / LOOKED_AT_MAX));
  let most = 0;
  for (let index = 0; index < total; index += stride) {
    let rest = index;
    const region = [...chunks].reverse().map((sizes) => {
      const position = rest % sizes.length;
      rest = Math.floor(rest / sizes.length);
      const start = offsetsOf(sizes)[position] as number; // position is below the length
      return { start, stop: start + (sizes[position] as number) };
    });
    most = Math.max(most, planRead(source, region.reverse()).workspaceBytes);
  }
  return most;
}
