/** The embedded runner keeps a whole process within its memory limit; without admission it does not. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createZarr, finishZarr, plainByteKernels, writeZarrObjectSync } from "../../src/io/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";

const MIB = 2 ** 20;
const LIMIT = 320 * MIB;
const SLACK = 1.15;
const [ROWS, SIDE] = [64, 2048]; // 64 chunks of 8 MiB: 512 MiB, more than the limit
const folder = mkdtempSync(join(tmpdir(), "rsdat-memory-"));
const url = pathToFileURL(join(folder, "in.zarr")).href;

interface Told {
  readonly value: number;
  readonly peakBytes: number;
  readonly peakWorkerBytes: number;
  readonly leastBytes: number;
}

async function run(admission: "on" | "off"): Promise<Told> {
  const script = join(import.meta.dirname, "scripts", "memory.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [script, url, String(LIMIT), admission], {
    timeout: 400_000,
  });
  console.log(`memory, admission ${admission}: ${stdout.trim()}`);
  return JSON.parse(stdout) as Told;
}

beforeAll(async () => {
  const target = await createZarr(url, {
    arrays: { a: { shape: [ROWS, SIDE, SIDE], chunks: [1, SIDE, SIDE], dtype: "uint16" } },
  });
  for (let row = 0; row < ROWS; row++) {
    const data = new Uint16Array(SIDE * SIDE).map((_, i) => (i & 255) + row + 1);
    writeZarrObjectSync(
      target,
      "a",
      { chunkIndex: [row, 0, 0], block: NDArray.of(data, [1, SIDE, SIDE]) },
      { kernels: plainByteKernels },
    );
  }
  await finishZarr(target);
}, 240_000);
afterAll(() => rmSync(folder, { recursive: true }));

describe("a process that reads more than its limit, twice", () => {
  // Values are 1 … 319, mean 160: rows average 32.5, and i & 255 averages 127.5.
  const expected = 319 - 160;

  it("stays within the limit", async () => {
    const { value, peakBytes, leastBytes } = await run("on");
    expect(value).toBe(expected);
    expect(leastBytes).toBeLessThan(LIMIT);
    expect(peakBytes).toBeLessThan(SLACK * LIMIT);
  }, 480_000);

  it("passes it when admission is off, so that the check can fail", async () => {
    const { value, peakBytes } = await run("off");
    expect(value).toBe(expected);
    expect(peakBytes).toBeGreaterThan(SLACK * LIMIT);
  }, 480_000);
});
