/**
 * How fast is every single kernel against the fastest that others have for the same task? The rows and targets of the
 * kernels' acceptance table: 2048 × 2048 elements unless a row says otherwise, one thread on both sides unless it says
 * "cores", results compared before timing (on odd, strided, reversed and broadcast views too), rounds alternate, medians.
 *
 * `npm run bench -- kernels [ROW…]` runs the rows whose names begin so; `--wide` lets V8 join vectors to 256 bits.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { copyStrided, enableProvenWide, enableWide, kernelStats } from "../../src/kernels/index.ts";
import { type Bench, type BenchRow, median, row } from "../contract.ts";
import {
  CORES_ROWS,
  cachedRow,
  compileRow,
  Halves,
  memoryRow,
  now,
  type Rounds,
  threadRow,
  timed,
  useProcessorTime,
} from "./engine-rows.ts";
import { Inputs, seen, VIEWS, type View } from "./inputs.ts";
import { Peer, PYTHON } from "./peer.ts";
import { type Bound, bytesOf, compare, elementsOf, type PeerName, type Row, type Source, type Targets } from "./row.ts";
import { MAP_ROWS } from "./rows-map.ts";
import { REDUCE_ROWS } from "./rows-reduce.ts";
import { SELECT_ROWS } from "./rows-select.ts";
import { WINDOW_ROWS } from "./rows-window.ts";

const ROWS: readonly Row[] = [...MAP_ROWS, ...REDUCE_ROWS, ...SELECT_ROWS, ...WINDOW_ROWS];
/** One sample of a round is the median of as many runs as fit in here. */
const BUDGET_MS = 120;

interface Setup extends Rounds {
  readonly folder: string;
  readonly inputs: Inputs;
  /** Peers with one thread. */
  readonly peer: Peer;
  readonly say: (line: string) => void;
  readonly copyGigabytes: number;
  readonly metric: string;
}

function sourceOf(inputs: Inputs, view: View): Source {
  const first = new Map<string, boolean>();
  return {
    sides: inputs.sides,
    get: (name) => {
      if (view === "whole") return inputs.get(name);
      if (!first.has(name)) first.set(name, first.size === 0);
      return seen(inputs.get(name), view, first.get(name) === true);
    },
    empty: (dtype, shape) => inputs.empty(dtype, shape),
  };
}

/** Compare a row with its first Python peer on every view. */
async function compareViews({ inputs, peer, folder }: Setup, spec: Row): Promise<void> {
  const [name] = Object.keys(spec.peers);
  if (!spec.views || name === undefined) return;
  for (const view of VIEWS) {
    const bound = spec.bind(sourceOf(inputs, view));
    bound.run();
    const { dtype } = await peer.ask({ row: spec.id, peer: name, view, save: true, dtype: bound.result.dtype });
    compare(
      `${spec.id} ${view}`,
      spec,
      bound.result,
      elementsOf(bound.result.dtype, readFileSync(join(folder, "result"))),
    );
    if (dtype !== undefined && dtype !== bound.result.dtype)
      throw new Error(`${spec.id}: ${bound.result.dtype}, ${name} ${dtype}`);
  }
}

/** Something that can be timed. */
interface Runner {
  readonly name: PeerName;
  readonly targets: Targets;
  /** Milliseconds of one run when it was compared. */
  readonly first: number;
  readonly sample: (repeats: number) => Promise<number>;
}

