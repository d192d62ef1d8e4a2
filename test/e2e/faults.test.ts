/**
 * Real processes and real faults: workers and the scheduler killed, a worker that stands still, a connection that is cut,
 * a worker that answers with garbage. Results have the bits of a run without faults, and every fault is seen to land while
 * results existed only where it struck.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectSocket, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { arange, type ChunkedArray } from "../../src/array/index.ts";
import { Client } from "../../src/client/index.ts";
import { speaksDialect } from "../../src/config/index.ts";
import { pushRunner, type Runner } from "../../src/graph/index.ts";
import { LocalRunner } from "../../src/local/index.ts";
import type { NDArray } from "../../src/ndarray/index.ts";
import { NATIVE_RESOURCE } from "../../src/protocol/index.ts";
import { openRaster } from "../../src/xr/index.ts";
import { ROOT } from "../peers.ts";
import { type Running, startRsdat } from "../processes.ts";
import { FakeWorker } from "../scheduler/fake-peers.ts";

const SCENE = join(ROOT, "examples", "data", "L7_ETMs.tif");

let folder: string;
let processes: Running[];
let ends: (() => Promise<unknown>)[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rsdat-faults-"));
  processes = [];
  ends = [];
});

afterEach(async () => {
  for (const end of ends.reverse()) await end();
  await Promise.all(processes.map((each) => each[Symbol.asyncDispose]()));
  rmSync(folder, { recursive: true, force: true });
});

interface Cluster {
  readonly address: string;
  readonly http: string;
  readonly scheduler: Running;
  readonly workers: Running[];
  readonly client: Client;
  /** Start a scheduler in place of the one that is gone. */
  restart(): Promise<void>;
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<number>();
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    const port = typeof address === "object" && address ? address.port : 0;
    server.close(() => resolve(port));
  });
  return promise;
}

async function startScheduler(
  port: number,
  httpPort: number,
  {
    journal,
    env = {},
  }: { readonly journal?: string | undefined; readonly env?: Readonly<Record<string, string>> | undefined },
): Promise<Running> {
  const args = ["--host", "127.0.0.1", "--port", String(port), "--dashboard-address", `127.0.0.1:${httpPort}`];
  const scheduler = startRsdat(["scheduler", ...args, ...(journal === undefined ? [] : ["--journal", journal])], {
    env,
  });
  processes.push(scheduler);
  await scheduler.waitFor(/scheduler at tcp:/);
  return scheduler;
}

async function startWorker(scheduler: string): Promise<Running> {
  const worker = startRsdat([
    "worker",
    scheduler,
    "--nthreads",
    "1",
    "--no-nanny",
    "--memory-limit",
    "512MiB",
    "--allow-insecure",
  ]);
  processes.push(worker);
  await worker.waitFor(/registered to/);
  return worker;
}

interface StartOptions {
  readonly journal?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** Port by which the first worker reaches the scheduler's. */
  readonly through?: (port: number) => Promise<number>;
}

async function start({ journal, env, through }: StartOptions = {}): Promise<Cluster> {
  const [port, httpPort] = [await freePort(), await freePort()];
  const options = { journal: journal ? join(folder, "journal") : undefined, env };
  const address = `tcp://127.0.0.1:${port}`;
  const first = through ? `tcp://127.0.0.1:${await through(port)}` : address;
  // Workers wait for their scheduler.
  const [scheduler, ...workers] = await Promise.all([
    startScheduler(port, httpPort, options),
    startWorker(first),
    startWorker(address),
  ]);
  const client = await Client.connect(address);
  ends.push(() => client.close());
  const restart = async (): Promise<void> => void (await startScheduler(port, httpPort, options));
  return { address, http: `http://127.0.0.1:${httpPort}`, scheduler, workers, client, restart };
}

interface Counts {
  readonly memory: number;
  readonly recomputed: number;
  readonly sent: number;
  readonly workers: number;
}

async function counts({ http }: Pick<Cluster, "http">): Promise<Counts> {
  // A connection that is kept may be closed by the server just when it is used again.
  const answer = await fetch(`${http}/json/counts.json`, { headers: { connection: "close" } });
  return (await answer.json()) as Counts;
}

/** Wait until it is so. */
async function until(cluster: Pick<Cluster, "http">, isSo: (now: Counts) => boolean): Promise<Counts> {
  for (;;) {
    const now = await counts(cluster).catch(() => null); // not there yet
    if (now && isSo(now)) return now;
    await sleep(10);
  }
}

const MS = 40;

/** Blocks that each worker makes before the fault; then it waits for it, so that no job is over too early. */
const SHARE = 6;

