/** Every cell of the transition table (S-C1): moves that happen, each by what causes it, and moves that cannot. */
import { describe, expect, test } from "vitest";
import { isRsdatError } from "../../../src/base/index.ts";
import { CallsBuilder, Graph, type Layer } from "../../../src/graph/index.ts";
import { CELL, STATE } from "../../../src/scheduler/state/columns.ts";
import { ANYWHERE, STATES, type TaskState, TRANSITIONS } from "../../../src/scheduler/state/index.ts";
import { transition } from "../../../src/scheduler/state/transitions.ts";
import { Driver, k, task } from "./drive.ts";

const PYTHON = { language: "python" } as const;

/** What brings about each move, and the task that makes it. */
const CAUSES: Readonly<Record<string, (d: Driver) => string>> = {
  "forgotten→released": (d) => {
    d.submit([task("a")], ["a"]);
    return "a";
  },
  "released→forgotten": (d) => {
    d.submit([task("a")], ["a"]);
    d.release("a");
    return "a";
  },
  "released→waiting": (d) => {
    d.submit([task("a")], ["a"]);
    return "a";
  },
  "released→memory": (d) => {
    d.worker("w");
    d.submit([task("a"), task("b", ["a"])], ["b"]);
    d.finish("a");
    d.finish("b");
    expect(d.state("a")).toBe("released");
    d.feed({
      type: "data-placed",
      client: "alice",
      whoHas: new Map([[k("a"), ["w"]]]),
      nbytes: new Map([[k("a"), 4]]),
    });
    return "a";
  },
  "released→erred": (d) => {
    d.worker("w");
    d.client();
    d.feed({
      type: "data-placed",
      client: "alice",
      whoHas: new Map([[k("x"), ["w"]]]),
      nbytes: new Map([[k("x"), 4]]),
    });
    d.leave("w");
    return "x";
  },
  "waiting→released": (d) => {
    d.worker("w");
    d.submit([task("a"), task("b", ["a"])], ["b"]);
    d.release("b");
    return "b";
  },
  "waiting→no-worker": (d) => {
    d.submit([task("a")], ["a"]);
    return "a";
  },
  "waiting→processing": (d) => {
    d.worker("w", { isColumnar: true });
    d.client();
    // What reads the third is sent ahead with it: by then tasks are known to be short.
    const builder = new CallsBuilder();
    for (const [i, name] of ["a", "b", "c", "d"].entries())
      builder.add({ key: k(name), text: "() => 0", args: null, inputs: i === 0 ? [] : [i - 1] });
    const graph = new Graph([{ ...builder.build("calls", null), inline: false }], [0]);
    const submission = { client: "alice", graph, wanted: [0, 1, 2, 3], leastBytes: 0, placement: ANYWHERE } as const;
    d.feed({ type: "submit-layers", ...submission, retries: 0, priority: 0 });
    for (const name of ["a", "b", "c"]) d.answer(d.order(name), 8, 1e-5);
    return "d";
  },
  "waiting→queued": (d) => {
    d.worker("w");
    d.submit([task("a")], ["a"]);
    return "a";
  },
  "waiting→memory": (d) => {
    d.worker("w");
    d.submit([task("a"), task("b", ["a"])], ["b"]);
    d.feed({ type: "data-placed", client: null, whoHas: new Map([[k("b"), ["w"]]]), nbytes: new Map([[k("b"), 4]]) });
    expect(d.state("b")).toBe("memory");
    return "b";
  },
  "waiting→erred": (d) => {
    d.worker("w");
    d.submit([task("a"), task("b", ["a"])], ["b"]);
    d.fail("a");
    return "b";
  },
  "no-worker→released": (d) => {
    d.submit([task("a")], ["a"]);
    d.release("a");
    return "a";
  },
  "no-worker→waiting": (d) => {
    d.worker("w");
    d.submit([task("a"), task("b", ["a"], PYTHON)], ["b"]);
    d.finish("a");
    expect(d.state("b")).toBe("no-worker");
    d.leave("w");
    return "b";
  },
  "no-worker→queued": (d) => {
    d.submit([task("a")], ["a"]);
    d.worker("w");
    return "a";
  },
  "no-worker→memory": (d) => {
    d.worker("p", { kind: "python" });
    d.submit([task("a")], ["a"]);
    d.feed({ type: "data-placed", client: null, whoHas: new Map([[k("a"), ["p"]]]), nbytes: new Map([[k("a"), 4]]) });
    return "a";
  },
  "no-worker→erred": (d) => {
    d.submit([task("a")], ["a"]);
    d.now = 100;
    d.feed({ type: "tick" });
    return "a";
  },
  "queued→released": (d) => {
    d.worker("w");
    d.submit(
      ["a", "b", "c"].map((n, rank) => task(n, [], { rank })),
      ["a", "b", "c"],
    );
    d.release("c");
    return "c";
  },
  "queued→waiting": (d) => {
    // c is ready, but w has as many tasks as it takes; then w loses c's input.
    d.worker("w");
    d.submit([task("x"), task("c", ["x"], { rank: 9 })], ["c"]);
    d.submit([task("a", [], { priority: 5 }), task("b", [], { priority: 5 })], ["a", "b"]);
    d.finish("x");
    expect(d.state("c")).toBe("queued");
    d.say("w", { op: "release-worker-data", key: k("x"), stimulusId: "gone" });
    return "c";
  },
  "queued→no-worker": (d) => {
    d.worker("w");
    d.submit(
      ["a", "b", "c"].map((n, rank) => task(n, [], { rank })),
      ["a", "b", "c"],
    );
    d.leave("w");
    return "c";
  },
  "queued→processing": (d) => {
    d.worker("w");
    d.submit([task("a")], ["a"]);
    return "a";
  },
  "queued→memory": (d) => {
    d.worker("w");
    d.submit(
      ["a", "b", "c"].map((n, rank) => task(n, [], { rank })),
      ["a", "b", "c"],
    );
    d.feed({ type: "data-placed", client: null, whoHas: new Map([[k("c"), ["w"]]]), nbytes: new Map([[k("c"), 4]]) });
    return "c";
  },
  "queued→erred": (d) => {
    const layer = {
      kind: "source",
      name: "broken",
      dtype: "float32",
      chunks: [[1]],
      source: 0,
      walk: null,
      scratchBytes: 0,
      inline: false,
    };
    // A graph as a confused client may send it.
    const graph = new Graph([layer as unknown as Layer], [0]);
    d.worker("w");
    d.client();
    d.feed({
      type: "submit-layers",
      client: "alice",
      graph,
      wanted: [0],
      leastBytes: 0,
      placement: ANYWHERE,
      retries: 0,
      priority: 0,
    });
    expect(d.toClients.at(-1)?.message.op).toBe("task-erred");
    return graph.key(0);
  },
  "processing→released": (d) => {
    d.worker("w");
    d.submit([task("a")], ["a"]);
    d.release("a");
    return "a";
  },
  "processing→waiting": (d) => {
    d.worker("w");
    d.submit([task("a")], ["a"]);
    d.say("w", { op: "reschedule", key: k("a"), stimulusId: "again" });
    return "a";
  },
  "processing→memory": (d) => {
    d.worker("w");
    d.submit([task("a")], ["a"]);
    d.finish("a");
    return "a";
  },
  "processing→erred": (d) => {
    d.worker("w");
    d.submit([task("a")], ["a"]);
    d.fail("a");
    return "a";
  },
  "memory→released": (d) => {
    d.worker("w");
    d.submit([task("a")], ["a"]);
    d.finish("a");
    d.release("a");
    return "a";
  },
  "erred→released": (d) => {
    d.worker("w");
    d.submit([task("a")], ["a"]);
    d.fail("a");
    d.release("a");
    return "a";
  },
};

