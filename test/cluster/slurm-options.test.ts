import { describe, expect, test } from "vitest";
import { resolveSlurmOptions, type SlurmOptions } from "../../src/cluster/slurm-options.ts";
import { Config, type ConfigTree } from "../../src/config/index.ts";

const resolve = (given: object, section: ConfigTree = {}) => resolveSlurmOptions(given as SlurmOptions, section);
const BASE = { cores: 4, memory: "8GiB" };

/** What `DASK_JOBQUEUE__SLURM__*` variables say, read by the configuration as any other. */
function sectionOf(env: Record<string, string>): ConfigTree {
  return new Config({ DASK_ROOT_CONFIG: "/nowhere", HOME: "/nowhere", ...env }).get("jobqueue.slurm") as ConfigTree;
}

describe("options", () => {
  test("defaults", () => {
    expect(resolve(BASE)).toMatchObject({
      cores: 4,
      memoryBytes: 8 * 2 ** 30,
      processes: 1,
      partition: null,
      walltime: "00:30:00",
      jobs: 0,
      jobCpu: 4,
      jobName: "dask-worker",
      name: "SlurmCluster",
      deathTimeoutMs: 60_000,
      maxStartFailures: 3,
      pollIntervalMs: 10_000,
      useArrays: true,
      signalBeforeSeconds: 180,
      logDirectory: ".rsdat/logs",
    });
  });

  test("an argument wins over the configuration, partition over queue", () => {
    const section = { cores: 16, memory: "28GiB", queue: "rome", walltime: "01:00:00", "death-timeout": "10m" };
    expect(resolve({ cores: 8 }, section)).toMatchObject({
      cores: 8,
      memoryBytes: 28 * 2 ** 30,
      partition: "rome",
      walltime: "01:00:00",
      deathTimeoutMs: 600_000,
    });
    expect(resolve({ partition: "genoa" }, section).partition).toBe("genoa");
    expect(resolve({ queue: "genoa" }, section).partition).toBe("genoa");
  });

  test("the variables of RS-DAT's job scripts", () => {
    const section = sectionOf({
      DASK_JOBQUEUE__SLURM__PYTHON: "apptainer exec image.sif python",
      DASK_JOBQUEUE__SLURM__JOB_EXTRA_DIRECTIVES: "['--output', '.jupyterdask/%x-%j.out']",
      DASK_JOBQUEUE__SLURM__DEATH_TIMEOUT: "60",
      DASK_JOBQUEUE__SLURM__PROCESSES: "1",
      DASK_JOBQUEUE__SLURM__CORES: "4",
      DASK_JOBQUEUE__SLURM__MEMORY: "32GiB",
      DASK_JOBQUEUE__SLURM__WALLTIME: "01:00:00",
      DASK_JOBQUEUE__SLURM__QUEUE: "normal",
      DASK_JOBQUEUE__SLURM__LOCAL_DIRECTORY: "$TMPDIR",
      DASK_JOBQUEUE__SLURM__ACCOUNT: "innovation",
    });
    expect(resolve({}, section)).toMatchObject({
      cores: 4,
      memoryBytes: 32 * 2 ** 30,
      processes: 1,
      partition: "normal",
      account: "innovation",
      walltime: "01:00:00",
      deathTimeoutMs: 60_000,
      localDirectory: "$TMPDIR",
      jobExtraDirectives: ["--output .jupyterdask/%x-%j.out"],
    });
  });

  test("workers are counted in jobs", () => {
    expect(resolve({ ...BASE, processes: 2, nWorkers: 5 }).jobs).toBe(3);
    expect(resolve({ ...BASE, jobs: 4 }).jobs).toBe(4);
  });

  test("a short job is warned half of its time before the end, a long one three minutes", () => {
    expect(resolve({ ...BASE, walltime: "00:00:30" }).signalBeforeSeconds).toBe(15);
    expect(resolve({ ...BASE, walltime: "00:10:00" }).signalBeforeSeconds).toBe(60);
    expect(resolve({ ...BASE, walltime: "5-0" }).signalBeforeSeconds).toBe(180);
    expect(resolve({ ...BASE, signalBefore: "40s" }).signalBeforeSeconds).toBe(40);
  });

  test("workers leave before the warning, each at its own time", () => {
    expect(resolve({ ...BASE, walltime: "01:00:00" })).toMatchObject({
      lifetimeSeconds: 3240,
      lifetimeStaggerSeconds: 180,
    });
    expect(resolve({ ...BASE, walltime: "1" })).toMatchObject({ lifetimeSeconds: 37, lifetimeStaggerSeconds: 3 });
    expect(resolve({ ...BASE, walltime: "UNLIMITED" })).toMatchObject({
      lifetimeSeconds: null,
      lifetimeStaggerSeconds: 0,
    });
    expect(resolve({ ...BASE, lifetime: "10m", lifetimeStagger: "1m" })).toMatchObject({
      lifetimeSeconds: 600,
      lifetimeStaggerSeconds: 60,
    });
  });

  test("the scheduler's options; those of Dask's scheduler in the configuration are not ours", () => {
    const section = { "scheduler-options": { dashboard_address: ":8787", port: 9000 } };
    expect(resolve({ ...BASE, schedulerOptions: { host: "10.0.0.1" } }, section).scheduler).toEqual({
      host: "10.0.0.1",
      port: 9000,
    });
  });
});

describe("refused", () => {
  test.each([
    [{ cores: 4 }, "config", "needs memory"],
    [{ memory: "1GiB" }, "config", "DASK_JOBQUEUE__SLURM__CORES"],
    [{ ...BASE, wallTime: "1" }, "argument", 'no option "wallTime"; did you mean "walltime"?'],
    [{ ...BASE, jobScriptProlog: [] }, "argument", 'did you mean "jobScriptPrologue"?'],
    [{ ...BASE, host: "x" }, "argument", "schedulerOptions: { host"],
    [{ ...BASE, schedulerOptions: { hots: "x" } }, "argument", 'did you mean "host"?'],
    [{ ...BASE, cores: 1.5 }, "argument", "cores is 1.5"],
    [{ ...BASE, processes: 8 }, "argument", "more than the 4 cores"],
    [{ ...BASE, memory: "lots" }, "argument", 'memory "lots"'],
    [{ ...BASE, walltime: "soon" }, "argument", 'walltime "soon"'],
    [{ ...BASE, name: "my cluster" }, "argument", 'name "my cluster"'],
    [{ ...BASE, partition: "a\n#SBATCH --uid=0" }, "argument", "line break"],
    [{ ...BASE, jobScriptPrologue: 3 }, "argument", "expected a list of texts"],
  ])("%j", (given, code, text) => {
    expect(() => resolve(given)).toThrow(expect.objectContaining({ code, message: expect.stringContaining(text) }));
  });
});
