/** What clients that take columns are told of results, together at the end of an event. */
import { type ColumnScalar, KeyColumn, scalarKind, type TaskId } from "../../graph/index.ts";
import type { LayerBatch } from "./batches.ts";
import type { ClientId, SchedulerInstruction } from "./events.ts";
import { type RowList, rowList, TaskRows } from "./rows.ts";
import type { WorkerState } from "./workers.ts";

/** Blocks in one message. */
const BLOCKS_MAX = 2 ** 16;

/** Whose task is in memory, and where. */
export interface NewsOf {
  readonly batch: LayerBatch;
  readonly worker: WorkerState;
}

interface OpenNews extends NewsOf, RowList {
  readonly layer: number;
  /** Numbers of the layer's tasks in the graph: `[start, stop)`. */
  readonly start: number;
  readonly stop: number;
  /** The one before of the same worker. */
  readonly before: OpenNews | undefined;
}

/** What one client is to be told: in the order in which the first of each came, and the last of each worker. */
interface Open<N> {
  readonly all: N[];
  readonly last: Map<WorkerState, N>;
}

function openOf<N>(clients: Map<ClientId, Open<N>>, client: ClientId): Open<N> {
  let open = clients.get(client);
  if (!open) {
    open = { all: [], last: new Map() };
    clients.set(client, open);
  }
  return open;
}

/** Results of one worker with keys of their own. */
interface OpenKeys {
  readonly worker: WorkerState;
  readonly columns: KeyColumn[];
  readonly indices: number[];
  readonly kinds: number[];
  readonly scalars: number[];
}

/** A key: one of a column. */
export interface NamedBy {
  readonly keys: KeyColumn;
  readonly index: number;
}

/** True when a task belongs there, and there is room. */
function takes(news: OpenNews, batch: LayerBatch, task: TaskId): boolean {
  return news.batch === batch && task >= news.start && task < news.stop && news.count < BLOCKS_MAX;
}

/** Collected while one event is handled. */
export class News {
  readonly #open = new Map<ClientId, Open<OpenNews>>();
  readonly #keys = new Map<ClientId, Open<OpenKeys>>();
  /** Blocks of all that is open. */
  readonly #blocks = new TaskRows();
  /** What was added to last, for whom: most follow one of the same kind. */
  #last: OpenNews | undefined;
  #lastClient: ClientId = "";

  /** Nothing is to be told. */
  get isEmpty(): boolean {
    return this.#open.size + this.#keys.size === 0;
  }

  /** A result with a key of its own, and perhaps the result itself. */
  addKey(client: ClientId, worker: WorkerState, { keys, index }: NamedBy, scalar: ColumnScalar | undefined): void {
    const open = openOf(this.#keys, client);
    let news = open.last.get(worker);
    if (!news || news.columns.length >= BLOCKS_MAX) {
      news = { worker, columns: [], indices: [], kinds: [], scalars: [] };
      open.all.push(news);
      open.last.set(worker, news);
    }
    const kind = scalarKind(scalar);
    news.columns.push(keys);
    news.indices.push(index);
    news.kinds.push(kind);
    news.scalars.push(kind === 0 ? 0 : Number(scalar));
  }

  add(client: ClientId, of: NewsOf, task: TaskId): void {
    const news = this.#last;
    if (news && this.#lastClient === client && news.worker === of.worker && takes(news, of.batch, task))
      this.#blocks.add(news, task - news.start);
    else this.#addTo(client, of, task);
  }

  #addTo(client: ClientId, { batch, worker }: NewsOf, task: TaskId): void {
    const { all, last } = openOf(this.#open, client);
    const before = last.get(worker);
    let news = before;
    while (news !== undefined && !takes(news, batch, task)) news = news.before;
    if (news === undefined) {
      const layer = batch.edges.layerOf(task);
      const start = batch.graph.base(layer);
      const stop = start + batch.graph.count(layer);
      news = { batch, worker, layer, start, stop, before, ...rowList() };
      all.push(news);
      last.set(worker, news);
    }
    this.#blocks.add(news, task - news.start);
    this.#last = news;
    this.#lastClient = client;
  }

  /** Tell one client what there is for it. */
  flush(client: ClientId, outbox: SchedulerInstruction[]): void {
    for (const news of this.#open.get(client)?.all ?? []) {
      const { batch, worker, layer } = news;
      const blocks = new Uint32Array(news.count);
      this.#blocks.fill(news, blocks);
      outbox.push({
        type: "send-client",
        client,
        message: {
          op: "tasks-in-memory",
          layer: batch.graph.layer(layer).name,
          grid: batch.graph.grid(layer),
          blocks,
          worker: worker.facts.address,
        },
      });
    }
    this.#open.delete(client);
    this.#last = undefined;
    if (this.#open.size === 0) this.#blocks.clear();
    for (const { worker, columns, indices, kinds, scalars } of this.#keys.get(client)?.all ?? [])
      outbox.push({
        type: "send-client",
        client,
        message: {
          op: "keys-in-memory",
          keys: KeyColumn.pick(columns, indices),
          kinds: Uint8Array.from(kinds),
          scalars: Float64Array.from(scalars),
          worker: worker.facts.address,
        },
      });
    this.#keys.delete(client);
  }

  flushAll(outbox: SchedulerInstruction[]): void {
    for (const client of this.#open.keys()) this.flush(client, outbox);
    for (const client of this.#keys.keys()) this.flush(client, outbox);
  }
}
