/** Functions per block over the wire: the same bits as on threads, vouched for by the cluster's token. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { arange, type ChunkedArray, random, reduction } from "../../src/array/index.ts";
import { Client } from "../../src/client/index.ts";
import { LocalCluster } from "../../src/cluster/index.ts";
import { pushRunner } from "../../src/graph/index.ts";
import { LocalRunner } from "../../src/local/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";

/** Elementwise work, halos, a function with arguments, a tree of functions. */
function pipeline(): ChunkedArray[] {
  const x = arange(1000, { dtype: "float64", chunks: 64 }).mul(1.5).add(1);
  const smooth = x.mapOverlap(
    (b) => (b.data as Float64Array).map((v, i, all) => ((all[i - 1] ?? v) + v + (all[i + 1] ?? v)) / 3),
    { depth: 1, boundary: "reflect" },
  );
  const scaled = smooth.mapBlocks(
    async (b, info, { factors, offset }) => {
      const [first] = info.output.arrayLocation[0] ?? [0];
      return (b.data as Float64Array).map(
        (v, i) => v * (factors[(first + i) % factors.length] ?? 0) + (offset.data[0] as number),
      );
    },
    { args: { factors: Float32Array.of(1, 2.5, -3), offset: NDArray.of(Float64Array.of(0.25)) } },
  );
  const norm = reduction(scaled.div(100), {
    chunk: (b) => [Math.hypot(...(b.data as Float64Array))],
    combine: (b) => [Math.hypot(...(b.data as Float64Array))],
    aggregate: (b) => Math.hypot(...(b.data as Float64Array)),
  });
  const noise = random.defaultRng(5).normal(1000, { scale: 2, chunks: 128 });
  return [smooth, scaled, scaled.mean(), norm, noise];
}
async function bitsOn(runner: LocalRunner | Client): Promise<Uint8Array[]> {
  const leave = pushRunner(runner);
  try {
    const out: Uint8Array[] = [];
    for (const lazy of pipeline()) {
      const block = (await lazy.compute()) as NDArray;
      out.push(new Uint8Array(block.data.buffer, block.data.byteOffset, block.data.byteLength).slice());
    }
    return out;
  } finally {
    leave();
  }
}

describe.each([
  ["the dialect", "1"],
  ["pure Dask", "0"],
])("with %s", (_name, dialect) => {
  let cluster: LocalCluster;
  let client: Client;
  const before = process.env["RSDAT_DIALECT"];

  beforeAll(async () => {
    process.env["RSDAT_DIALECT"] = dialect;
    cluster = await LocalCluster.start({ nWorkers: 2, threadsPerWorker: 1, memoryLimit: "512MiB" });
    client = await Client.connect({ cluster });
  });
  afterAll(async () => {
    await client?.close();
    await cluster?.close();
    if (before === undefined) delete process.env["RSDAT_DIALECT"];
    else process.env["RSDAT_DIALECT"] = before;
  });

  test("the same bits as on threads of this process", async () => {
    const local = new LocalRunner({ threads: 2 });
    const expected = await bitsOn(local);
    await local[Symbol.asyncDispose]();
    expect(expected.map((bytes) => bytes.byteLength)).toEqual([8000, 8000, 8, 8, 8000]);
    expect(await bitsOn(client)).toEqual(expected);
  });

  test("an error names the block, and the function's own words", async () => {
    const bad = arange(6, { dtype: "float64", chunks: 2 }).mapBlocks((b, info) => {
      if (info.output.chunkLocation[0] === 2) throw new RangeError("no such season");
      return b;
    });
    const leave = pushRunner(client);
    try {
      await expect(bad.compute()).rejects.toMatchObject({
        code: "remote",
        details: { text: expect.stringContaining("no such season"), key: expect.stringMatching(/, 2\)$/) },
      });
      const typed = arange(6, { dtype: "float64", chunks: 2 }).mapBlocks((b) => b, { dtype: "int16" });
      await expect(typed.compute()).rejects.toMatchObject({ message: expect.stringContaining("int16 was declared") });
    } finally {
      leave();
    }
  });

  test("a client without the token is refused", async () => {
    const stranger = await Client.connect(cluster.schedulerAddress, { setAsDefault: false });
    const leave = pushRunner(stranger);
    try {
      const made = arange(4, { dtype: "float64", chunks: 2 }).mapBlocks((b) =>
        (b.data as Float64Array).map((v) => v + 7),
      );
      await expect(made.compute()).rejects.toMatchObject({ message: expect.stringContaining("mac") });
      expect((await arange(4, { chunks: 2 }).sum().compute()).item()).toBe(6n);
    } finally {
      leave();
      await stranger.close();
    }
  });
});
