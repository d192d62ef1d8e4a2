/** What clients that take columns are told of results, together at the end of an event. */
import type { TaskId } from "../../graph/index.ts";
import type { LayerBatch } from "./batches.ts";
import type { ClientId, SchedulerInstruction } from "./events.ts";
import type { WorkerState } from "./workers.ts";

/** Blocks in one message. */
const BLOCKS_MAX = 2 ** 16;

/** Whose task is in memory, and where. */
export interface NewsOf {
  readonly batch: LayerBatch;
  readonly worker: WorkerState;
}

interface OpenNews extends NewsOf {
  readonly layer: number;
  /** Numbers of the layer's tasks in the graph: `[start, stop)`. */
  readonly start: number;
  readonly stop: number;
  readonly blocks: number[];
}

/** Collected while one event is handled. */
export class News {
  /** In the order in which the first of each came. */
  readonly #open = new Map<ClientId, OpenNews[]>();

  /** Nothing is to be told. */
  get isEmpty(): boolean {
    return this.#open.size === 0;
  }

  add(client: ClientId, { batch, worker }: NewsOf, task: TaskId): void {
    let open = this.#open.get(client);
    if (!open) {
      open = [];
      this.#open.set(client, open);
    }
    for (let i = open.length - 1; i >= 0; i--) {
      const news = open[i] as OpenNews; // i < length
      if (news.batch !== batch || news.worker !== worker || news.blocks.length >= BLOCKS_MAX) continue;
      if (task < news.start || task >= news.stop) continue;
      news.blocks.push(task - news.start);
      return;
    }
    const layer = batch.edges.layerOf(task);
    const start = batch.graph.base(layer);
    open.push({ batch, worker, layer, start, stop: start + batch.graph.count(layer), blocks: [task - start] });
  }

  /** Tell one client what there is for it. */
  flush(client: ClientId, outbox: SchedulerInstruction[]): void {
    for (const { batch, worker, layer, blocks } of this.#open.get(client) ?? []) {
      outbox.push({
        type: "send-client",
        client,
        message: {
          op: "tasks-in-memory",
          layer: batch.graph.layer(layer).name,
          grid: batch.graph.grid(layer),
          blocks: Uint32Array.from(blocks),
          worker: worker.facts.address,
        },
      });
    }
    this.#open.delete(client);
  }

  flushAll(outbox: SchedulerInstruction[]): void {
    for (const client of this.#open.keys()) this.flush(client, outbox);
  }
}
