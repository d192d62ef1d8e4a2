/** The NDVI pipeline on threads and on a LocalCluster, with the dialect and in pure Dask: the same files and numbers, to the bit. */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ROOT, run } from "../peers.ts";

const folder = mkdtempSync(join(tmpdir(), "rsdat-bits-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Result {
  readonly workers: number;
  /** Whether client and scheduler spoke the dialect; null on threads. */
  readonly isNative: boolean | null;
  readonly statistics: readonly number[];
  /** sha256 by path. */
  readonly files: Readonly<Record<string, string>>;
}

async function runAt(place: "threads" | "cluster", name: string, dialect: string): Promise<Result> {
  const out = join(folder, name);
  mkdirSync(out);
  const script = join(ROOT, "test", "e2e", "scripts", "ndvi-bits.ts");
  const said = await run(process.execPath, [script, place, out], { env: { RSDAT_DIALECT: dialect } });
  const paths = readdirSync(out, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const hash = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");
  const files = Object.fromEntries(paths.sort().map((path) => [path.slice(out.length + 1), hash(path)]));
  return { ...JSON.parse(said), files };
}

describe("the same pipeline", () => {
  let threads: Result;
  beforeAll(async () => {
    threads = await runAt("threads", "threads", "1");
  });

  test("on threads writes all its files, and its statistics are NumPy's", () => {
    const { valid, mean, min, max } = JSON.parse(readFileSync(join(ROOT, "test", "oracle", "scene_ndvi.json"), "utf8"));
    const [count, ours, least, most] = threads.statistics;
    expect([count, least, most]).toEqual([valid, min, max]);
    expect(Math.abs(Number(ours) / mean - 1)).toBeLessThan(1e-12);
    const names = Object.keys(threads.files);
    expect(names).toContain("ndvi.tif");
    // 352 × 349 pixels in blocks of 64 × 96
    expect(names.filter((name) => /^ndvi\.zarr\/ndvi\/c\/\d+\/\d+$/.test(name))).toHaveLength(6 * 4);
  });

  test.each([
    ["the dialect", "1"],
    ["pure Dask", "0"],
  ])("on a LocalCluster with %s", async (_name, dialect) => {
    const cluster = await runAt("cluster", `cluster-${dialect}`, dialect);
    expect([cluster.workers, cluster.isNative]).toEqual([2, dialect === "1"]);
    expect(cluster.statistics).toEqual(threads.statistics);
    expect(cluster.files).toEqual(threads.files);
  });
});
