/**
 * How fast is every function of the namespace against NumPy's, on 16 MB of float32 and of uint16? NumPy's is the call that
 * its users write, with a copy where NumPy gives a view. Ours is measured in two ways: "one thread" is building, planning
 * and computing in this thread, whose memory holds the input, as a persisted array's, and keeps the result, as NumPy's
 * memory does; "N threads" is what users get by default: all threads, the input persisted, the result handed over.
 * Results are compared before timing. RSDAT_BENCH_WRITE=1 writes the committed table and picture of all; rows name
 * functions (`npm run bench -- array median sort`), `--wide` lets V8 join vectors to 256 bits, `--cpu` counts processor
 * time of one thread on both sides, for a
 * machine that has other things to do.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as namespace from "../../src/array/index.ts";
import { isDType, viewOf } from "../../src/dtype/index.ts";
import { enableProvenWide, enableWide } from "../../src/kernels/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { difference } from "../../test/array/grid/compare.ts";
import type { Given, Namespace } from "../../test/array/grid/row.ts";
import { type Bench, type BenchRow, median, OutputsDifferError, row } from "../contract.ts";
import { type Answer, Peer } from "./peer.ts";
import { picture } from "./picture.ts";
import { allThreads, type Inputs, makeValues, oneThread, type Side } from "./sides.ts";
import { REASONS, type Sweep, sweeps } from "./table.ts";

const ROOT = join(import.meta.dirname, "..", "..");
/** No function may take more of NumPy's time without a reason; the aim of all together. */
const RATIO_MOST = 1.5;
const MEAN_AIM = 0.6;
/** Sums of random floats in another order; the grid of the tests holds each function to its own bound. */
const NEAR = { relative: 1e-4 } as const;
const LONG_MS = 300;
/** Results of more than 32 MB are fresh memory; with huge pages the system zeroes them tens of times faster. */
const HUGE = process.env["GLIBC_TUNABLES"]?.includes("malloc.hugetlb=1") ? "malloc in huge pages" : "malloc as usual";

