/** A worker and a client that are only connections: the test says every word. */
import { silentLogger } from "../../src/base/index.ts";
import {
  BatchedStream,
  type Comm,
  connect,
  type Listener,
  listen,
  NO_REPLY,
  readStream,
  serveRequests,
} from "../../src/comm/index.ts";
import { type Key, keyOfValue } from "../../src/graph/index.ts";
import {
  CLIENT_TO_SCHEDULER,
  type ClientToScheduler,
  type ComputeTask,
  GET_DATA,
  REGISTER_CLIENT,
  REGISTER_WORKER,
  SCHEDULER_TO_CLIENT,
  SCHEDULER_TO_WORKER,
  type SchedulerToClient,
  type SchedulerToWorker,
  type Serialized,
  type StreamStart,
  serialize,
  UPDATE_DATA,
  type Versions,
  WORKER_TO_SCHEDULER,
  type WorkerMetrics,
  type WorkerToScheduler,
} from "../../src/protocol/index.ts";

export const NO_VERSIONS: Versions = { host: new Map(), packages: new Map() };
export const METRICS_OF_NOTHING: WorkerMetrics = {
  taskCounts: new Map(),
  bandwidth: { total: 1e8, workers: new Map(), types: new Map() },
  digestsTotalSinceHeartbeat: new Map(),
  managedBytes: 0,
  spilledBytes: { memory: 0, disk: 0 },
  transfer: {
    incomingBytes: 0,
    incomingCount: 0,
    incomingCountTotal: 0,
    outgoingBytes: 0,
    outgoingCount: 0,
    outgoingCountTotal: 0,
  },
  eventLoopInterval: 0.02,
  cpu: 0,
  memory: 1000,
  time: 0,
  hostNetIo: { readBps: 0, writeBps: 0 },
  numFds: 1,
};

/** Messages in the order in which they came, to be taken one by one. */
class Inbox<M> {
  readonly #messages: M[] = [];
  readonly #waiting: (() => void)[] = [];

