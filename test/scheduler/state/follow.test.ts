/** S-C27: chains of short calls are sent ahead of their inputs. */
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../src/base/index.ts";
import { CallsBuilder, Graph } from "../../../src/graph/index.ts";
import { ANYWHERE } from "../../../src/scheduler/state/index.ts";
import { Driver, failure, k, type Order } from "./drive.ts";

let layers = 0;

/** Calls `x0`, `x1`, …, each over the one before, or over none. */
function chain(names: readonly string[], reads: (index: number) => readonly number[] = (i) => (i > 0 ? [i - 1] : [])) {
  const builder = new CallsBuilder();
  for (const [i, name] of names.entries())
    builder.add({ key: k(name), text: "(x) => x", args: null, inputs: reads(i) });
  return new Graph([{ ...builder.build(`chain-${++layers}`, null), inline: false }], [0]);
}

function submit(d: Driver, graph: Graph, wanted: readonly number[] = graph.wanted().flat()): void {
  d.client();
  const placement = ANYWHERE;
  d.feed({ type: "submit-layers", client: "alice", graph, wanted, leastBytes: 0, placement, retries: 0, priority: 0 });
}

const names = (count: number, prefix = "x"): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

/** Whose tasks have been timed as short. */
function timed(count = 1): Driver {
  const d = new Driver();
  for (let i = 0; i < count; i++) {
    const w = `w${i}`;
    d.worker(w, { isColumnar: true });
    submit(
      d,
      chain([`first-${w}`], () => []),
    );
    d.answer(d.order(`first-${w}`), 8, 1e-5);
    d.orders.length = 0;
  }
  return d;
}

/** Names of the open orders at a worker. */
const ordered = (d: Driver, worker = "w0"): string[] =>
  d.orders.filter((order) => order.worker === worker).map(({ message }) => String(message.key));

describe("S-C27 S-I19 chains", () => {
  test("of short calls are sent as far as sixteen beyond the one that runs, and go on from their middle", () => {
    const d = timed();
    submit(d, chain(names(40)));
    expect(ordered(d)).toEqual(names(17));
    expect(d.state("x1")).toBe("waiting");
    const had: number[] = [];
    for (const name of names(40)) {
      d.answer(d.order(name), 8, 1e-5);
      d.orders.splice(d.orders.indexOf(d.order(name)), 1);
      expect(d.state(name)).toBe("memory");
      had.push(d.orders.length);
    }
    expect(Math.min(...had.slice(0, 24))).toBeGreaterThanOrEqual(8); // never at a loss
    expect(new Set(d.sent.flatMap((each) => (each.type === "run-tasks" ? Array.from(each.run.runIds) : []))).size).toBe(
      41,
    );
  });

  test("one that is told done before its input, because its worker had the result already, is called off and sent again", () => {
    const d = timed();
    submit(d, chain(["a", "b", "c"]), [2]);
    const early = d.order("b");
    expect(ordered(d)).toEqual(["a", "b", "c"]);
    const said = d.answer(early, 8, 1e-5);
    const dropped = said.flatMap((each) => (each.type === "free-tasks" ? [...each.tasks] : []));
    expect(new Set(dropped)).toEqual(new Set([1, 2]));
    d.orders.splice(1);
    expect([d.state("b"), d.state("c")]).toEqual(["waiting", "waiting"]);
    d.answer(d.order("a"), 8, 1e-5);
    expect(ordered(d).slice(1)).toEqual(["b", "c"]);
    expect(d.order("b").message.runId).not.toBe(early.message.runId);
    d.answer(d.order("b"), 8, 1e-5);
    d.answer(d.order("c"), 8, 1e-5);
    expect(d.state("c")).toBe("memory");
  });

  test("S-C26: bytes that end together are accounted for one task after the other, as by the table", () => {
    const said = [true, false].map((fused) => {
      const d = new Driver({ fused, sendAhead: 16, stealing: false });
      d.worker("w", { nthreads: 2, isColumnar: true, budgetBytes: 4000 });
      // Two chains: x0 → x2 → x4 → x6 and x1 → x3 → x5 → x7.
      submit(
        d,
        chain(names(8), (i) => (i > 1 ? [i - 2] : [])),
        [6, 7],
      );
      const end = (both: readonly string[], bytes: readonly number[]) => {
        const orders = both.map((name) => d.order(name));
        return d.feed({
          type: "tasks-finished",
          worker: "w",
          submission: 1,
          tasks: Uint32Array.from(orders, (order) => order.column?.task ?? -1),
          runIds: Uint32Array.from(orders, ({ message }) => message.runId),
          nbytes: Float64Array.from(bytes),
          seconds: Float32Array.of(1e-5, 1e-5),
        });
      };
      end(["x0", "x1"], [900, 900]);
      return end(["x2", "x3"], [1700, 1500]).map((each) => [
        each.type,
        "tasks" in each ? [...each.tasks] : "run" in each ? [...each.run.tasks] : [],
      ]);
    });
    expect(said[0]).toEqual(said[1]);
    expect(said[0]?.length).toBeGreaterThan(0);
  });

  test("a column that tells of an input and of what followed it is one event", () => {
    const d = timed();
    submit(d, chain(names(3)));
    const orders = names(3).map((name) => d.order(name));
    d.feed({
      type: "tasks-finished",
      worker: "w0",
      submission: orders[0]?.column?.submission as number,
      tasks: Uint32Array.of(0, 1, 2),
      runIds: Uint32Array.from(orders, ({ message }) => message.runId),
      nbytes: Float64Array.of(8, 8, 8),
      seconds: Float32Array.of(0, 0, 0),
    });
    expect(names(3).map((name) => d.state(name))).toEqual(["memory", "memory", "memory"]);
    expect(d.moves("x1").at(-2)).toBe("waiting→processing");
  });

  test("nothing is sent ahead of tasks that are long, not timed, of two inputs, or restricted to workers", () => {
    const d = new Driver();
    d.worker("w0", { isColumnar: true });
    submit(d, chain(names(3)));
    expect(ordered(d)).toEqual(["x0"]);
    d.answer(d.order("x0"), 8, 0.5);
    expect(ordered(d).slice(1)).toEqual(["x1"]);
    const pair = timed();
    submit(
      pair,
      chain(names(3), (i) => (i === 2 ? [0, 1] : [])),
    );
    expect(ordered(pair)).toEqual(["x0", "x1"]);
  });

  test("who is not done with the input is told to forget what followed: it failed, its worker left, or nobody wants it", () => {
    const failed = timed();
    submit(failed, chain(names(3)));
    failed.fail("x0");
    expect(names(3).map((name) => failed.state(name))).toEqual(["erred", "erred", "erred"]);
    expect(freed(failed)).toEqual(names(3));

    const left = timed(2);
    submit(left, chain(names(3)));
    const at = left.orders[0]?.worker as string;
    left.leave(at);
    const other = at === "w0" ? "w1" : "w0";
    expect(ordered(left, other)).toEqual(names(3));
    expect(left.core.following).toBe(2);

    const released = timed();
    submit(released, chain(names(3)));
    released.release(...names(3));
    expect(freed(released)).toEqual(names(3));
    expect(released.core.following).toBe(0);
  });

  test("a worker that gives one back has it no more, and its late answer changes nothing (S-C3)", () => {
    const d = timed();
    submit(d, chain(names(3)));
    const late = d.order("x1");
    d.say("w0", { op: "reschedule", key: k("x1"), stimulusId: "x" });
    expect([d.state("x1"), d.core.following]).toEqual(["waiting", 0]);
    d.answer(late, 8, 1e-5);
    expect(d.state("x1")).toBe("waiting");
    d.answer(d.order("x0"), 8, 1e-5);
    expect(d.state("x1")).toBe("processing");
  });

  test("an answer before its input's is not believed", () => {
    const d = timed();
    submit(d, chain(names(2)));
    d.answer(d.order("x1"), 8, 1e-5);
    expect([d.state("x0"), d.state("x1")]).toEqual(["processing", "waiting"]);
  });
});

