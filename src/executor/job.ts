/** Tasks that go the usual way: what one is from `submit` to its outcome, what it needs, how it is told to a thread. */
import type { DType } from "../dtype/index.ts";
import { decodeTaskSpec, encodeTaskSpec, planRegisters, type TaskSpec } from "../graph/index.ts";
import { NDArray } from "../ndarray/index.ts";
import type { Arena } from "./arena.ts";
import { type RemoteRead, remoteReads, slotBytesOf } from "./fetch.ts";
import { type FetchedPlace, type InputPlace, isScalar, type PackedMessage, packMessage } from "./message.ts";
import type { MessagePlace, SlotFigures } from "./ring.ts";
import { estimateBytes } from "./sizes.ts";
import type { BlockHandle, ExecutorTask, TaskInput, TaskOutcome } from "./types.ts";

/** A task from `submit` to its outcome. */
export interface Job {
  readonly task: ExecutorTask;
  readonly done: (outcome: TaskOutcome) => void;
  /** It was told to stop. */
  isStopped: boolean;
  /** Of what it waits for outside its thread; null until there is such a thing. */
  stop: AbortController | null;
  readonly onAbort: () => void;
  /** The task's inputs; arrays that came without a place in the arena become blocks once there is room for them. */
  readonly inputs: TaskInput[];
  /** Inputs that are kept in memory for it; all of them, once it has started. */
  readonly pinned: Set<BlockHandle>;
  /** What it needs while it is under way; null while it waits for that. */
  hold: Hold | null;
  bytesFetched: number;
  /** The reading of what it fetches before it is in the ring; null: it fetches nothing. */
  fetching: Promise<void> | null;
}

/** What a started job occupies. */
export interface Hold {
  readonly slot: number;
  readonly spec: TaskSpec;
  readonly output: BlockHandle;
  /** Registers, then the decoders' scratch. */
  readonly work: BlockHandle | null;
  readonly reads: readonly RemoteRead[];
  /** Compressed bytes of the remote reads. */
  readonly fetched: BlockHandle | null;
  /** Set once the task is in the ring. */
  message: MessagePlace | null;
}

/** An input that is a block. */
export function isBlock(input: TaskInput): input is BlockHandle {
  return "id" in input;
}

/** An input that is an array in ordinary memory. */
export function isArray(input: TaskInput): input is { readonly value: NDArray } {
  return !isBlock(input) && input.value instanceof NDArray;
}

/** Of a task that no thread has run. */
export const NOT_RUN: SlotFigures = { startMs: 0, stopMs: 0, thread: -1, bytesRead: 0, bytesWritten: 0 };

/** Of a task that was given up before a thread had run it. */
export const CANCELLED: { readonly status: "cancelled" } & SlotFigures = { status: "cancelled", ...NOT_RUN };

/** What a function gave that is no array. */
export function valueOutcome(value: unknown, figures: SlotFigures): TaskOutcome {
  const { startMs, stopMs, thread, bytesRead, bytesWritten } = figures;
  return { status: "value", value, nbytes: estimateBytes(value), startMs, stopMs, thread, bytesRead, bytesWritten };
}

/** True where a function of a user runs, which may never end. */
export function callsFunction(spec: TaskSpec): boolean {
  return spec.steps.some((step) => step.do === "call");
}

/** What a task needs before it can be told to a thread. */
export interface Needs {
  readonly spec: TaskSpec;
  readonly reads: readonly RemoteRead[];
  /** Blocks: the output, then registers and scratch, then compressed bytes, as far as there are any. */
  readonly wanted: readonly (readonly [DType, readonly number[]])[];
  readonly workBytes: number;
  /** Of all of them. */
  readonly bytes: number;
}

/** Needs and bytes of the last spec that came as an object: calls of one function share theirs. */
let last: { readonly spec: TaskSpec; readonly needs: Needs; bytes: Uint8Array | null } | null = null;

/** The needs of a task. */
export function needsOf({ spec }: ExecutorTask): Needs {
  if (spec instanceof Uint8Array) return needsOfSpec(decodeTaskSpec(spec));
  if (last?.spec !== spec) last = { spec, needs: needsOfSpec(spec), bytes: null };
  return last.needs;
}

function bytesOf(spec: TaskSpec): Uint8Array {
  if (last?.spec !== spec) return encodeTaskSpec(spec);
  last.bytes ??= encodeTaskSpec(spec);
  return last.bytes;
}

function needsOfSpec(spec: TaskSpec): Needs {
  const reads = remoteReads(spec);
  const slotBytes = reads.reduce((sum, r) => sum + slotBytesOf(r.plan), 0);
  // The scratch of a task's reads was made to hold the compressed bytes as well.
  const workBytes = Math.max(planRegisters(spec.inputs, spec.steps).bytes, spec.workspace - slotBytes);
  const wanted: [DType, readonly number[]][] = [[spec.out.dtype, spec.out.shape]];
  if (workBytes > 0) wanted.push(["uint8", [workBytes]]);
  if (slotBytes > 0) wanted.push(["uint8", [slotBytes]]);
  return { spec, reads, wanted, workBytes, bytes: spec.out.nbytes + workBytes + slotBytes };
}

/** The message of a job that holds what it needs. */
export function packJob({ task, inputs }: Job, hold: Hold, arena: Arena): PackedMessage {
  const { output, work } = hold;
  return packMessage({
    inputs: inputs.map(
      (i): InputPlace =>
        isBlock(i)
          ? { ...arena.place(i), dtype: i.dtype, shape: i.shape }
          : isScalar(i.value)
            ? { scalar: i.value }
            : null,
    ),
    output: arena.place(output),
    work: work ? { ...arena.place(work), length: work.nbytes } : { segment: 0, offset: 0, length: 0 },
    fetched: fetchedPlaces(hold, arena),
    trusted: task.trusted ?? false,
    spec: task.spec instanceof Uint8Array ? task.spec : bytesOf(hold.spec),
  });
}

function fetchedPlaces({ reads, fetched }: Hold, arena: Arena): FetchedPlace[] {
  if (fetched === null) return [];
  let { segment, offset } = arena.place(fetched);
  return reads.map(({ step, plan }) => {
    const place = { step, segment, offset, length: plan.slotBytes };
    offset += slotBytesOf(plan);
    return place;
  });
}

/** The largest block among the inputs. */
export function largest(inputs: readonly TaskInput[]): BlockHandle | undefined {
  return inputs
    .filter(isBlock)
    .reduce<BlockHandle | undefined>((a, b) => (a === undefined || b.nbytes > a.nbytes ? b : a), undefined);
}
