/** One `execute` instruction: reads the spec, checks who vouches for user code, hands the task to the executor. */
import { errorFromRecord, errorToRecord, TaskError, UnsupportedError } from "../base/index.ts";
import type { Executor, TaskOutcome } from "../executor/index.ts";
import {
  decodeTaskSpec,
  type Key,
  type Layer,
  showKey,
  type TaskSpec,
  verifyCalls,
  verifyTaskSpec,
} from "../graph/index.ts";
import { type Pickled, readRunSpec, type Serialized, type StartStop } from "../protocol/index.ts";
import { taskFailure } from "./failure.ts";
import type { RunSpec, WorkerEvent, WorkerInstruction } from "./state/index.ts";
import type { Stored, Values } from "./values.ts";

/** What user code needs to run here. */
export interface Trust {
  /** The cluster's token; null: none. */
  readonly token: string | null;
  readonly allowInsecure: boolean;
}

/** What a task moved from and to stores. */
export interface Moved {
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

const NOTHING_MOVED: Moved = { bytesRead: 0, bytesWritten: 0 };

/** The end of an execution, without time and stimulus. */
export type Ended =
  | {
      readonly type: "execute-success";
      readonly key: Key;
      readonly runId: number;
      readonly stored: Stored;
      readonly thread: number;
      readonly startstops: readonly StartStop[];
    }
  | Pick<
      Extract<WorkerEvent, { readonly type: "execute-failure" }>,
      "type" | "key" | "runId" | "failure" | "thread" | "startstops"
    >;

/** What a task runs with; `worker` is the address that its errors name. */
export interface TaskSurroundings {
  readonly executor: Executor;
  readonly values: Values;
  readonly trust: Trust;
  readonly worker: string;
}

/** Run the task of `instruction`; `done` is called once, later, whatever happens. */
export function runTask(
  { executor, values, trust, worker }: TaskSurroundings,
  instruction: Extract<WorkerInstruction, { readonly type: "execute" }>,
  done: (ended: Ended, moved: Moved) => void,
): void {
  const { key, runId } = instruction;
  const fail = (error: unknown): void => {
    const failure = taskFailure(error, worker);
    done({ type: "execute-failure", key, runId, failure, thread: null, startstops: [] }, NOTHING_MOVED);
  };
  const held: (() => void)[] = [];
  const release = (): void => {
    for (const step of held.splice(0)) step();
  };
  try {
    const { spec, dependencies } = nativeSpec(instruction.runSpec, key);
    const inputs = (dependencies ?? instruction.dependencies).map((input) => {
      const taken = values.inputOf(input);
      held.push(taken.release);
      return taken.input;
    });
    executor.submit({ key, spec, inputs, trusted: isTrusted(spec, trust) }, (outcome) => {
      release();
      done(endOf(instruction, outcome, worker), outcome);
    });
  } catch (error) {
    release();
    queueMicrotask(() => fail(error));
  }
}

function nativeSpec(
  runSpec: Serialized | Pickled,
  key: Key,
): { readonly spec: Uint8Array; readonly dependencies: readonly Key[] | undefined } {
  const read = readRunSpec(runSpec);
  if (read.kind === "native") return read;
  throw new UnsupportedError(
    `task ${showKey(key)} calls Python's ${read.name}, but this is an rsdat worker; restrict Python tasks to Python workers by workers or resources`,
    { details: { key, python: read.name } },
  );
}

/** User code is trusted when the spec carries its mac under the cluster's token. */
export function isTrusted(bytes: Uint8Array, trust: Trust): boolean {
  if (trust.allowInsecure) return true;
  // Looked for first, so that specs of kernels are not decoded on this thread.
  if (trust.token === null || !Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes('"call"'))
    return false;
  const spec = decodeTaskSpec(bytes);
  return spec.steps.some((step) => step.do === "call") && verifyTaskSpec(spec, trust.token);
}

/** As {@link isTrusted}, of a task of a graph: a layer of calls has one mac for all of them, whatever their specs. */
export function isTrustedSpec(spec: TaskSpec | null, layer: Layer, trust: Trust): boolean {
  if (trust.allowInsecure || trust.token === null) return trust.allowInsecure;
  if (layer.kind !== "calls") return spec !== null && verifyTaskSpec(spec, trust.token);
  let isVerified = VERIFIED.get(layer);
  if (isVerified === undefined) {
    isVerified = verifyCalls(layer, trust.token);
    VERIFIED.set(layer, isVerified);
  }
  return isVerified;
}
const VERIFIED = new WeakMap<Layer, boolean>();

function endOf(
  { key, runId }: { readonly key: Key; readonly runId: number },
  outcome: TaskOutcome,
  worker: string,
): Ended {
  const startstops: StartStop[] = [{ action: "compute", start: outcome.startMs / 1000, stop: outcome.stopMs / 1000 }];
  const common = { key, runId, thread: outcome.thread, startstops };
  switch (outcome.status) {
    case "ok":
      return { type: "execute-success", ...common, stored: { kind: "block", handle: outcome.output } };
    case "value":
      return {
        type: "execute-success",
        ...common,
        stored: { kind: "plain", value: outcome.value, nbytes: outcome.nbytes },
      };
    case "error":
      return { type: "execute-failure", ...common, failure: taskFailure(errorFromRecord(outcome.error), worker) };
    case "cancelled":
      return {
        type: "execute-failure",
        ...common,
        failure: taskFailure(new TaskError("cancelled", `task ${showKey(key)} was cancelled`), worker),
      };
  }
}

/** Bytes that a native task needs beyond its inputs; null for others. */
export function needOf(runSpec: RunSpec): number | null {
  const known = NEEDS.get(runSpec);
  if (known !== undefined) return known;
  const need = readNeed(runSpec);
  NEEDS.set(runSpec, need);
  return need;
}
const NEEDS = new WeakMap<RunSpec, number | null>();

function readNeed(runSpec: RunSpec): number | null {
  try {
    const read = readRunSpec(runSpec);
    if (read.kind !== "native") return null;
    const spec: TaskSpec = decodeTaskSpec(read.spec);
    return spec.out.nbytes + spec.workspace;
  } catch (error) {
    // Unreadable specs fail when they run, with their key.
    if (errorToRecord(error).code !== "error") return null;
    throw error;
  }
}
