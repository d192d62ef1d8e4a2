/** The scheduler's memory under lasting, mixed work: flat after it has warmed up. `RSDAT_SOAK_S`: seconds, 60 by default. */
import { expect, test } from "vitest";
import { type Running, startRsdat } from "../processes.ts";
import { soak } from "./soak.ts";

const SECONDS = Number(process.env["RSDAT_SOAK_S"] ?? 60);
/** Growth from the second third to the last that is no leak: the heap breathes. */
const GROWTH_MIB = 16;
/** Left to itself V8 lets garbage grow to three times what lives, and collects it once a minute: longer than a third of this. */
const COLLECTS_OFTEN = ["--heap-growing-percent=20", "--max-semi-space-size=4"];

test("submissions and cancellations without end leave nothing behind in the scheduler", {
  timeout: (SECONDS + 120) * 1000,
}, async () => {
  const processes: Running[] = [];
  try {
    const scheduler = startRsdat(["scheduler", "--port", "0", "--no-dashboard"], { nodeArgs: COLLECTS_OFTEN });
    processes.push(scheduler);
    const [, address = ""] = await scheduler.waitFor(/scheduler at (tcp:\S+?)["\s]/);
    const args = ["worker", address, "--nthreads", "1", "--no-nanny", "--memory-limit", "512MiB", "--allow-insecure"];
    for (let i = 0; i < 2; i++) processes.push(startRsdat(args));
    await Promise.all(processes.slice(1).map((worker) => worker.waitFor(/registered to/)));
    const seen = await soak(address, scheduler, SECONDS);
    console.log(`soak: ${JSON.stringify(seen)}`);
    expect(seen.computed).toBeGreaterThan(SECONDS);
    expect(seen.cancelled).toBeGreaterThan(SECONDS / 2);
    expect(seen.lastMiB).toBeLessThan(seen.middleMiB * 1.1 + GROWTH_MIB);
  } finally {
    for (const each of processes.reverse()) await each[Symbol.asyncDispose]();
  }
});
