/** Columns on the wire: what is sent arrives, and what does not fit together is refused. */
import { describe, expect, test } from "vitest";
import { isRsdatError } from "../../src/base/index.ts";
import { KeyColumn, keyOfValue } from "../../src/graph/index.ts";
import {
  CLIENT_TO_SCHEDULER,
  COLUMNAR_TO_SCHEDULER,
  decodeMessage,
  encodeMessage,
  type KeysInMemory,
  type RunTasks,
  SCHEDULER_TO_CLIENT,
  SCHEDULER_TO_COLUMNAR,
  SCHEDULER_TO_WORKER,
  type TasksFinished,
  type TasksInMemory,
  WORKER_TO_SCHEDULER,
} from "../../src/protocol/index.ts";

const u32 = (...values: number[]): Uint32Array => Uint32Array.from(values);

const RUN: RunTasks = {
  op: "run-tasks",
  submission: 3,
  tasks: u32(7, 8, 2 ** 31),
  runIds: u32(100, 101, 2 ** 32 - 1),
  ranks: u32(0, 1, 2),
  priority: 0.5,
  generation: 9,
  fetchStart: u32(0, 2, 2, 3),
  fetchTasks: u32(1, 2, 5),
  fetchFrom: u32(0, 1, 0),
  addresses: ["tcp://a:1", "tcp://b:2"],
  stimulusId: "s",
};
const FINISHED: TasksFinished = {
  op: "tasks-finished",
  submission: 3,
  tasks: u32(7, 8),
  runIds: u32(100, 101),
  nbytes: Float64Array.of(8, 2 ** 40),
  seconds: Float32Array.of(0.25, 0),
};

const NEWS: TasksInMemory = {
  op: "tasks-in-memory",
  layer: "add-1",
  grid: [2, 3],
  blocks: u32(0, 5, 2),
  worker: "tcp://a:1",
};

const KEYED: KeysInMemory = {
  op: "keys-in-memory",
  keys: KeyColumn.of([keyOfValue("inc-1"), keyOfValue(["x", 2])]),
  kinds: Uint8Array.of(1, 0),
  scalars: Float64Array.of(0.5, 0),
  worker: "tcp://a:1",
};

/** What a peer reads of what stands on the socket. */
function across(fields: Record<string, unknown>): ReadonlyMap<unknown, unknown> {
  const [message] = decodeMessage(encodeMessage([fields]).frames) as ReadonlyMap<unknown, unknown>[];
  if (!message) throw new Error("nothing arrived");
  return message;
}

function codeOf(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return isRsdatError(error) ? error.code : error;
  }
  return "taken";
}

test("what a scheduler and a worker say in columns arrives as it was sent", () => {
  expect(SCHEDULER_TO_COLUMNAR.parse(across(SCHEDULER_TO_COLUMNAR.encode(RUN)))).toEqual(RUN);
  const graph = { op: "graph", submission: 1, layers: Uint8Array.of(1, 2, 3) } as const;
  const read = SCHEDULER_TO_COLUMNAR.parse(across(SCHEDULER_TO_COLUMNAR.encode(graph)));
  expect(read).toMatchObject({ op: "graph", submission: 1 });
  expect(read.op === "graph" && Array.from(read.layers)).toEqual([1, 2, 3]);
  const free = { op: "free-tasks", submission: 1, tasks: u32(1, 4), stimulusId: "s" } as const;
  expect(SCHEDULER_TO_COLUMNAR.parse(across(SCHEDULER_TO_COLUMNAR.encode(free)))).toEqual(free);
  const forget = { op: "forget-graph", submission: 1 } as const;
  expect(SCHEDULER_TO_COLUMNAR.parse(across(SCHEDULER_TO_COLUMNAR.encode(forget)))).toEqual(forget);
  expect(COLUMNAR_TO_SCHEDULER.parse(across(COLUMNAR_TO_SCHEDULER.encode(FINISHED)))).toEqual(FINISHED);
  expect(SCHEDULER_TO_CLIENT.parse(across(SCHEDULER_TO_CLIENT.encode(NEWS)))).toEqual(NEWS);
  const keyed = SCHEDULER_TO_CLIENT.parse(across(SCHEDULER_TO_CLIENT.encode(KEYED))) as KeysInMemory;
  expect(keyed).toEqual(KEYED);
  expect(keyed.keys.toArray()).toEqual(KEYED.keys.toArray());
  const hashes = KeyColumn.of([keyOfValue(`inc-${"0123456789abcdef".repeat(2)}`)]);
  const given = { op: "client-releases-column", keys: hashes, client: "c" } as const;
  const taken = CLIENT_TO_SCHEDULER.parse(across(CLIENT_TO_SCHEDULER.encode(given))) as typeof given;
  expect(taken.keys.toArray()).toEqual(hashes.toArray());
  const release = { ...NEWS, op: "client-releases-blocks", client: "c" } as const;
  const { worker: _, ...released } = release;
  expect(CLIENT_TO_SCHEDULER.parse(across(CLIENT_TO_SCHEDULER.encode(released)))).toEqual(released);
  const sized = { ...RUN, fetchBytes: Float64Array.of(8, 2 ** 40, 0) };
  expect(SCHEDULER_TO_COLUMNAR.parse(across(SCHEDULER_TO_COLUMNAR.encode(sized)))).toEqual(sized);
  const told = { ...FINISHED, kinds: Uint8Array.of(1, 0), scalars: Float64Array.of(1.5, 0) };
  expect(COLUMNAR_TO_SCHEDULER.parse(across(COLUMNAR_TO_SCHEDULER.encode(told)))).toEqual(told);
});

