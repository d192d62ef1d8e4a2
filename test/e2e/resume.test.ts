/** A writer that is killed at any moment leaves whole objects and an account of them; the next run computes the rest only. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { array, openRaster } from "rsdat";
import { afterAll, beforeEach, expect, test } from "vitest";
import { ROOT } from "../find-peers.ts";
import { type Running, start } from "../processes.ts";

const root = mkdtempSync(join(tmpdir(), "rsdat-resume-"));
let folder = root;
afterAll(() => rmSync(root, { recursive: true, force: true }));
const SCENE = join(ROOT, "examples", "data", "L7_ETMs.tif");
const SCRIPT = join(ROOT, "test", "e2e", "scripts", "resumes.ts");
const OBJECTS = 120 * 6;

let run = 0;
let [input, out] = ["", ""];
let labels: string[] = [];
beforeEach(() => {
  labels = [];
  const own = `${run++}`;
  folder = join(root, own);
  mkdirSync(folder);
  input = join(folder, `in${own}.tif`);
  out = join(folder, `out${own}.zarr`);
  copyFileSync(SCENE, input);
});

/** Where the unfinished store lies. */
function stage(): string | undefined {
  const name = readdirSync(folder).find((each) => each.startsWith(`.${out.slice(folder.length + 1)}.rsdat-`));
  return name && join(folder, name);
}

/** Files of the account of the unfinished store. */
function ledgers(): string[] {
  const at = stage();
  if (!at || !existsSync(join(at, ".rsdat"))) return [];
  return readdirSync(join(at, ".rsdat"), { recursive: true })
    .map(String)
    .filter((name) => name.endsWith(".ledger"))
    .map((name) => join(at, ".rsdat", name));
}

const recorded = (): number => ledgers().reduce((n, path) => n + Math.floor(statSync(path).size / 16), 0);

/** Inode and size of each object: a file that is written again has another inode. */
function objects(store: string): Map<string, string> {
  const at = join(store, "data", "c");
  const names = readdirSync(at, { recursive: true }).map(String);
  const files = names.filter((name) => /^\d+\/\d+$/.test(name));
  return new Map(files.map((name) => [name, `${statSync(join(at, name)).ino} ${statSync(join(at, name)).size}`]));
}

/** On two threads: of many, each would have a block before the first object is written. */
function write(...labels: readonly string[]): Running {
  return start(process.execPath, [SCRIPT, input, out, ...labels], { env: { DASK_NUM_WORKERS: "2" } });
}

async function killedHalfway(least: number): Promise<void> {
  await using running = write(...labels);
  await running.waitFor(/found 0/);
  await expect.poll(recorded, { timeout: 150_000, interval: 1 }).toBeGreaterThan(least);
  running.process.kill("SIGKILL");
  expect(await running.exit).toBe("SIGKILL");
}

async function again(): Promise<{ readonly resumed: number; readonly tasks: number; readonly text: string }> {
  writeFileSync(`${out}.go`, "");
  await using running = write(...labels);
  const text = (await running.waitFor(/\{"resumed".*\}/))[0];
  expect(await running.exit).toBe(0);
  return { ...(JSON.parse(text) as { resumed: number; tasks: number }), text: running.output() };
}

/** The values straight from the expression, without a store between. */
async function expectRight(): Promise<void> {
  const { data } = await openRaster(input, { band: 1 });
  const row = await data.slice([0, 1], [0, 300]).astype("float64").compute();
  const stored = await (await array.fromZarr(out, { component: "data" })).compute();
  expect(stored.shape).toEqual([3000, 300]);
  const wrong = Array.from({ length: 3000 * 300 }, (_, k) => k).filter(
    (k) => stored.data[k] !== Math.sqrt(Math.floor(k / 300) * 0.25 + Number(row.data[k % 300])),
  );
  expect(wrong).toEqual([]);
}

test("killed, run again: finished objects stay, the rest is computed", async () => {
  await killedHalfway(20);
  const done = recorded();
  expect(done).toBeLessThan(OBJECTS);
  const before = objects(stage() as string); // it was just killed
  const { resumed, tasks } = await again();
  expect(resumed).toBeGreaterThan(0);
  expect(resumed).toBe(done);
  expect(tasks).toBe(OBJECTS - done);
  const after = objects(out);
  expect(after.size).toBe(OBJECTS);
  // An object whose record was not written before the kill is written again; at most one of each thread.
  const same = [...before].filter(([name, was]) => after.get(name) === was).length;
  expect(same).toBe(done);
  expect(stage()).toBeUndefined();
  expect(readdirSync(out).sort()).toEqual(["data", "zarr.json"]);
  await expectRight();
});

test("labelled arrays; a torn record and an object of another size are not trusted", async () => {
  labels = ["xr"];
  await killedHalfway(20);
  const [first] = ledgers().sort((a, b) => statSync(b).size - statSync(a).size);
  const bytes = readFileSync(first as string); // the run that was killed has left one
  const victim = bytes.readUInt32LE(0);
  const object = join(stage() as string, "data", "c", String(Math.floor(victim / 6)), String(victim % 6));
  writeFileSync(object, "half");
  writeFileSync(first as string, bytes.subarray(0, bytes.length - 5));
  const whole = recorded();
  const { resumed } = await again();
  expect(resumed).toBe(whole - 1); // all whole records less the object that does not agree with its own
  await expectRight();
});

test("another input: nothing of the earlier run is used, and a line says so", async () => {
  await killedHalfway(20);
  const bytes = readFileSync(input);
  writeFileSync(input, bytes); // same bytes, another time of change
  const { resumed, text } = await again();
  expect(resumed).toBe(0);
  expect(text).toMatch(/made from other inputs, another graph or other options/);
  expect(readdirSync(folder).filter((name) => name.includes(".rsdat-"))).toEqual([]);
  await expectRight();
});

test("interrupted: one line says how far it is and how to go on", async () => {
  {
    await using running = write();
    await running.waitFor(/found 0/);
    await expect.poll(recorded, { timeout: 150_000, interval: 1 }).toBeGreaterThan(20);
    running.process.kill("SIGINT");
    expect(await running.exit).toBe("SIGINT");
    const lines = running
      .output()
      .split("\n")
      .filter((line) => line.includes("interrupted"));
    expect(lines).toHaveLength(1);
    const [, written, all] = /interrupted, (\d+) of (\d+) objects .* run the same again/.exec(lines[0] ?? "") ?? [];
    expect(Number(written)).toBeGreaterThan(20);
    expect(Number(written)).toBeLessThanOrEqual(recorded());
    expect(Number(all)).toBe(OBJECTS);
  }
  expect((await again()).resumed).toBeGreaterThan(20);
});
