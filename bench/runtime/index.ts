/**
 * What does a task cost? Latency, transfers and whole graphs on a cluster of two one-thread worker processes, beside Dask's
 * LocalCluster of the same kind in the same run, in turns; the scheduler alone under workers that answer at once; its
 * machine alone; threads of one process. `npm run bench -- runtime [ROW…]`; `worker-saturation` of Dask is its default, and
 * `inf`, its best setting for small tasks, where a row says so.
 */
import { type Bench, type BenchOptions, type BenchRow, row } from "../contract.ts";
import { ALONE } from "./alone.ts";
import { KILLED_ROW } from "./killed.ts";
import { LATENCY_ROWS } from "./latency.ts";
import { settle } from "./settle.ts";
import { DaskSide, OurSide, type RuntimeRow, type Saturation } from "./sides.ts";
import { TRANSFER_ROWS } from "./transfer.ts";
import { TRIVIAL_ROWS } from "./trivial.ts";

const ROUNDS = 5;
/** Rounds of each side before its samples: V8 compiles in the first 25, the first of which is a row of its own. */
const WARM_ROUNDS = { ours: 25, dask: 2 };
/** Rows with more tasks compile within their first round. */
const WARM_MOST = 10_000;
/** Our tasks must take a thirtieth of the time that Dask's best setting takes. */
const TRIVIAL_RATIO = 1 / 30;

interface Taken {
  readonly ours: readonly number[];
  /** The first round of ours, before V8 has compiled what it takes. */
  readonly first: number | null;
  readonly dask: Readonly<Partial<Record<Saturation, readonly number[]>>>;
}

function isWanted(options: BenchOptions, id: string): boolean {
  return options.rows.length === 0 || options.rows.some((start) => id.startsWith(start));
}

/** Ours, Dask's, ours, …; where larger is better, samples are turned over so that smaller is better in the table. */
async function take(one: RuntimeRow, sides: Sides, quick: boolean): Promise<Taken> {
  const [rounds, n] = quick ? [1, one.quick] : [ROUNDS, one.n];
  const turn = (value: number): number => (one.isRate ? 1 / value : value);
  const ours: number[] = [];
  const dask: Partial<Record<Saturation, number[]>> = {};
  await one.ours(await sides.ours(one), one.quick); // links are made
  await sides.used(one);
  const isWarmed = !quick && n <= WARM_MOST && one !== KILLED_ROW && !one.isRate;
  const first = isWarmed ? await warm(one, sides) : null;
  for (let i = 0; i < rounds; i++) {
    const side = await sides.ours(one);
    if (!quick) await settle();
    ours.push(turn(await one.ours(side, n)));
    await sides.used(one);
    for (const saturation of one.saturations) {
      dask[saturation] ??= [];
      if (!quick) await settle();
      dask[saturation].push(turn(await sides.dask.sample(one.id, n, saturation)));
    }
  }
  return { ours, first, dask };
}

/** Rounds that do not count; gives the first of ours. */
async function warm(one: RuntimeRow, sides: Sides): Promise<number> {
  const ours: number[] = [];
  for (let i = 0; i < WARM_ROUNDS.ours; i++) ours.push(await one.ours(await sides.ours(one), one.n));
  for (const saturation of one.saturations)
    for (let i = 0; i < WARM_ROUNDS.dask; i++) await sides.dask.sample(one.id, one.n, saturation);
  return ours[0] as number; // there are rounds
}

/** Both sides; a row that ruins its cluster gets a new one. */
class Sides implements AsyncDisposable {
  readonly dask: DaskSide = new DaskSide();
  #ours: OurSide | null = null;

  async ours(_: RuntimeRow): Promise<OurSide> {
    this.#ours ??= await OurSide.start();
    return this.#ours;
  }

  async used(one: RuntimeRow): Promise<void> {
    // Killed workers are gone, and after a million blocks the others' heaps are not what they were.
    if (one !== KILLED_ROW && one.n < 1_000_000) return;
    await this.#ours?.[Symbol.asyncDispose]();
    this.#ours = null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ours?.[Symbol.asyncDispose]();
    await this.dask[Symbol.asyncDispose]();
  }
}

/** Our own number against its must, then its ratio to Dask's. */
function rowsOf(one: RuntimeRow, { ours, first, dask }: Taken): BenchRow[] {
  const { id, must, aim } = one;
  const metric = one.isRate ? one.metric.replace("GB/s", "s per GB") : one.metric;
  const own = one.isRate ? [] : [row({ id, metric, ours, target: must, aim })];
  const beside = one.saturations.map((saturation) =>
    row({
      id,
      metric,
      ours,
      peer: {
        name: saturation === "default" ? "dask" : `dask, saturation ${saturation}`,
        samples: dask[saturation] ?? [],
      },
      ...(one.isRate ? { target: 1 / must, aim: 1 / aim } : {}),
      ...(id.startsWith("trivial") && saturation === "inf" ? { target: TRIVIAL_RATIO } : {}),
    }),
  );
  const cold = first === null ? [] : [row({ id: `${id}-first`, metric: `the first round: ${metric}`, ours: [first] })];
  return [...own, ...beside, ...cold];
}

const ROWS: readonly RuntimeRow[] = [...TRIVIAL_ROWS, ...LATENCY_ROWS, ...TRANSFER_ROWS, KILLED_ROW];

export const bench: Bench = async (options) => {
  const rows: BenchRow[] = [];
  const add = (taken: readonly BenchRow[]): void => {
    rows.push(...taken);
    for (const { id, metric, ours, peer } of taken)
      options.say(`${id}: ${metric}: ${ours.toPrecision(3)}${peer === null ? "" : ` against ${peer.toPrecision(3)}`}`);
  };
  await using sides = new Sides();
  for (const one of ROWS) {
    if (!isWanted(options, one.id)) continue;
    add(rowsOf(one, await take(one, sides, options.quick)));
  }
  for (const [id, measure] of Object.entries(ALONE))
    if (isWanted(options, id)) add(await measure(sides.dask, options.quick));
  return rows;
};
