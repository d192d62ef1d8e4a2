/** Entry of a compute thread: takes tasks from the ring until it is ended. */
import { type MessagePort, receiveMessageOnPort, workerData } from "node:worker_threads";
import {
  CancelledError,
  type ErrorRecord,
  errorFromRecord,
  errorToRecord,
  invariant,
  isRsdatError,
  shownKind,
  UnsupportedError,
} from "../base/index.ts";
import { type DType, itemsize, type TypedArray, viewOf } from "../dtype/index.ts";
import { decodeTaskSpec, planRegisters, type TaskSpec } from "../graph/index.ts";
import {
  adoptSegment,
  exchangeModules,
  importModule,
  type NamedModule,
  type Segment,
  timeCompilations,
} from "../kernels/index.ts";
import { ascontiguous, NDArray } from "../ndarray/index.ts";
import type { Place } from "./arena.ts";
import { CallPrograms } from "./call-programs.ts";
import { readCallInputs, recordsOf, writeCallResult } from "./call-record.ts";
import { ioTeller } from "./io-share.ts";
import { type KernelShare, kernelExchange, kernelTeller } from "./kernel-share.ts";
import { isScalar, readMessage, type TaskMessage, writeScalar } from "./message.ts";
import { type Bytes, PreparedPrograms, THREAD_BYTES } from "./prepared.ts";
import { OWN, recordAt } from "./record.ts";
import { type MessagePlace, Ring, SLOT_STATE } from "./ring.ts";
import type { StackOptions, StackSampler, StackSamples } from "./stacks.ts";
import { beginTask, type StepContext } from "./steps.ts";
import { callText } from "./steps-call.ts";
import { type Fetched, planStep, type Traffic } from "./steps-io.ts";
import { withUserStack } from "./user-stack.ts";

/** What a thread is started with. */
export interface ThreadData {
  readonly ring: SharedArrayBuffer;
  readonly thread: number;
  readonly port: MessagePort;
  readonly kernels: KernelShare;
  /** Counters of what the threads have read. */
  readonly io: SharedArrayBuffer;
  /** Registers of shared programs, `THREAD_BYTES` for each thread. */
  readonly registers: Segment["memory"];
  /** Stacks are sampled. */
  readonly stacks: StackOptions | null;
}

/** What the owner posts to a thread. */
export type ToThread =
  | { readonly type: "segment"; readonly id: number; readonly memory: Segment["memory"] }
  | { readonly type: "messages"; readonly id: number; readonly buffer: SharedArrayBuffer }
  | { readonly type: "values"; readonly slot: number; readonly values: readonly unknown[] }
  /** In the place of values that cannot be posted. */
  | { readonly type: "no-values"; readonly slot: number; readonly error: ErrorRecord }
  /** A kernel that was compiled before this thread could hear of it. */
  | ModulePost;

/** A block outside the arena, as it is posted: C order. */
export type PostedArray = Pick<NDArray, "dtype" | "shape" | "data">;

/** How a task ended, where that is more than a state. */
export type TaskPost =
  | { readonly type: "error"; readonly slot: number; readonly error: ErrorRecord }
  | { readonly type: "value"; readonly slot: number; readonly value: unknown }
  | { readonly type: "array"; readonly slot: number; readonly array: PostedArray };

/** A kernel that a thread has compiled. */
export interface ModulePost {
  readonly type: "module";
  readonly made: NamedModule;
}

/** What a thread was seen to do. */
export interface StacksPost {
  readonly type: "stacks";
  readonly samples: StackSamples;
}

/** What a thread posts to its owner. */
export type FromThread = TaskPost | ModulePost | StacksPost;

const { ring: memory, thread, port, kernels, io, registers, stacks } = workerData as ThreadData; // given by the owner
exchangeModules(kernelExchange(kernels, (made) => post({ type: "module", made })));
timeCompilations(performance);
const tellKernels = kernelTeller(kernels, thread);
const tellReads = ioTeller(io, thread);
const ring = new Ring(memory);
const segments = new Map<number, SharedArrayBuffer>();
const buffers = new Map<number, SharedArrayBuffer>();
const programs = new PreparedPrograms();
const records = recordsOf(ring.records);
const calls = new CallPrograms();
const own: Bytes = { buffer: adoptSegment(registers), offset: thread * THREAD_BYTES };
let values: Extract<ToThread, { readonly slot: number }> | null = null;

