/** Scripts as batch jobs on a real Slurm: `rsdat submit`, and the forms by hand that README gives. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describePeer, ROOT, run } from "../peers.ts";
import { slurmEnv } from "./slurm-env.ts";

const README = readFileSync(join(ROOT, "README.md"), "utf8");

/** The text of the first block of that language after `mark`. */
function snippet(language: string, mark: string): string {
  const after = README.slice(README.indexOf(mark));
  const found = after.split(`\`\`\`${language}\n`)[1]?.split("```")[0];
  if (!README.includes(mark) || found === undefined) throw new Error(`README has no ${language} block after ${mark}`);
  return found;
}

/** NumPy on the committed scene: mean of (nir - red) / (nir + red) in float32, where the sum is not 0. */
const MEAN = /mean NDVI -0\.06\d+/;

describePeer("batch jobs", "slurm", () => {
  /** Inside the clone, so that scripts find the package; with what a user has at hand: the script, data, the command. */
  let folder: string;
  let env: Record<string, string>;
  const bash = (command: string): Promise<string> => run("bash", ["-c", command], { env, cwd: folder });
  const outputOf = (id: string): string => readFileSync(join(folder, `slurm-${id.trim()}.out`), "utf8");

  beforeAll(() => {
    mkdirSync(join(ROOT, ".rsdat"), { recursive: true });
    folder = mkdtempSync(join(ROOT, ".rsdat", "submit-"));
    mkdirSync(join(folder, "bin"));
    symlinkSync(join(ROOT, "bin", "rsdat.js"), join(folder, "bin", "rsdat"));
    symlinkSync(join(ROOT, "examples"), join(folder, "examples"));
    writeFileSync(join(folder, "pipeline.js"), snippet("js", "`pipeline.js`, run by"));
    const path = [join(folder, "bin"), join(ROOT, "node_modules", ".bin"), process.env["PATH"]].join(":");
    env = { ...slurmEnv(), PATH: path };
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("README's rsdat submit runs README's pipeline", async () => {
    const id = await bash(snippet("sh", "## As a batch job"));
    expect(id).toMatch(/^\d+\n$/);
    expect(outputOf(id)).toMatch(MEAN);
  });

  test("README's sbatch --wrap runs it", async () => {
    const out = await bash(snippet("sh", "What works by hand"));
    expect(outputOf(/\d+/.exec(out)?.[0] ?? "")).toMatch(MEAN);
  });

  test("README's two-line script runs it", async () => {
    writeFileSync(join(folder, "job.sh"), snippet("sh", "or a two-line script"));
    expect(outputOf(await bash("sbatch --wait --parsable job.sh"))).toMatch(MEAN);
  });

  test("Slurm refuses sbatch node pipeline.js with the text that README quotes", async () => {
    expect(README).toContain("This does not look like a batch script");
    await expect(bash('sbatch "$(which node)" pipeline.js')).rejects.toThrow("This does not look like a batch script");
  });

  test("README's script on SlurmCluster", async () => {
    writeFileSync(join(folder, "slurm.js"), snippet("js", "Workers that run as Slurm jobs"));
    expect(await bash("node slurm.js")).toBe("32000000\n"); // 4000 * 4000 * 1 * 2
    expect((await bash("squeue -h")).trim()).toBe("");
  });

  test("the same as a job that submits jobs: nothing of its own allocation reaches them", async () => {
    // Slurm refuses steps of a job that has inherited both --mem-per-cpu and --mem.
    const out = await bash("rsdat submit --follow --mem-per-cpu=500 --ntasks=1 --time 5 slurm.js");
    // A job's output holds its warnings too.
    expect(out.replace(/^.* is not encrypted: .*\n/m, "")).toBe("32000000\n");
    expect((await bash("squeue -h")).trim()).toBe("");
  });

  test("a job has its own limits, its script's wishes, its arguments, and its exit status", async () => {
    const script = `// @slurm mem=700M cpus-per-task=2 job-name=wished
import { allottedCpus, allottedMemoryBytes } from ${JSON.stringify(join(ROOT, "src", "config", "index.ts"))};
console.log(JSON.stringify({ cpus: allottedCpus(), memory: allottedMemoryBytes(), name: process.env.SLURM_JOB_NAME, args: process.argv.slice(2) }));
process.exitCode = 7;
`;
    writeFileSync(join(folder, "my script.js"), script);
    const command = `rsdat submit --follow --time=5 --job-name given "my script.js" "it's" --wait`;
    const failure = await bash(command).then(
      () => null,
      (error: Error) => error.message,
    );
    expect(failure).toContain("exit 7");
    const facts = JSON.parse(/^\{.*\}$/m.exec(failure ?? "")?.[0] ?? "");
    expect(facts).toEqual({
      cpus: { value: 2, source: expect.any(String) },
      memory: { value: 700 * 2 ** 20, source: "SLURM_MEM_PER_NODE" },
      name: "given",
      args: ["it's", "--wait"],
    });
  });

  test("the embedded runner takes the job's cores and memory", async () => {
    const text = `import { array } from "rsdat";
import { currentRunner } from ${JSON.stringify(join(ROOT, "src", "graph", "index.ts"))};
const sum = (await array.ones([100, 100], { chunks: 50 }).sum().compute()).item();
console.log(JSON.stringify({ sum, limits: await (await currentRunner()).limits() }));
`;
    writeFileSync(join(folder, "limits.js"), text);
    const { sum, limits } = JSON.parse(
      await bash("rsdat submit --follow --cpus-per-task 2 --mem 1G --time 5 limits.js"),
    );
    expect(sum).toBe(10_000);
    expect(limits).toMatchObject({ threads: 2, workers: 1 });
    // 0.8 of the job's, less what the runtime itself needs.
    expect(limits.memoryBytes).toBeLessThanOrEqual(0.8 * 2 ** 30);
    expect(limits.memoryBytes).toBeGreaterThan(0.4 * 2 ** 30);
  });

  test("a refusal is one line for each thing Slurm said, and a dry run submits nothing", async () => {
    await expect(bash("rsdat submit --partition nowhere pipeline.js")).rejects.toThrow(
      /exit 1\nrsdat: sbatch refused[\s\S]*partition: /,
    );
    const text = await bash("rsdat submit --dry-run --time 5 pipeline.js 1");
    expect(text).toBe(
      `#!/bin/bash\n#SBATCH --job-name=pipeline\nexec ${await bash("node -p process.execPath | tr -d '\\n'")} ${join(folder, "pipeline.js")} 1\n`,
    );
    expect(existsSync(join(folder, "pipeline.js"))).toBe(true);
  });
});
