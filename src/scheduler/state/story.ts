/** The last transitions, in a ring: a few stores each, read when somebody asks. */
import { invariant } from "../../base/index.ts";
import { blockKey, type Graph, type Key, type KeyColumn, keysOf, type TaskId } from "../../graph/index.ts";
import type { LayerBatch } from "./batches.ts";
import { CELL, type Slot, TASK } from "./columns.ts";
import type { Core } from "./core.ts";
import type { StoryEntry } from "./events.ts";
import { STATES, type TaskState } from "./states.ts";

/** Entries are two words: the task; its scene and its move. */
const ENTRY = 2;
const MOVE_BITS = 8;
const MOVE_MASK = (1 << MOVE_BITS) - 1;
/** States are numbers of so many bits. */
const STATE_BITS = 4;
const STATE_MASK = (1 << STATE_BITS) - 1;

/** Keys of a graph's tasks, and nothing else of it: transitions are remembered for longer than graphs. */
class TaskNames {
  readonly #layers: readonly {
    readonly base: TaskId;
    readonly name: string;
    readonly grid: readonly number[];
    readonly keys: KeyColumn | null;
  }[];

  constructor(graph: Graph) {
    this.#layers = graph.layers.flatMap((layer, k) =>
      layer.inline ? [] : [{ base: graph.base(k), name: layer.name, grid: graph.grid(k), keys: keysOf(layer) }],
    );
  }

  key(task: TaskId): Key {
    const layer = this.#layers.findLast(({ base }) => base <= task);
    invariant(layer, `task ${task} of a graph`);
    let rest = task - layer.base;
    if (layer.keys) return layer.keys.at(rest);
    const position = layer.grid.map(() => 0);
    for (let k = position.length - 1; k >= 0; k--) {
      const n = layer.grid[k] as number; // k < length
      position[k] = rest % n;
      rest = Math.floor(rest / n);
    }
    return blockKey(layer.name, position);
  }
}

const NAMES = new WeakMap<LayerBatch, TaskNames>();

function namesOf(batch: LayerBatch): TaskNames {
  let names = NAMES.get(batch);
  if (names === undefined) {
    names = new TaskNames(batch.graph);
    NAMES.set(batch, names);
  }
  return names;
}

/** What many transitions in a row have in common. */
interface Scene {
  /** Whose task it was: a batch's, or the one with this key. */
  readonly owner: TaskNames | Key;
  readonly now: number;
  readonly stimulusId: string;
}

/** Ring of transitions. */
export class Story {
  readonly #scenes: (Scene | undefined)[];
  #nextScene = 0;
  readonly #entries: Uint32Array;
  readonly #length: number;
  /** Where the next entry goes; all places are taken. */
  #next = 0;
  #isFull = false;
  /** Of the scene that began last in this event, and of what is noted next. */
  #lastOwner: LayerBatch | Key | undefined;
  #owner: LayerBatch | Key = "" as Key; // nobody's yet
  #now = 0;
  #stimulusId = "";
  /** What was noted since somebody took it, while somebody listens; what is in the ring from `#heardTo` on is not in it yet. */
  #heard: StoryEntry[] | null = null;
  #heardTo = 0;

  /** @param length transitions that are remembered */
  constructor(length: number) {
    this.#length = length;
    const places = Math.max(1, length);
    this.#scenes = new Array<Scene | undefined>(places).fill(undefined);
    this.#entries = new Uint32Array(places * ENTRY);
  }

  /** Another event is handled. */
  begin(now: number, stimulusId: string): void {
    this.#now = now;
    this.#stimulusId = stimulusId;
    this.#lastOwner = undefined;
  }

  add(core: Core, slot: Slot, from: number, to: number): void {
    this.open(core.batchOf(slot) ?? core.recordOf(slot).key);
    this.note(core.columns.cells[(slot << CELL) + TASK] as number, (from << STATE_BITS) | to); // a slot given out
  }

  /** Transitions that are noted next are of this batch's tasks. */
  open(owner: LayerBatch | Key): void {
    this.#owner = owner;
  }

  /** A transition of a task of the batch that {@link open} told. */
  note(task: TaskId, move: number): void {
    if (this.#lastOwner !== this.#owner) {
      this.#lastOwner = this.#owner;
      const owner = typeof this.#owner === "string" ? this.#owner : namesOf(this.#owner);
      this.#nextScene = this.#nextScene + 1 < this.#scenes.length ? this.#nextScene + 1 : 0;
      this.#scenes[this.#nextScene] = { owner, now: this.#now, stimulusId: this.#stimulusId };
    }
    const at = this.#next;
    this.#entries[at] = task;
    this.#entries[at + 1] = (this.#nextScene << MOVE_BITS) | move;
    this.#next = at + ENTRY;
    if (this.#next === this.#entries.length) this.#wrap();
  }

  #wrap(): void {
    if (this.#heard !== null) this.#hear(this.#heard, this.#entries.length);
    this.#heardTo = 0;
    this.#next = 0;
    this.#isFull = true;
  }

  /** Keep transitions from now on until they are taken, or not any more. Notes are read out of the ring: they cost nothing more. */
  listen(isOn: boolean): void {
    if (isOn === (this.#heard !== null)) return;
    this.#heard = isOn ? [] : null;
    this.#heardTo = this.#next;
  }

  /** What was noted since the last time, oldest first; nothing where nobody listens. */
  take(): readonly StoryEntry[] {
    const heard = this.#heard;
    if (heard === null) return [];
    this.#hear(heard, this.#next);
    if (heard.length > 0) this.#heard = [];
    return heard;
  }

  #hear(heard: StoryEntry[], to: number): void {
    for (let at = this.#heardTo; at < to; at += ENTRY) heard.push(this.#at(at));
    this.#heardTo = to;
  }

  /** Transitions of these tasks, oldest first. */
  of(keys: readonly Key[]): StoryEntry[] {
    const wanted = new Set(keys);
    const out: StoryEntry[] = [];
    if (this.#length === 0) return out;
    const places = this.#entries.length;
    const count = this.#isFull ? places : this.#next;
    for (let n = 0; n < count; n += ENTRY) {
      const entry = this.#at((this.#isFull ? this.#next + n : n) % places);
      if (wanted.has(entry.key)) out.push(entry);
    }
    return out;
  }

  /** The entry at a place that was filled. */
  #at(at: number): StoryEntry {
    const [task, word] = [this.#entries[at] as number, this.#entries[at + 1] as number]; // a place that was filled
    // Entries are no more than scenes, so the scene of one that is here is here.
    const { owner, now, stimulusId } = this.#scenes[word >>> MOVE_BITS] as Scene;
    const key = typeof owner === "string" ? owner : owner.key(task);
    const move = word & MOVE_MASK;
    const [from, to] = [STATES[move >>> STATE_BITS] as TaskState, STATES[move & STATE_MASK] as TaskState];
    return { key, from, to, stimulusId, now };
  }
}

/** One move as a number. */
export function moveOf(from: number, to: number): number {
  return (from << STATE_BITS) | to;
}
