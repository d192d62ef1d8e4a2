/**
 * How fast are single kernels against NumPy, one thread each? Rows and targets of the acceptance table of the kernel
 * design; 2048 × 2048 elements, results compared before timing, rounds alternate, medians.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DTYPES, viewOf } from "../../src/dtype/index.ts";
import { kernelStats } from "../../src/kernels/index.ts";
import { type Bench, type BenchRow, median, OutputsDifferError, row } from "../contract.ts";
import { makeInputs, makeRows, type Row } from "./rows.ts";

const PYTHON = process.env["RSDAT_PYTHON"] ?? join(import.meta.dirname, "..", "..", ".venv", "bin", "python");

/** A line-based conversation with peer.py. */
class Peer {
  readonly #child;
  readonly #lines: AsyncIterator<string>;

  constructor(folder: string, side: number) {
    const env = { ...process.env, OPENBLAS_NUM_THREADS: "1" };
    this.#child = spawn(PYTHON, [join(import.meta.dirname, "peer.py"), folder, String(side)], {
      env,
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** The next line, as JSON. */
  async read(): Promise<unknown> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("peer.py ended early");
    return JSON.parse(value as string);
  }

  ask(id: string, repeats: number): Promise<unknown> {
    this.#child.stdin.write(`${id} ${repeats}\n`);
    return this.read();
  }

  end(): void {
    this.#child.stdin.end();
  }
}

function compare(folder: string, { id, result, tolerance }: Row): void {
  const bytes = new Uint8Array(readFileSync(join(folder, `${id}.numpy`)));
  const want = viewOf(result.dtype, bytes.buffer, 0, bytes.length / DTYPES[result.dtype].itemsize);
  if (want.length !== result.size) throw new OutputsDifferError(`${id}: ${result.size} elements, NumPy ${want.length}`);
  for (let i = 0; i < want.length; i++) {
    const [ours, theirs] = [result.data[i] as number, want[i] as number];
    const near = tolerance > 0 && Math.abs(ours - theirs) <= tolerance * Math.abs(theirs);
    if (ours !== theirs && !near && !(Number.isNaN(ours) && Number.isNaN(theirs))) {
      throw new OutputsDifferError(`${id}[${i}]: ${ours}, NumPy ${theirs}`);
    }
  }
}

function timeOurs({ run }: Row, repeats: number): number {
  const samples: number[] = [];
  for (let i = 0; i < repeats; i++) {
    const start = performance.now();
    run();
    samples.push(performance.now() - start);
  }
  return median(samples);
}

export const bench: Bench = async ({ quick, say }) => {
  const side = quick ? 512 : 2048;
  const [rounds, repeats] = quick ? [2, 3] : [5, 9];
  const folder = mkdtempSync(join(tmpdir(), "rsdat-bench-"));
  try {
    const { inputs, empty } = makeInputs(side);
    for (const [name, { data }] of Object.entries(inputs)) {
      writeFileSync(join(folder, name), new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
    const peer = new Peer(folder, side);
    const { numpy } = (await peer.read()) as { readonly numpy: string };
    say(`${side} x ${side}, one thread, NumPy ${numpy}, Node ${process.version}`);
    const out: BenchRow[] = [];
    for (const mine of makeRows(side, inputs, empty)) {
      await peer.ask(mine.id, 1);
      for (let i = 0; i < 4; i++) mine.run(); // reaches the optimising tier
      compare(folder, mine);
      const ours: number[] = [];
      const theirs: number[] = [];
      for (let i = 0; i < rounds; i++) {
        ours.push(timeOurs(mine, repeats));
        theirs.push((await peer.ask(mine.id, repeats)) as number);
      }
      out.push(row({ id: mine.id, metric: "ms", ours, peer: { name: "NumPy", samples: theirs }, target: mine.target }));
    }
    peer.end();
    const { modulesCompiled, moduleBytes } = kernelStats();
    say(`${modulesCompiled} modules, ${moduleBytes} bytes`);
    return out;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
