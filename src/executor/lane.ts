/**
 * The quick lane: tasks of shared programs, whose blocks are all in memory. What such a task needs is an output, a slot
 * and a few numbers; everything else is made ready once. Calls of users' functions need no output: what they give is no block,
 * mostly. Tasks that do not fit go the usual way.
 */
import type { TaskId } from "../graph/index.ts";
import type { Arena, Place } from "./arena.ts";
import { type Records, recordsOf, writeCall } from "./call-record.ts";
import { callsFunction, NOT_RUN } from "./job.ts";
import { THREAD_BYTES } from "./prepared.ts";
import type { ProgramStore } from "./program-store.ts";
import type { BlockFacts, CallOf, Program, Programs } from "./programs.ts";
import type { Reaper } from "./reaper.ts";
import { INPUTS, OUTPUT, OWN, placeAt, RECORD_INPUTS_MAX, WORK, writePlace, writeProgram } from "./record.ts";
import { type Ring, SLOTS } from "./ring.ts";
import { taskErrorRecord } from "./steps.ts";
import type { BlockHandle, TaskInput, TaskOutcome } from "./types.ts";

/** One task of a graph. */
export interface LaneTask {
  readonly programs: Programs;
  readonly task: TaskId;
  readonly inputs: readonly TaskInput[];
  readonly done: (outcome: TaskOutcome) => void;
  /** As `done`, of a task that gave a block and moved no bytes; who has it gets no outcome of such tasks. */
  readonly made?: (output: BlockHandle, seconds: number) => void;
  /** It was told to stop. */
  isCancelled?: boolean;
}

const OWN_PLACE: Place = { segment: OWN, offset: 0 };

/** What the lane shares with the executor. */
export interface LaneOptions {
  readonly arena: Arena;
  readonly ring: Ring;
  readonly programs: ProgramStore;
  /** Slots that nothing uses; the lane takes and gives back. */
  readonly freeSlots: number[];
  /** The block's bytes can be used. */
  readonly isReady: (block: BlockHandle) => boolean;
  /** Drop a reference. */
  readonly free: (block: BlockHandle) => void;
  readonly reaper: Reaper;
}

/** Tasks of the lane that are in the ring, in columns by slot. */
export class Lane {
  readonly #options: LaneOptions;
  readonly #tasks: (LaneTask | null)[] = new Array<LaneTask | null>(SLOTS).fill(null);
  readonly #outputs: (BlockHandle | null)[] = new Array<BlockHandle | null>(SLOTS).fill(null);
  /** Registers, where the thread's own do not do. */
  readonly #works: (BlockHandle | null)[] = new Array<BlockHandle | null>(SLOTS).fill(null);
  readonly #records: Records;
  /** Jobs in the ring. */
  count = 0;

  constructor(options: LaneOptions) {
    this.#options = options;
    this.#records = recordsOf(options.ring.records);
  }

  job(slot: number): LaneTask | null {
    return this.#tasks[slot] ?? null;
  }

