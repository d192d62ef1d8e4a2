/** The job script: its text, and what a real bash makes of it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { resolveSlurmOptions, type SlurmOptions } from "../../src/cluster/slurm-options.ts";
import { buildJobScript, type ScriptFacts, workerNames } from "../../src/cluster/slurm-script.ts";

const FACTS: ScriptFacts = {
  schedulerAddress: "tcp://10.0.0.1:8786",
  tokenFile: "/home/me/.rsdat/cluster-x/token",
  logDirectory: "/home/me/.rsdat/logs",
  node: "/opt/node/bin/node",
  entry: "/home/me/rsdat/bin/rsdat.js",
  first: 7,
  count: 1,
};
const script = (given: SlurmOptions, facts: Partial<ScriptFacts> = {}): string =>
  buildJobScript(resolveSlurmOptions({ cores: 16, memory: "28GiB", walltime: "01:00:00", ...given }, {}), {
    ...FACTS,
    ...facts,
  });

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rsdat-script-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A worker that says how it was called, then ends as it is told by a signal, or at once. */
function fakeWorker(text: string): string {
  const path = join(folder, `worker-${Math.random()}.sh`);
  writeFileSync(path, `#!/usr/bin/env bash\n${text}\n`);
  return `bash ${path}`;
}

function bash(
  text: string,
  env: Record<string, string> = {},
): { readonly status: number | null; readonly out: string } {
  const { status, stdout, stderr } = spawnSync("bash", ["-s"], {
    input: text,
    encoding: "utf8",
    timeout: 60_000,
    env: { ...process.env, ...env },
  });
  return { status, out: stdout + stderr };
}

describe("text", () => {
  test("one job", () => {
    expect(
      script({ partition: "rome", account: "me", localDirectory: "$TMPDIR", jobScriptPrologue: ["module load 2024"] }),
    ).toBe(`#!/usr/bin/env bash

#SBATCH -J dask-worker
#SBATCH -o "/home/me/.rsdat/logs/dask-worker-%j.out"
#SBATCH -p rome
#SBATCH -A me
#SBATCH -n 1
#SBATCH -N 1
#SBATCH --cpus-per-task=16
#SBATCH --mem=28G
#SBATCH -t 01:00:00
#SBATCH --signal=B:USR2@180
#SBATCH --no-requeue
#SBATCH --open-mode=append
module load 2024
exec /opt/node/bin/node /home/me/rsdat/bin/rsdat.js worker tcp://10.0.0.1:8786 --name "SlurmCluster-7" --nthreads 16 --memory-limit 24051816857 --death-timeout 60000ms --lifetime 3240s --lifetime-stagger 180s --token-file /home/me/.rsdat/cluster-x/token --local-directory "$TMPDIR"
`);
  });

  test("several jobs are one array, and count on from the last", () => {
    const text = script({}, { count: 3 });
    expect(text).toContain("#SBATCH --array=0-2\n");
    expect(text).toContain('#SBATCH -o "/home/me/.rsdat/logs/dask-worker-%A_%a.out"\n');
    expect(text).toContain('--name "SlurmCluster-$((7 + SLURM_ARRAY_TASK_ID))"');
  });

  test("directives are skipped and added", () => {
    const text = script({
      jobDirectivesSkip: ["--mem", "-n 1"],
      jobExtraDirectives: ["--constraint=rome", "--exclusive"],
    });
    expect(text).not.toMatch(/--mem=|-n 1/);
    expect(text).toContain("#SBATCH --constraint=rome\n#SBATCH --exclusive\n");
  });

  test("names of workers", () => {
    expect(workerNames({ name: "c", processes: 1 }, 4)).toEqual(["c-4"]);
    expect(workerNames({ name: "c", processes: 2 }, 4)).toEqual(["c-4-0", "c-4-1"]);
  });
});

describe("run by bash", () => {
  test("the node's variables are expanded, quotes and commands are not", () => {
    const nodeCommand = fakeWorker('printf "%s\\n" "$@"');
    const text = script(
      {
        nodeCommand,
        localDirectory: '$SCRATCH/a "b" $(touch /nonexistent/x)',
        workerExtraArgs: ["--resources", "GPU=1 it's"],
      },
      { count: 2, entry: "/a b/rsdat.js" },
    );
    const { out, status } = bash(text, { SCRATCH: "/scratch/me", SLURM_ARRAY_TASK_ID: "1" });
    const words = out.trim().split("\n");
    expect(status).toBe(0);
    expect(words[0]).toBe("/a b/rsdat.js");
    expect(words[words.indexOf("--name") + 1]).toBe("SlurmCluster-8");
    expect(words[words.indexOf("--local-directory") + 1]).toBe('/scratch/me/a "b" $(touch /nonexistent/x)');
    expect(words[words.indexOf("--resources") + 1]).toBe("GPU=1 it's");
  });

  test("several workers share cores and memory; the worst exit status is the job's, after the epilogue", () => {
    const nodeCommand = fakeWorker('echo "$@"; case "$*" in *-7-1*) exit 5;; *-7-2*) exit 2;; esac');
    const { out, status } = bash(
      script({ nodeCommand, processes: 3, jobScriptPrologue: ["set -e"], jobScriptEpilogue: ["echo done with it"] }),
    );
    expect(status).toBe(5);
    for (const i of [0, 1, 2])
      expect(out).toContain(`--name SlurmCluster-7-${i} --nthreads 5 --memory-limit 8017272285`);
    expect(out.trim().split("\n").at(-1)).toBe("done with it");
  });

  test.each(["USR2", "TERM"])("SIG%s reaches every worker, and the job waits until they have left", async (signal) => {
    const log = join(folder, `log-${signal}`);
    const nodeCommand = fakeWorker(
      `trap 'sleep 0.2; echo left >>${log}; exit 0' USR2 TERM; echo up >>${log}; while :; do sleep 0.02; done`,
    );
    const text = script({ nodeCommand, processes: 2 });
    const kill = `( for i in $(seq 2000); do [ "$(grep -c up ${log} 2>/dev/null)" = 2 ] && break; sleep 0.02; done; kill -${signal} $$ ) &\n`;
    const { status } = bash(text.replace("status=0", () => `${kill}status=0`));
    expect(status).toBe(0);
    expect(
      readFileSync(log, "utf8")
        .split("\n")
        .filter((line) => line === "left"),
    ).toHaveLength(2);
  });
});