async function runnersOf(setup: Setup, spec: Row, bound: Bound): Promise<Runner[]> {
  const { peer, folder, inputs, say } = setup;
  const out: Runner[] = [];
  for (const [key, targets] of Object.entries(spec.peers)) {
    const name = key as PeerName; // keys of that type
    const make = spec.local?.[name];
    if (make === undefined) {
      const answer = await peer.attempt({ row: spec.id, peer: name, save: true, dtype: bound.result.dtype });
      if (answer.error !== undefined) {
        say(`${spec.id}: ${name} is absent: ${answer.error}`);
        if (process.env["CI"])
          throw new Error(`${spec.id}: ${name}: ${answer.error}; with CI=true every peer must be present`);
        continue;
      }
      compare(
        `${spec.id} (${name})`,
        name.startsWith("bottleneck") && spec.near.relative > 0 ? { ...spec, near: BOTTLENECK_NEAR } : spec,
        bound.result,
        elementsOf(bound.result.dtype, readFileSync(join(folder, "result"))),
      );
      const sample = async (repeats: number): Promise<number> =>
        (await peer.ask({ row: spec.id, peer: name, repeats })).ms as number; // asked to time
      out.push({ name, targets, first: answer.ms as number, sample });
      continue;
    }
    const local = await make(sourceOf(inputs, "whole"));
    for (let k = 0; k < 3; k++) await local.run();
    const want = await local.result();
    if (want !== null) compare(`${spec.id} (${name})`, { ...spec, near: LOCAL_NEAR }, bound.result, want);
    const sample = async (repeats: number): Promise<number> => {
      const samples: number[] = [];
      for (let k = 0; k < repeats; k++) {
        const start = now();
        await local.run();
        samples.push(now() - start);
      }
      return median(samples);
    };
    out.push({ name, targets, first: await sample(1), sample });
  }
  return out;
}

/** bottleneck adds float32 one after the other in float32. */
const BOTTLENECK_NEAR = { relative: 5e-3 } as const;
/** JavaScript engines sum float32 in float32 and have their own exp and log. */
const LOCAL_NEAR = { relative: 1e-3, absolute: 5e-5 } as const;

async function measureRow(setup: Setup, spec: Row): Promise<BenchRow[]> {
  await compareViews(setup, spec);
  const bound = spec.bind(sourceOf(setup.inputs, "whole"));
  for (let i = 0; i < 4; i++) bound.run(); // reaches the optimising tier
  const runners = await runnersOf(setup, spec, bound);
  const once = timed(bound.run);
  const repeatsFor = (ms: number): number => Math.max(1, Math.min(setup.repeats, Math.floor(BUDGET_MS / ms)));
  const ours = runners.map((): number[] => []);
  const theirs = runners.map((): number[] => []);
  for (let round = 0; round < setup.rounds; round++) {
    for (const [k, runner] of runners.entries()) {
      ours[k]?.push(median(Array.from({ length: repeatsFor(once) }, () => timed(bound.run))));
      theirs[k]?.push(await runner.sample(repeatsFor(runner.first)));
    }
  }
  const bytes = bytesOf(bound.result, ...spec.reads.map((name) => setup.inputs.get(name)));
  return runners.map(({ name, targets }, k) => {
    const made = row({
      id: spec.id,
      metric: setup.metric,
      ours: ours[k] as number[], // one list per runner
      peer: { name, samples: theirs[k] as number[] },
      ...(targets.must === undefined ? {} : { target: targets.must }),
      ...(targets.aim === undefined ? {} : { aim: targets.aim }),
    });
    const gigabytesPerSecond = bytes / made.ours / 1e6;
    return { ...made, gigabytesPerSecond, shareOfCopy: gigabytesPerSecond / setup.copyGigabytes };
  });
}

/** Rows on all cores: against our one thread, and against peers that may use as many threads. */
async function coresRows(setup: Setup, wanted: (id: string) => boolean): Promise<BenchRow[]> {
  const ids = ["ndvi-f32-16M-threads", "explog-f32-16M-threads", ...CORES_ROWS.map((r) => r.id)];
  if (!ids.some(wanted)) return [];
  const threads = availableParallelism();
  if (setup.metric !== "ms") {
    setup.say("no rows on two threads: their time is the wall's");
    return [];
  }
  if (threads < 2) {
    setup.say("one core: no rows on two threads");
    return [];
  }
  const halves = await Halves.make(setup.inputs);
  const peer = await Peer.start(setup.folder, threads, false);
  const out: BenchRow[] = [];
  try {
    const copy = threadRow("", halves.tasks("copy"), setup, {});
    setup.say(`copying on two threads takes ${(copy.ratio as number).toFixed(2)} of one thread's time`); // it has a peer
    for (const task of ["ndvi", "explog"] as const) {
      const tasks = halves.tasks(task);
      const id = `${task}-f32-16M-threads`;
      if (wanted(id)) out.push(threadRow(id, tasks, setup, { must: 0.6, aim: 0.52 }));
      for (const spec of CORES_ROWS) {
        if (!spec.id.startsWith(task) || !wanted(spec.id)) continue;
        out.push(...(await coresRow({ ...setup, peer }, spec, tasks)));
      }
    }
  } finally {
    await halves.end();
    peer.end();
  }
  return out;
}

