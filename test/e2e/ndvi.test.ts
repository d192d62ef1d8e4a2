/** The main job as a user runs it, `npm start`: the committed scene, files of one's own, and arguments that are wrong. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { describePeer, ROOT, run, runPython } from "../peers.ts";
import { start } from "../processes.ts";
import { mountTmpfs } from "../tmpfs.ts";

const folder = mkdtempSync(join(tmpdir(), "rsdat-ndvi-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Summary {
  readonly valid: number;
  readonly missing: number;
  readonly mean: number | null;
  readonly min: number | null;
  readonly max: number | null;
  readonly seconds: number;
  readonly peakBytes: number;
  readonly bytesRead: number;
}

interface Truth extends Pick<Summary, "valid" | "missing" | "mean" | "min" | "max"> {
  readonly shape: readonly number[];
  readonly sha256: string;
}

/** What ndvi_peer.py tells of `out`. */
interface Read {
  readonly cog: Readonly<Record<string, unknown>> & { readonly overviews: readonly number[] };
  readonly png: { readonly shape: readonly number[]; readonly transparent: number };
  readonly zarr: Readonly<Record<string, unknown>>;
}

const npmStart = (args: readonly string[]): Promise<string> =>
  run("npm", ["start", "--silent", "--", ...args], { timeoutMs: 400_000 });
const summaryOf = (out: string): Summary => JSON.parse(readFileSync(join(out, "summary.json"), "utf8"));
const peer = async (command: string, argument: string): Promise<unknown> =>
  JSON.parse(await runPython(["test/e2e/ndvi_peer.py", command, argument]));

function expectStatistics(summary: Summary, truth: Truth): void {
  const { valid, missing, min, max } = truth;
  expect(summary).toMatchObject({ valid, missing, min, max });
  if (truth.mean === null) expect(summary.mean).toBeNull();
  else expect(Math.abs((summary.mean as number) / truth.mean - 1)).toBeLessThan(1e-12);
}

/** Grid of the rasters that ndvi_peer.py makes. */
const GRID = { epsg: 32631, transform: [10, 0, 600000, 0, -10, 5800000] };

async function expectFiles(out: string, truth: Truth, grid: { epsg: number; transform: readonly number[] } = GRID) {
  const { cog, png, zarr } = (await peer("read", out)) as Read;
  const { sha256, missing } = truth;
  const [dates, rows, cols] = truth.shape as [number, number, number];
  expect(cog).toMatchObject({ valid: true, complaints: [], shape: [dates, rows, cols], dtype: "float32", sha256 });
  expect(cog).toMatchObject({ nodata: "nan", masked: missing, ...grid });
  expect(cog.overviews.length).toBeGreaterThan(0);
  const dims = dates === 1 ? ["y", "x"] : ["time", "y", "x"];
  expect(zarr).toEqual({
    format: 3,
    names: ["ndvi"],
    dims,
    dtype: "float32",
    storedSha256: sha256,
    sha256,
    missing,
    fillIsNaN: true,
    centres: { x: true, y: true },
    ...grid,
  });
  return png;
}

/** Sum of the scene's StripByteCounts (tag 279), as libtiff's tiffdump lists them. */
const STRIP_BYTES = 597_059;
/** What opening a file fetches at most where its tables are at its beginning. */
const HEADER_BYTES_MAX = 65_536;

describe("the committed scene", () => {
  const truth = JSON.parse(readFileSync(join(ROOT, "test", "oracle", "scene_ndvi.json"), "utf8"));
  const out = join(folder, "scene");
  let said = "";

  beforeAll(async () => {
    said = await npmStart(["--out", out]);
  });

  test("statistics are NumPy's, and the summary has all its fields", () => {
    const summary = summaryOf(out);
    expectStatistics(summary, truth);
    expect(Object.keys(summary)).toEqual("valid missing mean min max seconds peakBytes bytesRead".split(" "));
    expect(summary.seconds).toBeGreaterThan(0);
    // More than Node alone takes, less than a gibibyte: the scene has 123 000 pixels.
    expect(summary.peakBytes).toBeGreaterThan(40e6);
    expect(summary.peakBytes).toBeLessThan(2 ** 30);
    // The file's strips hold all six bands, pixel by pixel: they are fetched once for both. Beyond that only headers, when
    // the file is opened for each band.
    expect(summary.bytesRead).toBeGreaterThan(STRIP_BYTES);
    expect(summary.bytesRead).toBeLessThanOrEqual(STRIP_BYTES + 2 * HEADER_BYTES_MAX);
    expect(said).toContain(`read     ${(STRIP_BYTES / 1024).toFixed(2)} KiB in 1 requests`);
  });

  test("it says the plan first, then where the files are, what was read, memory and time", () => {
    expect(said).toMatch(/^plan: \d+ tasks\n {2}read +[\d.]+ KiB in \d+ requests\n {2}memory /);
    for (const name of ["ndvi.zarr", "ndvi.tif", "ndvi.png", "summary.json"]) expect(said).toContain(join(out, name));
    expect(said).toMatch(/122831 valid, 17 missing[\s\S]*\nread [\d.]+ KiB, peak memory [\d.]+ MiB, [\d.]+ m?s\n$/);
    expect(readdirSync(out).sort()).toEqual(["ndvi.png", "ndvi.tif", "ndvi.zarr", "summary.json"]);
  });

  describePeer("its files in the Python stack", ["rasterio", "rio-cogeo", "rioxarray", "xarray", "zarr"], () => {
    test("COG and Zarr hold the same bits, on the same grid", async () => {
      const png = await expectFiles(
        out,
        { ...truth, shape: [1, ...truth.shape] },
        { epsg: truth.epsg, transform: truth.transform },
      );
      expect(png).toEqual({ shape: [4, ...truth.shape], transparent: truth.missing });
    });
  });

  test("a second run replaces the first", async () => {
    await npmStart(["--out", out]);
    expectStatistics(summaryOf(out), truth);
    expect(readdirSync(out).sort()).toEqual(["ndvi.png", "ndvi.tif", "ndvi.zarr", "summary.json"]);
  });
});

