/** The task stream as a picture: a lane for each thread, a rectangle for each thing that was done. Pure. */
import { escapeXml, formatDuration } from "../base/index.ts";
import type { TaskStreamRecord } from "../client/index.ts";
import { keyPrefix, showKey } from "../graph/index.ts";
import { secondsOf } from "./performance-data.ts";

/** Rectangles in one picture. */
export const RECTANGLES_MAX = 4_000;
/** Lanes in one picture. */
export const LANES_MAX = 256;

/** One rectangle; seconds as the records have them. */
export interface Bar {
  readonly lane: number;
  readonly start: number;
  readonly stop: number;
  readonly action: string;
  readonly prefix: string;
  readonly isError: boolean;
  /** Key of the task, or how many are in one. */
  readonly label: string;
}

/** Lanes by name of worker, one beside the other, and what is in them. */
export interface Lanes {
  readonly workers: readonly string[];
  readonly bars: readonly Bar[];
}

/** What fits into a picture. */
export interface Drawn {
  readonly bars: readonly Bar[];
  /** Rectangles that stand for several. */
  readonly merged: number;
  /** Bars that are in none. */
  readonly left: number;
}

/**
 * A lane for each thread that the records name. Where they name none, as for tasks that a worker told of in columns, only
 * how long each task took is known, and when its message came: these lie end to end on as many lanes as the worker has
 * threads, the last one up to its message.
 */
export function lanesOf(records: readonly TaskStreamRecord[], threadsOf: (worker: string) => number): Lanes {
  const byWorker = Map.groupBy(records, ({ worker }) => worker);
  const workers: string[] = [];
  const bars: Bar[] = [];
  for (const worker of [...byWorker.keys()].sort()) {
    const named = new Map<string, number>();
    const unnamed: TaskStreamRecord[] = [];
    for (const record of byWorker.get(worker) ?? []) {
      if (record.thread === null) {
        unnamed.push(record);
        continue;
      }
      let lane = named.get(record.thread);
      if (lane === undefined) {
        lane = workers.length;
        named.set(record.thread, lane);
        workers.push(worker);
      }
      for (const part of record.startstops) if (secondsOf(part) > 0) bars.push(barOf(record, part, lane));
    }
    if (unnamed.length === 0) continue;
    const threads = Math.max(1, Math.min(LANES_MAX, threadsOf(worker)));
    bars.push(...endToEnd(unnamed, { first: workers.length, count: threads }));
    for (let i = 0; i < threads; i++) workers.push(worker);
  }
  return { workers, bars };
}

type Part = TaskStreamRecord["startstops"][number];

function barOf(record: TaskStreamRecord, { action, start, stop }: Omit<Part, "source">, lane: number): Bar {
  const isError = record.status !== "OK";
  return { lane, start, stop, action, prefix: keyPrefix(record.key), isError, label: showKey(record.key) };
}

/** From the last one back: each on the lane that is free the longest, and not after what lies there already. */
function endToEnd(
  records: readonly TaskStreamRecord[],
  { first, count }: { readonly first: number; readonly count: number },
): Bar[] {
  const bars: Bar[] = [];
  const free = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  for (const record of records.toReversed())
    for (const part of record.startstops) {
      const seconds = secondsOf(part);
      if (seconds === 0) continue;
      let lane = 0;
      for (let i = 1; i < count; i++) if ((free[i] as number) > (free[lane] as number)) lane = i; // i < count
      const stop = Math.min(part.stop, free[lane] as number); // lane < count
      free[lane] = stop - seconds;
      bars.push(barOf(record, { action: part.action, start: stop - seconds, stop }, first + lane));
    }
  return bars.reverse();
}

/**
 * At most {@link RECTANGLES_MAX} of them. Where there are more, those of one lane that begin in the same narrow column
 * and end in it become one, in the colour of the longest; if that is not enough, the shortest are left out.
 */
export function thinned({ workers, bars }: Lanes, max: number = RECTANGLES_MAX): Drawn {
  if (bars.length <= max) return { bars, merged: 0, left: 0 };
  const { start, stop } = extentOf(bars);
  const columns = Math.max(1, Math.floor(max / 2 / Math.max(1, workers.length)));
  const width = (stop - start) / columns || 1;
  const cells = new Map<number, Bar[]>();
  const out: Bar[] = [];
  for (const bar of bars) {
    const column = Math.floor((bar.start - start) / width);
    if (bar.stop > start + (column + 1) * width) {
      out.push(bar);
      continue;
    }
    const cell = bar.lane * (columns + 1) + column;
    const inside = cells.get(cell);
    if (inside) inside.push(bar);
    else cells.set(cell, [bar]);
  }
  let merged = 0;
  for (const inside of cells.values()) {
    out.push(inside.length === 1 ? (inside[0] as Bar) : together(inside)); // a cell is never empty
    if (inside.length > 1) merged++;
  }
  if (out.length <= max) return { bars: out, merged, left: 0 };
  out.sort((a, b) => b.stop - b.start - (a.stop - a.start));
  return { bars: out.slice(0, max), merged, left: out.length - max };
}

