/** What a worker remembers of a block that it keeps: decision 0023. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { Arena } from "../../src/executor/arena.ts";
import type { Executor } from "../../src/executor/index.ts";
import { Graph } from "../../src/graph/index.ts";
import {
  createWorkerMachine,
  type Ref,
  type ValueFacts,
  type WorkerEvent,
  type WorkerInstruction,
} from "../../src/worker/state/index.ts";
import { Values } from "../../src/worker/values.ts";
import { LIMITS } from "./state/drive.ts";
import { run } from "./state/graphs.ts";

const N = 300_000;
const TURN = 250;
/** Machine, values and arena together, without the block's elements. */
const BYTES_MAX = 200;

test("a block that is kept takes at most 200 bytes beside its elements, and no place once it is freed", () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void; // exposed above
  const used = (): number => {
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const bytes = new Uint8Array(8);
  const chunks = [new Array<number>(N).fill(1)];
  const graph = new Graph([{ kind: "literal", name: "a", dtype: "float64", chunks, inline: false, bytes }], [0]);
  const arena = new Arena({ budgetBytes: 2 ** 29 });
  const machine = createWorkerMachine({ ...LIMITS, nthreads: 1, aheadMs: 2, aheadMax: 512 });
  // Values ask no more of it here.
  const executor = { release: (handle: Parameters<Executor["release"]>[0]) => arena.release(handle) } as Executor;
  const values = new Values(executor, (key) => machine.refOf(key));
  const shape = [1];
  const make = ({ refs, tasks }: { readonly refs: readonly Ref[]; readonly tasks: readonly number[] }): ValueFacts[] =>
    refs.map((ref, k) => {
      const handle = arena.allocate("float64", shape);
      if (!handle) throw new Error("no room");
      return values.set(ref, { kind: "block", handle }, { graph, task: tasks[k] as number });
    });
  const follow = (instruction: WorkerInstruction): void => {
    if (instruction.type === "drop-blocks") for (const ref of instruction.refs) values.drop(ref);
    if (instruction.type !== "execute-blocks") return;
    const { refs } = instruction;
    event({ type: "blocks-executed", refs, values: make(instruction), seconds: refs.map(() => 1e-6) });
  };
  const event = (fields: object): void => {
    const outbox: WorkerInstruction[] = [];
    machine.handle({ now: 0, stimulusId: "s", ...fields } as WorkerEvent, outbox); // the two fields that all events have
    for (const each of outbox) follow(each);
  };
  const say = (...messages: object[]): void => event({ type: "scheduler-messages", messages });
  event({ type: "status", status: "running" });
  say({ op: "graph", submission: 1, graph });
  const tasksFrom = (base: number): number[] => Array.from({ length: TURN }, (_, i) => base + i);
  const before = used();
  for (let base = 0; base < N; base += TURN) say(run(tasksFrom(base)));
  const kept = used();
  expect(machine.counts().tasks).toEqual(new Map([["memory", N]]));
  expect((kept - before) / N).toBeLessThan(BYTES_MAX);
  for (let base = 0; base < N; base += TURN)
    say({ op: "free-tasks", submission: 1, tasks: Uint32Array.from(tasksFrom(base)), stimulusId: "s" });
  expect([machine.counts().tasks.size, values.keys().length, arena.stats().blocks]).toEqual([0, 0, 0]);
});
