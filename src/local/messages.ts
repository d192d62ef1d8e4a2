/** What the caller's thread and the coordinator's thread say to each other; plain data. */
import type { ErrorRecord } from "../base/index.ts";
import type { SpillSetting } from "../config/index.ts";
import type { DType, TypedArray } from "../dtype/index.ts";
import type { Layer, RunnerFigures, RunProgress } from "../graph/index.ts";

/** What a coordinator is started with. */
export interface CoordinatorOptions {
  readonly threads: number;
  /** Of the process: where it takes more, the coordinator's garbage is collected. */
  readonly limitBytes: number;
  /** Bytes for blocks and workspaces. */
  readonly budgetBytes: number;
  /** Where blocks go that find no room; null: nowhere. */
  readonly spill: SpillSetting | null;
  /** False switches admission and the arena's own check off; only `rsdat/testing` does. */
  readonly admission: boolean;
  /** Kernels are widened: if their self-test passes, or where V8 is proven. */
  readonly wide?: boolean | "proven";
  /** False: no huge pages behind blocks. */
  readonly hugePages?: boolean;
}

/** A run to begin, for one caller or several. `id` is a caller's. */
export interface RunRequest {
  readonly type: "run";
  readonly groups: readonly RunGroup[];
  readonly layers: readonly Layer[];
  readonly outputs: readonly number[];
  readonly leastBytes: number;
  /** Bytes that this run may use, where less than the budget. */
  readonly memoryBytes: number | null;
  readonly retries: number;
  readonly priority: number;
  /** Keep the results instead of handing them over, until a `release` of the same id. */
  readonly keeps: boolean;
}

/** What one caller wants: numbers of the run's outputs. */
export interface RunGroup {
  readonly id: number;
  readonly outputs: readonly number[];
  /** It listens for progress. */
  readonly listens: boolean;
}

/** To the coordinator. */
export type ToCoordinator =
  | RunRequest
  | { readonly type: "cancel" | "release" | "figures"; readonly id: number }
  /** The blocks of this parcel have been copied; not said of one without a number. */
  | { readonly type: "taken"; readonly parcel: number };

/** One wanted block, in C order: the elements themselves, which are the caller's now, or where they lie in shared memory. */
export interface WantedBlock {
  readonly id: number;
  /** Outputs of its group, and its index in C order of their grid. */
  readonly outputs: readonly number[];
  readonly index: number;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly from: TypedArray | { readonly segment: number; readonly offset: number };
}

/** From the coordinator; it posts lists of these. */
export type FromCoordinator =
  | { readonly type: "progress"; readonly id: number; readonly progress: RunProgress }
  /** Shared memory in which blocks lie. */
  | { readonly type: "segment"; readonly id: number; readonly buffer: SharedArrayBuffer }
  /** Blocks stay where they are until the parcel is `taken`; without a number the elements themselves are here. */
  | { readonly type: "blocks"; readonly parcel: number | null; readonly blocks: readonly WantedBlock[] }
  | { readonly type: "figures"; readonly id: number; readonly figures: RunnerFigures }
  | { readonly type: "done"; readonly id: number }
  | { readonly type: "failed"; readonly id: number; readonly error: ErrorRecord };
