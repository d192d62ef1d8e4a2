/**
 * How fast is every function of the namespace against NumPy's, one thread each, on 16 MB of float32 and of uint16?
 * Ours is building, planning and computing in one thread whose memory holds the input, as a persisted array's; NumPy's is
 * the call that its users write, with a copy where NumPy gives a view. Results are compared before timing. RSDAT_BENCH_WRITE=1 writes the committed table and
 * picture of all; rows name functions (`npm run bench -- array median sort`), `--cpu` counts processor time on both sides,
 * for a machine that has other things to do.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import * as namespace from "../../src/array/index.ts";
import { seededRandom } from "../../src/base/index.ts";
import { allocate, type DType, isDType, viewOf } from "../../src/dtype/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { difference } from "../../test/array/grid/compare.ts";
import type { Given, Namespace } from "../../test/array/grid/row.ts";
import { type Bench, type BenchRow, median, OutputsDifferError, row } from "../contract.ts";
import { picture } from "./picture.ts";
import { OneThread } from "./runner.ts";
import { DTYPES_SWEPT, REASONS, type Sweep, sweeps } from "./table.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const PYTHON = process.env["RSDAT_PYTHON"] ?? join(ROOT, ".venv", "bin", "python");
/** No function may take more of NumPy's time without a reason; the aim of all together. */
const RATIO_MOST = 1.5;
const MEAN_AIM = 0.6;
/** Sums of random floats in another order; the grid of the tests holds each function to its own bound. */
const NEAR = { relative: 1e-4 } as const;
const LONG_MS = 300;

