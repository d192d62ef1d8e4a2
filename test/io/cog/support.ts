/** COGs in memory, for tests of readers and of the writer's bytes. */

import { dtypeInfo } from "../../../src/dtype/index.ts";
import { tileArrayIndex, writeHeader } from "../../../src/io/cog/header.ts";
import {
  type CogPlan,
  type CogSpec,
  encodePartSync,
  openStore,
  plainByteKernels,
  planCog,
} from "../../../src/io/index.ts";
import { NDArray } from "../../../src/ndarray/index.ts";

let files = 0;

/** Put bytes under a fresh `memory:` URL. */
export async function put(bytes: Uint8Array): Promise<string> {
  const key = `m${++files}.tif`;
  await openStore("memory://tests/").write(key, [bytes]);
  return `memory://tests/${key}`;
}

/** The block of level `k`: `value` of each element's index in C order. */
export function blockOf(plan: CogPlan, k: number, value: (index: number) => number): NDArray {
  const level = plan.levels[k]!;
  const block = NDArray.zeros(plan.dtype, [...(plan.rank === 3 ? [plan.bands] : []), level.height, level.width]);
  const { big } = dtypeInfo(plan.dtype);
  for (let i = 0; i < block.size; i++) block.data[i] = (big ? BigInt(value(i)) : value(i)) as never;
  return block;
}

/** A whole COG as bytes, without spool or file: every level filled by `value`. */
export function writeCog(spec: CogSpec, value: (index: number) => number): Uint8Array {
  const plan = planCog(spec);
  const parts = plan.levels.map((_, k) =>
    encodePartSync(plan, k, 0, blockOf(plan, k, value), { kernels: plainByteKernels }),
  );
  const tiles = plan.levels.map((l) => ({ offsets: new Float64Array(l.tiles), counts: new Uint32Array(l.tiles) }));
  let at = plan.headerBytes;
  for (const k of [...parts.keys()].reverse()) {
    parts[k]!.tileSizes.forEach((size, i) => {
      if (size === 0) return;
      const index = tileArrayIndex(plan, plan.levels[k]!, i);
      tiles[k]!.offsets[index] = at + 4;
      tiles[k]!.counts[index] = size;
      at += size + 8;
    });
  }
  return Uint8Array.from(Buffer.concat([writeHeader(plan, tiles), ...parts.toReversed().flatMap((p) => p.chunks)]));
}