test("a task in a run of 100 000 takes 16 bytes on the wire, a finished one 20", () => {
  const n = 100_000;
  const run = { ...RUN, tasks: new Uint32Array(n), runIds: new Uint32Array(n), ranks: new Uint32Array(n) };
  const sent = { ...run, fetchStart: new Uint32Array(n + 1), fetchTasks: u32(), fetchFrom: u32(), addresses: [] };
  const bytes = (fields: unknown): number => encodeMessage([fields]).frames.reduce((sum, f) => sum + f.byteLength, 0);
  expect(bytes(SCHEDULER_TO_COLUMNAR.encode(sent)) / n).toBeLessThan(16.1);
  const ends = {
    ...FINISHED,
    tasks: new Uint32Array(n),
    runIds: new Uint32Array(n),
    nbytes: new Float64Array(n),
    seconds: new Float32Array(n),
  };
  expect(bytes(COLUMNAR_TO_SCHEDULER.encode(ends)) / n).toBeLessThan(20.1);
});

describe("refused with a typed error", () => {
  const broken: readonly [string, Partial<RunTasks>][] = [
    ["columns of different lengths", { runIds: u32(1) }],
    ["inputs without bytes", { fetchBytes: Float64Array.of(1) }],
    ["inputs of no size", { fetchBytes: Float64Array.of(1, -1, 0) }],
    ["ranks missing", { ranks: u32() }],
    ["rows that do not span the inputs", { fetchStart: u32(0, 2, 2, 2) }],
    ["rows that begin late", { fetchStart: u32(1, 2, 2, 3) }],
    ["rows out of order", { fetchStart: u32(0, 3, 2, 3) }],
    ["inputs without holders", { fetchFrom: u32(0) }],
    ["an address that is not there", { fetchFrom: u32(0, 1, 2) }],
  ];
  test.each(broken)("a run with %s", (_, change) => {
    const sent = across(SCHEDULER_TO_COLUMNAR.encode({ ...RUN, ...change }));
    expect(codeOf(() => SCHEDULER_TO_COLUMNAR.parse(sent))).toBe("remote-protocol");
  });

  const brokenEnds: readonly [string, Partial<TasksFinished>][] = [
    ["columns of different lengths", { nbytes: Float64Array.of(1) }],
    ["a negative size", { nbytes: Float64Array.of(1, -1) }],
    ["a size that is no number", { nbytes: Float64Array.of(Number.NaN, 1) }],
    ["scalars of another number", { kinds: Uint8Array.of(1), scalars: Float64Array.of(1) }],
    ["no time", { seconds: Float32Array.of(Number.NaN, 1) }],
    ["an endless time", { seconds: Float32Array.of(Number.POSITIVE_INFINITY, 1) }],
  ];
  test.each(brokenEnds)("ends with %s", (_, change) => {
    const sent = across(COLUMNAR_TO_SCHEDULER.encode({ ...FINISHED, ...change }));
    expect(codeOf(() => COLUMNAR_TO_SCHEDULER.parse(sent))).toBe("remote-protocol");
  });

  const brokenNews: readonly [string, Partial<TasksInMemory>][] = [
    ["a block that is not there", { blocks: u32(6) }],
    ["no blocks along an axis", { grid: [2, 0] }],
    ["a negative grid", { grid: [-2, -3] }],
    ["a grid without end", { grid: [2 ** 31, 2 ** 31] }],
    ["too many axes", { grid: new Array<number>(65).fill(1), blocks: u32() }],
  ];
  test.each(brokenNews)("news with %s", (_, change) => {
    const sent = across(SCHEDULER_TO_CLIENT.encode({ ...NEWS, ...change }));
    expect(codeOf(() => SCHEDULER_TO_CLIENT.parse(sent))).toBe("remote-protocol");
    const { layer, grid, blocks } = { ...NEWS, ...change };
    const release = across(
      CLIENT_TO_SCHEDULER.encode({ op: "client-releases-blocks", client: "c", layer, grid, blocks }),
    );
    expect(codeOf(() => CLIENT_TO_SCHEDULER.parse(release))).toBe("remote-protocol");
  });

  test("news of keys with scalars of another number", () => {
    for (const change of [
      { kinds: Uint8Array.of(1) },
      { scalars: Float64Array.of(1, 2, 3) },
      { keys: KeyColumn.of([]) },
    ]) {
      const sent = across(SCHEDULER_TO_CLIENT.encode({ ...KEYED, ...change }));
      expect(codeOf(() => SCHEDULER_TO_CLIENT.parse(sent))).toBe("remote-protocol");
    }
  });

  test("a column of half an element, or of more tasks than a message may hold", () => {
    const half = across({ ...SCHEDULER_TO_COLUMNAR.encode(RUN), tasks: new Uint8Array(13) });
    expect(codeOf(() => SCHEDULER_TO_COLUMNAR.parse(half))).toBe("remote-protocol");
    const many = across({ ...SCHEDULER_TO_COLUMNAR.encode(RUN), tasks: new Uint8Array(4 * 2 ** 20 + 4) });
    expect(codeOf(() => SCHEDULER_TO_COLUMNAR.parse(many))).toBe("remote-protocol");
  });

  test("columns on a stream that is pure Dask", () => {
    const run = across(SCHEDULER_TO_COLUMNAR.encode(RUN));
    expect(codeOf(() => SCHEDULER_TO_WORKER.parse(run))).toBe("remote-protocol");
    const ends = across(COLUMNAR_TO_SCHEDULER.encode(FINISHED));
    expect(codeOf(() => WORKER_TO_SCHEDULER.parse(ends))).toBe("remote-protocol");
  });
});
