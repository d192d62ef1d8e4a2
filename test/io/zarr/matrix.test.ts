import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DTYPES, isComplex } from "../../../src/dtype/index.ts";
import { plainByteKernels } from "../../../src/io/codecs/index.ts";
import { ioWork } from "../../../src/io/work.ts";
import {
  decodeZarr,
  fetchZarr,
  openZarrGroup,
  planZarrRead,
  readZarrArray,
  readZarrSync,
  type ZarrGroupInfo,
} from "../../../src/io/zarr/index.ts";
import { NDArray } from "../../../src/ndarray/index.ts";
import { describePeer, runPython } from "../../peers.ts";

interface Expected {
  readonly store: string;
  readonly group?: string;
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly raw: string;
}

const context = { kernels: plainByteKernels };

function bytesOf(block: NDArray): Buffer {
  return Buffer.from(block.data.buffer as ArrayBuffer, block.data.byteOffset, block.data.byteLength);
}

describePeer("what zarr-python wrote", ["zarr", "numpy", "xarray"], () => {
  let folder: string;
  let arrays: readonly Expected[];
  const groups = new Map<string, ZarrGroupInfo>();

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "rsdat-zarr-"));
    const script = join(import.meta.dirname, "write_matrix.py");
    ({ arrays } = JSON.parse(await runPython([script, folder])) as { arrays: Expected[] });
    for (const a of arrays) {
      groups.set(a.store, await openZarrGroup(join(folder, a.store), a.group === undefined ? {} : { group: a.group }));
    }
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Fails with the names of all arrays for which `check` gives a reason. */
  async function forAll(check: (e: Expected, g: ZarrGroupInfo) => Promise<string | null>): Promise<void> {
    const wrong: string[] = [];
    for (const e of arrays) {
      const reason = await check(e, groups.get(e.store)!).catch((x: unknown) => String(x));
      if (reason !== null) wrong.push(`${e.store}/${e.name}: ${reason}`);
    }
    expect(wrong).toEqual([]);
    expect(arrays.length).toBeGreaterThan(200);
  }

  test("whole arrays are equal to the bit, with shape and dtype", async () => {
    await forAll(async (e, g) => {
      const info = g.arrays.get(e.name);
      if (!info) return String(g.unreadable.get(e.name));
      const got = await readZarrArray(info);
      if (DTYPES[got.dtype].numpy.slice(1) !== e.dtype) return `dtype ${got.dtype}, expected ${e.dtype}`;
      if (String(got.shape) !== String(e.shape)) return `shape ${got.shape}`;
      return bytesOf(got).toString("base64") === e.raw ? null : "other values";
    });
  });

  test("regions, strided targets and the two-phase path give the same", async () => {
    await forAll(async (e, g) => {
      const { source } = g.arrays.get(e.name)!;
      const whole = await readZarrArray({ source });
      // All but the first row of each axis that has more than one.
      const region = source.shape.map((n) => ({ start: n > 1 ? 1 : 0, stop: n }));
      const shape = region.map((r) => r.stop - r.start);
      const offset = region.reduce((sum, r, k) => sum + r.start * whole.stride[k]!, 0);
      const want = new NDArray(whole.dtype, whole.data, shape, whole.stride, offset).toArray();
      // The block's axes lie in reverse order in memory.
      const turned = NDArray.zeros(source.dtype, [...shape].reverse()).transpose();
      readZarrSync(source, region, turned, context);
      if (!sameValues(turned.toArray(), want)) return "strided target differs";
      const plan = planZarrRead(source, region);
      const slots = new Uint8Array(new SharedArrayBuffer(plan.slotBytes));
      const into = NDArray.zeros(source.dtype, shape);
      await fetchZarr(plan, slots, context);
      decodeZarr(plan, slots, into, context);
      return sameValues(into.toArray(), want) ? null : "two-phase read differs";
    });
  });

  test("over HTTP: the same values, few requests, absent chunks as fill", async () => {
    await using server = await serveFolder(folder);
    for (const store of ["v3-shards", "v3-dtypes", "v2-dtypes"]) {
      server.requests.length = 0;
      const group = await openZarrGroup(`${server.url}/${store}`);
      expect(server.requests.length).toBe(5); // zarr.json, .zmetadata, .zgroup, .zarray, .zattrs, at once
      for (const e of arrays.filter((a) => a.store === store)) {
        const got = await readZarrArray({ source: group.source(e.name) });
        expect([e.name, bytesOf(got).toString("base64")]).toEqual([e.name, e.raw]);
      }
    }
    // Shards: size, index, and one request per chunk that is there; the metadata come before.
    server.requests.length = 0;
    const source = (await openZarrGroup(`${server.url}/v3-shards`)).source("end-crc-zstd");
    const indexes = (): number[] => [ioWork().misses["shard-indexes"], ioWork().hits["shard-indexes"]];
    const [missesBefore = 0, hitsBefore = 0] = indexes();
    await readZarrArray({ source });
    const perKey = Map.groupBy(server.requests.slice(5), (r) => r);
    expect(Math.max(...[...perKey.values()].map((r) => r.length))).toBeLessThanOrEqual(2 + 4);
    // Each shard's index is read once, then known to the other chunks of the shard.
    const pieces = source.shape.reduce((n, extent, k) => n * Math.ceil(extent / (source.chunkShape[k] as number)), 1);
    const [misses = 0, hits = 0] = indexes();
    expect([misses - missesBefore, hits - hitsBefore]).toEqual([perKey.size, pieces - perKey.size]);
    expect(hits - hitsBefore).toBeGreaterThan(0);
    await expect(openZarrGroup(`${server.url}/nested`, { consolidated: false })).rejects.toThrow(/vars/);
  });

  test("over HTTP: 403 is an error, never a fill value", async () => {
    await using server = await serveFolder(folder, (path) => (path.includes("/c/") ? 403 : null));
    const group = await openZarrGroup(`${server.url}/v3-shapes`, { vars: ["fill-nan"] });
    await expect(readZarrArray({ source: group.source("fill-nan") })).rejects.toMatchObject({ code: "forbidden" });
  });

  test("over HTTP: a store that refuses instead of saying absent still opens", async () => {
    await using server = await serveFolder(folder, (path) => (existsSync(join(folder, path)) ? null : 403));
    for (const store of ["v2-dtypes", "v3-dtypes"]) {
      const group = await openZarrGroup(`${server.url}/${store}`);
      expect(group.arrays.size).toBe(groups.get(store)!.arrays.size);
    }
    await expect(openZarrGroup(`${server.url}/none`)).rejects.toMatchObject({ code: "forbidden" });
  });

  test("consolidated and separate metadata agree", async () => {
    for (const store of ["v2-dtypes", "v3-dtypes", "v3-shards"]) {
      const one = groups.get(store)!;
      const each = await openZarrGroup(join(folder, store), { consolidated: false });
      expect([one.consolidated, each.consolidated]).toEqual([true, false]);
      expect([...each.arrays.keys()].sort()).toEqual([...one.arrays.keys()].sort());
      for (const [name, info] of one.arrays) {
        // Only the object that the metadata came from differs.
        const found = each.arrays.get(name)!;
        expect({ ...found, source: { ...found.source, version: info.source.version } }).toEqual(info);
        expect([found.source.version?.size, info.source.version?.size]).not.toContain(undefined);
      }
    }
  });

  test("attributes, dimension names and fill values come through", async () => {
    const info = groups.get("v3-dtypes")!.arrays.get("f4")!;
    expect(info.dimensionNames).toEqual(["y", "x"]);
    expect(info.attributes).toEqual({ units: "m", none: null, nan: Number.NaN });
    const fills = groups.get("v3-shapes")!.arrays;
    const of = (name: string) => fills.get(`fill-${name}`)?.fill;
    expect([of("nan"), of("inf"), of("negative"), of("true"), of("large"), of("max")]).toEqual([
      Number.NaN,
      Number.NEGATIVE_INFINITY,
      -9999,
      true,
      2n ** 62n + 1n,
      2n ** 64n - 1n,
    ]);
    expect(groups.get("v2-shapes")!.arrays.get("null-fill")?.fill).toBe(null);
  });

  test("what xarray wrote: dimensions, packed integers, the missing value as a number", async () => {
    const program = `
import sys, numpy as np, xarray as xr
da = xr.DataArray(np.array([[1.5, np.nan], [3, 4]], "f4"), dims=("y", "x"), coords=dict(x=[10.0, 20.0]), attrs=dict(units="K"))
ds = xr.Dataset(dict(a=da, b=da))
for v in (2, 3):
    ds.to_zarr(f"{sys.argv[1]}/xarray-{v}", zarr_format=v, encoding=dict(b=dict(dtype="i2", _FillValue=-9999, scale_factor=0.5)))`;
    await runPython(["-W", "ignore", "-c", program, folder]);
    for (const version of [2, 3]) {
      const { arrays: found } = await openZarrGroup(join(folder, `xarray-${version}`));
      expect([...found.keys()].sort()).toEqual(["a", "b", "x"]);
      const [a, b] = [found.get("a")!, found.get("b")!];
      expect([a.dimensionNames, a.attributes["units"]]).toEqual([["y", "x"], "K"]);
      expect((await readZarrArray(a)).toArray()).toEqual([
        [1.5, Number.NaN],
        [3, 4],
      ]);
      expect((await readZarrArray(b)).toArray()).toEqual([
        [3, -9999],
        [6, 8],
      ]);
      // v2 says it in fill_value, v3 in an attribute.
      const missing = (info: typeof a) => (version === 2 ? info.fill : info.attributes["_FillValue"]);
      expect([missing(a), missing(b), b.attributes["scale_factor"]]).toEqual([Number.NaN, -9999, 0.5]);
    }
  }, 240_000);

  test("strings are listed as unreadable and say why when asked for", async () => {
    const group = await openZarrGroup(join(folder, "nested"));
    expect(group.groups).toEqual(["a"]);
    expect(group.unreadable.get("strings")?.code).toBe("unsupported");
    expect(() => group.source("strings")).toThrow(/data type "string" is not supported/);
    expect(() => group.source("x")).toThrow(/has no array "x"/);
  });
});

