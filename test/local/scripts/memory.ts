/** Centres an array on its mean, which needs all of it twice; prints the result, VmHWM and the plan's bytes. */
import { readFileSync } from "node:fs";
import { ChunkedArray } from "../../../src/array/index.ts";
import { type Plain, registerRunner, sourceNode } from "../../../src/graph/index.ts";
import { openZarrGroup, planRead } from "../../../src/io/index.ts";
import { localRunner } from "../../../src/local/index.ts";

const [url = "", limit = "", admission = ""] = process.argv.slice(2);
const runner = localRunner({ threads: 2, memoryLimitBytes: Number(limit), admission: admission === "on" });
registerRunner(async () => runner);
const source = (await openZarrGroup(url)).source("a");
const chunks = source.shape.map((n, k) =>
  Array.from({ length: n / (source.chunkShape[k] as number) }, () => source.chunkShape[k] as number),
);
const scratchBytes = planRead(
  source,
  source.chunkShape.map((stop) => ({ start: 0, stop })),
).workspaceBytes;
const x = new ChunkedArray(
  sourceNode({ source: source as unknown as Plain, dtype: source.dtype, chunks, scratchBytes }),
); // made by io
const result = x.sub(x.mean()).abs().max();
const { peakWorkerBytes, leastBytes } = await result.explain();
const value = Number((await result.compute()).item());
const [, peakKib = "0"] = /^VmHWM:\s*(\d+)/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
console.log(JSON.stringify({ value, peakBytes: Number(peakKib) * 1024, peakWorkerBytes, leastBytes }));
