/** What a graph will cost, known before it runs. */

/** Cost of one layer, for people. */
export interface PlanLayer {
  readonly name: string;
  readonly kind: string;
  readonly tasks: number;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly chunk: readonly number[];
  /** The expression that its kernel computes, or where its work is done. */
  readonly note: string;
  /** Names of the elementwise layers that were fused into it, in order of application. */
  readonly fused: readonly string[];
  /** Why it was not fused into the layer that needs it; empty where it could not be or need not. */
  readonly apart: string;
}

/** Answer of `explain()`; bytes and counts, before anything runs. */
export interface Plan {
  readonly tasks: number;
  /** Bytes and requests to fetch from stores (compressed, as far as the metadata tells). */
  readonly bytesRead: number;
  readonly requests: number;
  /** Bytes of blocks that workers fetch from each other, as far as placement can be foreseen. */
  readonly bytesMoved: number;
  /** Bytes of blocks that are written to disk because memory does not hold them. */
  readonly bytesSpilled: number;
  /** Live bytes at the peak of one worker, by a simulated run of its threads and of what is ready for them: blocks, partial results, workspace. */
  readonly peakWorkerBytes: number;
  /** The same when tasks run one at a time in rank order: the least that this graph can run in. */
  readonly leastBytes: number;
  /** Largest need of a single task: output + workspace. */
  readonly largestTaskBytes: number;
  /** Different fused kernels (literals do not count): each is compiled once per process, in about a millisecond. */
  readonly kernels: number;
  readonly warnings: readonly string[];
  readonly layers: readonly PlanLayer[];
  toString(): string;
}
