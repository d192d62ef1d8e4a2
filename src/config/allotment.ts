/** What this process was allotted: CPUs and memory, from Slurm, affinity and control groups. */
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, freemem } from "node:os";
import { join } from "node:path";

/** Where the facts come from; tests hand in their own. */
export interface SystemFacts {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Text of a file of the kernel's, or null where it cannot be read. */
  read(path: string): string | null;
  /** CPUs that the machine has, whoever may use them. */
  readonly cores: number;
  /** CPUs in this process's affinity mask. */
  readonly affinity: number;
  /** Bytes that new work could take on this machine, where `/proc/meminfo` does not tell. */
  readonly freeBytes: number;
}

/** The facts of this process. */
export function systemFacts(): SystemFacts {
  return {
    env: process.env,
    read: (path) => {
      try {
        return readFileSync(path, "utf8");
      } catch {
        return null; // absent on this system, or not ours to read: the caller has other sources
      }
    },
    cores: cpus().length,
    affinity: availableParallelism(),
    freeBytes: freemem(),
  };
}

/** A limit and what set it, for messages. */
export interface Limit {
  readonly value: number;
  readonly source: string;
}

function smallest(limits: readonly (Limit | null)[], fallback: Limit): Limit {
  return limits.reduce<Limit>((least, l) => (l !== null && l.value < least.value ? l : least), fallback);
}

function integer(text: string | null | undefined): number | null {
  return text !== null && text !== undefined && /^\s*\d+\s*$/.test(text) ? Number(text) : null;
}

/** CPUs of this task of a Slurm job: `--cpus-per-task`, else the node's share of the job over its tasks. */
function slurmCpus({ env }: SystemFacts): Limit | null {
  const perTask = integer(env["SLURM_CPUS_PER_TASK"]);
  if (perTask) return { value: perTask, source: "SLURM_CPUS_PER_TASK" };
  const onNode = integer(env["SLURM_CPUS_ON_NODE"]);
  if (!onNode) return null;
  return { value: Math.max(1, Math.floor(onNode / slurmTasksOnNode(env))), source: "SLURM_CPUS_ON_NODE" };
}

/** Tasks of this job step that share the node: first count of `2(x3),1`; 1 in a batch step, which runs the script once. */
function slurmTasksOnNode(env: SystemFacts["env"]): number {
  if (env["SLURM_STEP_ID"] === undefined || !/^\d+$/.test(env["SLURM_STEP_ID"])) return 1;
  return integer(/^\d+/.exec(env["SLURM_STEP_TASKS_PER_NODE"] ?? "")?.[0]) || 1;
}

/** Paths of this process's control group and its parents, innermost first, for one controller (v1) or the unified tree. */
function groupPaths(facts: SystemFacts, controller: string): { readonly version: 1 | 2; readonly path: string }[] {
  const out: { version: 1 | 2; path: string }[] = [];
  for (const line of (facts.read("/proc/self/cgroup") ?? "").split("\n")) {
    const found = /^(\d+):([^:]*):(\/.*)$/.exec(line);
    if (!found) continue;
    const [, id, controllers = "", group = "/"] = found;
    const version = id === "0" && controllers === "" ? 2 : 1;
    if (version === 1 && !controllers.split(",").includes(controller)) continue;
    const roots =
      version === 2
        ? ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        : [`/sys/fs/cgroup/${controller}`, `/sys/fs/cgroup/${controllers}`];
    const parts = group.split("/").filter((p) => p !== "" && p !== "..");
    for (const root of roots)
      for (let n = parts.length; n >= 0; n--) out.push({ version, path: join(root, ...parts.slice(0, n)) });
  }
  // Inside a container the group's own path may not be mounted: its root is then the container's.
  return out;
}

function groupMemory(facts: SystemFacts): (Limit | null)[] {
  return groupPaths(facts, "memory").map(({ version, path }) => {
    const file = join(path, version === 2 ? "memory.max" : "memory.limit_in_bytes");
    const value = integer(facts.read(file)); // "max" is no integer; v1 says "no limit" by a number near 2^63
    return value === null || value >= 2 ** 60 ? null : { value, source: file };
  });
}

function groupCpus(facts: SystemFacts): (Limit | null)[] {
  return groupPaths(facts, "cpu").map(({ version, path }) => {
    const [quota, period] =
      version === 2
        ? (facts.read(join(path, "cpu.max")) ?? "").trim().split(/\s+/).map(integer)
        : [integer(facts.read(join(path, "cpu.cfs_quota_us"))), integer(facts.read(join(path, "cpu.cfs_period_us")))];
    return quota && period ? { value: Math.max(1, Math.ceil(quota / period)), source: path } : null;
  });
}

/** CPUs that this process may keep busy: the least of Slurm's, the affinity mask, the control groups' quotas, the cores. */
export function allottedCpus(facts: SystemFacts = systemFacts()): Limit {
  const affinity = { value: Math.max(1, facts.affinity), source: "affinity" };
  return smallest([slurmCpus(facts), affinity, ...groupCpus(facts)], {
    value: Math.max(1, facts.cores),
    source: "cores",
  });
}

/** Bytes that Slurm gave this task; its figures are MiB. `--mem=0` (all) says nothing. */
function slurmMemory(facts: SystemFacts): Limit | null {
  const perNode = integer(facts.env["SLURM_MEM_PER_NODE"]);
  if (perNode)
    return { value: Math.floor((perNode * 2 ** 20) / slurmTasksOnNode(facts.env)), source: "SLURM_MEM_PER_NODE" };
  const perCpu = integer(facts.env["SLURM_MEM_PER_CPU"]);
  const cores = slurmCpus(facts);
  return perCpu && cores ? { value: perCpu * 2 ** 20 * cores.value, source: "SLURM_MEM_PER_CPU" } : null;
}

/**
 * Bytes that this process may take before someone kills it or the machine swaps: the least of the control groups' limits,
 * Slurm's, and what the machine has available now.
 */
export function allottedMemoryBytes(facts: SystemFacts = systemFacts()): Limit {
  const kib = integer(/^MemAvailable:\s*(\d+) kB/m.exec(facts.read("/proc/meminfo") ?? "")?.[1]);
  const available = { value: kib === null ? facts.freeBytes : kib * 1024, source: "available memory" };
  return smallest([slurmMemory(facts), ...groupMemory(facts)], available);
}
