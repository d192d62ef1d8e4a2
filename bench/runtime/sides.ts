/** The two sides of a row: our cluster of two one-thread worker processes, and Dask's, each kept between samples. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { Client } from "../../src/client/index.ts";
import { LocalCluster } from "../../src/cluster/index.ts";

const PYTHON = process.env["RSDAT_PYTHON"] ?? join(import.meta.dirname, "..", "..", ".venv", "bin", "python");

/** Dask's `worker-saturation`: its default, or all tasks sent at once, which is its best setting for small tasks. */
export type Saturation = "default" | "inf";

/** A row: one question to both sides. */
export interface RuntimeRow {
  /** Name of the row in `peer.py`, and here. */
  readonly id: string;
  /** What a sample is, with its unit. */
  readonly metric: string;
  /** Size of one sample, and that of a quick run. */
  readonly n: number;
  readonly quick: number;
  /** Our number must not be above this, or where `isRate` not below Dask's times this. */
  readonly must: number;
  readonly aim: number;
  /** Larger is better, and `must` and `aim` are multiples of Dask's number. */
  readonly isRate?: boolean;
  /** Settings of Dask to measure beside. */
  readonly saturations: readonly Saturation[];
  /** One sample of ours. */
  ours(side: OurSide, n: number): Promise<number>;
}

/** Our cluster. */
export class OurSide implements AsyncDisposable {
  readonly client: Client;
  readonly cluster: LocalCluster;
  #calls = 0;

  private constructor(cluster: LocalCluster, client: Client) {
    this.cluster = cluster;
    this.client = client;
  }

  static async start(): Promise<OurSide> {
    const cluster = await LocalCluster.start({ nWorkers: 2, threadsPerWorker: 1, memoryLimit: "2GiB" });
    return new OurSide(cluster, await Client.connect({ cluster }));
  }

  /** A number that no call had: results must not come from an earlier one. */
  fresh(): number {
    return ++this.#calls * 10_000_000;
  }

  /** Addresses of the workers. */
  async workers(): Promise<readonly [first: string, second: string]> {
    const [first, second] = [...((await this.client.schedulerInfo()).workers?.keys() ?? [])].sort();
    if (first === undefined || second === undefined) throw new RangeError("two workers are wanted");
    return [first, second];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
    await this.cluster.close();
  }
}

/** Dask's cluster: `peer.py session`. */
export class DaskSide implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  readonly #answers: { resolve(line: string): void; reject(error: Error): void }[] = [];

  constructor() {
    const script = join(import.meta.dirname, "peer.py");
    this.#child = spawn(PYTHON, [script, "session"], { stdio: ["pipe", "pipe", "inherit"] });
    const { stdout } = this.#child;
    if (!stdout) throw new RangeError("the peer has no output");
    this.#lines = createInterface(stdout);
    this.#lines.on("line", (line) => this.#answers.shift()?.resolve(line));
    this.#child.once("exit", (code) => {
      for (const { reject } of this.#answers.splice(0)) reject(new Error(`the peer ended with exit code ${code}`));
    });
  }

  /** One sample of a row. */
  async sample(row: string, n: number, saturation: Saturation): Promise<number> {
    const answer = new Promise<string>((resolve, reject) => {
      this.#answers.push({ resolve, reject });
    });
    this.#child.stdin?.write(`${JSON.stringify({ row, n, saturation })}\n`);
    // The peer answers with one object a request.
    return (JSON.parse(await answer) as { readonly value: number }).value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.stdin?.end();
    await ended;
    this.#lines.close();
  }
}
