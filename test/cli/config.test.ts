/** `rsdat config` beside `dask config`, on the same files. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import { parse } from "yaml";
import { main } from "../../src/cli/index.ts";
import { config } from "../../src/config/index.ts";
import { describePeer, PYTHON, run } from "../peers.ts";

const folder = mkdtempSync(join(tmpdir(), "rsdat-cli-config-"));
const env = { HOME: folder, DASK_ROOT_CONFIG: join(folder, "none"), VIRTUAL_ENV: "", CONDA_PREFIX: "" };
const before = { ...process.env };
beforeEach(() => {
  Object.assign(process.env, env);
  config.refresh();
});
afterEach(() => {
  for (const name of Object.keys(env)) {
    if (before[name] === undefined) delete process.env[name];
    else process.env[name] = before[name];
  }
  config.refresh();
  process.exitCode = undefined;
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What a command prints, standard output and errors. */
async function rsdat(...args: string[]): Promise<string> {
  const said: string[] = [];
  const streams = [process.stdout, process.stderr];
  const writes = streams.map((stream) => stream.write);
  for (const stream of streams) stream.write = (text) => said.push(String(text)) > 0;
  config.refresh();
  try {
    await main(["config", ...args]);
  } finally {
    streams.forEach((stream, i) => {
      stream.write = writes[i] as typeof stream.write;
    });
  }
  return said.join("");
}

describePeer("config", ["dask", "distributed"], () => {
  const dask = (...args: string[]): Promise<string> =>
    run(join(dirname(PYTHON), "dask"), ["config", ...args], { env }).then((text) => text.replaceAll("\r", ""));

  test("either reads what the other has set, in the same file", async () => {
    const file = join(folder, ".config", "dask", "dask.yaml");
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, "# ours\ndistributed:\n  worker:\n    memory: {pause: 0.7}\n");
    expect(await rsdat("set", "distributed.worker.memory.pause", "0.5")).toBe(
      `Updated [distributed.worker.memory.pause] to [0.5], config saved to ${file}\n`,
    );
    expect(readFileSync(file, "utf8")).toMatch(/^# ours\n/);
    expect((await dask("get", "distributed.worker.memory.pause")).trim()).toBe("0.5");
    expect(await dask("set", "array.chunk_size", "3 MiB")).toMatch(/saved to .*dask.yaml/);
    expect(await rsdat("get", "array.chunk-size")).toBe("3 MiB\n");
    const texts = ["None", "['a', 1]", "text", "true", "yes", "1e3", "12:30:00", "{'k': {'l': 1.5}}"];
    for (const [i, text] of texts.entries()) await rsdat("set", `own.value.v${i}`, text);
    expect(parse(await rsdat("get", "own"))).toEqual(parse(await dask("get", "own")));
    const [ours, theirs] = [await rsdat("find", "own.value"), await dask("find", "own.value")];
    expect(ours.split("\n")[0]).toBe(theirs.split("\n")[0]);
    expect(ours).toContain(`${file}  [own.value={`);
    expect(await rsdat("find", "no.such")).toMatch(/^Unable to find \[no.such\] in any of the following paths:\n/);
  }, 240_000);
});

test("sections and everything are YAML; what is not set, or misspelt, is one line", async () => {
  expect(await rsdat("get", "distributed.worker.lifetime")).toBe(
    "duration: null\nstagger: 0 seconds\nrestart: false\n",
  );
  expect(await rsdat("list")).toMatch(/^rsdat:\n {2}memory-limit: auto$/m);
  expect(await rsdat("list", "--keys")).toMatch(
    /^distributed.p2p.threads \(integer, None\): no effect here: tasks of a rechunk/m,
  );
  expect(await rsdat("get", "no.such")).toBe('rsdat: configuration "no.such" is not set\n');
  expect(process.exitCode).toBe(1);
  expect(await rsdat("set", "rsdat.memory-limt", "1")).toMatch(/^rsdat: configuration rsdat.memory-limt is unknown/);
  expect(await rsdat("set", "array.chunk-size", "foo")).toMatch(
    /^rsdat: configuration array.chunk-size: .*"foo" is not a/,
  );
  expect(await rsdat("get", "array.chunk-size")).not.toContain("foo");
  writeFileSync(join(folder, "a-file"), "");
  expect(await rsdat("set", "a.b", "1", "--file", join(folder, "a-file", "x.yaml"))).toMatch(
    /^rsdat: configuration cannot be saved in/,
  );
});