  push(messages: readonly M[]): void {
    this.#messages.push(...messages);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** The first message that fits; those before it stay. */
  async take<T extends M>(fits: (message: M) => message is T): Promise<T> {
    for (;;) {
      const at = this.#messages.findIndex(fits);
      if (at >= 0) return this.#messages.splice(at, 1)[0] as T;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }
}

/** A worker that does nothing by itself. Values it is given to serve stand in `values`. */
export class FakeWorker {
  readonly address: string;
  readonly comm: Comm;
  readonly stream: BatchedStream<WorkerToScheduler>;
  readonly values: Map<Key, Serialized> = new Map();
  /** Orders that came together. */
  readonly batches: (readonly string[])[] = [];
  readonly #inbox = new Inbox<SchedulerToWorker>();
  readonly #listener: Listener;

  private constructor(comm: Comm, listener: Listener, address: string) {
    this.comm = comm;
    this.address = address;
    this.#listener = listener;
    this.stream = new BatchedStream<WorkerToScheduler>(comm, WORKER_TO_SCHEDULER.encode);
  }

  static async join(
    scheduler: string,
    options: {
      readonly name?: string;
      readonly nthreads?: number;
      readonly language?: string;
      readonly dialect?: boolean;
      readonly resources?: ReadonlyMap<string, number>;
      /** Not its own, but that of one that it stands for. */
      readonly address?: string;
      /** What it says to bring: pairs of key and bytes. */
      readonly inventory?: readonly (readonly unknown[])[];
    } = {},
  ): Promise<FakeWorker> {
    const values = { of: undefined as FakeWorker | undefined };
    const listener = await listen("tcp://127.0.0.1:0", (comm) =>
      serveRequests(
        comm,
        {
          get_data: async (request, peer) => {
            const { keys } = GET_DATA.parse(request);
            const data = new Map(
              keys.flatMap((key) =>
                values.of?.values.has(key) ? [[key, values.of.values.get(key) as Serialized] as const] : [],
              ),
            );
            peer.send(GET_DATA.answer({ status: "OK", data }));
            await peer.next();
            return NO_REPLY;
          },
          update_data: (request) => {
            const { data } = UPDATE_DATA.parse(request);
            for (const [key, value] of data) values.of?.values.set(key, value);
            return UPDATE_DATA.answer({
              status: "OK",
              nbytes: new Map(Array.from(data, ([key, value]) => [key, value.nbytes])),
            });
          },
          ping: () => Buffer.from("pong"),
        },
        silentLogger,
      ),
    );
    const comm = await connect(scheduler, options.dialect === undefined ? {} : { dialect: options.dialect });
    const worker = new FakeWorker(comm, listener, options.address ?? listener.address);
    values.of = worker;
    comm.send({
      ...REGISTER_WORKER.ask({
        address: worker.address,
        status: "init",
        nthreads: options.nthreads ?? 1,
        name: options.name ?? worker.address,
        now: 0,
        resources: options.resources ?? new Map(),
        memoryLimit: 1e9,
        localDirectory: "",
        services: new Map(),
        nanny: null,
        pid: 1,
        versions: NO_VERSIONS,
        metrics: METRICS_OF_NOTHING,
        extra: new Map<string, unknown>([
          ["language", options.language ?? "rsdat"],
          ["budget_bytes", 1e9],
          ...(options.inventory ? [["inventory", options.inventory] as const] : []),
        ]),
        stimulusId: "join",
        serverId: worker.address,
      }),
      reply: false,
    });
    const reply = REGISTER_WORKER.parseAnswer(await comm.next());
    if (reply.status !== "OK") throw new Error(`refused: ${reply.message}`);
    void worker.#listen();
    worker.stream.send({ op: "worker-status-change", status: "running", stimulusId: "run" });
    return worker;
  }

  async #listen(): Promise<void> {
    for await (const messages of readStream(this.comm, SCHEDULER_TO_WORKER.parse)) {
      this.batches.push(messages.map(({ op }) => op));
      this.#inbox.push(messages);
    }
  }

  /** The next order of this kind. */
  next<O extends SchedulerToWorker["op"]>(op: O): Promise<Extract<SchedulerToWorker, { op: O }>> {
    return this.#inbox.take((message): message is Extract<SchedulerToWorker, { op: O }> => message.op === op);
  }

  finish(task: ComputeTask, value: unknown): void {
    const serialized = serialize(value);
    this.values.set(task.key, serialized);
    this.stream.send({
      op: "task-finished",
      key: task.key,
      runId: task.runId,
      nbytes: serialized.nbytes,
      type: new Uint8Array(0),
      typename: "test",
      metadata: new Map(),
      thread: 0,
      startstops: [],
      stimulusId: "done",
    });
  }

  async leave(): Promise<void> {
    await Promise.all([this.comm.close(), this.#listener.close()]);
  }
}

/** A client that does nothing by itself. */
export class FakeClient {
  readonly comm: Comm;
  readonly id: string;
  readonly #stream: BatchedStream<ClientToScheduler>;
  readonly #inbox = new Inbox<SchedulerToClient>();
  /** What the scheduler said first. */
  start: StreamStart = { op: "stream-start" };

  private constructor(comm: Comm, id: string) {
    this.comm = comm;
    this.id = id;
    this.#stream = new BatchedStream<ClientToScheduler>(comm, CLIENT_TO_SCHEDULER.encode);
  }

  static async join(
    scheduler: string,
    id: string,
    { dialect = true }: { readonly dialect?: boolean } = {},
  ): Promise<FakeClient> {
    const client = new FakeClient(await connect(scheduler, { dialect, version: "test" }), id);
    client.comm.send({ ...REGISTER_CLIENT.ask({ client: id, versions: NO_VERSIONS }), reply: false });
    void client.#listen();
    client.start = await client.next("stream-start");
    return client;
  }

  async #listen(): Promise<void> {
    for await (const messages of readStream(this.comm, SCHEDULER_TO_CLIENT.parse)) this.#inbox.push(messages);
  }

  send(...messages: ClientToScheduler[]): void {
    this.#stream.send(...messages);
  }

  next<O extends SchedulerToClient["op"]>(op: O): Promise<Extract<SchedulerToClient, { op: O }>> {
    return this.#inbox.take((message): message is Extract<SchedulerToClient, { op: O }> => message.op === op);
  }
}

export const k = (name: string): Key => keyOfValue(name);