function together(bars: readonly Bar[]): Bar {
  const longest = bars.reduce((a, b) => (b.stop - b.start > a.stop - a.start ? b : a));
  const isError = bars.some((bar) => bar.isError);
  return { ...longest, ...extentOf(bars), isError, label: `${bars.length} in one, the longest ${longest.label}` };
}

function extentOf(bars: readonly Bar[]): { readonly start: number; readonly stop: number } {
  let [start, stop] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const bar of bars) [start, stop] = [Math.min(start, bar.start), Math.max(stop, bar.stop)];
  return bars.length > 0 ? { start, stop } : { start: 0, stop: 0 };
}

/** Left of the lanes, their width, and below them, in pixels. */
const LEFT = 150;
const WIDTH = 940;
const BELOW = 26;
const LABEL_HEIGHT = 12;

/** As Dask's: what is not computing is seen through. */
const ACTION_COLOURS: Readonly<Record<string, string>> = {
  transfer: "#e5342b",
  "disk-read": "#f28e00",
  "disk-write": "#f28e00",
  deserialize: "#8c8c8c",
};

/** The picture; `colourOf` gives the colour of computing by kind of key. */
export function streamSvg({ workers, bars }: Lanes, colourOf: (prefix: string) => string): string {
  const shown = workers.slice(0, LANES_MAX);
  const drawn = thinned({ workers: shown, bars: bars.filter(({ lane }) => lane < shown.length) });
  const { start, stop } = extentOf(drawn.bars);
  const lane = Math.max(3, Math.min(20, Math.floor(560 / Math.max(1, shown.length))));
  const height = lane * shown.length;
  const scale = WIDTH / (stop - start || 1);
  const rectangles = drawn.bars.map((bar) => {
    const x = LEFT + (bar.start - start) * scale;
    const width = Math.max(0.3, (bar.stop - bar.start) * scale);
    const isCompute = bar.action === "compute";
    const look = isCompute
      ? bar.isError
        ? 'class="erred"'
        : `fill="${colourOf(bar.prefix)}"`
      : `fill="${ACTION_COLOURS[bar.action] ?? "#8c8c8c"}" fill-opacity="0.5"`;
    const what = `${isCompute ? "" : `${bar.action}-`}${bar.prefix}${bar.isError ? ", error" : ""}`;
    const words = `${what}\n${formatDuration(1000 * (bar.stop - bar.start))} from ${short(bar.start - start)} s\n${clip(bar.label)}\n${shown[bar.lane]}`;
    return `<rect x="${px(x)}" y="${bar.lane * lane + 0.5}" width="${px(width)}" height="${lane - 1}" ${look}><title>${escapeXml(words)}</title></rect>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${LEFT + WIDTH + 10} ${height + BELOW}" role="img">`,
    "<title>Task stream</title>",
    axis({ seconds: stop - start, left: LEFT, width: WIDTH, height }),
    laneLabels(shown, lane),
    `<g class="bars">${rectangles.join("\n")}</g>`,
    "</svg>",
  ].join("\n");
}

function laneLabels(workers: readonly string[], lane: number): string {
  const out: string[] = [];
  let free = 0;
  for (let from = 0; from < workers.length; ) {
    let to = from;
    while (to < workers.length && workers[to] === workers[from]) to++;
    const y = from * lane;
    out.push(`<path d="M0 ${y}H${LEFT + WIDTH}"/>`);
    if (y >= free) {
      const name = String(workers[from]);
      out.push(
        `<text x="${LEFT - 8}" y="${y + LABEL_HEIGHT - 1}" text-anchor="end">${escapeXml(name.length > 24 ? `…${name.slice(-23)}` : name)}</text>`,
      );
      free = y + LABEL_HEIGHT;
    }
    from = to;
  }
  return `<g class="lanes">${out.join("")}</g>`;
}

/** Lines and numbers of an axis of seconds. */
export function axis({
  seconds: total,
  left,
  width,
  height,
}: {
  readonly seconds: number;
  readonly left: number;
  readonly width: number;
  readonly height: number;
}): string {
  if (!(total > 0)) return "";
  const step = niceStep(total / 8);
  const out: string[] = [];
  for (let i = 0; i * step <= total * (1 + 1e-9); i++) {
    const x = px(left + (width * i * step) / total);
    out.push(
      `<path d="M${x} 0V${height}"/><text x="${x}" y="${height + 16}" text-anchor="middle">${total < 1 ? `${short(1000 * i * step)} ms` : `${short(i * step)} s`}</text>`,
    );
  }
  return `<g class="axis">${out.join("")}</g>`;
}

/** 1, 2 or 5 times a power of ten, not below `least`. */
export function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return ([1, 2, 5, 10].find((n) => n * power >= least * (1 - 1e-9)) ?? 10) * power;
}

/** A number without what its last digits would pretend. */
function short(value: number): number {
  return Number(value.toPrecision(4));
}

/** A coordinate with at most two decimals. */
export function px(value: number): number {
  return Math.round(value * 100) / 100;
}

const LABEL_MAX = 200;

function clip(text: string): string {
  return text.length > LABEL_MAX ? `${text.slice(0, LABEL_MAX - 1)}…` : text;
}
