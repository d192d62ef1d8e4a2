/**
 * Do workloads finish whose inputs are four and ten times as large as memory, and within which memory?
 *
 * The workloads of coiled/benchmarks (`workloads.ts`) on two threads of one process and on a LocalCluster of two processes
 * of one thread, every process under the same limit; `peer.py` beside it on dask.distributed's LocalCluster. Random inputs
 * are the same on both sides and are made on the way, so no file bounds the speed; results are compared. `--quick` compares
 * results with dask.array on its threads and looks at our memory alone. `RSDAT_BENCH_KEEP=FILE` keeps rows for a further run.
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { type Bench, type BenchRow, OutputsDifferError, row } from "../contract.ts";
import { measure } from "../measure.ts";
import { KeptRows, type Told } from "./kept.ts";
import { WORKLOADS } from "./workloads.ts";

const HERE = import.meta.dirname;
const PYTHON = process.env["RSDAT_PYTHON"] ?? join(HERE, "../../.venv/bin/python");
const MIB = 2 ** 20;
/** Of each process. */
const LIMIT = 512 * MIB;
const QUICK_LIMIT = 448 * MIB;
const QUICK_BYTES = 512 * MIB;
const QUICK_ROWS = ["anomaly-mean", "quadratic-mean", "rechunk-rows-to-columns"];
const TIMES = [4, 10];
/** A side that has not ended by then is printed as one that did not. */
const TIMEOUT_MS = 300_000;
/** How far resident memory may pass the limit. */
const RESIDENT_SHARE = 1.15;
/** Sums of random numbers, in other orders. */
const TOLERANCE = 1e-9;

async function told(program: string, args: readonly string[]): Promise<Told> {
  const limit = String(args[3] ?? "");
  const env = {
    ...process.env,
    DASK_NUM_WORKERS: "2",
    ...(program === PYTHON ? {} : { DASK_RSDAT__MEMORY_LIMIT: limit }),
  };
  try {
    const { stdout } = await measure(program, args, { timeoutMs: TIMEOUT_MS + 60_000, env });
    return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Told; // both scripts end with one line of it
  } catch (error) {
    return { error: String(error).slice(0, 200), seconds: Number.NaN };
  }
}

const ours = (name: string, bytes: number, limit: number, place: string): Promise<Told> =>
  told(process.execPath, [join(HERE, "ours.ts"), name, String(bytes), String(limit), place]);

const peer = (name: string, bytes: number, limit: number, workers: number): Promise<Told> =>
  told(PYTHON, [join(HERE, "peer.py"), name, String(bytes), String(limit), String(workers), String(TIMEOUT_MS / 1000)]);

const mib = (bytes: number): string => `${Math.round(bytes / MIB)} MiB`;
const peakOf = ({ peaks }: Told): number => Math.max(0, ...Object.values(peaks ?? {}));

function text(side: Told, limit: number): string {
  const spilled = side.spilledBytes ?? side.memory?.spilledBytes ?? side.plan?.bytesSpilled ?? 0;
  const end = side.results ? `finished in ${side.seconds.toFixed(1)} s` : `failed: ${side.error}`;
  const more = side.restarts ? `, ${side.restarts} workers killed` : "";
  const blocks =
    side.memory && side.plan
      ? `, blocks ${mib(side.memory.peakBytes)} of ${mib(side.plan.peakWorkerBytes)} planned for one worker`
      : "";
  return `${end}, peak ${mib(peakOf(side))} (${(peakOf(side) / limit).toFixed(2)} of the limit)${blocks}, spilled ${mib(spilled)}${more}`;
}

function assertAgree(name: string, a: Told, b: Told): void {
  if (!a.results || !b.results) return;
  const isSame = a.results.every(
    (value, k) => Math.abs(value - (b.results?.[k] ?? Number.NaN)) <= Math.abs(value) * TOLERANCE + TOLERANCE,
  );
  if (!isSame) throw new OutputsDifferError(`${name}: ${a.results.join(", ")} against ${b.results.join(", ")}`);
}

function rowsOf(id: string, side: Told, beside: Told | null, limit: number): BenchRow[] {
  if (!side.results) return [{ ...row({ id, metric: "finished (0) or not (1)", ours: [1], target: 0 }), spread: 0 }];
  const seconds = row({
    id,
    metric: "wall s",
    ours: [side.seconds],
    ...(beside?.results ? { peer: { name: "distributed", samples: [beside.seconds] } } : {}),
  });
  const share = row({
    id,
    metric: "peak resident / limit",
    ours: [peakOf(side) / limit],
    ...(beside
      ? { peer: { name: beside.results ? "distributed" : "distributed (failed)", samples: [peakOf(beside) / limit] } }
      : {}),
  });
  // Judged by our own number, whatever the peer's is.
  return [seconds, { ...share, ratio: null, target: RESIDENT_SHARE }];
}

export const bench: Bench = async ({ quick, rows, say }) => {
  const chosen = (id: string): boolean => rows.length === 0 || rows.some((wanted) => id.startsWith(wanted));
  const out: BenchRow[] = [];
  if (quick) {
    for (const name of QUICK_ROWS.filter(chosen)) {
      const side = await ours(name, QUICK_BYTES, QUICK_LIMIT, "threads");
      assertAgree(name, side, await peer(name, QUICK_BYTES, QUICK_LIMIT, 0));
      say(`${name}, ${mib(QUICK_BYTES)} on threads within ${mib(QUICK_LIMIT)}: ${text(side, QUICK_LIMIT)}`);
      out.push(...rowsOf(`${name} threads`, side, null, QUICK_LIMIT));
    }
    return out;
  }
  const versions =
    "import dask, distributed, numpy; print('dask', dask.__version__, 'distributed', distributed.__version__, 'numpy', numpy.__version__)";
  say(
    `peer: ${execFileSync(PYTHON, ["-c", versions], { encoding: "utf8" }).trim()}; LocalCluster of 2 processes of 1 thread, memory_limit ${mib(LIMIT)} each, a nanny each; rechunk by p2p, queuing of roots (worker-saturation 1.1), spilling at 0.6/0.7, pausing at 0.8, as by default and as its documentation advises`,
  );
  say(
    `ours: 2 threads of one process within ${mib(LIMIT)}, and a LocalCluster of 2 processes of 1 thread within ${mib(LIMIT)} each; inputs are so many times the memory of all processes; everything else as by default`,
  );
  const kept = new KeptRows(process.env["RSDAT_BENCH_KEEP"]);
  for (const name of Object.keys(WORKLOADS)) {
    for (const times of TIMES) {
      for (const [place, processes] of [
        ["threads", 1],
        ["cluster", 2],
      ] as const) {
        const id = `${name} ${times}x ${place}`;
        if (!chosen(id)) continue;
        const bytes = times * processes * LIMIT;
        const { side, beside } = await kept.take(id, async () => ({
          side: await ours(name, bytes, LIMIT, place),
          beside: place === "cluster" ? await peer(name, bytes, LIMIT, processes) : null,
        }));
        assertAgree(id, side, beside ?? side);
        say(`${id} (${mib(bytes)}): ours ${text(side, LIMIT)}${beside ? `; distributed ${text(beside, LIMIT)}` : ""}`);
        out.push(...rowsOf(id, side, beside, LIMIT));
      }
    }
  }
  return out;
};
