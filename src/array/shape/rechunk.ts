/** Rechunks that users ask for: the cuts, and by which steps. */
import { ArgumentError, ConfigError, parseBytes, requireKnownOptions, shownValue, warnOnce } from "../../base/index.ts";
import { config } from "../../config/index.ts";
import { itemsize } from "../../dtype/index.ts";
import {
  type ChunkSpec,
  type Chunks,
  type LayerNode,
  rechunkNode,
  rechunkStepNode,
  sameChunks,
} from "../../graph/index.ts";
import { chunkSizeBytes, chunkTolerance } from "../auto.ts";
import { cutChunks, type LazyArray } from "../lazy.ts";
import { planRechunk } from "./rechunk-plan.ts";

const METHODS = ["tasks", "p2p"] as const;

/** How a rechunk is done: by steps of tasks, or in one. */
export type RechunkMethod = (typeof METHODS)[number];

/** Options of a rechunk. */
export interface RechunkOptions {
  /**
   * `"tasks"`: through the cuts in between that Dask would choose; `"p2p"`: in one step, whose blocks go straight from where
   * they are to where they are needed. By default `array.rechunk.method`, and where that is unset one step.
   */
  readonly method?: RechunkMethod | null;
  /** How many times the blocks of both ends there may be pieces before steps are worth it; `array.rechunk.threshold` by default. */
  readonly threshold?: number | null;
  /** Bytes of automatic blocks and of those in between: a number or `"64MiB"`; `array.chunk-size` by default. */
  readonly blockSizeLimit?: number | string | null;
  /** Sizes along each axis nearly equal, without a small one at the end. */
  readonly balance?: boolean;
}

/**
 * The same values cut differently; the node itself where it is cut so.
 * @throws {ChunkError} sizes that do not add up  @throws {ArgumentError} options, or {@link ConfigError} settings, that are none
 */
export function rechunkLayer(x: LazyArray, spec: ChunkSpec, options: RechunkOptions = {}): LayerNode {
  requireKnownOptions("rechunk", options, { method: true, threshold: true, blockSizeLimit: true, balance: true });
  const method = methodOf(options);
  const { blockSizeLimit, balance = false } = options;
  const limitBytes = blockSizeLimit == null ? chunkSizeBytes() : parseBytes(blockSizeLimit, "blockSizeLimit");
  const cut = cutChunks(x.shape, x.dtype, spec, { previous: x.chunks, tolerance: chunkTolerance(), limitBytes });
  const wanted = balance ? cut.map(balanced) : cut;
  if (sameChunks(wanted, x.chunks)) return x.node;
  if (method !== "tasks") return rechunkNode(x.node, wanted);
  const limits = { threshold: thresholdOf(options), elements: limitBytes / itemsize(x.dtype) };
  const steps = planRechunk(x.chunks, wanted, limits);
  return rechunkNode(steps.slice(0, -1).reduce<LayerNode>(stepTo, x.node), wanted);
}

function stepTo(node: LayerNode, chunks: Chunks): LayerNode {
  return rechunkStepNode(node, chunks);
}

/** @throws {ArgumentError} an unknown method  @throws {ConfigError} an unknown one in the configuration */
function methodOf({ method }: RechunkOptions): RechunkMethod | null {
  if (method != null) {
    if (METHODS.includes(method)) return method;
    throw new ArgumentError(`rechunk with method ${shownValue(method)}: expected one of ${METHODS.join(", ")}`);
  }
  const set = config.text("array.rechunk.method") as RechunkMethod | null; // checked in the next line
  if (set === null || METHODS.includes(set)) return set;
  throw new ConfigError(
    `configuration array.rechunk.method is ${shownValue(set)}: expected one of ${METHODS.join(", ")}, or null`,
  );
}

/** Dask takes 0 for "as configured". */
function thresholdOf({ threshold }: RechunkOptions): number {
  if (threshold != null && !(threshold >= 0 && Number.isFinite(threshold)))
    throw new ArgumentError(`rechunk with threshold ${shownValue(threshold)}: expected a number, 0 or more`);
  return threshold || (config.number("array.rechunk.threshold") ?? 4);
}

/** Regular sizes near the median of `sizes`, as even as can be, in as many blocks. dask.array `rechunk` with `balance`. */
function balanced(sizes: readonly number[]): readonly number[] {
  const total = sizes.reduce((a, b) => a + b, 0);
  const sorted = Float64Array.from(sizes).sort();
  const half = sorted.length >> 1;
  const middle = Math.trunc(
    sorted.length % 2 === 1 ? (sorted[half] as number) : ((sorted[half - 1] as number) + (sorted[half] as number)) / 2,
  );
  const [least, most] = [sorted[0] as number, sorted.at(-1) as number]; // an axis has a block
  const blocks = least <= most / 2 ? sizes.length - 1 : sizes.length;
  const reach = Math.floor(middle / 2);
  let [best, bestSpread] = [0, Number.POSITIVE_INFINITY];
  for (let size = Math.max(1, middle - reach); size <= middle + reach; size++) {
    if (Math.ceil(total / size) !== blocks) continue;
    const spread = size < total && total % size > 0 ? size - (total % size) : 0;
    if (spread < bestSpread) [best, bestSpread] = [size, spread];
  }
  if (best > 0) {
    const out = new Array<number>(Math.floor(total / best)).fill(best);
    return total % best > 0 ? [...out, total % best] : out;
  }
  if (total > 0)
    warnOnce(
      "PerformanceWarning",
      `rechunk: sizes [${sizes.slice(0, 8).join(", ")}${sizes.length > 8 ? ", …" : ""}] cannot be balanced; try larger ones`,
    );
  return sizes;
}