/** Names that workers were told to drop, in order. */
function freed(d: Driver): string[] {
  return d.sent
    .flatMap((each) => (each.type === "free-tasks" ? Array.from(each.tasks, (id) => String(each.graph.key(id))) : []))
    .sort();
}

function erred(d: Driver, { worker, message }: Order): void {
  const figures = { thread: 0, startstops: [], stimulusId: "x" };
  d.say(worker, { op: "task-erred", key: message.key, runId: message.runId, ...failure("no luck"), ...figures });
}

/** One random event in the life of some chains. */
function act(d: Driver, below: (n: number) => number): void {
  const worker = ["u", "v", "w"][below(3)] as string;
  const order = d.orders[below(Math.max(1, d.orders.length))];
  switch (below(12)) {
    case 0:
      return d.worker(worker, { isColumnar: below(4) > 0, nthreads: 1 + below(2), budgetBytes: 40 + below(400) });
    case 1:
      return d.leave(worker, below(2) === 0);
    case 2: {
      const graph = chain(names(4 + below(20), `${"abc"[below(3)]}`), (i) =>
        i === 0 ? [] : below(5) === 0 ? [below(i)] : below(9) === 0 && i > 1 ? [0, i - 1] : [i - 1],
      );
      return submit(
        d,
        graph,
        graph
          .wanted()
          .flat()
          .filter(() => below(3) > 0),
      );
    }
    case 3: {
      const name = `${"abc"[below(3)]}${below(20)}`;
      return void (below(3) > 0
        ? d.release(name)
        : d.feed({ type: "cancel-keys", client: "alice", keys: [k(name)], force: true, reason: "", message: "" }));
    }
    case 4:
      if (order) d.say(order.worker, { op: "reschedule", key: order.message.key, stimulusId: "x" });
      return;
    case 5: {
      const status = (["running", "running", "paused", "closing_gracefully"] as const)[below(4)] ?? "running";
      return void d.say(worker, { op: "worker-status-change", status, stimulusId: "x" });
    }
    case 6:
      if (order) d.say(order.worker, { op: "steal-response", key: order.message.key, state: "ready", stimulusId: "x" });
      return;
    default:
      // Mostly the oldest, as a worker would; answers that are late or come too early as well.
      for (let i = below(6); i >= 0; i--) {
        const next = below(6) === 0 ? order : d.orders[0];
        if (!next) return;
        if (below(8) > 0) d.orders.splice(d.orders.indexOf(next), 1);
        if (below(30) > 0) d.answer(next, 8, 1e-5);
        else erred(d, next);
      }
  }
}

test("S-I19: random events break no chain, and when all is released nothing is left", { timeout: 240_000 }, () => {
  let most = 0;
  for (let seed = 1; seed <= 25; seed++) {
    const random = seededRandom(seed);
    const d = new Driver({ orderAhead: [1, 7, 64][seed % 3]!, allowedFailures: 2 });
    try {
      for (let step = 0; step < 120; step++) {
        d.now += random.below(20);
        act(d, (n) => random.below(n));
        most = Math.max(most, d.core.following);
      }
      d.feed({ type: "client-left", client: "alice" });
      expect([d.core.following, d.views.isEmpty()]).toEqual([0, true]);
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }
  expect(most, "tasks that followed at once").toBeGreaterThan(16);
});
