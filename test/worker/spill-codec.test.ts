/** `distributed.worker.memory.spill-compression`: blocks on disk are smaller, the same when they are back, and damage is told. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, test, vi } from "vitest";
import { seededRandom } from "../../src/base/index.ts";
import { config, type WorkerSpillSetting, workerSpillSetting } from "../../src/config/index.ts";
import { type BlockHandle, createExecutor, type Executor } from "../../src/executor/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { COMPRESSORS } from "../../src/protocol/index.ts";
import { SpillOrder } from "../../src/worker/spill.ts";
import { spillOptions } from "../../src/worker/spill-codec.ts";

/** Which byte of what is read from disk is flipped; null: none. */
const disk = vi.hoisted(() => ({ flipped: null as number | null, written: 0 }));
vi.mock("node:fs", async (original) => {
  const fs = await original<typeof import("node:fs")>();
  const write = (...args: readonly unknown[]): void => {
    disk.written += args[3] as number; // bytes of this write
    Reflect.apply(fs.write, fs, args);
  };
  const read = (...args: readonly unknown[]): void => {
    const done = args.at(-1) as (error: Error | null, count: number) => void; // its callback
    const bytes = args[1] as Uint8Array; // what it fills
    Reflect.apply(fs.read, fs, [
      ...args.slice(0, -1),
      (error: Error | null, count: number) => {
        if (disk.flipped !== null) bytes[disk.flipped] = (bytes[disk.flipped] as number) ^ 1;
        done(error, count);
      },
    ]);
  };
  return { ...fs, write, read };
});

const MIB = 2 ** 20;
const folder = mkdtempSync(join(tmpdir(), "rsdat-test-spill-codec-"));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => {
  disk.flipped = null;
});

const random = seededRandom(3);
const even = (k: number): NDArray => NDArray.of(Int32Array.from({ length: MIB / 4 }, (_, i) => (i + k) % 50));
const noise = (): NDArray => NDArray.of(Uint8Array.from({ length: MIB }, () => random.below(256)));
const bytesOf = ({ data }: NDArray): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

interface Held {
  readonly executor: Executor;
  readonly handles: readonly BlockHandle[];
}

/** An executor as a worker makes it, with room for two of these blocks, the first of which leave first. */
async function holding(compression: string | false, blocks: readonly NDArray[]): Promise<Held> {
  using _set = config.set({ "distributed.worker.memory.spill-compression": compression });
  const handles: BlockHandle[] = [];
  const order = new SpillOrder();
  order.attach({ blocks: () => handles.map((handle, i) => [`k${i}`, handle] as never), graphs: () => [] });
  const setting = workerSpillSetting(folder) as WorkerSpillSetting; // the folder is on a disk, or named at least
  const executor = createExecutor({
    threads: 1,
    budgetBytes: 2.5 * (blocks[0]?.nbytes ?? 0),
    spill: spillOptions(setting, order),
  });
  disk.written = 0;
  for (const block of blocks) {
    await executor.makeRoom(block.nbytes);
    handles.push(executor.put(block));
  }
  return { executor, handles };
}

describe.each(["zlib", "zstd"] as const)("%s", (name) => {
  test("blocks take fewer bytes on disk, those apart that do not shrink, and come back bit for bit", async () => {
    const blocks = [even(0), noise(), even(2), even(3), even(4)];
    const { executor, handles } = await holding(name, blocks);
    await using _executor = executor;
    const { spill } = executor.stats();
    expect(spill.bytesAway).toBeGreaterThanOrEqual(3 * MIB);
    expect([spill.bytesWritten, spill.writes]).toEqual([disk.written, expect.any(Number)]);
    // The noise as it is, and the others at less than a tenth.
    expect(disk.written).toBeGreaterThan(MIB);
    expect(disk.written).toBeLessThan(1.4 * MIB);
    expect(spill.bytesOnDisk).toBe(disk.written);
    for (const [i, handle] of handles.entries()) {
      const loaded = await executor.load(handle);
      expect(Buffer.compare(bytesOf(loaded), bytesOf(blocks[i] as NDArray))).toBe(0);
    }
    for (const handle of handles) executor.release(handle);
    expect(executor.stats()).toMatchObject({ bytesLive: 0, blocks: 0, spill: { bytesAway: 0, bytesOnDisk: 0 } });
  });

  test("large blocks are compressed in parts, of which some shrink, and come back bit for bit", async () => {
    const mixed = (k: number): NDArray => {
      const data = new Uint8Array(19 * MIB + 1234).fill(k);
      for (let i = 8 * MIB; i < 16 * MIB; i++) data[i] = random.below(256);
      return NDArray.of(data);
    };
    const blocks = [mixed(1), mixed(2), mixed(3)];
    const { executor, handles } = await holding(name, blocks);
    await using _executor = executor;
    const { spill } = executor.stats();
    expect(spill.writes).toBeGreaterThanOrEqual(1);
    // The middle part as it is.
    expect(disk.written / spill.writes).toBeGreaterThan(8 * MIB);
    expect(disk.written / spill.writes).toBeLessThan(8.1 * MIB);
    expect([spill.bytesWritten, spill.bytesOnDisk]).toEqual([disk.written, disk.written]);
    for (const [i, handle] of handles.entries())
      expect(Buffer.compare(bytesOf(await executor.load(handle)), bytesOf(blocks[i] as NDArray))).toBe(0);
    for (const handle of handles) executor.release(handle);
    expect(executor.stats()).toMatchObject({ bytesLive: 0, blocks: 0, spill: { bytesAway: 0, bytesOnDisk: 0 } });
  });

  test("the work is done on other threads", async () => {
    const [now, later] = [vi.spyOn(COMPRESSORS[name], "now"), vi.spyOn(COMPRESSORS[name], "later")];
    const { executor } = await holding(name, [even(0), even(1), even(2)]);
    await using _executor = executor;
    // A sample and the whole of each block that left.
    expect(later).toHaveBeenCalledTimes(2 * executor.stats().spill.writes);
    expect(now).not.toHaveBeenCalled();
    vi.restoreAllMocks();
  });

  test("one that is damaged there is an error that says so", async () => {
    const { executor, handles } = await holding(name, [even(0), even(1), even(2)]);
    await using _executor = executor;
    disk.flipped = 40;
    await expect(executor.load(handles[0] as BlockHandle)).rejects.toMatchObject({
      code: "read",
      message: expect.stringMatching(/^a part of 1048576 bytes of a spilled block in .* is damaged/),
    });
  });
});

test.each(["auto", false] as const)("%s: blocks lie there as they are", async (none) => {
  const { executor } = await holding(none, [even(0), even(1), even(2), even(3)]);
  await using _executor = executor;
  const { spill } = executor.stats();
  expect(spill.bytesOnDisk).toBe(spill.bytesAway);
  expect([spill.bytesWritten, disk.written]).toEqual([spill.writes * MIB, spill.writes * MIB]);
  expect(spill.bytesAway).toBeGreaterThanOrEqual(2 * MIB);
});
