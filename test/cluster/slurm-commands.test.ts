/** Slurm's commands where there is no Slurm: stubs give the answers that a real one cannot be made to give. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { hostTowards } from "../../src/cluster/reachable-host.ts";
import { batchScript, slurmWishes } from "../../src/cluster/slurm-batch.ts";
import { askQueue, cancelListedJobs, listJobs, submitScript, withoutJob } from "../../src/cluster/slurm-commands.ts";

let folder: string;
const path = process.env["PATH"];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rsdat-stub-"));
  process.env["PATH"] = [folder, path].join(delimiter);
});
afterEach(() => {
  process.env["PATH"] = path;
  rmSync(folder, { recursive: true, force: true });
});

function stub(command: string, script: string): void {
  writeFileSync(join(folder, command), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, command), 0o755);
}

describe("the environment", () => {
  test("nothing of a surrounding job is left, but what says where Slurm is", () => {
    const env = {
      PATH: "/bin",
      SLURM_CONF: "/etc/x",
      SLURM_JOB_ID: "1",
      SLURM_MEM_PER_CPU: "4",
      SBATCH_PARTITION: "p",
      SRUN_DEBUG: "3",
      SQUEUE_FORMAT: "%i",
      SLURM_TIME_FORMAT: "relative",
      SLURMD_NODENAME: "n1",
      UNSET: undefined,
    };
    expect(withoutJob(env)).toEqual({ PATH: "/bin", SLURM_CONF: "/etc/x" });
  });

  test("sbatch gets it, and the script on its standard input", async () => {
    process.env["SLURM_MEM_PER_CPU"] = "2048";
    try {
      stub("sbatch", `cat >${folder}/script; env >${folder}/env; echo "$@" >${folder}/args; echo "7;cluster"`);
      expect(await submitScript("#!/bin/sh\nhostname\n", ["--hold"])).toBe("7");
    } finally {
      delete process.env["SLURM_MEM_PER_CPU"];
    }
    expect(readFileSync(join(folder, "script"), "utf8")).toBe("#!/bin/sh\nhostname\n");
    expect(readFileSync(join(folder, "args"), "utf8")).toBe("--parsable --hold\n");
    expect(readFileSync(join(folder, "env"), "utf8")).not.toContain("SLURM_MEM_PER_CPU");
  });
});

describe("sbatch", () => {
  test("a refusal nobody knows is told as it is", async () => {
    stub("sbatch", 'echo "sbatch: error: the moon is wrong" >&2; exit 1');
    await expect(submitScript("x")).rejects.toMatchObject({
      code: "slurm-submit",
      message: "sbatch refused the job (exit code 1): sbatch: error: the moon is wrong",
      details: { exitCode: 1, script: "x", option: null },
    });
  });

  test("success without an id is a refusal, too", async () => {
    stub("sbatch", "echo nothing to see");
    await expect(submitScript("x")).rejects.toMatchObject({ code: "slurm-submit", details: { exitCode: 0 } });
  });

  test("a machine without Slurm", async () => {
    await expect(submitScript("x", [], { PATH: folder })).rejects.toThrow("sbatch is not on this machine");
  });
});

describe("squeue", () => {
  test("a forgotten id is an empty queue, a busy controller is no answer", async () => {
    stub("squeue", 'echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1');
    expect(await askQueue(["7_0", "7_1"])).toEqual([]);
    stub("squeue", 'echo "slurm_load_jobs error: Socket timed out on send/recv operation" >&2; exit 1');
    expect(await askQueue(["7"])).toBeNull();
  });

  test("tasks of one array are one question", async () => {
    stub("squeue", `echo "$@" | grep -q -- "-j 7,8 " && echo "7_1|RUNNING|None|N/A|n1"`);
    expect(await askQueue(["7_0", "7_1", "8"])).toMatchObject([{ id: "7_1" }]);
  });
});

test("the jobs of a script that died are cancelled from its folder's list", async () => {
  stub("scancel", `echo "$@" >${folder}/cancelled`);
  cancelListedJobs(folder);
  expect(existsSync(join(folder, "cancelled"))).toBe(false);
  listJobs(folder, ["7_0", "8"]);
  cancelListedJobs(folder);
  expect(readFileSync(join(folder, "cancelled"), "utf8")).toBe("--quiet 7_0 8\n");
});

describe("a script as a batch job", () => {
  test("wishes", () => {
    const text =
      '#!/usr/bin/env node\n// @slurm partition=rome time=01:00:00 exclusive\n/* @slurm comment="two words" */\n * @slurm --mem=4G\nconst x = "@slurm time=9";\n';
    expect(slurmWishes(text)).toEqual([
      "--partition=rome",
      "--time=01:00:00",
      "--exclusive",
      '--comment="two words"',
      "--mem=4G",
    ]);
    expect(slurmWishes(`${"\n".repeat(100)}// @slurm time=9`)).toEqual([]);
  });

  test("text", () => {
    expect(
      batchScript({ script: "/my dir/a.js", args: ["1", "it's"], node: "/bin/node", directives: ["--time=5"] }),
    ).toBe("#!/bin/bash\n#SBATCH --time=5\nexec /bin/node '/my dir/a.js' 1 'it'\\''s'\n");
    expect(() => batchScript({ script: "/a.js", directives: ["--time=5\nrm"] })).toThrow("line break");
  });
});

describe("a host that others reach", () => {
  const all = networkInterfaces();

  test("the way to an address of this machine begins there", async () => {
    const own = Object.values(all)
      .flatMap((each) => each ?? [])
      .find(({ family, internal }) => family === "IPv4" && !internal);
    if (own) expect(await hostTowards([own.address])).toBe(own.address);
    expect(await hostTowards(["127.0.0.1"])).toBe("127.0.0.1");
  });

  test("without a way, an outer address", async () => {
    expect(
      Object.values(all)
        .flatMap((each) => each ?? [])
        .map(({ address }) => address),
    ).toContain(await hostTowards(["no-such-host.invalid"]));
  });
});