/** Each block takes its time, so that a fault lands in the middle; `gate`: a file that is there from the fault on. */
function slowly(x: ChunkedArray, gate: string | null, ms = MS): ChunkedArray {
  return x.mapBlocks(
    (
      block: NDArray,
      _info: unknown,
      args: { readonly gate: string | null; readonly ms: number; readonly share: number },
    ) => {
      const fs = process.getBuiltinModule("node:fs");
      const cell = new Int32Array(new SharedArrayBuffer(4));
      Atomics.wait(cell, 0, 0, args.ms);
      if (args.gate !== null) {
        const made = `${args.gate}-${process.pid}`;
        fs.appendFileSync(made, ".");
        while (fs.statSync(made).size > args.share && !fs.existsSync(args.gate)) Atomics.wait(cell, 0, 0, 5);
      }
      return block;
    },
    { args: { gate, ms, share: SHARE }, name: "slowly" },
  );
}

/** NDVI of the committed scene in twenty strips. */
async function ndvi(gate: string | null, ms = MS): Promise<ChunkedArray> {
  const [red, nir] = await Promise.all(
    [3, 4].map(async (band) => (await openRaster(SCENE, { band, chunks: { y: 18, x: -1 } })).data.astype("float32")),
  );
  const index = (nir as ChunkedArray).sub(red as ChunkedArray).div((nir as ChunkedArray).add(red as ChunkedArray));
  return slowly(index, gate, ms);
}

/** Rows to columns: every block of the result needs all blocks of the source. */
function swap(gate: string | null): Promise<ChunkedArray> {
  const rows = slowly(
    arange(400 * 300, { dtype: "float64", chunks: -1 })
      .reshape([400, 300])
      .rechunk([20, 300]),
    gate,
  );
  return Promise.resolve(slowly(rows.rechunk([400, 100]), null).add(0.5));
}

type Job = (gate: string | null) => Promise<ChunkedArray>;

const JOBS: Readonly<Record<"NDVI" | "slow NDVI" | "a rechunk", Job>> = {
  NDVI: (gate) => ndvi(gate),
  "slow NDVI": (gate) => ndvi(gate, 4 * MS),
  "a rechunk": swap,
};

async function bitsOn(runner: Runner, job: Job): Promise<Uint8Array> {
  const leave = pushRunner(runner);
  try {
    return bytesOf((await (await job(null)).compute()) as NDArray);
  } finally {
    leave();
  }
}

function bytesOf({ data }: NDArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
}

/** The bits that a run on threads of this process gives. */
const expected = new Map<string, Promise<Uint8Array>>();
function expectedBits(name: keyof typeof JOBS): Promise<Uint8Array> {
  const known = expected.get(name) ?? withThreads((local) => bitsOn(local, JOBS[name]));
  expected.set(name, known);
  return known;
}

async function withThreads<T>(run: (local: LocalRunner) => Promise<T>): Promise<T> {
  await using local = new LocalRunner({ threads: 2 });
  return await run(local);
}

/** Results that the first worker holds. */
async function heldByFirst({ client, workers }: Cluster): Promise<number> {
  const [, address = ""] = /at (tcp:\S+?),/.exec(workers[0]?.output() ?? "") ?? [];
  return (await client.hasWhat()).get(address)?.length ?? 0;
}

/** Run a job; when so many results lie on the first worker, and others elsewhere, and only there, strike. */
async function withFault(
  cluster: Cluster,
  name: keyof typeof JOBS,
  strike: () => Promise<void> | void,
  held = 2,
): Promise<{ readonly bits: Uint8Array; readonly before: Counts }> {
  const leave = pushRunner(cluster.client);
  try {
    const gate = join(folder, "gate");
    const lazy = await JOBS[name](gate);
    // Held, so that nobody takes results away before the fault lands.
    const kept = await lazy.persist();
    let before = await until(cluster, ({ memory }) => memory >= 6);
    for (let first = 0; first < held; first = await heldByFirst(cluster)) before = await counts(cluster);
    writeFileSync(gate, "");
    await strike();
    return { bits: bytesOf((await kept.compute()) as NDArray), before };
  } finally {
    leave();
  }
}