/** A task in each state. */
const IN_STATE: Readonly<Record<TaskState, (d: Driver) => string>> = {
  forgotten: (d) => {
    d.worker("w");
    d.submit([task("a")], ["a"]);
    return "a";
  },
  released: (d) => {
    CAUSES["released→memory"]?.(d);
    return "a";
  },
  waiting: (d) => {
    d.worker("w");
    d.submit([task("a"), task("b", ["a"])], ["b"]);
    return "b";
  },
  "no-worker": (d) => {
    d.submit([task("a")], ["a"]);
    return "a";
  },
  queued: (d) => {
    d.worker("w");
    d.submit(
      ["a", "b", "c"].map((n, rank) => task(n, [], { rank })),
      ["a", "b", "c"],
    );
    return "c";
  },
  processing: (d) => {
    d.worker("w");
    d.submit([task("a")], ["a"]);
    return "a";
  },
  memory: (d) => {
    d.worker("w");
    d.submit([task("a")], ["a"]);
    d.finish("a");
    return "a";
  },
  erred: (d) => {
    d.worker("w");
    d.submit([task("a")], ["a"]);
    d.fail("a");
    return "a";
  },
};

describe("S-C1: the transition table", () => {
  for (const from of STATES) {
    for (const to of STATES) {
      const name = `${from}→${to}`;
      if (TRANSITIONS[from][to]) {
        test(`${name} happens`, () => {
          const driver = new Driver({ noWorkersTimeoutMs: 100 });
          const cause = CAUSES[name];
          expect(cause, `a cause of ${name}`).toBeDefined();
          const key = cause?.(driver) ?? "";
          expect(driver.moves(key)).toContain(name);
        });
      } else if (from !== to) {
        test(`${name} cannot happen`, () => {
          const driver = new Driver({ noWorkersTimeoutMs: 100 });
          const key = IN_STATE[from](driver);
          const slot = driver.slot(key);
          driver.core.begin({ now: 0, stimulusId: "test" }, []);
          driver.core.columns.cells[(slot << CELL) + STATE] = STATES.indexOf(from);
          expect(() => transition(driver.core, slot, STATES.indexOf(to))).toThrow(
            expect.toSatisfy((e) => isRsdatError(e, "invariant")),
          );
        });
      }
    }
  }

  test("no cause is listed for a move that the table does not have", () => {
    const moves = STATES.flatMap((from) => STATES.filter((to) => TRANSITIONS[from][to]).map((to) => `${from}→${to}`));
    expect(Object.keys(CAUSES).sort()).toEqual(moves.sort());
  });
});
