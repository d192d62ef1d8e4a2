/** `rsdat plan`: what is asked for is planned and told, nothing runs, and the script goes on with zeros for results. */
import { gridOf, type LayerNode, shapeOfChunks } from "../graph/index.ts";
import { NDArray, sizeOf } from "../ndarray/index.ts";
import type { Computable } from "./compute.ts";

/** Elements of a result that are made up; larger ones are left out. */
const ELEMENTS_MAX = 2 ** 24;

/**
 * Stands for a result: zeros of its shape, or undefined where there is none without running: a write, a shape that depends
 * on values, or more than a script would look at.
 */
export async function placeholder(item: Computable<unknown>): Promise<unknown> {
  const elements = item.outputs.reduce((sum, { layer }) => sum + sizeOf(shapeOfChunks(layer.chunks)), 0);
  if (item.prepare || item.before || elements > ELEMENTS_MAX) return undefined;
  try {
    return await item.assemble(item.outputs.map(zeroBlocks));
  } catch {
    return undefined; // a result that cannot be made of zeros is none
  }
}

function zeroBlocks({ layer }: LayerNode): NDArray[] {
  const grid = gridOf(layer.chunks);
  const blocks: NDArray[] = [];
  for (let k = 0; k < grid.reduce((a, b) => a * b, 1); k++) {
    let rest = k;
    const shape = layer.chunks.map(() => 0);
    for (let axis = grid.length - 1; axis >= 0; axis--) {
      const n = grid[axis] as number; // one per axis
      shape[axis] = layer.chunks[axis]?.[rest % n] ?? 0;
      rest = Math.floor(rest / n);
    }
    blocks.push(NDArray.zeros(layer.dtype, shape));
  }
  return blocks;
}