interface Job {
  readonly red: readonly string[];
  readonly nir: readonly string[];
  readonly mask?: readonly string[];
  readonly keep?: readonly number[];
}

const KEEP = [4, 5, 6, 7, 11];
const dates = (kind: string, band: string): string[] => [0, 1, 2].map((k) => `${kind}_${band}${k}.tif:1`);
const JOBS: Readonly<Record<string, Job>> = {
  "uint16 with nodata": { red: ["u16_red0.tif:1"], nir: ["u16_nir0.tif:1"] },
  "int16 with scale and offset": { red: ["i16_red1.tif:1"], nir: ["i16_nir1.tif:1"] },
  "float32 with NaN, two bands of one file": { red: ["f32.tif:1"], nir: ["f32.tif:2"] },
  "sums of 0": { red: ["u8_red.tif:1"], nir: ["u8_nir.tif:1"] },
  "a mask with the default classes": { red: ["u16_red0.tif:1"], nir: ["u16_nir0.tif:1"], mask: ["scl.tif:1"] },
  "a mask with chosen classes": { red: ["i16_red0.tif:1"], nir: ["i16_nir0.tif:1"], mask: ["scl.tif:1"], keep: [0, 9] },
  "a mask that leaves nothing": { red: ["u16_red0.tif:1"], nir: ["u16_nir0.tif:1"], mask: ["cloud.tif:1"] },
  "three dates": { red: dates("u16", "red"), nir: dates("u16", "nir") },
  "three dates under one mask": {
    red: dates("i16", "red"),
    nir: dates("i16", "nir"),
    mask: ["scl.tif:1"],
    keep: [1, 2],
  },
  "a mask for each date": {
    red: dates("u16", "red").slice(0, 2),
    nir: dates("u16", "nir").slice(0, 2),
    mask: ["scl.tif:1", "cloud.tif:1"],
    keep: [3, 9],
  },
};