/** Milliseconds since some time, on the wall's clock or the processor's. */
function clock(countsCpu: boolean): number {
  if (!countsCpu) return performance.now();
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

interface Answer {
  readonly ms?: readonly number[];
  readonly results?: readonly { readonly dtype: string; readonly shape: readonly number[] }[];
  readonly error?: string;
}

/** A line-based conversation with peer.py. */
class Peer {
  readonly #child;
  readonly #lines: AsyncIterator<string>;

  constructor(folder: string) {
    const env = { ...process.env, OPENBLAS_NUM_THREADS: "1", OMP_NUM_THREADS: "1" };
    this.#child = spawn(PYTHON, [join(import.meta.dirname, "peer.py"), folder], {
      env,
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async read(): Promise<unknown> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("peer.py ended early");
    return JSON.parse(value as string); // not done: a line
  }

  async ask(question: object): Promise<Answer> {
    this.#child.stdin.write(`${JSON.stringify(question)}\n`);
    return (await this.read()) as Answer; // peer.py's answers
  }

  end(): void {
    this.#child.stdin.end();
  }
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

/** Positive values without NaN, so that every function has something to do. */
function input(dtype: DType, shape: readonly number[], seed: number): NDArray {
  const random = seededRandom(seed);
  const data = allocate(
    dtype,
    shape.reduce((a, b) => a * b, 1),
  );
  for (let i = 0; i < data.length; i++)
    data[i] = dtype === "float32" ? 0.05 + random.next() * 0.9 : Math.floor(random.next() * 10_000);
  return new NDArray(dtype, data, shape);
}

interface Inputs {
  readonly x: namespace.ChunkedArray;
  readonly y: namespace.ChunkedArray;
  readonly shape: readonly number[];
}

function lists(given: Given): namespace.ChunkedArray[] | null {
  const all = Array.isArray(given) ? (given as readonly Given[]) : [given];
  return all.every(namespace.isChunkedArray) ? (all as namespace.ChunkedArray[]) : null;
}

/** One function on one dtype, both sides. */
class Measurement {
  readonly #folder: string;
  readonly #peer: Peer;
  readonly #countsCpu: boolean;

  constructor(folder: string, peer: Peer, countsCpu: boolean) {
    this.#folder = folder;
    this.#countsCpu = countsCpu;
    this.#peer = peer;
  }

  async #once({ call: { ours } }: Sweep, { x, y }: Inputs): Promise<NDArray[] | null> {
    const lazy = lists(await ours(call, x, y));
    return lazy && (await namespace.computeAll(lazy));
  }

  /** Compared results, then samples in turns. Null when the function gives no arrays. @throws {OutputsDifferError} */
  async take(sweep: Sweep, inputs: Inputs, rounds: number): Promise<BenchRow | null> {
    const question = {
      call: sweep.call.numpy,
      dtype: sweep.dtype,
      shape: inputs.shape,
      two: sweep.call.other !== undefined,
      cpu: this.#countsCpu,
    };
    const first = await this.#peer.ask({ ...question, repeats: 1, keep: true });
    if (first.error !== undefined) return null; // not defined for this dtype; the grid of the tests holds refusals
    const got = await this.#once(sweep, inputs);
    if (got === null) return null;
    this.#compare(sweep, got, first);
    const start = performance.now();
    await this.#once(sweep, inputs);
    const slowest = Math.max(performance.now() - start, median(first.ms ?? []));
    // What takes long needs no repeats for a steady figure; short loops reach their optimising tier first.
    const [turns, repeats] = slowest > LONG_MS ? [1, 1] : [rounds, 5];
    for (let i = 0; i < (slowest > LONG_MS ? 0 : 3); i++) await this.#once(sweep, inputs);
    const [ours, theirs]: [number[], number[]] = [[], []];
    for (let i = 0; i < turns; i++) {
      const mine: number[] = [];
      for (let k = 0; k < repeats; k++) {
        const from = clock(this.#countsCpu);
        await this.#once(sweep, inputs);
        mine.push(clock(this.#countsCpu) - from);
      }
      ours.push(Math.min(...mine));
      theirs.push(Math.min(...((await this.#peer.ask({ ...question, repeats, keep: false })).ms ?? [])));
    }
    const peer = { name: "NumPy", samples: theirs };
    return row({
      id: `${sweep.name} ${sweep.dtype}`,
      metric: this.#countsCpu ? "cpu ms" : "ms",
      ours,
      peer,
      target: RATIO_MOST,
    });
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

function csv(rows: readonly BenchRow[]): string {
  const lines = rows.map(({ id, ours, peer, ratio }) => {
    const [name = "", dtype = ""] = id.split(" ");
    const reason = (ratio ?? 0) > RATIO_MOST ? (REASONS[name] ?? "") : "";
    return [name, dtype, ours.toFixed(3), peer?.toFixed(3), ratio?.toFixed(3), reason && `"${reason}"`].join(",");
  });
  return ["function,dtype,ours ms,numpy ms,ratio,reason", ...lines, ""].join("\n");
}

/** The inputs of a dtype as planes and as lines, on both sides. */
function makeInputs(folder: string, thread: OneThread, side: number): Map<string, Inputs> {
  const made = new Map<string, Inputs>();
  for (const dtype of DTYPES_SWEPT) {
    const shape = [side, dtype === "uint16" ? side * 2 : side];
    const [x, y] = [input(dtype, shape, 1), input(dtype, shape, 2)];
    for (const [name, { data }] of Object.entries({ x, y })) {
      writeFileSync(join(folder, `${name}-${dtype}`), new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
    const line = [x.size];
    made.set(`${dtype} plane`, { x: thread.hold(x, `x-${dtype}`), y: thread.hold(y, `y-${dtype}`), shape });
    made.set(`${dtype} line`, {
      x: thread.hold(new NDArray(dtype, x.data, line), `x-${dtype}-line`),
      y: thread.hold(new NDArray(dtype, y.data, line), `y-${dtype}-line`),
      shape: line,
    });
  }
  return made;
}

export const bench: Bench = async ({ quick, rows: only, cpu, say }) => {
  const folder = mkdtempSync(join(tmpdir(), "rsdat-bench-"));
  const peer = new Peer(folder);
  const thread = new OneThread();
  try {
    const inputs = makeInputs(folder, thread, quick ? 256 : 2048);
    const { numpy } = (await peer.read()) as { readonly numpy: string };
    say(`${quick ? "small inputs" : "16 MB"}, one thread each, NumPy ${numpy}, Node ${process.version}`);
    const measurement = new Measurement(folder, peer, cpu);
    const rows: BenchRow[] = [];
    const wrong: string[] = [];
    for (const sweep of sweeps((name) => lookUp(name) !== undefined)) {
      if (only.length > 0 && !only.includes(sweep.name)) continue;
      try {
        const made = await measurement.take(sweep, inputs.get(`${sweep.dtype} ${sweep.form}`) as Inputs, quick ? 1 : 3);
        if (made) rows.push(made);
        if (made && !quick)
          say(`${made.id}: ${made.ours.toFixed(1)} ms, NumPy ${made.peer?.toFixed(1)} ms, ${made.ratio?.toFixed(2)}`);
      } catch (error) {
        wrong.push(error instanceof Error ? error.message : String(error));
      }
    }
    say(
      `${rows.length} measured, geometric mean of ours / NumPy ${geometric(rows.map((r) => r.ratio ?? 1)).toFixed(3)} (aim ${MEAN_AIM})`,
    );
    if (process.env["RSDAT_BENCH_WRITE"] && only.length === 0) {
      writeFileSync(join(ROOT, "docs", "bench-array.csv"), csv(rows));
      writeFileSync(join(ROOT, "docs", "bench-array.svg"), picture(rows));
    }
    if (wrong.length > 0) throw new OutputsDifferError(wrong.join("\n"));
    return rows;
  } finally {
    peer.end();
    rmSync(folder, { recursive: true, force: true });
  }
};
