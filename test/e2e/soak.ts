/** A scheduler under mixed work for a while: submissions of every kind, cancellations, clients that come and go. */
import { readFileSync } from "node:fs";
import { arange } from "../../src/array/index.ts";
import { Client } from "../../src/client/index.ts";
import { pushRunner } from "../../src/graph/index.ts";
import type { Running } from "../processes.ts";

/** What was seen. */
export interface Soak {
  readonly seconds: number;
  readonly computed: number;
  readonly cancelled: number;
  readonly clients: number;
  /** Resident MiB of the scheduler: most in the second third of the time, and in the last. */
  readonly middleMiB: number;
  readonly lastMiB: number;
}

function residentMiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
}

/** Work on a running cluster for so long. */
export async function soak(address: string, scheduler: Running, seconds: number): Promise<Soak> {
  const began = performance.now();
  const elapsed = (): number => (performance.now() - began) / 1000;
  const most = [0, 0, 0];
  const sampler = setInterval(() => {
    const third = Math.min(2, Math.floor((3 * elapsed()) / seconds));
    most[third] = Math.max(most[third] as number, residentMiB(scheduler.process.pid as number));
  }, 200);
  const counts = { computed: 0, cancelled: 0, clients: 0 };
  try {
    while (elapsed() < seconds) await turn(address, counts, () => elapsed() < seconds);
  } finally {
    clearInterval(sampler);
  }
  return { seconds, ...counts, middleMiB: Math.round(most[1] as number), lastMiB: Math.round(most[2] as number) };
}

/** One client's life: some graphs, some functions, some of both given up. */
async function turn(
  address: string,
  counts: { computed: number; cancelled: number; clients: number },
  goesOn: () => boolean,
): Promise<void> {
  await using client = await Client.connect(address);
  counts.clients++;
  const leave = pushRunner(client);
  try {
    for (let round = 0; round < 20 && goesOn(); round++) {
      const n = 200 + round;
      const x = arange(n * 10, { chunks: 10 });
      const sum = (await x.add(round).sum().compute()) as { item(): unknown };
      if (Number(sum.item()) !== (n * 10 * (n * 10 - 1)) / 2 + n * 10 * round) throw new Error(`wrong sum of ${n}`);
      const futures = await client.map(
        (i: number) => i + 1,
        Array.from({ length: 50 }, (_, i) => i + round * 1000),
      );
      const values = await client.gather(futures);
      if (values[49] !== 50 + round * 1000) throw new Error("wrong value");
      for (const future of futures) future.release();
      counts.computed += 2;
      // Given up half-way: a graph and a function.
      const given = new AbortController();
      const run = x.mul(2).rechunk(7).sum().compute({ signal: given.signal });
      const future = await client.submit(
        (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms),
        [5],
        {
          pure: false,
        },
      );
      setTimeout(() => given.abort(new Error("given up")), 1);
      future.cancel();
      future.release();
      await run.then(
        () => counts.computed++,
        () => counts.cancelled++,
      );
      counts.cancelled++;
    }
  } finally {
    leave();
  }
}
