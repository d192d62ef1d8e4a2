import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { Config, type ConfigValue, interpretValue, mergeTrees, SCHEMA } from "../../src/config/index.ts";
import { collectTree, configPaths } from "../../src/config/sources.ts";

type Tree = { [name: string]: ConfigValue };

/** What Dask made of the same texts, variables and files: test/config/make_cases.py. */
const CASES = JSON.parse(readFileSync(join(import.meta.dirname, "cases.json"), "utf8")) as {
  readonly texts: readonly [string, ConfigValue][];
  readonly environments: readonly [Record<string, string>, Tree][];
  readonly files: readonly [Record<string, string>, Record<string, string>, Tree][];
  readonly merges: readonly { readonly old: Tree; readonly new: Tree; readonly merged: Tree }[];
  readonly defaults: Tree;
};

const folder = mkdtempSync(join(tmpdir(), "rsdat-config-"));
afterAll(() => rmSync(folder, { recursive: true }));
/** Nowhere: no file of the machine that runs the test takes part. */
const NOWHERE = { DASK_ROOT_CONFIG: join(folder, "none"), HOME: join(folder, "none") };

describe("as Dask reads it", () => {
  it.each(CASES.texts)("text %j", (text, expected) => {
    expect(interpretValue(text)).toEqual(expected);
  });

  it.each(CASES.environments)("variables %j", (env, expected) => {
    expect(spelled(collectTree({ ...NOWHERE, ...env }))).toEqual(spelled(expected));
  });

  it.each(CASES.files)("files %#", (files, env, expected) => {
    const root = mkdtempSync(join(folder, "files-"));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(root, name), text);
    expect(spelled(collectTree({ ...NOWHERE, ...env, DASK_ROOT_CONFIG: root }))).toEqual(spelled(expected));
  });

  it.each(CASES.merges)("merging %j", ({ old, new: over, merged }) => {
    expect(mergeTrees(old, over)).toEqual(merged);
  });

  it("has the same defaults", () => {
    const ours = Object.fromEntries(Object.keys(CASES.defaults).map((key) => [key, SCHEMA[key]?.default]));
    for (const [key, value] of Object.entries(ours)) if (value === Number.POSITIVE_INFINITY) ours[key] = "inf";
    expect(ours).toEqual(CASES.defaults);
  });
});

/** The same with `_` for `-`, as both spell one name, and without the variables that only say where to look. */
function spelled(value: ConfigValue): ConfigValue {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const own = ["internal_inherit_config", "root_config"];
  const entries = Object.entries(value).map(([name, v]) => [name.replaceAll("-", "_"), spelled(v)] as const);
  return Object.fromEntries(entries.filter(([name]) => !own.includes(name)));
}

