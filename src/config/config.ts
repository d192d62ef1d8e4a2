/** The configuration of this process: defaults, files, variables, overrides. */
import { ConfigError, parseBytes, parseDurationMs } from "../base/index.ts";
import { allottedCpus, allottedMemoryBytes, type SystemFacts, systemFacts } from "./allotment.ts";
import { settingWarnings } from "./check.ts";
import type { ConfigValue } from "./literal.ts";
import { SCHEMA } from "./schema.ts";
import { collectTree, type Environment, inheritable } from "./sources.ts";
import { type ConfigTree, expandVariables, isTree, lookUp, mergeTrees, nest } from "./tree.ts";

const LISTED = Object.entries(SCHEMA).filter(([, entry]) => !entry.isUnlisted);
const DEFAULTS = nest(Object.fromEntries(LISTED.map(([key, entry]) => [key, entry.default])));

/** Dask's configuration. Files are read on first use. A running machine holds a frozen copy of what it needs. */
export class Config {
  #env: Environment | null;
  /** What files and variables say; null until they are read. */
  #collected: ConfigTree | null = null;
  #merged: ConfigTree | null = null;
  #overrides: readonly ConfigTree[] = [];
  readonly #warn: (message: string) => void;
  readonly #warned = new Set<string>();

  /**
   * @param env the environment to read; default this process's, at the time of reading
   * @param warn told once of every setting that is unknown or has no effect; default nobody
   */
  constructor(env: Environment | null = null, warn: (message: string) => void = () => undefined) {
    this.#env = env;
    this.#warn = warn;
  }