function receive(): boolean {
  const got = receiveMessageOnPort(port)?.message as ToThread | undefined; // only the owner posts here
  if (got === undefined) return false;
  if (got.type === "segment") segments.set(got.id, adoptSegment(got.memory));
  else if (got.type === "messages") buffers.set(got.id, got.buffer);
  else if (got.type === "module") importModule(got.made);
  else values = got;
  return true;
}

function known<T>(map: ReadonlyMap<number, T>, id: number): T {
  for (;;) {
    const found = map.get(id);
    if (found !== undefined) return found;
    invariant(receive(), `thread ${thread} was not told of memory ${id}`);
  }
}

function bytesAt({ segment, offset }: Place, length: number): Uint8Array {
  return new Uint8Array(known(segments, segment), offset, length);
}

/** Plain values of a task's inputs: asked from the owner, who posts them to whoever runs the task. */
function plainValues(slot: number, startMs: number): readonly unknown[] {
  const seen = ring.postedCount(thread);
  ring.end(slot, SLOT_STATE.wanting, { startMs, stopMs: startMs, thread, bytesRead: 0, bytesWritten: 0 });
  while (values?.slot !== slot) if (!receive()) ring.waitPosted(thread, seen);
  const got = values;
  values = null;
  if (got.type === "no-values") throw errorFromRecord(got.error);
  return got.values;
}

function inputsOf(message: TaskMessage, slot: number, startMs: number): unknown[] {
  const plain = message.inputs.includes(null) ? plainValues(slot, startMs) : [];
  return message.inputs.map((place, k) => {
    if (place === null) return plain[k];
    if ("scalar" in place) return place.scalar;
    return NDArray.view(place.dtype, known(segments, place.segment), place.offset, place.shape);
  });
}

function fetchedOf(message: TaskMessage, spec: TaskSpec): ReadonlyMap<number, Fetched> {
  return new Map(
    message.fetched.map((f) => {
      const step = spec.steps[f.step];
      invariant(step?.do === "read", `step ${f.step} reads nothing`);
      return [f.step, { plan: planStep(step), slots: bytesAt(f, f.length) }];
    }),
  );
}

function contextOf(message: TaskMessage, spec: TaskSpec, slot: number, traffic: Traffic): StepContext {
  const { offsets, bytes } = planRegisters(spec.inputs, spec.steps);
  const { work } = message;
  invariant(bytes <= work.length, `${bytes} bytes of registers in a workspace of ${work.length}`);
  const memory = work.length > 0 ? known(segments, work.segment) : null;
  return {
    place: (k, step) => {
      invariant(memory !== null, "a task of several steps has a workspace");
      return NDArray.view(step.dtype, memory, work.offset + (offsets[k] as number), step.shape); // one per step
    },
    output: NDArray.view(
      spec.out.dtype,
      known(segments, message.output.segment),
      message.output.offset,
      spec.out.shape,
    ),
    ...(work.length > bytes ? { scratch: bytesAt({ ...work, offset: work.offset + bytes }, work.length - bytes) } : {}),
    trusted: message.trusted,
    traffic,
    isCancelled: () => ring.isCancelled(slot),
    fetched: fetchedOf(message, spec),
  };
}

function now(): number {
  return performance.timeOrigin + performance.now();
}

/** Run the task of a slot and tell how it went; a promise where it has to wait. */
function serve(slot: number): Promise<void> | undefined {
  const place = ring.place(slot);
  if (place !== null) return serveMessage(slot, place);
  return recordAt(ring.records, slot).isCall ? serveCall(slot) : serveRecord(slot);
}