describePeer("files of one's own", ["numpy", "rasterio", "rio-cogeo", "rioxarray", "xarray", "zarr"], () => {
  const files = join(folder, "files");
  const named = (names: readonly string[] = []): string[] => names.map((name) => join(files, name));
  const flags = (name: string, values: readonly string[]): string[] => values.flatMap((v) => [`--${name}`, v]);
  /** The example itself: `npm start` in front of it has been seen above. */
  const ndvi = (args: readonly string[]): Promise<string> =>
    run(process.execPath, [join(ROOT, "examples", "ndvi.ts"), ...args]);

  beforeAll(async () => {
    mkdirSync(files);
    await runPython(["test/e2e/ndvi_peer.py", "make", files]);
  });

  test.each(Object.entries(JOBS))("%s", async (name, { red, nir, mask = [], keep }) => {
    const out = join(folder, name);
    await ndvi([
      ...flags("red", named(red)),
      ...flags("nir", named(nir)),
      ...flags("mask", named(mask)),
      ...(keep ? ["--keep", keep.join(",")] : []),
      ...["--out", out],
    ]);
    const job = { red: named(red), nir: named(nir), mask: named(mask), keep: keep ?? KEEP };
    const truth = (await peer("expect", JSON.stringify(job))) as Truth & { readonly firstMissing: number };
    expectStatistics(summaryOf(out), truth);
    const png = await expectFiles(out, truth);
    expect(png).toEqual({ shape: [4, ...truth.shape.slice(1)], transparent: truth.firstMissing });
  });

  test("a band is 1 unless the argument says otherwise", async () => {
    const [one, none] = [join(folder, "one"), join(folder, "none")];
    const nir = join(files, "f32.tif:2");
    await ndvi(["--red", join(files, "f32.tif:1"), "--nir", nir, "--out", one]);
    await ndvi(["--red", join(files, "f32.tif"), "--nir", nir, "--out", none]);
    expect(readFileSync(join(none, "ndvi.tif")).equals(readFileSync(join(one, "ndvi.tif")))).toBe(true);
  });

  test.each([
    ["a shifted grid", "shifted.tif", /^error: the grids differ: .*0\.5 pixels.*\(600005, 5800000\)/],
    ["another coordinate system", "other_crs.tif", /^error: .*EPSG:32632 and EPSG:32631/],
    ["another size", "smaller.tif", /^error: .*301.*300|^error: .*300.*301/],
  ])("refuses %s", async (_, nir, message) => {
    const out = join(folder, "refused");
    expect(await failure(["--red", join(files, "u16_red0.tif"), "--nir", join(files, nir), "--out", out])).toMatch(
      message,
    );
    expect(readdirSync(folder)).not.toContain("refused");
  });

  test("a mask on another grid is refused too", async () => {
    const [red, nir, mask] = named(["u16_red0.tif", "u16_nir0.tif", "shifted.tif"]);
    expect(await failure(["--red", red as string, "--nir", nir as string, "--mask", mask as string])).toMatch(
      /the grids differ: .*0\.5 pixels/,
    );
  });

  test("a file cut short names the file; nothing is left at the target names", async () => {
    const [whole, cut] = [join(files, "u16_red0.tif"), join(files, "cut.tif")];
    const bytes = readFileSync(whole);
    writeFileSync(cut, bytes.subarray(0, bytes.length / 2));
    const out = join(folder, "cut");
    expect(await failure(["--red", cut, "--nir", join(files, "u16_nir0.tif"), "--out", out])).toMatch(
      /^error: .*cut\.tif/,
    );
    expect(leftovers(out)).toEqual([]);
  });

  describePeer("folders that take no files", "tmpfs", () => {
    test("a read-only one", async () => {
      using disk = mountTmpfs(2 ** 20);
      execFileSync("mount", ["-o", "remount,ro", disk.path]);
      const args = ["--red", join(files, "u16_red0.tif"), "--nir", join(files, "u16_nir0.tif")];
      expect(await failure([...args, "--out", disk.path])).toMatch(/^error: .*(read-only|not writable|EROFS)/i);
      expect(await failure([...args, "--out", join(disk.path, "new")])).toMatch(
        /^error: .*(read-only|not writable|EROFS)/i,
      );
    });

    test("a full one: bytes are named, nothing half-written remains", async () => {
      using disk = mountTmpfs(256 * 1024);
      const args = ["--red", join(files, "u16_red0.tif"), "--nir", join(files, "u16_nir0.tif")];
      expect(await failure([...args, "--out", disk.path])).toMatch(/^error: .*(no space|ENOSPC)/i);
      expect(leftovers(disk.path)).toEqual([]);
    });
  });
});

function leftovers(out: string): string[] {
  return existsSync(out) ? readdirSync(out, { recursive: true }).map(String) : [];
}

/** What the example says when it ends with 1: exactly one line on standard error, after the progress if there was any. */
async function failure(args: readonly string[]): Promise<string> {
  await using running = start(process.execPath, [join(ROOT, "examples", "ndvi.ts"), ...args]);
  expect(await running.exit, running.output()).toBe(1);
  const lines = running.output().trimEnd().split("\n");
  expect(running.output()).not.toMatch(/^\s+at /m);
  const errors = lines.filter((line) => line.startsWith("error: "));
  expect(errors, running.output()).toHaveLength(1);
  expect(lines.at(-1)).toBe(errors[0]);
  return errors[0] as string;
}

describe("arguments that are wrong end in one line and exit code 1", () => {
  const scene = join(ROOT, "examples", "data", "L7_ETMs.tif");
  test.each([
    ["a missing file", ["--red", "nowhere/a.tif", "--nir", scene], /nowhere\/a\.tif does not exist/],
    ["a band that is none", ["--red", `${scene}:9`, "--nir", scene], /L7_ETMs\.tif has no band 9; .*1, 2, 3, 4, 5, 6/],
    ["--red without --nir", ["--red", scene], /--red is given 1 times and --nir 0 times; give them in pairs/],
    [
      "too many masks",
      ["--red", scene, "--nir", scene, "--mask", scene, "--mask", scene],
      /--mask is given 2 times for 1/,
    ],
    ["a mask without bands", ["--mask", scene], /--mask is given without --red and --nir/],
    ["no TIFF", ["--red", join(ROOT, "README.md"), "--nir", scene], /README\.md: not a TIFF/],
    [
      "--keep that is no list",
      ["--red", scene, "--nir", scene, "--mask", scene, "--keep", "4,,5"],
      /--keep "4,,5".*4,5,6/,
    ],
    ["--keep without --mask", ["--keep", "4"], /--keep 4 is given without --mask/],
    ["an unknown option", ["--green", scene], /--green/],
    ["--out that is a file", ["--out", join(ROOT, "README.md")], /README\.md/],
    ["--out below a file", ["--out", join(ROOT, "README.md", "out")], /README\.md/],
  ])("%s", async (_, args, message) => {
    expect(await failure(args)).toMatch(message);
  });

  test("through npm too", async () => {
    await using running = start("npm", ["start", "--silent", "--", "--red", scene]);
    expect(await running.exit).toBe(1);
    expect(running.output()).toBe("error: --red is given 1 times and --nir 0 times; give them in pairs\n");
  });
});

