/**
 * What a bench is: `bench/NAME/index.ts` exports `bench`, which answers the question in its first comment. It checks
 * that both sides give the same output before it times them, and throws `OutputsDifferError` when they do not.
 */

export interface BenchOptions {
  /** A small input and few pairs, for the continuous integration: it checks that the bench works, not how fast. */
  readonly quick: boolean;
  /** Rows (or beginnings of their names) to run; empty: all. Benches without rows of their own ignore it. */
  readonly rows: readonly string[];
  /** V8 may join vectors to 256 bits. */
  readonly wide: boolean;
  /** Processor time in place of the wall's, for machines with other work; where a bench can. */
  readonly cpu: boolean;
  /** For people: lines about settings, versions, file sizes. */
  readonly say: (line: string) => void;
}

/** One number against its peer; smaller is better. */
export interface BenchRow {
  readonly id: string;
  /** What is measured, with its unit: `wall s`, `cpu s`, `peak MiB`. */
  readonly metric: string;
  /** Median of our samples. */
  readonly ours: number;
  /** Median of the peer's samples; null where there is none. */
  readonly peer: number | null;
  readonly peerName: string | null;
  /** ours / peer: the median of the pairs' ratios. */
  readonly ratio: number | null;
  /** The ratio aimed at (without a peer: our own number). */
  readonly target: number | null;
  /** A better ratio than the target, to be reached one day. */
  readonly aim?: number;
  /** (largest − smallest) / median of the pairs' ratios, or of our samples where there is no peer. */
  readonly spread: number;
  /** Bytes that must be moved, per second, in GB; and as a share of what a copy moves. */
  readonly gigabytesPerSecond?: number;
  readonly shareOfCopy?: number;
}

export type Bench = (options: BenchOptions) => Promise<readonly BenchRow[]>;

/** The two sides do not compute the same thing, so comparing their speed means nothing. */
export class OutputsDifferError extends Error {
  override readonly name = "OutputsDifferError";
}

/** The middle value, or the mean of the two middle ones. */
export function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  if (low === undefined || high === undefined) throw new RangeError("the median of no sample");
  return (low + high) / 2;
}

export interface Samples {
  readonly id: string;
  readonly metric: string;
  readonly ours: readonly number[];
  /** As many as ours, each measured next to its partner. */
  readonly peer?: { readonly name: string; readonly samples: readonly number[] };
  readonly target?: number;
  readonly aim?: number;
}

/**
 * A row from paired samples.
 * @throws {RangeError} no samples, or not as many of the peer's as of ours
 */
export function row({ id, metric, ours, peer, target, aim }: Samples): BenchRow {
  if (peer && peer.samples.length !== ours.length) throw new RangeError(`${id}: samples come in pairs`);
  const ratios = peer ? ours.map((value, index) => value / (peer.samples[index] ?? Number.NaN)) : ours;
  const middle = median(ratios);
  return {
    id,
    metric,
    ours: median(ours),
    peer: peer ? median(peer.samples) : null,
    peerName: peer?.name ?? null,
    ratio: peer ? middle : null,
    target: target ?? null,
    ...(aim === undefined ? {} : { aim }),
    spread: (Math.max(...ratios) - Math.min(...ratios)) / middle,
  };
}

/** What became of a row's target: "–" without one. */
export function verdict({ ratio, ours, target, aim }: BenchRow): "–" | "aim" | "ok" | "missed" {
  const value = ratio ?? ours;
  if (aim !== undefined && value <= aim) return "aim";
  if (target === null) return "–";
  return value <= target ? "ok" : "missed";
}
