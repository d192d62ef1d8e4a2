/** Names of options that there are not are mistakes, whoever takes them; nothing runs. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { arange, computeAll, concatenate, flip, histogram, toZarr, zeros } from "../../src/array/index.ts";
import { Client } from "../../src/client/index.ts";
import { adaptiveOptions } from "../../src/cluster/adaptive.ts";
import { LocalCluster } from "../../src/cluster/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { quicklook } from "../../src/plot/index.ts";
import { dataArray, dataset, openRaster, openZarr } from "../../src/xr/index.ts";
import { useInlineRunner } from "../run-inline.ts";

useInlineRunner();
const out = join(tmpdir(), "rsdat-never-written");
const x = arange(4, { chunks: 2 });
const labelled = dataArray(NDArray.of(new Float32Array(4), [2, 2]), { dims: ["y", "x"], name: "v" });

test.each<[call: string, given: object, nearest: string, run: (options: never) => unknown]>([
  ["compute", { memorry: "1GiB" }, "memory", (o) => x.compute(o)],
  ["compute", { on_progress: () => undefined }, "onProgress", (o) => labelled.compute(o)],
  ["compute", { prority: 1 }, "priority", (o) => computeAll([x], o)],
  ["persist", { worker: ["a"] }, "workers", (o) => x.persist(o)],
  ["persist", { retrys: 2 }, "retries", (o) => dataset({ v: labelled }).persist(o)],
  ["toZarr", { dimension_names: ["x"] }, "dimensionNames", (o) => toZarr(x, out, o)],
  ["toZarr", { moed: "w" }, "mode", (o) => labelled.toZarr(out, o)],
  ["encoding of v", { encoding: { v: { chunk: [1, 1] } } }, "chunks", (o) => dataset({ v: labelled }).toZarr(out, o)],
  ["toCog", { blockSize: 256 }, "blocksize", (o) => labelled.toCog(out, o)],
  ["adapt", { minimun: 1 }, "minimum", (o) => adaptiveOptions(o)],
  ["zeros", { chunk: 2 }, "chunks", (o) => zeros(4, o)],
  ["arange", { dtpye: "int8" }, "dtype", (o) => arange(4, o)],
  ["concatenate", { axes: 1 }, "axis", (o) => concatenate([x, x], o)],
  ["median", { keepDims: true }, "keepdims", (o) => x.median(0, o)],
  ["flip", { axes: 0 }, "axis", (o) => flip(x, o)],
  ["histogram", { bin: 3 }, "bins", (o) => histogram(x, o)],
  ["mapBlocks", { drop_axis: 0 }, "dropAxis", (o) => x.mapBlocks((b) => b, o)],
  ["mean", { skipNA: false }, "skipna", (o) => labelled.mean("y", o)],
  ["sel", { methd: "nearest" }, "method", (o) => labelled.sel({ y: 0 }, o)],
  ["openRaster", { bands: [1] }, "band", (o) => openRaster(out, o)],
  ["openZarr", { var: ["v"] }, "vars", (o) => openZarr(out, o)],
  ["dataArray", { dim: ["y", "x"] }, "dims", (o) => dataArray(x, o)],
  ["quicklook", { color: "viridis" }, "colors", (o) => quicklook(NDArray.of(new Float32Array(4), [2, 2]), o)],
  ["LocalCluster", { workers: 2 }, "nWorkers", (o) => LocalCluster.start(o)],
  ["Client.connect", { timeoutMs: 1 }, "timeout", (o) => Client.connect("tcp://127.0.0.1:1", o)],
])("%s of %o: meant was %s", async (call, given, nearest, run) => {
  const wrong = Object.keys("encoding" in given ? { chunk: 1 } : given)[0];
  // Not typed as the call wants it: that is the point.
  await expect(Promise.try(() => run(given as never))).rejects.toMatchObject({
    code: "argument",
    message: expect.stringContaining(`${call} has no option "${wrong}"; did you mean "${nearest}"? It takes `),
    details: { option: wrong, nearest },
  });
});
