/** The last transitions, in a ring: a few stores each, read when somebody asks. */
import type { Key, TaskId } from "../../graph/index.ts";
import type { LayerBatch } from "./batches.ts";
import type { Slot } from "./columns.ts";
import type { Core } from "./core.ts";
import type { StoryEntry } from "./events.ts";
import { STATES } from "./states.ts";

const LENGTH = 16_384;
/** States are numbers of so many bits. */
const STATE_BITS = 4;
const STATE_MASK = (1 << STATE_BITS) - 1;

/** What many transitions in a row have in common. */
interface Scene {
  /** Whose task it was: a batch's, or the one with this key. */
  readonly owner: LayerBatch | Key;
  readonly now: number;
  readonly stimulusId: string;
}

/** Ring of transitions. */
export class Story {
  readonly #scenes: (Scene | undefined)[] = new Array<Scene | undefined>(LENGTH).fill(undefined);
  #nextScene = 0;
  #last: Scene | undefined;
  readonly #scene = new Uint32Array(LENGTH);
  readonly #task = new Uint32Array(LENGTH);
  readonly #move = new Uint8Array(LENGTH);
  #next = 0;
  #owner: LayerBatch | Key = "" as Key; // nobody's yet
  #now = 0;
  #stimulusId = "";

  /** Another event is handled. */
  begin(now: number, stimulusId: string): void {
    this.#now = now;
    this.#stimulusId = stimulusId;
    this.#last = undefined;
  }

  add(core: Core, slot: Slot, from: number, to: number): void {
    this.open(core.batchOf(slot) ?? core.recordOf(slot).key);
    this.note(core.columns.task[slot] as number, (from << STATE_BITS) | to); // a slot given out
  }

  /** Transitions that are noted next are of this batch's tasks. */
  open(owner: LayerBatch | Key): void {
    this.#owner = owner;
  }

  /** A transition of a task of the batch that {@link open} told. */
  note(task: TaskId, move: number): void {
    if (this.#last === undefined || this.#last.owner !== this.#owner) {
      this.#last = { owner: this.#owner, now: this.#now, stimulusId: this.#stimulusId };
      this.#scenes[this.#nextScene++ % LENGTH] = this.#last;
    }
    const i = this.#next++ % LENGTH;
    this.#task[i] = task;
    this.#move[i] = move;
    this.#scene[i] = this.#nextScene - 1;
  }

  /** Transitions of these tasks, oldest first. */
  of(keys: readonly Key[]): StoryEntry[] {
    const wanted = new Set(keys);
    const out: StoryEntry[] = [];
    for (let n = Math.max(0, this.#next - LENGTH); n < this.#next; n++) {
      const i = n % LENGTH;
      // Entries are no more than scenes, so the scene of one that is here is here.
      const { owner, now, stimulusId } = this.#scenes[(this.#scene[i] as number) % LENGTH] as Scene;
      const key = typeof owner === "string" ? owner : owner.graph.key(this.#task[i] as number);
      if (!wanted.has(key)) continue;
      const move = this.#move[i] as number;
      const [from, to] = [STATES[move >>> STATE_BITS] as string, STATES[move & STATE_MASK] as string];
      out.push({ key, from, to, stimulusId, now });
    }
    return out;
  }
}

/** One move as a number. */
export function moveOf(from: number, to: number): number {
  return (from << STATE_BITS) | to;
}