describe("a run that is ended", () => {
  const scene = readFileSync(join(ROOT, "examples", "data", "L7_ETMs.tif"));

  /** The scene on a server that gives its header and never its pixels; `stuck` once a task waits for some. */
  async function stalling() {
    const stuck = Promise.withResolvers<void>();
    const server = createServer((request, response) => {
      const [from, to] = (/bytes=(\d+)-(\d+)/.exec(request.headers.range ?? "") ?? ["", "0", "0"]).slice(1).map(Number);
      const end = Math.min(to as number, scene.length - 1);
      if ((from as number) <= 400_000 && end >= 400_000) return stuck.resolve();
      const headers = { "content-range": `bytes ${from}-${end}/${scene.length}`, etag: '"1"' };
      response.writeHead(206, headers).end(scene.subarray(from, end + 1));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/scene.tif`;
    return {
      args: ["--red", `${url}:3`, "--nir", `${url}:4`],
      stuck: stuck.promise,
      [Symbol.asyncDispose]: async () => {
        server.closeAllConnections();
        server.close();
      },
    };
  }
  const begin = (args: readonly string[], out: string) =>
    start(process.execPath, [join(ROOT, "examples", "ndvi.ts"), ...args, "--out", out]);

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("by %s takes away what it has begun", async (name, code) => {
    const out = join(folder, name);
    await using server = await stalling();
    await using running = begin(server.args, out);
    await Promise.race([server.stuck, running.exit]);
    expect(
      leftovers(out).some((path) => path.startsWith(".ndvi.zarr.rsdat-")),
      running.output(),
    ).toBe(true);
    running.process.kill(name);
    expect(await running.exit, running.output()).toBe(code);
    expect(running.output()).toContain(`error: ended by ${name}`);
    expect(leftovers(out)).toEqual([]);
  });

  test("by SIGKILL: the next run clears what it has left", async () => {
    const out = join(folder, "killed");
    for (let k = 0; k < 2; k++) {
      await using server = await stalling();
      await using running = begin(server.args, out);
      await Promise.race([server.stuck, running.exit]);
      running.process.kill("SIGKILL");
      expect(await running.exit).toBe("SIGKILL");
      expect(readdirSync(out).filter((path) => path.startsWith(".ndvi.zarr"))).toHaveLength(1);
    }
    await run(process.execPath, [join(ROOT, "examples", "ndvi.ts"), "--out", out]);
    expect(readdirSync(out).sort()).toEqual(["ndvi.png", "ndvi.tif", "ndvi.zarr", "summary.json"]);
  });
});

const SCENE_PEERS = ["test-data", "numpy", "rasterio", "rio-cogeo", "rioxarray", "xarray", "zarr"] as const;

describePeer("real scenes by the command line", SCENE_PEERS, () => {
  const data = process.env["RSDAT_TEST_DATA"] ?? "";
  const all = data === "" ? {} : JSON.parse(readFileSync(join(data, "truth", "ops.json"), "utf8"));

  // Cases whose inputs need no option beyond what the files say; all others are in test/xr/truth.test.ts.
  test.each(["ndvi/ls8_l1_dn", "ndvi/c2l2_raw"])("%s", async (name) => {
    const truth = all[name];
    const out = join(folder, name);
    const args = ["--red", join(data, truth.red), "--nir", join(data, truth.nir), "--out", out];
    await run(process.execPath, [join(ROOT, "examples", "ndvi.ts"), ...args]);
    const { count: valid, nan: missing, min, max, mean } = truth;
    expectStatistics(summaryOf(out), { valid, missing, min: Math.fround(min), max: Math.fround(max), mean } as Truth);
    const { cog, zarr } = (await peer("read", out)) as Read;
    expect([cog["sha256"], zarr["sha256"]]).toEqual([truth.sha256_f4, truth.sha256_f4]);
    expect(cog).toMatchObject({ valid: true, complaints: [] });
  });
});
