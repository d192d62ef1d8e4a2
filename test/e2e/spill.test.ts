/** A rechunk of ten times the memory of a cluster: it ends, with the right value, in little more than each process's limit. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { runtimeReserveBytes } from "../../src/executor/index.ts";
import { ROOT } from "../peers.ts";
import { start } from "../processes.ts";

const MIB = 2 ** 20;
const LIMIT = runtimeReserveBytes(1) + 20 * MIB;
/** 288 MiB of float64, in rows of 1.5 MiB. */
const [SIDE, ROWS] = [6144, 32];

const folder = mkdtempSync(join(tmpdir(), "rsdat-e2e-spill-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Told {
  readonly expected: number;
  readonly value: number;
  readonly memoryBytes: number;
  readonly peaks: readonly number[];
  readonly plan: { readonly bytesSpilled: number; readonly bytesMoved: number; readonly peakWorkerBytes: number };
}

test("rows to columns on two worker processes, through their disks", async () => {
  const env = { DASK_TEMPORARY_DIRECTORY: folder, DASK_RSDAT__MEMORY_LIMIT: "2GiB", DASK_NUM_WORKERS: "2" };
  const args = [join(ROOT, "test", "e2e", "scripts", "swap.ts"), String(LIMIT), String(SIDE), String(ROWS)];
  await using running = start(process.execPath, args, { env });
  expect(await running.exit, running.output()).toBe(0);
  const [line] = /^\{"expected".*$/m.exec(running.output()) ?? [];
  expect(line, running.output()).toBeDefined();
  const told: Told = JSON.parse(line ?? "");
  const bytes = SIDE * SIDE * 8;
  expect(bytes).toBeGreaterThan(9.5 * 2 * told.memoryBytes);
  expect(told.value).toBe(told.expected);
  expect(told.plan.bytesSpilled).toBeGreaterThan(bytes - 4 * told.memoryBytes);
  expect(told.plan.peakWorkerBytes).toBeLessThanOrEqual(told.memoryBytes);
  // Tiles of one half of the rows are read by both workers, by half.
  expect(told.plan.bytesMoved).toBeGreaterThan(0);
  // Half of the array would be 144 MiB more. (Nearer to limits as people set them, `bench/memory` holds 1.15 of the limit.)
  for (const peak of told.peaks) expect(peak).toBeLessThan(LIMIT + 80 * MIB);
  expect(readdirSync(folder)).toEqual([]);
});
