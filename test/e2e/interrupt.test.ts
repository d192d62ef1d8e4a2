/** Ctrl-C in the middle of the main job: no process stays, and nothing half-written has the name of a result. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { array, xr } from "rsdat";
import { afterAll, expect, test } from "vitest";
import { isAlive, start, waitGone } from "../processes.ts";

const folder = mkdtempSync(join(tmpdir(), "rsdat-interrupt-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Live processes of a group. */
function members(group: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const [, , pgrp] = readFileSync(`/proc/${pid}/stat`, "latin1")
          .replace(/^.*\) /, "")
          .split(" ");
        return Number(pgrp) === group && isAlive(pid);
      } catch {
        return false; // it has ended meanwhile
      }
    });
}

test("npm start, interrupted while it computes", async () => {
  // 64 million pixels, of which the COG's encoding alone takes seconds.
  const row = array.arange(4096, { dtype: "float64" });
  const values = array
    .ones([8192, 1], { dtype: "float64", chunks: [1024, 1] })
    .mul(row)
    .astype("uint16");
  const band = xr.dataArray(values, { dims: ["y", "x"] });
  await band.toCog(join(folder, "band.tif"), { compress: "none", overviews: false });
  const [file, out] = [join(folder, "band.tif"), join(folder, "out")];
  const pair = ["--red", file, "--nir", file];
  const args = [...pair, ...pair, ...pair, ...pair, "--out", out];
  await using running = start("setsid", ["npm", "start", "--silent", "--", ...args]);
  await running.waitFor(/plan: \d+ tasks/);
  const group = running.process.pid as number; // it has printed
  // Into the run: its first objects are there.
  await expect.poll(() => spoolFiles(out), { timeout: 150_000, interval: 20 }).toBeGreaterThan(2);
  const pids = members(group);
  expect(pids.length).toBeGreaterThan(1);
  process.kill(-group, "SIGINT");
  expect(await running.exit).not.toBe(0);
  await waitGone(pids);
  expect(members(group)).toEqual([]);
  for (const name of ["ndvi.tif", "ndvi.zarr", "ndvi.png", "summary.json"])
    expect(existsSync(join(out, name))).toBe(false);
});

/** Files of writes under way: they have names of their own, which begin with a dot. */
function spoolFiles(out: string): number {
  if (!existsSync(out)) return 0;
  const names = readdirSync(out, { recursive: true }).map(String);
  return names.filter((name) => name.startsWith(".") && /\.part$|\/c\//.test(name)).length;
}