  /**
   * Put a task into the ring; false where it has to go the usual way. Inputs are kept until it has ended.
   * @throws the system has no memory for it, or a segment holds no such block; then nothing is taken
   */
  start(task: LaneTask, program: Program): boolean {
    const { arena, ring, freeSlots } = this.#options;
    const slot = freeSlots.at(-1);
    if (slot === undefined || !program.isShared || !this.#fits(task.inputs, program)) return false;
    const { spec, registerBytes } = program;
    const workBytes = registerBytes > THREAD_BYTES ? registerBytes : 0;
    if (!arena.hasRoom(spec.out.nbytes + workBytes)) return false;
    const stored = this.#options.programs.get(program);
    const inputs = task.inputs as readonly BlockHandle[]; // by #fits
    for (const input of inputs) {
      arena.retain(input);
      arena.pin(input);
    }
    let output: BlockHandle | null = null;
    let work: BlockHandle | null = null;
    try {
      output = arena.allocate(spec.out.dtype, spec.out.shape, inputs[0]);
      work = output && workBytes > 0 ? arena.allocate("uint8", [workBytes], output) : null;
    } finally {
      if (output === null || (workBytes > 0 && work === null)) {
        for (const input of inputs) this.#drop(input);
        if (output) this.#options.free(output);
        output = null;
      }
    }
    if (output === null) return false;
    arena.pin(output);
    if (work) arena.pin(work);
    freeSlots.pop();
    this.#tasks[slot] = task;
    this.#outputs[slot] = output;
    this.#works[slot] = work;
    this.count++;
    task.programs.underWay++;
    writeProgram(ring.records, slot, stored);
    arena.writePlace(output, ring.records, placeAt(slot, OUTPUT));
    if (work) arena.writePlace(work, ring.records, placeAt(slot, WORK));
    else writePlace(ring.records, placeAt(slot, WORK), OWN_PLACE);
    for (let k = 0; k < inputs.length; k++)
      arena.writePlace(inputs[k] as BlockHandle, ring.records, placeAt(slot, INPUTS + k)); // k < length
    ring.pushRecord(slot);
    return true;
  }

  /** As {@link start}, of a call. */
  startCall(task: LaneTask, { program, layer, index }: CallOf): boolean {
    const { arena, ring, freeSlots } = this.#options;
    const { inputs, programs } = task;
    const slot = freeSlots.at(-1);
    if (slot === undefined) return false;
    for (const input of inputs) if ("id" in input && !this.#options.isReady(input)) return false;
    if (!writeCall(this.#records, slot, { layer, index, inputs, arena })) return false;
    const stored = this.#options.programs.get(program);
    for (const input of inputs) {
      if (!("id" in input)) continue;
      arena.retain(input);
      arena.pin(input);
    }
    freeSlots.pop();
    this.#tasks[slot] = task;
    this.count++;
    programs.underWay++;
    writeProgram(ring.records, slot, stored);
    ring.pushRecord(slot);
    return true;
  }

  /** The task of a slot is over: give back what it held, all but its output, which is told; null: it is a call. */
  end(slot: number): BlockHandle | null {
    const { ring, freeSlots, arena } = this.#options;
    const { inputs, programs } = this.#tasks[slot] as LaneTask; // by the caller
    const output = this.#outputs[slot] ?? null;
    const work = this.#works[slot] ?? null;
    this.#tasks[slot] = null;
    this.#outputs[slot] = null;
    this.#works[slot] = null;
    this.count--;
    for (const input of inputs) if ("id" in input) this.#drop(input);
    if (work !== null) this.#drop(work);
    if (output !== null) arena.unpin(output);
    ring.clear(slot);
    freeSlots.push(slot);
    programs.underWay--;
    if (programs.isClosed) this.#sweep(programs);
    return output;
  }

  /** Slots of all jobs. */
  slots(): number[] {
    return this.#tasks.flatMap((task, slot) => (task ? [slot] : []));
  }

  /**
   * What is in the ring ends before it starts, as far as it has not; a function that does not end is ended. True when
   * anything was meant.
   */
  cancel(isMeant: (task: LaneTask) => boolean): boolean {
    const { ring, reaper } = this.#options;
    let isAny = false;
    this.#tasks.forEach((task, slot) => {
      if (!task || !isMeant(task)) return;
      isAny = true;
      task.isCancelled = true;
      ring.cancel(slot);
      if (callsFunction(task.programs.of(task.task).spec)) reaper.watch(slot, () => this.#tasks[slot] === task);
    });
    return isAny;
  }

  /** No task of the graph comes any more. */
  close(programs: Programs): void {
    programs.isClosed = true;
    this.#sweep(programs);
  }

  #sweep(programs: Programs): void {
    if (!programs.isClosed || programs.underWay > 0) return;
    for (const program of programs.made) this.#options.programs.drop(program);
    programs.made.clear();
  }

  /** All inputs are blocks in memory, of the form that the program was made for. */
  #fits(inputs: readonly TaskInput[], program: Program): boolean {
    if (inputs.length !== program.inputs.length || inputs.length > RECORD_INPUTS_MAX) return false;
    for (let k = 0; k < inputs.length; k++) {
      const input = inputs[k] as TaskInput; // k < length
      if (!("id" in input) || !isLike(input, program.inputs[k] as BlockFacts) || !this.#options.isReady(input))
        return false;
    }
    return true;
  }

  #drop(block: BlockHandle): void {
    this.#options.arena.unpin(block);
    this.#options.free(block);
  }
}

function isLike(block: BlockHandle, { dtype, shape }: BlockFacts): boolean {
  if (block.dtype !== dtype || block.shape.length !== shape.length) return false;
  for (let k = 0; k < shape.length; k++) if (block.shape[k] !== shape[k]) return false;
  return true;
}

/** A task that cannot be started. */
export function failSoon(task: LaneTask, error: unknown): void {
  const record = taskErrorRecord(error, task.programs.graph.key(task.task));
  queueMicrotask(() => task.done({ status: "error", error: record, ...NOT_RUN }));
}