describe("workers", () => {
  test.each(["NDVI", "a rechunk"] as const)("killed during %s: what was only there is computed again", async (name) => {
    const cluster = await start();
    const { bits } = await withFault(cluster, name, async () => {
      cluster.workers[0]?.process.kill("SIGKILL");
      await until(cluster, ({ workers }) => workers === 1);
    });
    expect(bits).toEqual(await expectedBits(name));
    expect((await counts(cluster)).recomputed).toBeGreaterThan(0);
  });

  test("one that stands still is given up after its time, and does no harm when it goes on", async () => {
    const cluster = await start({ env: { DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL: "5s" } });
    const worker = cluster.workers[0] as Running;
    ends.push(async () => worker.process.kill("SIGCONT"));
    const { bits } = await withFault(cluster, "a rechunk", async () => {
      worker.process.kill("SIGSTOP");
      await until(cluster, ({ workers }) => workers === 1);
    });
    expect(bits).toEqual(await expectedBits("a rechunk"));
    expect((await counts(cluster)).recomputed).toBeGreaterThan(0);
    worker.process.kill("SIGCONT");
    expect(await worker.exit).toBe(0);
    expect(bytesOf(await onClient(cluster, () => arange(10).add(1).compute()))).toEqual(
      bytesOf((await withThreads((local) => onRunner(local, () => arange(10).add(1).compute()))) as NDArray),
    );
  });

  test("one whose connection is cut is gone, although its process lives", async () => {
    const proxy = new Relay();
    ends.push(() => proxy.close());
    const cluster = await start({ through: (port) => proxy.listen(port) });
    const { bits } = await withFault(cluster, "NDVI", async () => {
      proxy.cut();
      await until(cluster, ({ workers }) => workers === 1);
    });
    expect(bits).toEqual(await expectedBits("NDVI"));
    expect((await counts(cluster)).recomputed).toBeGreaterThan(0);
    expect(await cluster.workers[0]?.exit).toBe(0);
  });

  test("one that sends garbage is dropped; what it had done counts no more", async () => {
    const cluster = await start();
    // It speaks Dask's words so far, and takes tasks; those of clients without the dialect ask for rsdat's own resource.
    const resources = new Map([[NATIVE_RESOURCE, 1e9]]);
    const liar = await FakeWorker.join(cluster.address, { nthreads: 2, dialect: false, resources });
    ends.push(() => liar.leave());
    const { bits } = await withFault(cluster, "NDVI", async () => {
      const order = await liar.next("compute-task");
      liar.finish(order, "no block at all");
      await until(cluster, ({ sent }) => sent > 0);
      liar.comm.send([{ op: "task-finished", key: 7 }]);
      await until(cluster, ({ workers }) => workers === 2);
    });
    expect(bits).toEqual(await expectedBits("NDVI"));
    expect((await counts(cluster)).recomputed).toBeGreaterThan(0);
  });
});

// Workers, and clients, that come back with what they have are the dialect's: Dask's own end with their scheduler.
describe.runIf(speaksDialect())("the scheduler, with a journal", () => {
  test.each(["NDVI", "a rechunk"] as const)(
    "S-J2 S-J5: killed during %s: started again, it goes on with what the workers hold",
    async (name) => {
      const cluster = await start({ journal: true });
      const { bits, before } = await withFault(cluster, name, async () => {
        cluster.scheduler.process.kill("SIGKILL");
        await cluster.scheduler.exit;
        await cluster.restart();
      });
      expect(bits).toEqual(await expectedBits(name));
      const after = await counts(cluster);
      expect(after.workers).toBe(2);
      // Of the tasks only those ran again that were not done: what the workers brought was taken in.
      expect(before.memory).toBeGreaterThanOrEqual(6);
      const { tasks } = await onRunner(cluster.client, async () => (await JOBS[name](null)).explain());
      expect(after.sent).toBeLessThanOrEqual(tasks - before.memory);
      expect(cluster.workers.map((worker) => worker.process.exitCode)).toEqual([null, null]);
    },
  );

  test("S-J4: a cut connection: the worker comes back with what it holds, and nothing of it is computed again", async () => {
    const proxy = new Relay();
    ends.push(() => proxy.close());
    const cluster = await start({ journal: true, through: (port) => proxy.listen(port) });
    const [first, second] = cluster.workers as [Running, Running];
    ends.push(async () => second.process.kill("SIGCONT"));
    const strike = async (): Promise<void> => {
      // While the other stands still nobody can compute what is lost, save the two tasks that it may be sent.
      second.process.kill("SIGSTOP");
      const held = await heldByFirst(cluster);
      proxy.cut();
      await first.waitFor(/waiting for it to come back/);
      await until(cluster, ({ workers, recomputed }) => recomputed > 0 && workers === 2);
      await expect.poll(() => heldByFirst(cluster)).toBeGreaterThanOrEqual(held - 2);
      second.process.kill("SIGCONT");
    };
    const { bits } = await withFault(cluster, "slow NDVI", strike, 4);
    expect(bits).toEqual(await expectedBits("slow NDVI"));
    expect(first.process.exitCode).toBe(null);
    // Sent twice were the one that it was running, the one ahead, and the two that the other had room for, at most.
    const { tasks } = await onRunner(cluster.client, async () => (await ndvi(null)).explain());
    expect((await counts(cluster)).sent - tasks).toBeLessThanOrEqual(4);
  });
});

function onRunner<T>(runner: Runner, run: () => Promise<T>): Promise<T> {
  const leave = pushRunner(runner);
  return run().finally(leave);
}

async function onClient(cluster: Cluster, run: () => Promise<NDArray>): Promise<NDArray> {
  return await onRunner(cluster.client, run);
}

/** Passes bytes on between a worker and its scheduler, until it is cut. */
class Relay {
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  /** Port to connect to instead of `port`. */
  async listen(port: number): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<number>();
    const server = createServer((near) => {
      const far = connectSocket(port, "127.0.0.1");
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from);
        from.pipe(to);
        from.on("error", () => to.destroy());
        from.on("close", () => this.#sockets.delete(from));
      }
    });
    this.#server = server;
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address ? address.port : 0);
    });
    return promise;
  }

  /** All connections break at once; new ones are taken. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => (this.#server ? this.#server.close(() => resolve()) : resolve()));
  }
}
