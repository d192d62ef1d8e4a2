/** A disk that refuses: in the middle of a block, when its file is shortened, when it is closed. No block is lost, no task forgotten. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect, it, vi } from "vitest";
import { type BlockHandle, createExecutor, type SpillCodec } from "../../src/executor/index.ts";
import { SpillFile } from "../../src/executor/spill-file.ts";
import { callOf, counting, keyOf } from "./specs.ts";

/** Which calls fail, those apart of others than the file of blocks. */
const disk = vi.hoisted(() => ({ writesLeft: Number.POSITIVE_INFINITY, error: "EIO", refuses: "" }));
vi.mock("node:fs", async (original) => {
  const fs = await original<typeof import("node:fs")>();
  const failure = (what: string): Error =>
    Object.assign(new Error(`${disk.error}: refused, ${what}`), { code: disk.error });
  const write = (...args: readonly unknown[]): void => {
    if (disk.writesLeft-- > 0) Reflect.apply(fs.write, fs, args);
    else queueMicrotask(() => (args.at(-1) as (error: Error) => void)(failure("write"))); // its callback
  };
  const refusing =
    (name: "ftruncateSync" | "closeSync") =>
    (...args: readonly unknown[]): unknown => {
      const done = Reflect.apply(fs[name], fs, args);
      if (disk.refuses === name) throw failure(name);
      return done;
    };
  return { ...fs, write, ftruncateSync: refusing("ftruncateSync"), closeSync: refusing("closeSync") };
});

const MIB = 2 ** 20;
const folder = mkdtempSync(join(tmpdir(), "rsdat-test-spill-faults-"));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => {
  vi.restoreAllMocks();
  disk.writesLeft = Number.POSITIVE_INFINITY;
  disk.refuses = "";
});

/** Whatever it is given takes a byte less: as much as blocks of noise would. */
const CODEC: SpillCodec = {
  compress: async (bytes) => bytes.slice(1),
  decompress: async (bytes) => Uint8Array.of(1, ...bytes),
};

it.each(["EIO", "ENOSPC"])(
  "a block whose second part cannot be written (%s) stays, and leaves nothing in the file",
  async (error) => {
    const free = vi.spyOn(SpillFile.prototype, "free");
    const write = vi.spyOn(SpillFile.prototype, "write");
    const order: BlockHandle[] = [];
    await using executor = createExecutor({
      threads: 1,
      budgetBytes: 24 * MIB,
      spill: { folder, limitBytes: 64 * MIB, order: () => order, codec: CODEC },
    });
    const first = await executor.run({ key: keyOf("t", 0), spec: counting(2 * MIB), inputs: [] }); // two parts of 8 MiB
    if (first.status !== "ok") throw new Error(JSON.stringify(first));
    order.push(first.output);
    disk.writesLeft = 1;
    disk.error = error;
    const second = await executor.run({ key: keyOf("t", 1), spec: counting(2 * MIB), inputs: [] });
    expect(second).toMatchObject({
      status: "error",
      error: { code: "memory-budget", message: expect.stringContaining(error) },
    });
    expect(executor.isResident(first.output)).toBe(true);
    expect(executor.view(first.output).data[2 * MIB - 1]).toBe(2 * MIB - 1);
    const written = (
      await Promise.all(
        write.mock.results.map(({ value }) => value as Promise<unknown>).map((each) => each.catch(() => null)),
      )
    ).filter((place) => place !== null);
    expect(written).toHaveLength(1);
    expect(free.mock.calls.map(([place]) => ({ offset: place.offset, nbytes: place.nbytes }))).toEqual(written);
    executor.release(first.output);
  },
);

it("a file that cannot be shortened keeps its bytes, and no task waits for it", async () => {
  const order: BlockHandle[] = [];
  await using executor = createExecutor({
    threads: 1,
    budgetBytes: 8 * MIB,
    spill: { folder, limitBytes: 64 * MIB, order: () => order },
  });
  const first = await executor.run({ key: keyOf("t", 0), spec: counting(MIB / 2), inputs: [] });
  if (first.status !== "ok") throw new Error(JSON.stringify(first));
  order.push(first.output);
  expect(await executor.makeRoom(8 * MIB)).toBe(true);
  disk.refuses = "ftruncateSync";
  const taken = executor.run({
    key: keyOf("t", 1),
    spec: callOf("(x) => x.data[1]", 1),
    inputs: [first.output],
    trusted: true,
  });
  executor.release(first.output);
  expect(await taken).toMatchObject({ status: "value", value: 1 });
  expect(executor.stats()).toMatchObject({ bytesLive: 0, blocks: 0, inFlight: 0, spill: { bytesAway: 0 } });
});

it("a file that cannot be closed keeps nobody from being told that the executor has ended", async () => {
  const order: BlockHandle[] = [];
  const executor = createExecutor({
    threads: 1,
    budgetBytes: 8 * MIB,
    spill: { folder, limitBytes: 64 * MIB, order: () => order },
  });
  const endless = { key: keyOf("t", 0), spec: callOf("() => { for (;;); }", 0), inputs: [], trusted: true };
  const outcome = executor.run(endless);
  disk.refuses = "closeSync";
  await executor[Symbol.asyncDispose]();
  expect((await outcome).status).toBe("cancelled");
});