describe("Config", () => {
  it("prefers later places: root, environments, home, DASK_CONFIG, variables, overrides", () => {
    const at = (name: string): string => join(folder, name);
    for (const [name, value] of [
      ["root", 1],
      ["conda/etc/dask", 2],
      ["home/.config/dask", 3],
    ] as const) {
      mkdirSync(at(name), { recursive: true });
      writeFileSync(join(at(name), "x.yaml"), `${name.split("/")[0]}: ${value}\nwho: ${name.split("/")[0]}\n`);
    }
    writeFileSync(at("own.yaml"), "who: own\nown: 4\n");
    const env: Record<string, string> = { DASK_ROOT_CONFIG: at("root"), CONDA_PREFIX: at("conda"), HOME: at("home") };
    expect(configPaths({ ...env, DASK_CONFIG: at("own.yaml") })).toEqual([
      at("root"),
      at("conda/etc/dask"),
      at("home/.config/dask"),
      at("own.yaml"),
    ]);
    expect(new Config(env).get("who")).toBe("home");
    expect(new Config({ ...env, DASK_CONFIG: at("own.yaml") }).get("who")).toBe("own");
    const config = new Config({ ...env, DASK_CONFIG: at("own.yaml"), DASK_WHO: "variable" });
    expect(config.get("who")).toBe("variable");
    expect(["root", "conda", "home", "own"].map((key) => config.get(key))).toEqual([1, 2, 3, 4]);
    using _over = config.set({ who: "override" });
    expect(config.get("who")).toBe("override");
  });

  it("restores what an override hid, in whatever order overrides end", () => {
    const config = new Config(NOWHERE);
    const first = config.set({ "a.b": 1, "array.chunk_size": "1MiB" });
    const second = config.set({ a: { b: 2 } });
    expect([config.get("a.b"), config.bytes("array.chunk-size")]).toEqual([2, 2 ** 20]);
    first[Symbol.dispose]();
    expect([config.get("a.b"), config.bytes("array.chunk-size")]).toEqual([2, 128 * 2 ** 20]);
    second[Symbol.dispose]();
    expect(config.get("a.b", "none")).toBe("none");
  });

  it("reads again on refresh", () => {
    const config = new Config({ ...NOWHERE, DASK_A: "1" });
    expect(config.get("a")).toBe(1);
    config.refresh({ ...NOWHERE, DASK_A: "2" });
    expect(config.get("a")).toBe(2);
  });

  it("converts units and names key, value and expectation where it cannot", () => {
    const config = new Config({
      ...NOWHERE,
      DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP: "5 min",
      DASK_NUM_WORKERS: "many",
      DASK_ARRAY__CHUNK_SIZE: "12 apples",
    });
    expect(config.durationMs("distributed.comm.timeouts.tcp")).toBe(300_000);
    expect(config.durationMs("distributed.scheduler.idle-timeout")).toBeNull();
    expect(config.fraction("distributed.worker.memory.pause")).toBe(0.8);
    expect(() => config.number("num-workers")).toThrow(/num-workers is "many", expected a number/);
    expect(() => config.bytes("array.chunk-size")).toThrow(/array.chunk-size.*"12 apples"/);
    expect(() => config.get("no.such.key")).toThrow(/"no.such.key" is not set/);
  });

  it("refuses durations that are none, as Dask does", () => {
    const key = "distributed.scheduler.worker-ttl";
    const durations = "distributed.scheduler.default-task-durations";
    const refused = (value: number | string): void => {
      const config = new Config(NOWHERE);
      using _ = config.set({ [key]: value, [durations]: { inc: value } });
      const why = typeof value === "number" ? `is ${value}, expected a duration such as "30s"` : `"${value}" is not a`;
      expect(() => config.durationMs(key)).toThrow(new RegExp(`^configuration ${key}.*${why}`));
      expect(() => config.durations(durations)).toThrow(
        /^configuration .*default-task-durations.*(expected durations|is not a duration)/,
      );
    };
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, -1, "-5s", "inf", "1e400s"]) refused(value);
    const config = new Config(NOWHERE);
    using _ = config.set({ [key]: 0 });
    expect(config.durationMs(key)).toBe(0);
  });

  it("takes false for a switched-off memory threshold", () => {
    const config = new Config({ ...NOWHERE, DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE: "False" });
    expect(config.fraction("distributed.worker.memory.pause")).toBeNull();
  });

  it("names the file that is no YAML, and the variable that is no configuration", () => {
    const bad = join(folder, "bad");
    mkdirSync(bad);
    writeFileSync(join(bad, "bad.yaml"), "a: [1\nb: }");
    expect(() => new Config({ ...NOWHERE, DASK_CONFIG: bad }).get("a")).toThrow(/bad\.yaml is not valid YAML/);
    writeFileSync(join(bad, "bad.yaml"), "- a\n- b\n");
    expect(() => new Config({ ...NOWHERE, DASK_CONFIG: bad }).get("a")).toThrow(/mapping at its top level/);
    expect(() => new Config({ ...NOWHERE, DASK_INTERNAL_INHERIT_CONFIG: "???" }).get("a")).toThrow(
      /DASK_INTERNAL_INHERIT_CONFIG/,
    );
  });
});
