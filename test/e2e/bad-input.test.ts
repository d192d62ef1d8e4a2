/**
 * Bad input at the front door: each is a typed error that names the value and what was expected.
 *
 * | what | here | in more depth |
 * |---|---|---|
 * | missing file, no TIFF, cut TIFF | opening | test/io/tiff/malformed.test.ts, test/xr/raster.test.ts |
 * | HTTP 404, 500, a server without ranges | opening over HTTP | test/io/store/http-store.test.ts, retry.test.ts |
 * | other grid, other CRS | meeting | test/xr/labels.test.ts, test/geo/geo.test.ts |
 * | chunks that do not add up, band that is none, constant outside the dtype, operators | asking | test/array/errors.test.ts |
 * | existing output, full disk, read-only folder | writing | test/xr/write.test.ts, test/io/store/full-disk.test.ts |
 * | a port that is no Dask scheduler | connecting | test/e2e/local-cluster.test.ts, test/comm |
 * | the same by the command line | test/e2e/ndvi.test.ts | |
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { createServer as createTcpServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { array, Client, type DataArray, openRaster, openZarr, xr } from "rsdat";
import { afterAll, describe, expect, test } from "vitest";
import { describePeer, ROOT } from "../peers.ts";
import { mountTmpfs } from "../tmpfs.ts";

const SCENE = join(ROOT, "examples", "data", "L7_ETMs.tif");
const folder = mkdtempSync(join(tmpdir(), "rsdat-bad-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The error of `make`, thrown now or later, as far as these tests look. */
async function failing(make: () => unknown): Promise<{ readonly code: unknown; readonly message: string }> {
  try {
    await make();
  } catch (error) {
    const { code, message, details } = error as Error & { code: unknown; details: unknown };
    expect(details, `${message} is one of ours`).toBeTypeOf("object");
    return { code, message };
  }
  throw new Error("no error");
}

type Transform = NonNullable<NonNullable<Parameters<typeof xr.dataArray>[1]>["transform"]>;

const raster = (values: number[][], grid: { crs?: number; transform?: Transform } = {}): DataArray<"y" | "x"> =>
  xr.dataArray(array.array(values, { dtype: "float32" }), {
    dims: ["y", "x"],
    crs: 32631,
    transform: [10, 0, 600000, 0, -10, 5800000],
    ...grid,
  });

describe("opening", () => {
  test("a file that is not there", async () => {
    const { code, message } = await failing(() => openRaster(join(folder, "none.tif")));
    expect(code).toBe("not-found");
    expect(message).toMatch(/none\.tif does not exist/);
    expect((await failing(() => openZarr(join(folder, "none.zarr")))).message).toMatch(/none\.zarr/);
  });

  test("a file that is no TIFF", async () => {
    const { code, message } = await failing(() => openRaster(join(ROOT, "README.md")));
    expect(code).toBe("tiff-magic");
    expect(message).toMatch(/README\.md: not a TIFF: begins with 23 .*expected "II" or "MM"/);
  });

  test("a TIFF cut short, in its header and in its pixels", async () => {
    const bytes = readFileSync(SCENE);
    const cuts = [
      ["head.tif", 6, /head\.tif: not a TIFF: begins with 49 49 2a 00/],
      ["half.tif", bytes.length >> 1, /half\.tif: tile \d+: .*beyond the end of the file at \d+; is it truncated/],
    ] as const;
    for (const [name, length, said] of cuts) {
      writeFileSync(join(folder, name), bytes.subarray(0, length));
      const { message } = await failing(async () => (await openRaster(join(folder, name), { band: 1 })).compute());
      expect(message).toMatch(said);
    }
  });
});

describe("opening over HTTP", () => {
  async function served(listener: RequestListener): Promise<{ url: string } & AsyncDisposable> {
    const server = createServer(listener);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" ? address?.port : 0;
    return {
      url: `http://127.0.0.1:${port}/scene.tif`,
      [Symbol.asyncDispose]: () => {
        server.closeAllConnections();
        return new Promise<void>((resolve) => server.close(() => resolve()));
      },
    };
  }

  test("404 says what is missing", async () => {
    await using server = await served((_, response) => response.writeHead(404).end("no"));
    const { code, message } = await failing(() => openRaster(server.url));
    expect(code).toBe("not-found");
    expect(message).toContain(server.url);
  });

  test("500 is tried again, then said", async () => {
    let requests = 0;
    await using server = await served((_, response) => {
      requests++;
      response.writeHead(500).end("broken");
    });
    const { message } = await failing(() => openRaster(server.url));
    expect(message).toMatch(/scene\.tif.*500/);
    expect(requests).toBeGreaterThan(1);
  });

  test("a server that ignores ranges never gives wrong pixels", async () => {
    const bytes = readFileSync(SCENE);
    await using server = await served((_, response) => response.writeHead(200).end(bytes));
    // It may serve (the file is small) or refuse by name.
    const opened = await openRaster(server.url, { band: 3 }).then(
      (r) => r.compute(),
      (error: Error) => error,
    );
    if (opened instanceof Error) expect(opened.message).toMatch(/scene\.tif.*range/i);
    else {
      const local = await (await openRaster(SCENE, { band: 3 })).compute();
      expect(opened.values.data).toEqual(local.values.data);
    }
  });
});

