/** What a write that is resumed may take over: values under the same labels, and only those that nobody wrote since. */
import { existsSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, expect, test } from "vitest";
import { arange } from "../../src/array/index.ts";
import type { LazyWrite } from "../../src/array/store/write.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { dataArray, openZarr } from "../../src/xr/index.ts";
import { useInlineRunner } from "../run-inline.ts";

useInlineRunner();
const root = mkdtempSync(join(tmpdir(), "rsdat-labels-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let n = 0;
let [out, stop] = ["", ""];
beforeEach(() => {
  out = join(root, `${n++}.zarr`);
  stop = join(root, "stop");
});

interface Labels {
  readonly dim?: string;
  readonly first?: number;
  readonly title?: string;
}

/** Ten objects of four numbers; while the file `stop` is there, the eighth cannot be made. */
function write({ dim = "t", first = 0, title = "old" }: Labels, mode: "w-" | "a" = "w-"): Promise<LazyWrite> {
  const values = arange(40, { dtype: "float64", chunks: 4 }).mapBlocks(
    (block, _info, flag) => {
      const { existsSync: isThere } = process.getBuiltinModule("node:fs");
      if (block.data[0] === 28 && isThere(flag)) throw new Error("stopped");
      return block;
    },
    { dtype: "float64", args: stop },
  );
  const labels = NDArray.of(
    Float64Array.from({ length: 40 }, (_, k) => k + first),
    [40],
  );
  const x = dataArray(values, { dims: [dim], coords: { [dim]: labels }, attrs: { title }, name: "v" });
  return x.toZarr(out, { resume: true, compute: false, mode, encoding: { v: { chunks: [4] } } });
}

async function stopped(labels: Labels, mode?: "w-" | "a"): Promise<void> {
  writeFileSync(stop, "");
  await expect((await write(labels, mode)).compute()).rejects.toThrow("stopped");
  rmSync(stop);
}

test("the same labels: finished objects are taken over", async () => {
  await stopped({});
  const again = await write({});
  expect(again.resumed).toBeGreaterThanOrEqual(7);
  await again.compute();
  expect((await (await openZarr(out)).get("v").compute()).values.toArray()).toEqual(
    Array.from({ length: 40 }, (_, k) => k),
  );
});

test.each<Labels>([{ dim: "time" }, { first: 100 }, { title: "new" }])(
  "other labels %o: a new write",
  async (labels) => {
    await stopped({});
    const again = await write(labels);
    expect(again.resumed).toBe(0);
    await again.compute();
    const { dim = "t", first = 0, title = "old" } = labels;
    const found = (await openZarr(out)).get("v");
    expect(found.dims).toEqual([dim]);
    expect(found.attrs).toMatchObject({ title });
    expect(found.coord(dim).values.item(0)).toBe(first);
  },
);

test("into values that are there, with a new coordinate: no old value passes for a new one", async () => {
  const old = dataArray(arange(40, { dtype: "float64", chunks: 4 }).add(1000), { dims: ["t"], name: "v" });
  await old.toZarr(out, { encoding: { v: { chunks: [4], codecs: [] } } });
  await stopped({}, "a");
  const again = await write({}, "a");
  expect(again.resumed).toBe(7);
  await again.compute();
  expect((await (await openZarr(out)).get("v").compute()).values.item(28)).toBe(28);
});

test("objects of a store that others wrote since are written again, also where their size is the same", async () => {
  const zeros = dataArray(NDArray.of(new Float64Array(4), [4]), { dims: ["s"], name: "other" });
  await zeros.toZarr(out);
  await stopped({}, "a");
  const kept = (await write({}, "a")).resumed;
  expect(kept).toBeGreaterThanOrEqual(7);
  const object = join(out, "v", "c", "2");
  expect(existsSync(object)).toBe(true);
  const later = new Date(Date.now() + 5_000);
  utimesSync(object, later, later);
  const again = await write({}, "a");
  expect(again.resumed).toBe(kept - 1);
  await again.compute();
  expect((await (await openZarr(out)).get("v").compute()).values.item(8)).toBe(8);
});
