/**
 * What does the scheduler process cost by itself? Workers that answer at once, without running anything: one process, with
 * 1, 16 or 256 connections that register as workers do, either as such that take tasks of graphs in columns, or as such
 * that get them one by one. Processor time of the scheduler's process per task, for sums over tiny blocks.
 * `node bench/runtime/zero-worker.ts [TASKS] [CONNECTIONS] [columns|single] [ROUNDS]`
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { holdsUnder } from "../../src/array/holds.ts";
import { Client } from "../../src/client/index.ts";
import { BatchedStream, connect, readStream } from "../../src/comm/index.ts";
import { array } from "../../src/index.ts";
import {
  COLUMNAR_TO_SCHEDULER,
  type ColumnarToScheduler,
  REGISTER_WORKER,
  SCHEDULER_TO_COLUMNAR,
  type SchedulerToColumnar,
} from "../../src/protocol/index.ts";
import { startScheduler } from "../../src/scheduler/index.ts";
import { versionsOf } from "../../src/worker/metrics.ts";
import { median } from "../contract.ts";

/** How tasks come: in columns, or each as a message. */
export type ZeroKind = "columns" | "single";

const RATES = { readBps: 0, writeBps: 0 };
const NOTHING = {
  taskCounts: new Map<string, number>(),
  bandwidth: { total: 1e8, workers: new Map(), types: new Map() },
  digestsTotalSinceHeartbeat: new Map(),
  managedBytes: 0,
  spilledBytes: { memory: 0, disk: 0 },
  transfer: {
    incomingBytes: 0,
    incomingCount: 0,
    incomingCountTotal: 0,
    outgoingBytes: 0,
    outgoingCount: 0,
    outgoingCountTotal: 0,
  },
  eventLoopInterval: 0,
  cpu: 0,
  memory: 0,
  time: 0,
  hostNetIo: RATES,
  numFds: 0,
};

/** One connection: registers, and says of everything that it is done. */
async function zeroWorker(scheduler: string, number: number, kind: ZeroKind): Promise<void> {
  const comm = await connect(scheduler, { timeoutMs: 30_000, dialect: true });
  const me = REGISTER_WORKER.ask({
    address: `tcp://127.0.0.1:${10_000 + number}`,
    status: "init",
    nthreads: 1,
    name: `zero-${number}`,
    now: Date.now() / 1000,
    resources: new Map(),
    memoryLimit: 2 ** 30,
    localDirectory: "",
    services: new Map(),
    nanny: null,
    pid: process.pid,
    versions: versionsOf("0"),
    metrics: NOTHING,
    extra: new Map<string, unknown>([
      ["language", "rsdat"],
      ["columns", kind === "columns"],
    ]),
    stimulusId: "zero",
    serverId: `zero-${number}`,
  });
  comm.send({ ...me, reply: false });
  REGISTER_WORKER.parseAnswer(await comm.next());
  const stream = new BatchedStream<ColumnarToScheduler>(comm, COLUMNAR_TO_SCHEDULER.encode);
  stream.send({ op: "worker-status-change", status: "running", stimulusId: "zero" });
  void listen(stream);
}

async function listen(stream: BatchedStream<ColumnarToScheduler>): Promise<void> {
  for await (const messages of readStream(stream.comm, SCHEDULER_TO_COLUMNAR.parse))
    for (const message of messages) {
      const answer = answerTo(message);
      if (answer) stream.send(answer);
    }
}

const NO_TYPE = new Uint8Array(0);

function answerTo(message: SchedulerToColumnar): ColumnarToScheduler | null {
  switch (message.op) {
    case "run-tasks": {
      const { submission, tasks, runIds } = message;
      const n = tasks.length;
      const [nbytes, seconds] = [new Float64Array(n).fill(8), new Float32Array(n).fill(1e-6)];
      return { op: "tasks-finished", submission, tasks, runIds, nbytes, seconds };
    }
    case "compute-task": {
      const { key, runId } = message;
      const startstops = [{ action: "compute", start: 0, stop: 1e-6 }];
      const told = { nbytes: 8, type: NO_TYPE, typename: "zero", metadata: new Map(), thread: 0, startstops };
      return { op: "task-finished", key, runId, ...told, stimulusId: "zero" };
    }
    case "steal-request":
      return { op: "steal-response", key: message.key, state: "memory", stimulusId: "zero" };
    default:
      return null;
  }
}

