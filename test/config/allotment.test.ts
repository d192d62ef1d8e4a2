import { describe, expect, it } from "vitest";
import {
  allottedCpus,
  allottedMemoryBytes,
  Config,
  computeThreads,
  memoryLimitBytes,
  type SystemFacts,
  systemFacts,
} from "../../src/config/index.ts";

const GIB = 2 ** 30;
/** A machine of 16 cores with 32 GiB available, on which nothing limits us. */
function machine(files: Record<string, string> = {}, facts: Partial<SystemFacts> = {}): SystemFacts {
  const all: Record<string, string> = {
    "/proc/meminfo": `MemTotal: 65000000 kB\nMemAvailable:   ${(32 * GIB) / 1024} kB\n`,
    ...files,
  };
  return { env: {}, read: (path) => all[path] ?? null, cores: 16, affinity: 16, freeBytes: GIB, ...facts };
}

describe("CPUs allotted", () => {
  const v2 = { "/proc/self/cgroup": "0::/a/b\n" };
  const v1 = { "/proc/self/cgroup": "5:cpuset:/\n4:cpu,cpuacct:/docker/x\n3:memory:/docker/x\n0::/\n" };
  it.each<[string, SystemFacts, number]>([
    ["cores", machine(), 16],
    ["affinity", machine({}, { affinity: 3 }), 3],
    ["a quota of the own group (v2)", machine({ ...v2, "/sys/fs/cgroup/a/b/cpu.max": "400000 100000\n" }), 4],
    ["no quota (v2)", machine({ ...v2, "/sys/fs/cgroup/a/b/cpu.max": "max 100000\n" }), 16],
    [
      "a quota of a parent group (v2), rounded up",
      machine({ ...v2, "/sys/fs/cgroup/a/cpu.max": "150000 100000\n", "/sys/fs/cgroup/a/b/cpu.max": "max 100000\n" }),
      2,
    ],
    [
      "a quota (v1)",
      machine({
        ...v1,
        "/sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us": "50000\n",
        "/sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us": "100000\n",
      }),
      1,
    ],
    [
      "no quota (v1)",
      machine({
        ...v1,
        "/sys/fs/cgroup/cpu/docker/x/cpu.cfs_quota_us": "-1\n",
        "/sys/fs/cgroup/cpu/docker/x/cpu.cfs_period_us": "100000\n",
      }),
      16,
    ],
    [
      "a container whose group is mounted at the root",
      machine({ ...v2, "/sys/fs/cgroup/cpu.max": "200000 100000" }),
      2,
    ],
    ["Slurm, per task", machine({}, { env: { SLURM_CPUS_PER_TASK: "6", SLURM_CPUS_ON_NODE: "12" } }), 6],
    [
      "Slurm, batch step without --cpus-per-task",
      machine({}, { env: { SLURM_CPUS_ON_NODE: "12", SLURM_TASKS_PER_NODE: "4" } }),
      12,
    ],
    [
      "Slurm, one of four tasks of a step",
      machine({}, { env: { SLURM_CPUS_ON_NODE: "12", SLURM_STEP_ID: "0", SLURM_STEP_TASKS_PER_NODE: "4(x2),1" } }),
      3,
    ],
    ["Slurm says more than affinity allows", machine({}, { affinity: 2, env: { SLURM_CPUS_PER_TASK: "6" } }), 2],
  ])("by %s", (_, facts, expected) => {
    expect(allottedCpus(facts).value).toBe(expected);
  });
});

describe("memory allotted", () => {
  const v2 = { "/proc/self/cgroup": "0::/a/b\n" };
  const v1 = { "/proc/self/cgroup": "4:memory:/jobs/7\n" };
  it.each<[string, SystemFacts, number]>([
    ["what is available", machine(), 32 * GIB],
    ["free memory where /proc tells nothing", machine({ "/proc/meminfo": "" }), GIB],
    ["the own group (v2)", machine({ ...v2, "/sys/fs/cgroup/a/b/memory.max": `${4 * GIB}\n` }), 4 * GIB],
    [
      "a parent group (v2)",
      machine({ ...v2, "/sys/fs/cgroup/a/memory.max": `${2 * GIB}\n`, "/sys/fs/cgroup/a/b/memory.max": "max\n" }),
      2 * GIB,
    ],
    [
      "the own group (v1)",
      machine({ ...v1, "/sys/fs/cgroup/memory/jobs/7/memory.limit_in_bytes": `${3 * GIB}\n` }),
      3 * GIB,
    ],
    [
      "no limit (v1)",
      machine({ ...v1, "/sys/fs/cgroup/memory/jobs/7/memory.limit_in_bytes": "9223372036854771712\n" }),
      32 * GIB,
    ],
    ["Slurm, per node", machine({}, { env: { SLURM_MEM_PER_NODE: "2048" } }), 2 * GIB],
    ["Slurm, all of the node", machine({}, { env: { SLURM_MEM_PER_NODE: "0" } }), 32 * GIB],
    ["Slurm, per CPU", machine({}, { env: { SLURM_MEM_PER_CPU: "512", SLURM_CPUS_PER_TASK: "4" } }), 2 * GIB],
    [
      "Slurm, shared by the tasks of a step",
      machine({}, { env: { SLURM_MEM_PER_NODE: "4096", SLURM_STEP_ID: "0", SLURM_STEP_TASKS_PER_NODE: "4" } }),
      GIB,
    ],
  ])("by %s", (_, facts, expected) => {
    expect(allottedMemoryBytes(facts).value).toBe(expected);
  });

  it("agrees with what the kernel tells of this machine", () => {
    const { value } = allottedMemoryBytes();
    expect(value).toBeGreaterThan(2 ** 26);
    expect(value).toBeLessThanOrEqual(
      Number(/^MemTotal:\s*(\d+)/m.exec(systemFacts().read("/proc/meminfo") ?? "")?.[1] ?? Number.POSITIVE_INFINITY) *
        1024,
    );
  });
});

describe("limits of this process", () => {
  const at = (value: string): Config =>
    new Config({ DASK_ROOT_CONFIG: "/nowhere", HOME: "/nowhere", DASK_RSDAT__MEMORY_LIMIT: value });
  it.each([
    ["auto", Math.floor(0.8 * 32 * GIB)],
    ["4GiB", 4 * GIB],
    ["0.5", 16 * GIB],
    ["1000000000", 1e9],
  ])("memory %s", (value, expected) => {
    expect(memoryLimitBytes(at(value), machine())).toBe(expected);
  });

  it.each(["0", "much", "-5"])("memory %s is refused by name", (value) => {
    expect(() => memoryLimitBytes(at(value), machine())).toThrow(/rsdat.memory-limit/);
  });

  it("threads: num-workers, else the CPUs", () => {
    const with_ = (env: Record<string, string>): Config =>
      new Config({ DASK_ROOT_CONFIG: "/nowhere", HOME: "/nowhere", ...env });
    expect(computeThreads(with_({}), machine({}, { affinity: 5 }))).toBe(5);
    expect(computeThreads(with_({ DASK_NUM_WORKERS: "7" }), machine())).toBe(7);
    expect(() => computeThreads(with_({ DASK_NUM_WORKERS: "0" }), machine())).toThrow(/num-workers is 0/);
  });
});