interface FolderServer extends AsyncDisposable {
  readonly url: string;
  /** Paths asked for, in order. */
  readonly requests: string[];
}

/** A web server of one folder that knows ranges; `refuse` may answer with a status instead. */
async function serveFolder(root: string, refuse: (path: string) => number | null = () => null): Promise<FolderServer> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url!, "http://x").pathname);
    requests.push(path);
    const status = refuse(path);
    const file = join(root, path);
    if (status !== null || !existsSync(file) || !statSync(file).isFile()) {
      response.writeHead(status ?? 404).end();
      return;
    }
    const bytes = readFileSync(file);
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
    const [from, to] = range ? [Number(range[1]), Math.min(Number(range[2]), bytes.length - 1)] : [0, bytes.length - 1];
    const head = {
      "content-length": to - from + 1,
      ...(range ? { "content-range": `bytes ${from}-${to}/${bytes.length}` } : {}),
    };
    response.writeHead(range ? 206 : 200, { ...head, "last-modified": statSync(file).mtime.toUTCString() });
    response.end(request.method === "HEAD" ? undefined : bytes.subarray(from, to + 1));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // it listens on TCP
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function sameValues(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((v, k) => sameValues(v, b[k]));
  if (isComplex(a) && isComplex(b)) return Object.is(a.re, b.re) && Object.is(a.im, b.im);
  return Object.is(a, b);
}