/** Started by {@link ZeroCluster}: `scheduler`, or `workers ADDRESS COUNT KIND`. */
async function role([name, address = "", count = "1", kind = "columns"]: readonly string[]): Promise<void> {
  if (name === "scheduler") {
    const server = await startScheduler({ port: 0 });
    console.log(server.address);
    await server.finished;
    return;
  }
  // The caller's words.
  for (let k = 0; k < Number(count); k++) await zeroWorker(address, k, kind as ZeroKind);
  console.log("ready");
}

/** A scheduler's process and a process of zero workers. */
export class ZeroCluster implements AsyncDisposable {
  readonly address: string;
  readonly #children: readonly ChildProcess[];

  private constructor(address: string, children: readonly ChildProcess[]) {
    this.address = address;
    this.#children = children;
  }

  static async start(connections: number, kind: ZeroKind): Promise<ZeroCluster> {
    const scheduler = spawnRole(["scheduler"]);
    const address = await firstLine(scheduler);
    const workers = spawnRole(["workers", address, String(connections), kind]);
    await firstLine(workers);
    return new ZeroCluster(address, [scheduler, workers]);
  }

  /** Processor seconds that the scheduler's process has used. */
  schedulerSeconds(): number {
    const stat = readFileSync(`/proc/${this.#children[0]?.pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100; // user and system, in ticks of 10 ms
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null) continue;
      child.kill("SIGKILL");
      await once(child, "exit");
    }
  }
}

function spawnRole(words: readonly string[]): ChildProcess {
  return spawn(process.execPath, [import.meta.filename, "--role", ...words], { stdio: ["ignore", "pipe", "inherit"] });
}

async function firstLine({ stdout }: ChildProcess): Promise<string> {
  if (!stdout) throw new RangeError("a child without output");
  const lines = createInterface(stdout);
  const [line] = (await once(lines, "line")) as [string];
  return line;
}

/** What one setting costs. */
export interface ZeroFigure {
  readonly tasks: number;
  readonly connections: number;
  readonly kind: ZeroKind;
  /** Medians over the rounds: processor time of the scheduler's process, and time that passed, per task. */
  readonly schedulerUs: number;
  readonly wallUs: number;
  /** Processor time per task of the first round, before V8 has compiled all that it takes. */
  readonly firstUs: number;
}

/** Tasks of a round: processor time is told in steps of 10 ms, which a few tasks do not fill. */
const ROUND_TASKS = 100_000;

/** Scheduler processor time per task with `connections` workers that answer at once. */
export async function zeroFigure(
  about: Pick<ZeroFigure, "tasks" | "connections" | "kind"> & { readonly rounds: number },
): Promise<ZeroFigure> {
  const { tasks, connections, kind, rounds } = about;
  await using cluster = await ZeroCluster.start(connections, kind);
  const client = await Client.connect(cluster.address);
  const cpu: number[] = [];
  const wall: number[] = [];
  try {
    await sumOf(tasks, 1); // links are made
    for (let round = 0; round <= rounds; round++) {
      const jobs = Math.max(1, ROUND_TASKS / tasks);
      const [seconds, began] = [cluster.schedulerSeconds(), performance.now()];
      for (let job = 0; job < jobs; job++) await sumOf(tasks, 2 + round * jobs + job);
      wall.push(((performance.now() - began) * 1e3) / (jobs * tasks));
      cpu.push(((cluster.schedulerSeconds() - seconds) * 1e6) / (jobs * tasks));
    }
  } finally {
    await client.close();
  }
  const [firstUs = Number.NaN, ...warm] = cpu;
  return { tasks, connections, kind, firstUs, schedulerUs: median(warm), wallUs: median(wall.slice(1)) };
}

/** The sum of an array that no other call makes, by so many tasks: three blocks make one, since partial sums are taken inside those that join them. */
async function sumOf(tasks: number, value: number): Promise<void> {
  const sum = array
    .ones(3 * tasks, { chunks: 1 })
    .add(value)
    .sum();
  const held = await sum.persist();
  const [hold] = holdsUnder(held.outputs);
  await hold?.wait();
  hold?.release();
}

if (import.meta.main) {
  const words = process.argv.slice(2);
  if (words[0] === "--role") await role(words.slice(1));
  else {
    const [tasks = "100000", connections = "1", kind = "columns", rounds = "3"] = words;
    // The caller's word.
    const about = { tasks: Number(tasks), connections: Number(connections), kind: kind as ZeroKind };
    console.log(await zeroFigure({ ...about, rounds: Number(rounds) }));
  }
}
