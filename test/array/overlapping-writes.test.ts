/** Two writes of one place in one graph: one of them would be lost without a word. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { arange, computeAll, explainAll, fromZarr, type LazyWrite, toZarr } from "../../src/array/index.ts";
import { pushRunner } from "../../src/graph/index.ts";
import { LocalRunner } from "../../src/local/index.ts";
import { dataArray } from "../../src/xr/index.ts";

const folder = mkdtempSync(join(tmpdir(), "rsdat-overlapping-"));
const runner = new LocalRunner({ threads: 2 });
const leave = pushRunner(runner);
afterAll(async () => {
  leave();
  await runner[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});
const at = (name: string): string => join(folder, name);
const x = arange(8, { chunks: 4 });
const later = (url: string, value: number, options: object = {}): Promise<LazyWrite> =>
  toZarr(x.mul(value), url, { ...options, compute: false });

async function refused(writes: readonly LazyWrite[], message: RegExp): Promise<void> {
  const error = { name: "OverlappingWriteError", code: "overlapping-write", message: expect.stringMatching(message) };
  await expect(computeAll(writes)).rejects.toMatchObject(error);
  await expect(explainAll(writes)).rejects.toMatchObject(error);
}

test("of one new store", async () => {
  const url = at("new.zarr");
  await refused(
    [await later(url, 1), await later(`${url}/`, 2, { component: "other" })],
    /^two writes of file:.*new\.zarr/,
  );
  expect(existsSync(url)).toBe(false);
  const write = await later(url, 1);
  await refused([write, write], /two writes/);
});

test("of one array of a store; arrays of their own may go together", async () => {
  const url = at("some.zarr");
  await toZarr(x, url, { component: "first" });
  const more = (component: string, value: number): Promise<LazyWrite> => later(url, value, { component, mode: "a" });
  await refused([await more("a", 2), await more("a", 3)], /two writes of array "a" of .*some\.zarr/);
  await refused([await more("a", 2), await later(url, 3, { mode: "w" })], /writes of array "a" of .* and of file:/);
  await computeAll([await more("a", 2), await more("b", 3)]);
  for (const [component, value] of [
    ["first", 1],
    ["a", 2],
    ["b", 3],
  ] as const)
    expect((await (await fromZarr(url, { component })).slice(7).compute()).item()).toBe(BigInt(7 * value));
});

test("of a store and what would lie within it", async () => {
  await refused([await later(at("outer.zarr"), 1), await later(at("outer.zarr/inner"), 2)], /outer\.zarr\/ and of /);
  await computeAll([await later(at("side.zarr"), 1), await later(at("side.zarr2"), 2)]);
});

test("of one GeoTIFF", async () => {
  const image = dataArray(arange(256, { dtype: "uint8", chunks: -1 }).reshape([16, 16]), { dims: ["y", "x"] });
  const writes = [image, image.add(1)].map((each) => each.toCog(at("image.tif"), { compute: false }));
  await refused(await Promise.all(writes), /two writes of file:.*image\.tif/);
});

test("calls of their own in the same tick are graphs of their own, and the last one stays", async () => {
  const url = at("twice.zarr");
  const writes = await Promise.all([later(url, 1, { mode: "w" }), later(url, 2, { mode: "w" })]);
  await Promise.all(writes.map((write) => write.compute()));
  expect((await (await fromZarr(url)).slice(3).compute()).item()).toBe(6n);
});