describe("meeting", () => {
  test("another grid", async () => {
    const shifted = raster([[1, 2]], { transform: [10, 0, 600005, 0, -10, 5800000] });
    const { code, message } = await failing(() => raster([[1, 2]]).add(shifted));
    expect(code).toBe("grid-mismatch");
    expect(message).toMatch(/0\.5 pixels.*600005/);
  });

  test("another coordinate system", async () => {
    const { code, message } = await failing(() => raster([[1, 2]]).add(raster([[1, 2]], { crs: 32632 })));
    expect(code).toBe("crs-mismatch");
    expect(message).toMatch(/EPSG:32631 and EPSG:32632/);
  });
});

describe("asking", () => {
  test("chunks that do not add up", async () => {
    const { code, message } = await failing(() => array.ones([100], { chunks: [[40, 40]] }));
    expect(code).toBe("chunk");
    expect(message).toMatch(/80.*100|100.*80/);
  });

  test("a band that is none", async () => {
    const { code, message } = await failing(() => openRaster(SCENE, { band: 7 }));
    expect(code).toBe("selection");
    expect(message).toMatch(/has no band 7; its bands are 1, 2, 3, 4, 5, 6/);
  });

  test("a constant outside the dtype", async () => {
    const { code, message } = await failing(() => array.ones([2], { dtype: "uint8" }).add(256));
    expect(code).toBe("dtype");
    expect(message).toMatch(/256.*uint8/);
  });

  test("an operator on lazy arrays", async () => {
    const [a, b] = [array.ones([2]), raster([[1, 2]])];
    for (const lazy of [a, b]) {
      // The type forbids it; a script in JavaScript can still write it.
      const { code, message } = await failing(() => (lazy as unknown as number) - 1);
      expect(code).toBe("operator");
      expect(message).toMatch(/\.sub\(|expr/);
    }
  });
});

describe("writing", () => {
  test("onto what exists, without a mode", async () => {
    const [tif, zarr] = [join(folder, "there.tif"), join(folder, "there.zarr")];
    await raster([[1, 2]]).toCog(tif);
    await raster([[1, 2]])
      .rename("v")
      .toZarr(zarr);
    const before = readFileSync(tif);
    for (const write of [
      () => raster([[3, 4]]).toCog(tif),
      () =>
        raster([[3, 4]])
          .rename("v")
          .toZarr(zarr),
    ]) {
      const { code, message } = await failing(write);
      expect(code).toBe("exists");
      expect(message).toMatch(/there\.(tif|zarr)\/? exists/);
    }
    expect(readFileSync(tif).equals(before)).toBe(true);
  });

  describePeer("on file systems that refuse", "tmpfs", () => {
    /** Noise of 1 MiB, which no codec makes small. */
    const noise = (): DataArray<"y" | "x"> => {
      const row = (y: number): number[] => Array.from({ length: 512 }, (_, x) => Math.sin((y * 512 + x) ** 2 * 1.7));
      return raster(Array.from({ length: 512 }, (_, y) => row(y))).rename("v");
    };

    test.each(["full", "read-only"])("%s: the error says so, nothing half-written remains", async (kind) => {
      using disk = mountTmpfs(256 * 1024);
      if (kind === "read-only") execFileSync("mount", ["-o", "remount,ro", disk.path]);
      for (const write of [
        () => noise().toCog(join(disk.path, "out.tif")),
        () => noise().toZarr(join(disk.path, "out.zarr")),
      ]) {
        const { code, message } = await failing(write);
        expect(code).toBe(kind === "full" ? "no-space" : "read-only");
        expect(message).toContain(disk.path);
        expect(readdirSync(disk.path, { recursive: true })).toEqual([]);
      }
    });
  });
});

describe("connecting", () => {
  test("to a port that is no Dask scheduler", async () => {
    const server: Server = createTcpServer((socket) => {
      socket.on("error", () => undefined); // the client hangs up
      socket.write("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const url = `tcp://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
    const { code, message } = await failing(() => Client.connect(url, { timeout: "30s" }));
    server.close();
    expect(code).toBe("remote-protocol");
    expect(message).toContain(url);
  });
});
