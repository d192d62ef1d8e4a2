/** The test cluster is a real one: two machines, and Slurm's own refusals. */
import { createServer } from "node:net";
import { expect, test } from "vitest";
import { describePeer, run } from "../peers.ts";
import { slurmEnv } from "./slurm-env.ts";

describePeer("the test cluster", "slurm", () => {
  test("a job on two nodes runs on two nodes", async () => {
    const out = await run("srun", ["-N2", "sh", "-c", "echo $SLURMD_NODENAME"], { env: { ...slurmEnv() } });
    expect(out.trim().split("\n").sort()).toEqual(["n1", "n2"]);
  });

  test("a node reaches this machine at the address that `env` names", async () => {
    const env = slurmEnv();
    const server = createServer((socket) => socket.end("hello from the login node"));
    await new Promise<void>((resolve) => server.listen(0, env.RSDAT_SLURM_LOGIN, resolve));
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const script = `exec 3<>/dev/tcp/${env.RSDAT_SLURM_LOGIN}/${port} && cat <&3`;
    try {
      const out = await run("srun", ["-N1", "bash", "-c", script], { env: { ...env } });
      expect(out).toBe("hello from the login node");
    } finally {
      server.close();
    }
  });

  test("sbatch refuses a program that is no batch script", async () => {
    const refusal = run("sbatch", [process.execPath, "pipeline.js"], { env: { ...slurmEnv() } });
    await expect(refusal).rejects.toThrow("does not look like a batch script");
  });
});