  get #tree(): ConfigTree {
    if (this.#collected === null) {
      const env = this.#env ?? process.env;
      this.#collected = collectTree(env);
      // Who hands a configuration on has been told.
      if (env["DASK_INTERNAL_INHERIT_CONFIG"] === undefined) this.#check(this.#collected);
    }
    this.#merged ??= [this.#collected, ...this.#overrides].reduce<ConfigTree>(mergeTrees, DEFAULTS);
    return this.#merged;
  }

  /** Everything, as one tree; a copy. */
  all(): ConfigTree {
    return structuredClone(this.#tree);
  }

  /**
   * The value of a dotted key; `-` and `_` are equal.
   * @throws {ConfigError} not set, and no fallback given; or a configuration file is no YAML
   */
  get(key: string, fallback?: ConfigValue): ConfigValue {
    const value = lookUp(this.#tree, key);
    if (value !== undefined) return value;
    if (fallback !== undefined) return fallback;
    throw new ConfigError(`configuration ${JSON.stringify(key)} is not set`, { details: { key } });
  }

  /** A number, or null where the key is unset. */
  number(key: string, { isInfinite = false }: { readonly isInfinite?: boolean } = {}): number | null {
    return this.#read(key, "a number", (v) => {
      const n = isInfinite && (v === "inf" || v === ".inf") ? Number.POSITIVE_INFINITY : v;
      return typeof n === "number" && (isInfinite ? !Number.isNaN(n) : Number.isFinite(n)) ? n : undefined;
    });
  }

  /** A text, or null where the key is unset. */
  text(key: string): string | null {
    return this.#read(key, "text", (v) => (isTree(v) || Array.isArray(v) ? undefined : String(v)));
  }

  /** true or false, or null where the key is unset. */
  boolean(key: string): boolean | null {
    return this.#read(key, "true or false", (v) => (typeof v === "boolean" ? v : undefined));
  }

  /**
   * A list of texts, a single text counting as one; empty where the key is unset.
   * @throws {ConfigError} anything else
   */
  texts(key: string): readonly string[] {
    const found = this.#read(key, "a list of texts", (v) => {
      const items = Array.isArray(v) ? v : [v];
      return items.every((item) => typeof item === "string") ? (items as string[]) : undefined;
    });
    return found ?? [];
  }

  /**
   * A list of texts or of lists of texts; empty where the key is unset.
   * @throws {ConfigError} anything else
   */
  lists(key: string): readonly (string | readonly string[])[] {
    const isText = (v: ConfigValue): boolean => typeof v === "string";
    const found = this.#read(key, "a list of texts, or of lists of texts", (v) =>
      Array.isArray(v) && v.every((item) => isText(item) || (Array.isArray(item) && item.every(isText)))
        ? (v as (string | string[])[]) // just looked at
        : undefined,
    );
    return found ?? [];
  }

  /**
   * Amounts by name; empty where the key is unset.
   * @throws {ConfigError} anything but a mapping of numbers of 0 or more
   */
  amounts(key: string): ReadonlyMap<string, number> {
    const found = this.#read(key, "amounts by name", (v) => {
      const entries = isTree(v) ? Object.entries(v) : null;
      if (!entries?.every(([, amount]) => typeof amount === "number" && amount >= 0)) return undefined;
      return new Map(entries as [string, number][]);
    });
    return found ?? new Map();
  }

  /** Bytes of a size such as `"64MiB"`, or null where the key is unset. */
  bytes(key: string): number | null {
    return this.#read(key, 'bytes such as "64MiB"', (v) =>
      typeof v === "string" || typeof v === "number" ? parseBytes(v, key) : undefined,
    );
  }

  /** A path, with `$NAME` replaced from the environment, or null where the key is unset. */
  path(key: string): string | null {
    const text = this.text(key);
    return text === null ? null : String(expandVariables(text, this.#env ?? process.env));
  }

  /** Milliseconds of a duration such as `"30s"` (a bare number counts seconds, or what `bare` says), or null where the key is unset. */
  durationMs(key: string, bare: "s" | "ms" = "s"): number | null {
    return this.#read(key, 'a duration such as "30s"', (v) =>
      isDurationLike(v) ? parseDurationMs(v, key, bare) : undefined,
    );
  }

  /** A fraction between 0 and 1, or null where the key is unset or false. */
  fraction(key: string): number | null {
    if (this.get(key) === false) return null;
    return this.#read(key, "a fraction between 0 and 1, or false", (v) =>
      typeof v === "number" && v >= 0 && v <= 1 ? v : undefined,
    );
  }

  /**
   * Milliseconds by name; empty where the key is unset.
   * @throws {ConfigError} anything but a mapping of durations
   */
  durations(key: string): ReadonlyMap<string, number> {
    const found = this.#read(key, 'durations such as "30s" by name', (v) => {
      const entries = isTree(v) ? Object.entries(v) : null;
      if (!entries?.every(([, each]) => isDurationLike(each))) return undefined;
      return new Map(entries.map(([name, each]) => [name, parseDurationMs(each as string | number, name)])); // just looked at
    });
    return found ?? new Map();
  }

  #read<T>(key: string, wanted: string, convert: (value: ConfigValue) => T | undefined): T | null {
    const value = this.get(key, null);
    if (value === null) return null;
    try {
      const found = convert(value);
      if (found !== undefined) return found;
    } catch (cause) {
      throw new ConfigError(`configuration ${key}: ${cause instanceof Error ? cause.message : String(cause)}`, {
        cause,
        details: { key, value },
      });
    }
    const shown = typeof value === "number" ? value : JSON.stringify(value);
    throw new ConfigError(`configuration ${key} is ${shown}, expected ${wanted}`, {
      details: { key, value },
    });
  }

  /** Dotted keys that are set or known and contain `text`, with their values; all without one. dask `config find`. */
  find(text = ""): ReadonlyMap<string, ConfigValue> {
    const wanted = text.replaceAll("_", "-");
    const out = new Map<string, ConfigValue>();
    for (const [key, value] of flatten(this.#tree, ""))
      if (key.replaceAll("_", "-").includes(wanted)) out.set(key, structuredClone(value));
    return out;
  }

  /** Everything in the form in which `DASK_INTERNAL_INHERIT_CONFIG` hands it to a process. dask.config `serialize`. */
  serialize(): string {
    return inheritable(this.#tree);
  }

  #check(tree: ConfigTree): void {
    for (const [key, message] of settingWarnings(tree)) {
      if (this.#warned.has(key)) continue;
      this.#warned.add(key);
      this.#warn(message);
    }
  }

  /** Override values (dotted keys or levels) until the answer is disposed of; overrides may end in any order. */
  set(values: { readonly [key: string]: ConfigValue }): Disposable {
    const layer = nest(values);
    this.#check(layer);
    this.#overrides = [...this.#overrides, layer];
    this.#merged = null;
    return {
      [Symbol.dispose]: () => {
        this.#overrides = this.#overrides.filter((o) => o !== layer);
        this.#merged = null;
      },
    };
  }

  /** Read files and variables again, at the next use; overrides stay. */
  refresh(env: Environment | null = this.#env): void {
    this.#env = env;
    this.#collected = null;
    this.#merged = null;
  }
}

/** The configuration of this process. */
export const config: Config = new Config(null, (message) => process.emitWarning(message, "ConfigWarning"));

/**
 * Bytes that this process may take. `rsdat.memory-limit`: a size, a fraction (at most 1) of what was allotted, or "auto":
 * 0.8 of it.
 * @throws {ConfigError} the setting is none of these
 */
export function memoryLimitBytes(from: Config = config, facts: SystemFacts = systemFacts()): number {
  const given = from.get("rsdat.memory-limit");
  if (given === "auto" || given === null) return Math.floor(0.8 * allottedMemoryBytes(facts).value);
  if (typeof given === "number" && given > 0 && given <= 1) return Math.floor(given * allottedMemoryBytes(facts).value);
  const bytes = from.bytes("rsdat.memory-limit");
  if (!bytes)
    throw new ConfigError(`configuration rsdat.memory-limit is ${JSON.stringify(given)}, expected a size above 0`);
  return bytes;
}

/** Dask's names for its runners without processes. Source: dask/base.py `named_schedulers`. */
const SYNCHRONOUS: ReadonlySet<string> = new Set(["sync", "synchronous", "single-threaded"]);
const THREADED: ReadonlySet<string> = new Set(["threads", "threading"]);

/**
 * Compute threads of this process: 1 where `scheduler` is "synchronous", else `num-workers`, else the CPUs allotted.
 * @throws {ConfigError} `num-workers` is not a whole number above 0, or `scheduler` names no runner of this process
 */
export function computeThreads(from: Config = config, facts: SystemFacts = systemFacts()): number {
  const scheduler = from.text("scheduler")?.toLowerCase() ?? "threads";
  if (SYNCHRONOUS.has(scheduler)) return 1;
  if (!THREADED.has(scheduler))
    throw new ConfigError(
      `configuration scheduler is ${JSON.stringify(scheduler)}, expected "threads" or "synchronous"; for processes start a LocalCluster, for a cluster connect a Client`,
      { details: { scheduler } },
    );
  const given = from.number("num-workers");
  if (given === null) return allottedCpus(facts).value;
  if (!Number.isInteger(given) || given < 1)
    throw new ConfigError(`configuration num-workers is ${given}, expected a whole number above 0`);
  return given;
}

/** Most transitions that a story may hold: its places are made at once. */
const STORY_MOST = 2 ** 20;

/**
 * Transitions that a scheduler and a worker remember: `distributed.admin.low-level-log-length`.
 * @throws {ConfigError} anything but a whole number of 0 or more, or nothing: as many as there can be
 */
export function storyLength(from: Config = config): number {
  const key = "distributed.admin.low-level-log-length";
  const given = from.number(key) ?? STORY_MOST;
  if (!Number.isInteger(given) || given < 0)
    throw new ConfigError(`configuration ${key} is ${given}, expected a whole number of 0 or more`);
  return Math.min(given, STORY_MOST);
}

/** What may be read as a duration; no setting is for ever by a number without end, and Dask takes none. */
function isDurationLike(value: ConfigValue | undefined): value is string | number {
  return typeof value === "string" || (typeof value === "number" && Number.isFinite(value) && value >= 0);
}

function* flatten(tree: ConfigTree, above: string): Generator<readonly [key: string, value: ConfigValue]> {
  for (const [name, value] of Object.entries(tree)) {
    if (isTree(value) && Object.keys(value).length > 0) yield* flatten(value, `${above}${name}.`);
    else yield [`${above}${name}`, value];
  }
}