/** Run a call of a user's function. */
function serveCall(slot: number): Promise<void> | undefined {
  const startMs = now();
  try {
    if (ring.isCancelled(slot)) throw new CancelledError("cancelled before the start");
    const record = recordAt(ring.records, slot);
    const { program } = record;
    const text = calls.get(program, () => programBytes(record.bytes));
    const inputs = readCallInputs(ring.records, slot).map((place) =>
      "scalar" in place
        ? place.scalar
        : NDArray.view(place.dtype, known(segments, place.segment), place.offset, place.shape),
    );
    const value = callText(text, calls.argumentsOf(records, slot, inputs), true);
    if (value instanceof Promise)
      return value
        .then((result: unknown) => endCall(slot, startMs, result))
        .catch((error: unknown) => failCall(slot, startMs, error));
    endCall(slot, startMs, value);
  } catch (error) {
    failCall(slot, startMs, error);
  }
  return undefined;
}

function endCall(slot: number, startMs: number, value: unknown): void {
  let state: number = SLOT_STATE.scalar;
  if (isScalar(value)) writeCallResult(ring.records, slot, value);
  else {
    postResult(slot, value);
    state = SLOT_STATE.posted;
  }
  endSlot(slot, state, startMs);
}

function failCall(slot: number, startMs: number, error: unknown): void {
  const isCancelled = isRsdatError(error, "cancelled");
  if (!isCancelled) postError(slot, error);
  endSlot(slot, isCancelled ? SLOT_STATE.cancelled : SLOT_STATE.posted, startMs);
}

function endSlot(slot: number, state: number, startMs: number): void {
  tellKernels();
  ring.end(slot, state, { startMs, stopMs: now(), thread, bytesRead: 0, bytesWritten: 0 });
}

/** A task of a shared program: nothing is waited for. */
function serveRecord(slot: number): undefined {
  const startMs = now();
  let state: number = SLOT_STATE.ok;
  try {
    runRecord(slot);
  } catch (error) {
    state = isRsdatError(error, "cancelled") ? SLOT_STATE.cancelled : SLOT_STATE.posted;
    if (state === SLOT_STATE.posted) postError(slot, error);
  }
  endSlot(slot, state, startMs);
}

/** The last spec that was read, and its bytes: calls of one function come one after another. */
let lastSpec: { readonly bytes: Uint8Array; readonly spec: TaskSpec } | null = null;

/** @param shared a copy is made of these, where they are others: text decoders take no shared memory */
function specOf(shared: Uint8Array): TaskSpec {
  if (lastSpec === null || Buffer.compare(lastSpec.bytes, shared) !== 0) {
    const bytes = new Uint8Array(shared);
    lastSpec = { bytes, spec: decodeTaskSpec(bytes) };
  }
  return lastSpec.spec;
}

function serveMessage(slot: number, place: MessagePlace): Promise<void> | undefined {
  const traffic: Traffic = { bytesRead: 0, bytesWritten: 0 };
  const startMs = now();
  let readsStores = false;
  const end = (state: number): void => {
    tellKernels();
    if (readsStores) tellReads();
    ring.end(slot, state, { startMs, stopMs: now(), thread, ...traffic });
  };
  const fail = (error: unknown): void => {
    if (isRsdatError(error, "cancelled")) {
      end(SLOT_STATE.cancelled);
      return;
    }
    postError(slot, error);
    end(SLOT_STATE.posted);
  };
  const succeed = (result: unknown, context: StepContext): void => {
    if (result === context.output) {
      end(SLOT_STATE.ok);
      return;
    }
    const place = ring.place(slot);
    if (isScalar(result) && place !== null) {
      writeScalar(known(buffers, place.buffer), place.offset, result);
      end(SLOT_STATE.scalar);
      return;
    }
    postResult(slot, result);
    end(SLOT_STATE.posted);
  };
  try {
    const message = readMessage(known(buffers, place.buffer), place.offset);
    const spec = specOf(message.spec);
    readsStores = spec.steps.some((step) => step.do === "read");
    const context = contextOf(message, spec, slot, traffic);
    const { isDone, value } = beginTask(spec, inputsOf(message, slot, startMs), context);
    if (isDone) succeed(value, context);
    else return (value as Promise<unknown>).then((result) => succeed(result, context)).catch(fail); // not done: a promise
  } catch (error) {
    fail(error);
  }
  return undefined;
}

