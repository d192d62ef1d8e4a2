/** What a write that is resumed may take over: values under the same labels, and only those that nobody wrote since. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeEach, expect, test } from "vitest";
import { arange } from "../../src/array/index.ts";
import type { LazyWrite } from "../../src/array/store/write.ts";
import { ioCounters } from "../../src/io/index.ts";
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

const bytesRead = (): number => ioCounters().bytesRead;

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

/** The store that a stopped write of `out` has left, and one of its objects. */
function leftBehind(): { readonly stage: string; readonly object: string } {
  const name = readdirSync(root).find((each) => each.startsWith(`.${basename(out)}.rsdat-`)) ?? "";
  return { stage: join(root, name), object: join(root, name, "v", "c", "2") };
}

function damage(object: string): void {
  const { atime, mtime } = statSync(object);
  const bytes = readFileSync(object);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  writeFileSync(object, bytes);
  utimesSync(object, atime, mtime); // what a failed disk, or a tool that keeps times, leaves: same name, size and time
}

test("an object with other bytes than were recorded is written again", async () => {
  await stopped({});
  const kept = (await write({})).resumed;
  damage(leftBehind().object);
  const again = await write({});
  expect(again.resumed).toBe(kept - 1);
  await again.compute();
  expect((await (await openZarr(out)).get("v").compute()).values.item(8)).toBe(8);
});

test("only objects that a failing system may have lost are read again to be compared", async () => {
  await stopped({});
  const { stage, object } = leftBehind();
  const hourAgo = new Date(Date.now() - 3_600_000);
  for (const name of readdirSync(join(stage, "v", "c"))) utimesSync(join(stage, "v", "c", name), hourAgo, hourAgo);
  const readBy = async (): Promise<number> => {
    const before = bytesRead();
    await write({});
    return bytesRead() - before;
  };
  const none = await readBy();
  const recent = new Date(Date.now() - 1_000);
  utimesSync(object, recent, recent);
  expect((await readBy()) - none).toBe(statSync(object).size);
});

test.each(["opened", "written into"])(
  "an account that a killed run left in a finished store goes when it is %s",
  async (how) => {
    const labelled = dataArray(arange(8, { dtype: "float64", chunks: 4 }), { dims: ["t"], name: "v" });
    await labelled.toZarr(out, { resume: true });
    expect(readdirSync(out).sort()).toEqual(["v", "zarr.json"]);
    const [ended, running] = ["11111111", "22222222"].map((key) => join(out, ".rsdat", key)) as [string, string];
    for (const at of [ended, running]) mkdirSync(at, { recursive: true });
    writeFileSync(join(ended, "finished"), "");
    writeFileSync(join(running, "1-00.ledger"), new Uint8Array(16));
    if (how === "opened") await openZarr(out);
    else await labelled.toZarr(out, { mode: "a" });
    expect(readdirSync(join(out, ".rsdat"))).toEqual(["22222222"]); // of a run that may be under way
  },
);

test("killed between the last object and its place: the account says that nothing remains, and is gone at the end", async () => {
  await stopped({});
  const [key = ""] = readdirSync(join(leftBehind().stage, ".rsdat"));
  writeFileSync(join(leftBehind().stage, ".rsdat", key, "finished"), "");
  const again = await write({});
  expect(again.resumed).toBeGreaterThanOrEqual(7);
  await again.compute();
  expect(readdirSync(out).sort()).toEqual(["t", "v", "zarr.json"]);
});