/** Milliseconds since some time, on the wall's clock or the processor's. */
function clock(countsCpu: boolean): number {
  if (!countsCpu) return performance.now();
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function lookUp(name: string): ((...args: readonly unknown[]) => unknown) | undefined {
  let found: unknown = namespace;
  // a namespace within is a module object, a function the end of the path
  for (const part of name.split(".")) found = (found as Record<string, unknown> | undefined)?.[part];
  return typeof found === "function" ? (found as (...args: readonly unknown[]) => unknown) : undefined;
}

const call: Namespace = (name, ...args) => {
  const found = lookUp(name);
  if (!found) throw new TypeError(`the namespace has no ${name}`);
  return found(...args) as namespace.ChunkedArray; // rows say what a function gives
};

function lists(given: Given): namespace.ChunkedArray[] | null {
  const all = Array.isArray(given) ? (given as readonly Given[]) : [given];
  return all.every(namespace.isChunkedArray) ? (all as namespace.ChunkedArray[]) : null;
}

/** One function on one dtype, all sides. */
class Measurement {
  readonly #folder: string;
  readonly #peer: Peer;
  readonly #sides: readonly Side[];
  readonly #countsCpu: boolean;

  constructor(folder: string, peer: Peer, sides: readonly Side[], countsCpu: boolean) {
    this.#folder = folder;
    this.#peer = peer;
    this.#sides = sides;
    this.#countsCpu = countsCpu;
  }

  async #once({ call: { ours }, dtype, form }: Sweep, side: Side): Promise<NDArray[] | null> {
    const { x, y } = side.inputs.get(`${dtype} ${form}`) as Inputs; // all are made
    const back = side.use();
    try {
      const lazy = lists(await ours(call, x, y));
      return lazy && (await namespace.computeAll(lazy));
    } finally {
      back();
    }
  }

  /**
   * Compared results, then samples in turns: a row for each side, none when the function gives no arrays.
   * @throws {OutputsDifferError}
   */
  async take(sweep: Sweep, rounds: number): Promise<BenchRow[]> {
    const { inputs } = this.#sides[0] as Side; // there is one
    const { shape } = inputs.get(`${sweep.dtype} ${sweep.form}`) as Inputs; // all are made
    const two = sweep.call.other !== undefined;
    const question = { call: sweep.call.numpy, dtype: sweep.dtype, shape, two, cpu: this.#countsCpu };
    const first = await this.#peer.ask({ ...question, repeats: 1, keep: true });
    if (first.error !== undefined) return []; // not defined for this dtype; the grid of the tests holds refusals
    let slowest = median(first.ms ?? []);
    for (const side of this.#sides) {
      const got = await this.#once(sweep, side);
      if (got === null) return [];
      this.#compare(sweep, got, first);
      const start = performance.now();
      await this.#once(sweep, side);
      slowest = Math.max(slowest, performance.now() - start);
    }
    // What takes long needs no repeats for a steady figure; short loops reach their optimising tier first.
    const [turns, repeats] = slowest > LONG_MS ? [1, 1] : [rounds, 5];
    if (slowest <= LONG_MS) for (const side of this.#sides) for (let i = 0; i < 3; i++) await this.#once(sweep, side);
    const ours = this.#sides.map((): number[] => []);
    const theirs: number[] = [];
    for (let i = 0; i < turns; i++) {
      for (const [k, side] of this.#sides.entries()) ours[k]?.push(await this.#least(sweep, side, repeats));
      theirs.push(Math.min(...((await this.#peer.ask({ ...question, repeats, keep: false })).ms ?? [])));
    }
    const unit = this.#countsCpu ? "cpu ms" : "ms";
    return this.#sides.map((side, k) =>
      row({
        id: `${sweep.name} ${sweep.dtype}`,
        metric: `${unit}, ${side.name}`,
        ours: ours[k] as number[], // one list per side
        peer: { name: "NumPy", samples: theirs },
        target: RATIO_MOST,
      }),
    );
  }

  async #least(sweep: Sweep, side: Side, repeats: number): Promise<number> {
    let least = Number.POSITIVE_INFINITY;
    for (let k = 0; k < repeats; k++) {
      const from = clock(this.#countsCpu);
      await this.#once(sweep, side);
      least = Math.min(least, clock(this.#countsCpu) - from);
    }
    return least;
  }

  #compare({ name, dtype }: Sweep, got: readonly NDArray[], answer: Answer): void {
    const where = `${name} ${dtype}`;
    got.forEach((mine, k) => {
      const described = answer.results?.[k];
      if (!described || !isDType(described.dtype)) throw new OutputsDifferError(`${where}: result ${k} is missing`);
      const bytes = new Uint8Array(readFileSync(join(this.#folder, `result-${k}`)));
      const size = described.shape.reduce((a, b) => a * b, 1);
      const want = new NDArray(described.dtype, viewOf(described.dtype, bytes.buffer, 0, size), described.shape);
      const wrong = difference(mine, want, NEAR);
      if (wrong !== null) throw new OutputsDifferError(`${where}: ${wrong}`);
    });
  }
}

/** Geometric mean. */
function geometric(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, v) => sum + Math.log(v), 0) / values.length);
}

/** A line for each function and dtype; `all` are rows of one thread, then of all threads, if those were measured. */
function csv(all: readonly (readonly BenchRow[])[]): string {
  const lines = all.map(([one, threads]) => {
    const { id, ours, peer, ratio } = one as BenchRow; // at least one side
    const [name = "", dtype = ""] = id.split(" ");
    const reason = (ratio ?? 0) > RATIO_MOST ? (REASONS[name] ?? "") : "";
    const more = threads ? [threads.ours.toFixed(3), threads.ratio?.toFixed(3)] : ["", ""];
    return [name, dtype, ours.toFixed(3), peer?.toFixed(3), ratio?.toFixed(3), ...more, reason && `"${reason}"`].join();
  });
  return ["function,dtype,ours ms,numpy ms,ratio,all threads ms,all threads ratio,reason", ...lines, ""].join("\n");
}

function summary(all: readonly (readonly BenchRow[])[], sides: readonly Side[]): string {
  const means = sides.map(({ name }, k) => `${geometric(all.map((r) => r[k]?.ratio ?? 1)).toFixed(3)} (${name})`);
  return `${all.length} measured, geometric mean of ours / NumPy ${means.join(", ")}; aim ${MEAN_AIM}`;
}

export const bench: Bench = async ({ quick, rows: only, cpu, wide, say }) => {
  const mode = wide ? enableWide() : enableProvenWide(process.versions.v8); // as users get it
  const folder = mkdtempSync(join(tmpdir(), "rsdat-bench-"));
  const peer = new Peer(folder);
  const values = makeValues(folder, quick ? 256 : 2048);
  const sides = [await oneThread(values)];
  // Processor time of threads that spin or wait says nothing about how long a user waits.
  if (!cpu) sides.push(await allThreads(values));
  try {
    const { numpy } = (await peer.read()) as { readonly numpy: string };
    say(`${quick ? "small inputs" : "16 MB"}, NumPy ${numpy}, Node ${process.version}, wide ${mode.state}, ${HUGE}`);
    const measurement = new Measurement(folder, peer, sides, cpu);
    const all: BenchRow[][] = [];
    const wrong: string[] = [];
    for (const sweep of sweeps((name) => lookUp(name) !== undefined)) {
      if (only.length > 0 && !only.includes(sweep.name)) continue;
      try {
        const made = await measurement.take(sweep, quick ? 1 : 3);
        if (made.length > 0) all.push(made);
        if (!quick) for (const r of made) say(line(r));
      } catch (error) {
        wrong.push(error instanceof Error ? error.message : String(error));
      }
    }
    say(summary(all, sides));
    if (process.env["RSDAT_BENCH_WRITE"] && only.length === 0) {
      writeFileSync(join(ROOT, "docs", "bench-array.csv"), csv(all));
      writeFileSync(join(ROOT, "docs", "bench-array.svg"), picture(all.map((r) => r[0] as BenchRow))); // one thread
    }
    if (wrong.length > 0) throw new OutputsDifferError(wrong.join("\n"));
    return all.flat();
  } finally {
    for (const side of sides) await side[Symbol.asyncDispose]();
    peer.end();
    rmSync(folder, { recursive: true, force: true });
  }
};

function line({ id, metric, ours, peer, ratio }: BenchRow): string {
  return `${id}: ${ours.toFixed(1)} ${metric}, NumPy ${peer?.toFixed(1)} ms, ${ratio?.toFixed(2)}`;
}