async function coresRow(
  setup: Setup,
  spec: (typeof CORES_ROWS)[number],
  tasks: { readonly two: () => void; readonly result: Bound["result"] },
): Promise<BenchRow[]> {
  tasks.two();
  const full: Row = { ...spec, views: false, reads: [], bind: () => ({ run: tasks.two, result: tasks.result }) };
  return (await measureRow(setup, full)).map(({ gigabytesPerSecond: _, shareOfCopy: __, ...made }) => made);
}

function cpuFlags(): string {
  const flags = /^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? "";
  return flags
    .split(" ")
    .filter((f) => /^(sse4|avx|fma|f16c)/.test(f))
    .join(" ");
}

/** The peers that requirements/bench.txt adds are installed when they are missing. */
function installPeers(say: (line: string) => void): void {
  if (process.env["RSDAT_PYTHON"]) return;
  const script = join(import.meta.dirname, "..", "..", "scripts", "python-venv");
  const { status, stderr } = spawnSync(script, ["--bench"], { encoding: "utf8", timeout: 200_000 });
  if (status !== 0) say(`scripts/python-venv --bench failed: ${stderr.trim().split("\n").at(-1) ?? ""}`);
}

function copySpeed(inputs: Inputs): number {
  const from = inputs.get("huge");
  const to = inputs.empty("float32", from.shape);
  const once = (): number => timed(() => copyStrided(to, from));
  once();
  return bytesOf(from, to) / median(Array.from({ length: 7 }, once)) / 1e6;
}

export const bench: Bench = async ({ quick, rows, wide, cpu, say }) => {
  const mode = wide ? enableWide() : enableProvenWide(process.versions.v8); // as users get it
  if (cpu) useProcessorTime();
  installPeers(say);
  const sides = quick
    ? { side: 512, cube: 64, large: 1024, huge: 1024, matrix: 256 }
    : { side: 2048, cube: 256, large: 4096, huge: 8192, matrix: 1024 };
  const rounds: Rounds = quick ? { rounds: 1, repeats: 2 } : { rounds: 3, repeats: 7 };
  const wanted = (id: string): boolean => rows.length === 0 || rows.some((r) => id.startsWith(r));
  const folder = mkdtempSync(join(tmpdir(), "rsdat-bench-"));
  const peer = await Peer.start(folder, 1, cpu);
  try {
    const inputs = new Inputs(folder, sides);
    const copyGigabytes = copySpeed(inputs);
    const { versions, gdal } = peer.hello;
    say(
      `${sides.side} x ${sides.side}; Node ${process.version}, V8 ${process.versions.v8}, wide ${mode.state}${mode.reason === undefined ? "" : ` (${mode.reason})`}`,
    );
    say(`${cpus()[0]?.model.trim()}, ${availableParallelism()} threads: ${cpuFlags()}`);
    say(
      `${Object.entries(versions)
        .map(([k, v]) => `${k} ${v ?? "absent"}`)
        .join(", ")}, GDAL ${gdal ?? "absent"}; ${PYTHON.includes(".venv") ? "pinned" : PYTHON}`,
    );
    say(`copy: ${copyGigabytes.toFixed(1)} GB/s read and written`);
    const setup: Setup = { ...rounds, folder, inputs, peer, say, copyGigabytes, metric: cpu ? "cpu ms" : "ms" };
    const out: BenchRow[] = [];
    for (const spec of ROWS) if (wanted(spec.id)) out.push(...(await measureRow(setup, spec)));
    if (wanted("compile-6-nodes")) out.push(compileRow(inputs, rounds));
    if (wanted("cached-64-elements")) out.push(cachedRow(inputs, rounds));
    const fused = ROWS.find((r) => r.id === "ndvi-nanmedian-24") as Row; // it is there
    if (wanted(fused.id)) out.push(memoryRow(fused.bind(sourceOf(inputs, "whole"))));
    out.push(...(await coresRows(setup, wanted)));
    const { modulesCompiled, moduleBytes } = kernelStats();
    say(`${modulesCompiled} modules, ${moduleBytes} bytes`);
    return out;
  } finally {
    peer.end();
    rmSync(folder, { recursive: true, force: true });
  }
};