/** Run a task of a shared program. */
function runRecord(slot: number): void {
  if (ring.isCancelled(slot)) throw new CancelledError("cancelled before the start");
  const record = recordAt(ring.records, slot);
  const prepared = programs.get(record.program, () => programBytes(record.bytes));
  if (prepared.whole !== null) {
    prepared.whole.run(record, cellsOf);
    return;
  }
  const { outputSegment, workSegment } = record;
  const work = workSegment === OWN ? own : { buffer: known(segments, workSegment), offset: record.workOffset };
  prepared.run(record, (segment) => known(segments, segment), {
    output: { buffer: known(segments, outputSegment), offset: record.outputOffset },
    work,
  });
}

/** Segments as elements, by dtype. */
const elements = new Map<DType, TypedArray[]>();

function cellsOf(segment: number, dtype: DType): TypedArray {
  let views = elements.get(dtype);
  if (views === undefined) {
    views = [];
    elements.set(dtype, views);
  }
  const known = views[segment];
  return known === undefined ? addView(views, segment, dtype) : known;
}

function addView(views: TypedArray[], segment: number, dtype: DType): TypedArray {
  const buffer = known(segments, segment);
  const view = viewOf(dtype, buffer, 0, buffer.byteLength / itemsize(dtype));
  views[segment] = view;
  return view;
}

/** A copy, as text decoders take no shared memory. */
function programBytes({ buffer, offset, length }: MessagePlace): Uint8Array {
  return new Uint8Array(new Uint8Array(known(buffers, buffer), offset, length));
}

/** What a function gave when it is not the block that was asked for. */
function resultMessage(slot: number, result: unknown): FromThread {
  if (!(result instanceof NDArray)) return { type: "value", slot, value: result };
  const { dtype, shape, data } = ascontiguous(result);
  return { type: "array", slot, array: { dtype, shape, data } };
}

function post(message: FromThread): void {
  port.postMessage(message);
}

/** What a function gave. @throws {UnsupportedError} it cannot be copied */
function postResult(slot: number, result: unknown): void {
  try {
    post(resultMessage(slot, result));
  } catch (cause) {
    const why = errorToRecord(cause).message;
    throw new UnsupportedError(
      `the function gave ${shownKind(result)}, which cannot leave its thread: ${why.replace(/\.$/, "")}; give numbers, texts, arrays, lists, objects, Maps or Sets of these`,
      { cause },
    );
  }
}

/** An error of a user's may hold anything: what cannot be copied stays here, and its words go. */
function postError(slot: number, error: unknown): void {
  try {
    post({ type: "error", slot, error: withUserStack(errorToRecord(error)) });
  } catch {
    post({ type: "error", slot, error: withUserStack(wordsOf(error)) });
  }
}

function wordsOf(error: unknown): ErrorRecord {
  try {
    const { name, message, stack, code } = error as Error & { readonly code?: unknown };
    return {
      name: String(name),
      code: String(code ?? "error"),
      message: String(message),
      stack: String(stack),
      details: {},
    };
  } catch {
    return { name: "Error", code: "error", message: "an error that does not say what it is", details: {} };
  }
}

/** One turn of the event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** As {@link serve}, and what runs is sampled. */
function serveSampled(sampler: StackSampler): typeof serve {
  return (slot) => {
    sampler.begin();
    return serve(slot);
  };
}

/** Node's inspector is loaded only where it is asked for. */
async function stackSampler(options: StackOptions): Promise<StackSampler> {
  const { StackSampler } = await import("./stacks.ts");
  return new StackSampler(options, (samples) => post({ type: "stacks", samples }));
}

async function main(): Promise<never> {
  while (receive()); // all that was known before this thread
  const sampler = stacks === null ? null : await stackSampler(stacks);
  const run = sampler === null ? serve : serveSampled(sampler);
  for (;;) {
    const slot = ring.take(thread);
    if (slot === null) sampler?.rest();
    // A thread that is told to end while it starts may miss it: its event loop knows.
    const waiting = slot === null ? turn() : run(slot);
    if (waiting !== undefined) await waiting;
  }
}

await main();
