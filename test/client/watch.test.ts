/** Blocks that are wanted by their layer: counted, and watched one by one where that is asked for. */
import { expect, test } from "vitest";
import { CancelledError, type RsdatError } from "../../src/base/index.ts";
import { BlockWatches, type Watch, WatchedLayers } from "../../src/client/watch.ts";
import { blockKey, blockKeyAt } from "../../src/graph/index.ts";

function settle(watch: Watch, error?: RsdatError): void {
  watch.status = error ? "cancelled" : "finished";
  watch.error = error;
  for (const listener of watch.listeners ?? []) listener(watch);
  watch.listeners = null;
}

/** Whether it has resolved by now. */
async function isDone(promise: Promise<void>): Promise<boolean> {
  return Promise.race([promise.then(() => true), new Promise<false>((resolve) => setImmediate(() => resolve(false)))]);
}

test("numbers of blocks are those of C order, and keys lead back to them", () => {
  const layers = new WatchedLayers();
  const blocks = new BlockWatches('a "name"', [2, 3]);
  layers.add(blocks);
  for (let index = 0; index < 6; index++) {
    const key = blockKey('a "name"', [Math.floor(index / 3), index % 3]);
    expect(blocks.key(index)).toBe(key);
    expect(layers.find(key)).toEqual({ blocks, index });
  }
  for (const key of [blockKey('a "name"', [2, 0]), blockKey('a "name"', [0]), blockKey("another", [0, 0])])
    expect(layers.find(key)).toBeUndefined();
  expect(blockKeyAt("scalar", [], 0)).toBe(blockKey("scalar", []));
  layers.delete(blocks);
  expect(layers.find(blocks.key(0))).toBeUndefined();
});

test("it ends with the last block, and a block that is told twice counts once", async () => {
  const blocks = new BlockWatches("a", [3]);
  const ended = blocks.allEnded();
  expect([blocks.inMemory(0), blocks.inMemory(0), blocks.inMemory(2)]).toEqual([true, true, true]);
  expect(await isDone(ended)).toBe(false);
  expect(Array.from(blocks.pending())).toEqual([1]);
  blocks.inMemory(1);
  expect(await isDone(ended)).toBe(true);
  await blocks.allEnded();
});

test("a block that got a watch is heard of there, and counts all the same", async () => {
  const blocks = new BlockWatches("a", [2]);
  blocks.inMemory(0);
  expect(blocks.promote(0)).toMatchObject({ status: "finished", references: 1, key: blockKey("a", [0]) });
  const watch = blocks.promote(1);
  expect(watch.status).toBe("pending");
  const ended = blocks.allEnded();
  expect(blocks.inMemory(1)).toBe(false);
  expect(await isDone(ended)).toBe(false);
  settle(watch);
  expect(await isDone(ended)).toBe(true);
  expect(Array.from(blocks.unwatched())).toEqual([]);
});

test("who waits hears of the first failure, and who waits later too", async () => {
  const blocks = new BlockWatches("a", [2]);
  const ended = blocks.allEnded();
  const error = new CancelledError("gone");
  settle(blocks.promote(1), error);
  await expect(ended).rejects.toBe(error);
  await expect(blocks.allEnded()).rejects.toBe(error);
});
