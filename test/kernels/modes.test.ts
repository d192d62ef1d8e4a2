import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { beforeAll, expect, test } from "vitest";
import type { KernelStats, WideMode } from "../../src/kernels/index.ts";

interface Report {
  readonly hashes: Readonly<Record<string, string>>;
  readonly wide: WideMode | null;
  readonly shared: boolean;
  readonly stats: KernelStats;
}

const BOUND_MS = 120_000;

async function run(mode: string): Promise<Report> {
  const fixture = new URL("./modes-fixture.ts", import.meta.url).pathname;
  const { stdout } = await promisify(execFile)(process.execPath, [fixture, mode], { timeout: BOUND_MS });
  return JSON.parse(stdout) as Report;
}

let plain: Report;
beforeAll(async () => {
  plain = await run("plain");
}, BOUND_MS);

test("the first call and the fiftieth give the same bits", () => {
  const names = Object.keys(plain.hashes).filter((n) => n.endsWith(" first"));
  expect(names.length).toBeGreaterThan(40);
  for (const name of names) expect(plain.hashes[name.replace(" first", " fiftieth")], name).toBe(plain.hashes[name]);
  expect([plain.shared, plain.stats.interpreted]).toEqual([true, 0]);
});

test("widened kernels give the same bits", { timeout: BOUND_MS }, async () => {
  const wide = await run("wide");
  expect(wide.wide).toEqual({ state: "on" });
  expect(wide.hashes).toEqual(plain.hashes);
});

test("one private memory gives the same bits", { timeout: BOUND_MS }, async () => {
  const single = await run("single");
  expect([single.shared, single.stats.interpreted]).toEqual([false, 0]);
  expect(single.hashes).toEqual(plain.hashes);
});

test("two threads on one segment give the same bits", { timeout: BOUND_MS }, async () => {
  expect((await run("threads")).hashes).toEqual(plain.hashes);
});
