/** The last transitions, in a ring: a few stores each, read when somebody asks. */
import type { Key } from "../../graph/index.ts";
import type { LayerBatch } from "./batches.ts";
import type { Slot } from "./columns.ts";
import type { Core } from "./core.ts";
import type { StoryEntry } from "./events.ts";
import { STATES } from "./states.ts";

const LENGTH = 16_384;

/** Ring of transitions. */
export class Story {
  /** Owner of the slot at that time: a batch, or the key itself. */
  readonly #owner: (LayerBatch | Key)[] = [];
  readonly #task = new Uint32Array(LENGTH);
  readonly #from = new Uint8Array(LENGTH);
  readonly #to = new Uint8Array(LENGTH);
  readonly #now = new Float64Array(LENGTH);
  readonly #stimulus: string[] = [];
  #next = 0;

  add(core: Core, slot: Slot, from: number, to: number): void {
    const i = this.#next++ % LENGTH;
    const owner = core.batchOf(slot) ?? core.recordOf(slot).key;
    if (this.#owner[i] !== owner) this.#owner[i] = owner;
    this.#task[i] = core.columns.task[slot] as number; // a slot given out
    this.#from[i] = from;
    this.#to[i] = to;
    this.#now[i] = core.now;
    if (this.#stimulus[i] !== core.stimulusId) this.#stimulus[i] = core.stimulusId;
  }

  /** Transitions of these tasks, oldest first. */
  of(keys: readonly Key[]): StoryEntry[] {
    const wanted = new Set(keys);
    const out: StoryEntry[] = [];
    for (let n = Math.max(0, this.#next - LENGTH); n < this.#next; n++) {
      const i = n % LENGTH;
      const owner = this.#owner[i] as LayerBatch | Key; // written with the entry
      const key = typeof owner === "string" ? owner : owner.graph.key(this.#task[i] as number);
      if (!wanted.has(key)) continue;
      const [from, to] = [STATES[this.#from[i] as number] as string, STATES[this.#to[i] as number] as string];
      out.push({ key, from, to, stimulusId: this.#stimulus[i] as string, now: this.#now[i] as number });
    }
    return out;
  }
}
