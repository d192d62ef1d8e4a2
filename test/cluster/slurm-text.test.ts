/** Slurm's texts, as Slurm 22.05.8 of the test cluster wrote them. */
import { describe, expect, test } from "vitest";
import {
  explainRefusal,
  memoryDirective,
  parseJobRecord,
  parseQueue,
  parseSubmitted,
  phaseOf,
  walltimeSeconds,
} from "../../src/cluster/slurm-text.ts";

/** `squeue -h -r -t all -j 1,2,3 -o '%i|%T|%r|%S|%N'` with an array of which two tasks run, one waits, one was cancelled. */
const QUEUE = `1_4|PENDING|Resources|2026-11-25T21:51:00|
1_3|RUNNING|None|2026-11-25T21:41:37|n2
1_1|RUNNING|None|2026-11-25T21:41:37|n1
1_0|CANCELLED|None|2026-11-25T21:41:37|n1
2|PENDING|Priority|N/A|
3|FAILED|NonZeroExitCode|2026-11-25T21:41:55|n1
`;

const FAILED =
  "JobId=12 ArrayJobId=12 ArrayTaskId=1 JobName=f.sh UserId=root(0) GroupId=root(0) MCS_label=N/A Priority=4294901757 Nice=0 Account=(null) QOS=(null) JobState=FAILED Reason=NonZeroExitCode Dependency=(null) Requeue=1 Restarts=0 BatchFlag=1 Reboot=0 ExitCode=3:0 RunTime=00:00:00 TimeLimit=00:05:00 NodeList=n1 BatchHost=n1 NumNodes=1 StdErr=/tmp/play/slurm-12_1.out StdIn=/dev/null StdOut=/tmp/play/slurm-12_1.out Power= ";
const PENDING =
  "JobId=2 JobName=f.sh UserId=root(0) Account=(null) JobState=PENDING Reason=Priority Dependency=(null) ExitCode=0:0 NodeList= SchedNodeList=n2 NumNodes=1 StdOut=/tmp/play/slurm-2.out Power= ";

describe("squeue", () => {
  test("one entry a job, and a task of an array; N/A is no time", () => {
    const lines = parseQueue(QUEUE);
    expect(lines).toHaveLength(6);
    expect(lines[0]).toEqual({
      id: "1_4",
      state: "PENDING",
      reason: "Resources",
      start: "2026-11-25T21:51:00",
      nodes: "",
    });
    expect(lines[1]).toEqual({
      id: "1_3",
      state: "RUNNING",
      reason: "None",
      start: "2026-11-25T21:41:37",
      nodes: "n2",
    });
    expect(lines[4]).toMatchObject({ id: "2", start: null });
  });

  test("a site's banner and an unexpanded array are no jobs", () => {
    expect(parseQueue("Welcome to the cluster\n\n1_[5-6]|PENDING|Resources|N/A|\n7|RUNNING|None|N/A|n1\n")).toEqual([
      { id: "7", state: "RUNNING", reason: "None", start: null, nodes: "n1" },
    ]);
  });

  test.each([
    ["PENDING", "waiting"],
    ["CONFIGURING", "waiting"],
    ["RUNNING", "running"],
    ["COMPLETING", "running"],
    ["SUSPENDED", "running"],
    ["COMPLETED", "over"],
    ["FAILED", "over"],
    ["TIMEOUT", "over"],
    ["NODE_FAIL", "over"],
    ["OUT_OF_MEMORY", "over"],
    ["PREEMPTED", "over"],
  ] as const)("%s is %s", (state, phase) => {
    expect(phaseOf(state)).toBe(phase);
  });
});

describe("scontrol", () => {
  test("how a job ended", () => {
    expect(parseJobRecord(FAILED)).toEqual({
      state: "FAILED",
      reason: "NonZeroExitCode",
      exitCode: 3,
      signal: 0,
      node: "n1",
      output: "/tmp/play/slurm-12_1.out",
      isArray: true,
    });
    expect(parseJobRecord(PENDING)).toMatchObject({ state: "PENDING", node: "", isArray: false });
    expect(parseJobRecord("")).toBeNull();
  });

  test("a signal stands behind the colon", () => {
    expect(parseJobRecord(FAILED.replace("ExitCode=3:0", "ExitCode=0:9"))).toMatchObject({ exitCode: 0, signal: 9 });
  });
});

describe("sbatch", () => {
  test.each([
    ["12\n", "12"],
    ["12;cluster\n", "12"],
    ["Welcome\n12\n", "12"],
    ["Submitted batch job 345 on cluster x\n", "345"],
    ["", null],
    ["error\n", null],
  ])("%j names job %j", (text, id) => {
    expect(parseSubmitted(text)).toBe(id);
  });

  test.each([
    [
      "sbatch: error: Batch job submission failed: Requested time limit is invalid (missing or exceeds some limit)",
      "walltime",
    ],
    ["sbatch: error: Invalid --time specification", "walltime"],
    [
      "sbatch: error: Memory specification can not be satisfied\nsbatch: error: Batch job submission failed: Requested node configuration is not available",
      "memory",
    ],
    [
      "sbatch: error: invalid partition specified: nope\nsbatch: error: Batch job submission failed: Invalid partition name specified",
      "partition",
    ],
    ["sbatch: error: Batch job submission failed: More processors requested than permitted", "cores"],
    [
      "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified",
      "account",
    ],
    ["sbatch: error: Batch job submission failed: Invalid feature specification", "jobExtraDirectives"],
    ["sbatch: error: Invalid generic resource (gres) specification", "jobExtraDirectives"],
    ["sbatch: error: Batch job submission failed: Invalid node name specified", "jobExtraDirectives"],
    ["sbatch: unrecognized option '--bogus'", "jobExtraDirectives"],
  ])("%j is about %s", (stderr, option) => {
    expect(explainRefusal(stderr)?.option).toBe(option);
  });

  test("an unknown refusal is not explained", () => {
    expect(explainRefusal("sbatch: error: Batch job submission failed: Unspecified error")).toBeNull();
  });
});

/** From sbatch(1): "minutes", "minutes:seconds", "hours:minutes:seconds", "days-hours", "days-hours:minutes", "days-hours:minutes:seconds". */
test.each([
  ["90", 5400],
  ["1:30", 90],
  ["01:30:00", 5400],
  ["1-12", 129_600],
  ["1-12:30", 131_400],
  ["1-12:30:15", 131_415],
  ["UNLIMITED", null],
] as const)("walltime %s is %j seconds", (text, seconds) => {
  expect(walltimeSeconds(text)).toBe(seconds);
});

test("a walltime that is none is refused", () => {
  expect(() => walltimeSeconds("1h")).toThrow('walltime "1h" is no Slurm time');
});

/** dask-jobqueue: 24GB asks 23G (rounded up to 1024-based units), 32GiB asks 32G. */
test.each([
  [24e9, "23G"],
  [32 * 2 ** 30, "32G"],
  [2 ** 30, "1G"],
  [600 * 2 ** 20, "600M"],
  [1.5e9, "1431M"],
  [50e3, "49K"],
] as const)("%d bytes are --mem=%s", (nbytes, text) => {
  expect(memoryDirective(nbytes)).toBe(text);
});
