/** What a worker's page tells of its reads: against a web server that counts, and the sizes of files. */
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { array, Client, openRaster } from "rsdat";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT } from "../find-peers.ts";
import { startRsdat } from "../processes.ts";

const folder = mkdtempSync(join(tmpdir(), "rsdat-reading-"));
const seen = { requests: 0, bytes: 0 };
/** The folder, with ranges. One of its answers is a refusal that has to be asked for again. */
let refusals = 0;
const server = createServer((request, response) => {
  seen.requests++;
  if (refusals > 0) {
    refusals--;
    return void response.writeHead(500, { "content-length": 0 }).end();
  }
  const path = join(folder, new URL(request.url ?? "/", "http://x").pathname);
  const bytes = statSync(path, { throwIfNoEntry: false })?.isFile() ? readFileSync(path) : null;
  if (bytes === null) return void response.writeHead(404, { "content-length": 0 }).end();
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
  const [from, to] = range ? [Number(range[1]), Math.min(Number(range[2]), bytes.length - 1)] : [0, bytes.length - 1];
  const body = request.method === "HEAD" ? Buffer.alloc(0) : bytes.subarray(from, to + 1);
  seen.bytes += body.length;
  response.writeHead(range ? 206 : 200, {
    "content-length": to - from + 1,
    ...(range ? { "content-range": `bytes ${from}-${to}/${bytes.length}` } : {}),
  });
  response.end(body);
});
let web = "";

beforeAll(async () => {
  mkdirSync(folder, { recursive: true });
  await array
    .arange(3500, { chunks: 500 })
    .astype("float32")
    .toZarr(join(folder, "in.zarr"), { component: "a", chunks: [500] });
  const scene = await openRaster(join(ROOT, "examples", "data", "L7_ETMs.tif"), { band: 1 });
  await scene.isel({ y: [0, 200], x: [0, 200] }).toCog(join(folder, "in.tif")); // one tile
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  web = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Value of a sample of a page; NaN where it is not there. */
function sample(page: string, name: string): number {
  const line = page.split("\n").find((each) => each.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? Number.NaN);
}

test("bytes and requests by host, caches and decoding stand on a worker's page", async () => {
  await using scheduler = startRsdat(["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]);
  const [, address = ""] = await scheduler.waitFor(/scheduler at (tcp:[\d./:]+)/);
  const options = ["--nthreads", "1", "--memory-limit", "512MiB", "--dashboard-address", ":0"];
  await using worker = startRsdat(["worker", address, ...options]);
  const [, pages = ""] = await worker.waitFor(/metrics at (http:[\d./:]+)\/metrics/);
  const look = async (): Promise<string> => (await fetch(`${pages}/metrics`)).text();
  const before = await look();
  expect(sample(before, 'rsdat_worker_read_requests_total{host="file"}')).toBe(0);
  await using _client = await Client.connect(address);

  // Of the web: what the server saw, after this process has read the metadata.
  const farCog = await openRaster(`http://${web}/in.tif`);
  const farZarr = await array.fromZarr(`http://${web}/in.zarr`, { component: "a" });
  Object.assign(seen, { requests: 0, bytes: 0 });
  refusals = 1;
  const cogSum = (await farCog.data.astype("float64").sum().compute()).item();
  const ofCog = { ...seen };
  const ofTiles = sample(await look(), "rsdat_worker_decode_seconds_total");
  expect(ofTiles).toBeGreaterThan(0);
  expect(ofCog.requests).toBe(2);
  expect((await farZarr.sum({ dtype: "float64" }).compute()).item()).toBe((3499 * 3500) / 2);
  expect(seen.requests - ofCog.requests).toBe(7);
  const middle = await look();
  expect(sample(middle, `rsdat_worker_read_requests_total{host="${web}"}`)).toBe(seen.requests);
  expect(sample(middle, `rsdat_worker_read_bytes_total{host="${web}"}`)).toBe(seen.bytes);
  expect(sample(middle, 'rsdat_worker_read_bytes_total{host="file"}')).toBe(0);
  const decoded = sample(middle, "rsdat_worker_decode_seconds_total");
  expect(decoded).toBeGreaterThan(ofTiles);
  expect(decoded).toBeLessThanOrEqual(sample(middle, "rsdat_worker_busy_seconds_total"));

  // Of files: the same tile, and the chunks as they lie there.
  const chunks = join(folder, "in.zarr", "a", "c");
  const sizes = readdirSync(chunks).map((name) => statSync(join(chunks, name)).size);
  expect(sizes).toHaveLength(7);
  const nearCog = await openRaster(join(folder, "in.tif"));
  expect((await nearCog.data.astype("float64").sum().compute()).item()).toBe(cogSum);
  const nearZarr = await array.fromZarr(join(folder, "in.zarr"), { component: "a" });
  for (const _time of [1, 2]) await nearZarr.sum({ dtype: "float64" }).compute();
  const after = await look();
  const zarrBytes = 2 * sizes.reduce((sum, size) => sum + size, 0);
  expect(sample(after, 'rsdat_worker_read_requests_total{host="file"}')).toBe(1 + 2 * 7);
  expect(sample(after, 'rsdat_worker_read_bytes_total{host="file"}')).toBe(ofCog.bytes + zarrBytes);
  expect(sample(after, `rsdat_worker_read_bytes_total{host="${web}"}`)).toBe(seen.bytes);
  // One thread: every file is opened once, and found open the second time.
  expect(sample(after, 'rsdat_worker_cache_misses_total{cache="open-files"}')).toBe(1 + 7);
  expect(sample(after, 'rsdat_worker_cache_hits_total{cache="open-files"}')).toBe(7);
  expect(sample(after, 'rsdat_worker_cache_hits_total{cache="tiff-tables"}')).toBeGreaterThan(0);
  expect(sample(after, 'rsdat_worker_cache_hits_total{cache="shard-indexes"}')).toBe(0);
  expect(sample(after, "rsdat_worker_decode_seconds_total")).toBeGreaterThan(decoded);
});
