/**
 * Ready tasks of one symbolic graph that find all their inputs at their worker go there, as many together as follow each
 * other. It says and leaves the same as if each went by itself.
 */
import { needOf, roomOf } from "./admission.ts";
import type { LayerBatch } from "./batches.ts";
import { CELL, RANK, RUN_ID, type Slot, STATE, TASK, WORKER } from "./columns.ts";
import type { Core } from "./core.ts";
import { countMoves, mayDraw } from "./fused.ts";
import { hasPlace, refreshWorker } from "./load.ts";
import { PROCESSING, QUEUED } from "./states.ts";
import { moveOf } from "./story.ts";
import type { WorkerState } from "./workers.ts";

const QUEUED_PROCESSING = moveOf(QUEUED, PROCESSING);

/** Tasks that go together, at the most. */
const MOST = 256;
/** Their slots; one sending is under way at a time. */
const slots = new Int32Array(MOST);

/** Tasks that are being sent; {@link flush} ends it. They have left their queue, and are as ready otherwise until then. */
export class Sending {
  readonly #core: Core;
  readonly #batch: LayerBatch;
  #worker: WorkerState | undefined;
  #room = 0;
  /** Places that the worker still has. */
  #left = 0;
  /** Tasks that go to the worker and are not sent yet, and their bytes. */
  pending = 0;
  #bytes = 0;
  /** Tasks that went. */
  sent = 0;

  constructor(core: Core, batch: LayerBatch) {
    this.#core = core;
    this.#batch = batch;
  }

  /** What is added next goes to this worker; false if it has no place. */
  to(worker: WorkerState): boolean {
    if (worker === this.#worker && this.#left > 0) return true;
    this.flush();
    if (!hasPlace(worker)) return false;
    this.#worker = worker;
    this.#left = Math.min(MOST, Math.max(1, worker.places));
    this.#room = roomOf(this.#core, worker);
    return true;
  }

  /** One more, which takes its place at its worker; false if its bytes have no room there. */
  add(slot: Slot): boolean {
    const { columns } = this.#core;
    const isHead = columns.cells[(slot << CELL) + RANK] === this.#batch.head;
    const bytes = isHead ? 0 : needOf(this.#core, slot);
    if (this.#room < bytes) return false;
    columns.reserved[slot] = bytes;
    slots[this.pending++] = slot;
    this.#bytes += bytes;
    this.#room -= bytes;
    this.#left--;
    return true;
  }

  /** Send what was added. */
  flush(): void {
    const worker = this.#worker;
    const count = this.pending;
    this.#worker = undefined;
    if (!worker || count === 0) return;
    const core = this.#core;
    const { cells } = core.columns;
    const { index, processing } = worker;
    const runId = core.nextRunId;
    core.story.open(this.#batch);
    for (let k = 0; k < count; k++) {
      const slot = slots[k] as Slot; // k < count
      const at = slot << CELL;
      cells[at + WORKER] = index;
      cells[at + RUN_ID] = runId + k;
      cells[at + STATE] = PROCESSING;
      core.story.note(cells[at + TASK] as number, QUEUED_PROCESSING);
      processing.addNew(slot);
      if (mayDraw(this.#batch, cells[at + TASK] as number)) core.drawing.push(slot);
    }
    core.outgoing.runHere(core.columns, core.outgoing.runOf(worker, this.#batch), slots, count);
    core.nextRunId += count;
    core.totals.sent += count;
    countMoves(core, QUEUED, PROCESSING, count);
    worker.extraBytes += this.#bytes;
    this.sent += count;
    this.pending = 0;
    this.#bytes = 0;
    refreshWorker(core, worker);
  }
}
