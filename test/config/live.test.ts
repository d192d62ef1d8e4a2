/** The same files and variables, read by dask.config and by us, side by side; and each other's inheritance. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { Config, type ConfigValue, SCHEMA } from "../../src/config/index.ts";
import { describePeer, runPython } from "../peers.ts";

const folder = mkdtempSync(join(tmpdir(), "rsdat-config-live-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Answer {
  readonly values: Readonly<Record<string, ConfigValue>>;
  readonly inherited: string;
}

async function dask(env: Readonly<Record<string, string>>, keys: readonly string[]): Promise<Answer> {
  const script = join(import.meta.dirname, "config_peer.py");
  return JSON.parse(await runPython([script], { input: JSON.stringify({ env, keys }) })) as Answer;
}

function ours(env: Readonly<Record<string, string>>, keys: readonly string[]): Record<string, ConfigValue> {
  const config = new Config(env);
  return Object.fromEntries(
    keys.map((key) => {
      const value = config.get(key, "absent");
      return [key, value === Number.POSITIVE_INFINITY ? "inf" : value];
    }),
  );
}

describePeer("beside dask.config", ["dask", "distributed"], () => {
  const at = (name: string): string => join(folder, name);
  const files: Readonly<Record<string, string>> = {
    "root/one.yaml":
      "distributed:\n  worker:\n    memory:\n      pause: 0.7\n    resources: {GPU: 1}\nown: {a_b: 1, c: $FOO/x}\n",
    "root/two.yml": "own:\n  a-b: 2\n  list: [1, two, null]\n",
    "root/types.yaml":
      "own: {v: yes, o: off, octal: 010, big: 1_000, hex: 0x1F, e: 1.5e3, f: 1.5e+3, g: .5, nothing: ~, s: 'no', n1: n}\n",
    "home/.config/dask/h.yaml": "distributed: {scheduler: {worker_ttl: 1 minute}}\nown: {h: 1.5e3, inf: .inf}\n",
    "last.yaml": "own: {v: last}\njobqueue: {slurm: {cores: 16, job_extra_directives: ['-C rome']}}\n",
  };
  const env = {
    DASK_ROOT_CONFIG: at("root"),
    VIRTUAL_ENV: "",
    CONDA_PREFIX: "",
    HOME: at("home"),
    DASK_CONFIG: at("last.yaml"),
    FOO: "foo",
    DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT: "12s",
    DASK_DISTRIBUTED__SCHEDULER__PRELOAD: "['m.js']",
    DASK_OWN__DEEP__ER: "{'k': (1, 2)}",
    DASK_ARRAY__CHUNK_SIZE: "1 MiB",
  };
  const keys = [
    ...Object.keys(SCHEMA).filter((key) => !/^(rsdat|jobqueue)\./.test(key)),
    ...[
      "a-b",
      "a_b",
      "c",
      "list",
      "v",
      "h",
      "inf",
      "deep.er",
      "octal",
      "big",
      "hex",
      "e",
      "f",
      "g",
      "o",
      "n1",
      "s",
    ].map((name) => `own.${name}`),
    ...["own.nothing", "jobqueue.slurm.cores", "jobqueue.slurm.job-extra-directives", "no.such.key"],
  ];

  test("every value is the same, and so is what either hands on to a process", async () => {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(join(at(name), ".."), { recursive: true });
      writeFileSync(at(name), text);
    }
    const theirs = await dask(env, keys);
    expect(ours(env, keys)).toEqual(theirs.values);
    // Their serialised configuration read by us, and ours by them, from a place with no files at all.
    const bare = { DASK_ROOT_CONFIG: at("none"), HOME: at("none"), VIRTUAL_ENV: "", CONDA_PREFIX: "" };
    expect(ours({ ...bare, DASK_INTERNAL_INHERIT_CONFIG: theirs.inherited }, keys)).toEqual(theirs.values);
    const back = await dask({ ...bare, DASK_INTERNAL_INHERIT_CONFIG: new Config(env).serialize() }, keys);
    expect(back.values).toEqual(theirs.values);
  });
});
