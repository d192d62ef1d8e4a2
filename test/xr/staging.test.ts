/** Writes prepare their place when they run, and clear what killed runs have left there. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { NDArray } from "../../src/ndarray/index.ts";
import { compute, type DataArray, dataArray, explain, openZarr } from "../../src/xr/index.ts";
import { useInlineRunner } from "../run-inline.ts";

useInlineRunner();
const root = mkdtempSync(join(tmpdir(), "rsdat-staging-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let n = 0;
let folder = "";
beforeEach(() => {
  folder = join(root, String(n++));
  mkdirSync(folder);
});
afterEach(() => void vi.useRealTimers());
const at = (name: string): string => join(folder, name);
const found = (): string[] => readdirSync(folder).sort();

const board = (k = 0): DataArray<"y" | "x"> =>
  dataArray(
    NDArray.of(
      Float32Array.from({ length: 64 }, (_, i) => i + k),
      [8, 8],
    ),
    { dims: ["y", "x"], name: "v" },
  );
const writes = async (k = 0) =>
  [
    await board(k).toZarr(at("a.zarr"), { compute: false, mode: "w" }),
    await board(k).toCog(at("a.tif"), { compute: false, mode: "w", blocksize: 16 }),
  ] as const;
const first = async (): Promise<unknown> => (await (await openZarr(at("a.zarr"))).get("v").compute()).values.item(0, 0);

describe("a lazy write", () => {
  test("leaves nothing when it is described, explained, abandoned, or does not fit", async () => {
    const lazy = await writes();
    expect(found()).toEqual([]);
    await explain(lazy);
    await expect(compute(lazy, { memory: 1 })).rejects.toMatchObject({ code: "memory-budget" });
    for (const write of lazy) await write.abandon();
    expect(found()).toEqual([]);
  });

  test("that was never run takes nothing away either", async () => {
    await compute(await writes());
    const again = await writes(1);
    for (const write of again) await write.abandon();
    expect(await first()).toBe(0);
    expect(found()).toEqual(["a.tif", "a.zarr"]);
  });

  test("runs again, and an aborted signal leaves nothing", async () => {
    const lazy = await writes();
    await compute(lazy);
    await compute(lazy);
    expect(found()).toEqual(["a.tif", "a.zarr"]);
    await expect(compute(await writes(1), { signal: AbortSignal.abort() })).rejects.toThrow();
    expect(found()).toEqual(["a.tif", "a.zarr"]);
    expect(await first()).toBe(0);
  });

  test("w- refuses what came between description and run, and leaves it alone", async () => {
    const lazy = await board().toZarr(at("a.zarr"), { compute: false });
    mkdirSync(at("a.zarr"));
    writeFileSync(at("a.zarr/theirs"), "x");
    await expect(lazy.compute()).rejects.toMatchObject({ code: "exists" });
    expect(readdirSync(at("a.zarr"))).toEqual(["theirs"]);
    expect(found()).toEqual(["a.zarr"]);
  });

  test("names the same staging place every time", async () => {
    const text = async (): Promise<string> =>
      JSON.stringify((await writes()).map((w) => w.outputs.map((o) => o.layer)));
    expect(await text()).toBe(await text());
  });
});

describe("what a killed run has left", () => {
  test("staging beside the target goes when the target is written next; that of others stays", async () => {
    for (const name of [
      ".a.zarr.rsdat-0123abcd",
      ".a.tif.rsdat-89abcdef",
      ".b.zarr.rsdat-0123abcd",
      ".a.zarr.rsdat-note",
    ])
      mkdirSync(at(name));
    writeFileSync(at(".a.tif.rsdat-89abcdef/L0-0-1.part"), "x");
    writeFileSync(at(".a.tif.77.0123abcd.tmp"), "x");
    await explain(await writes());
    expect(found()).toHaveLength(5);
    await compute(await writes());
    expect(found()).toEqual([".a.zarr.rsdat-note", ".b.zarr.rsdat-0123abcd", "a.tif", "a.zarr"]);
  });

  test("a store that was moved aside for its successor comes back", async () => {
    await board().toZarr(at("a.zarr"));
    renameSync(at("a.zarr"), at(".a.zarr.rsdat-0123abcd.old"));
    await expect(board(1).toZarr(at("a.zarr"))).rejects.toMatchObject({ code: "exists" });
    expect(await first()).toBe(0);
    expect(found()).toEqual(["a.zarr"]);
    // Beside a store that is there it is only a leftover.
    mkdirSync(at(".a.zarr.rsdat-0123abcd.old"));
    await board(1).toZarr(at("a.zarr"), { mode: "w" });
    expect(await first()).toBe(1);
    expect(found()).toEqual(["a.zarr"]);
    expect(existsSync(at("a.zarr"))).toBe(true);
  });

  test("opening brings it back too, unless a writer may be about to put the new one there", async () => {
    await board().toZarr(at("a.zarr"));
    renameSync(at("a.zarr"), at(".a.zarr.rsdat-0123abcd.old"));
    await expect(openZarr(at("a.zarr"))).rejects.toMatchObject({ code: "not-found" });
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 60_000 });
    expect(await first()).toBe(0);
    expect(found()).toEqual(["a.zarr"]);
  });
});

test("a run that another has taken over from gives up by name, and the other is not harmed", async () => {
  const [older, newer] = [
    await board().toZarr(at("a.zarr"), { compute: false }),
    await board().toZarr(at("a.zarr"), { compute: false }),
  ];
  await older.prepare();
  await newer.prepare();
  await expect(older.assemble([[]])).rejects.toMatchObject({
    code: "write",
    message: expect.stringMatching(/another/),
  });
  await older.abandon();
  expect(found()).toHaveLength(1);
  await newer.abandon();
  expect(found()).toEqual([]);
});
