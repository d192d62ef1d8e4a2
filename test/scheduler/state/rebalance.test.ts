/** Memory of workers, and results to move, beside distributed's own scheduler: make_rebalance.py. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Key } from "../../../src/graph/index.ts";
import {
  findMoves,
  MEMORY_MEASURES,
  type MemoryMeasure,
  type MemoryState,
  measured,
  memoryState,
  type RebalanceLimits,
  type ResultMove,
  UnmanagedMemory,
} from "../../../src/scheduler/state/index.ts";
import { Driver, k, task } from "./drive.ts";

interface Step {
  readonly seconds: number;
  readonly memory: number;
  readonly managed: number;
  readonly spilled: { readonly memory: number; readonly disk: number };
  readonly state: MemoryState & { readonly measures: Readonly<Record<MemoryMeasure, number>> };
}

interface Case {
  readonly workers: readonly {
    readonly address: string;
    readonly memoryBytes: number;
    readonly memoryLimitBytes: number;
    readonly results: readonly { readonly key: Key; readonly nbytes: number }[];
  }[];
  readonly limits: RebalanceLimits;
  readonly keys: readonly Key[] | null;
  /** Dask passed over a recipient that has a copy, and mistook it for the next one afterwards. */
  readonly isMisled: boolean;
  readonly moves: readonly ResultMove[];
}

const { lives, cases } = JSON.parse(readFileSync(join(import.meta.dirname, "rebalance.json"), "utf8")) as {
  readonly lives: readonly { readonly recentSeconds: number; readonly steps: readonly Step[] }[];
  readonly cases: readonly Case[];
};

test("memory beside results is old when it was there for long, as Dask counts it, heartbeat by heartbeat", () => {
  for (const { recentSeconds, steps } of lives) {
    const unmanaged = new UnmanagedMemory();
    for (const { seconds, memory, managed, spilled, state } of steps) {
      unmanaged.note(seconds * 1000, Math.max(0, memory - managed + spilled.memory), recentSeconds * 1000);
      const ours = memoryState({
        resident: memory,
        managed: Math.max(0, managed - spilled.memory),
        spilled: spilled.disk,
        unmanagedOld: unmanaged.oldBytes,
      });
      const measures = Object.fromEntries(MEMORY_MEASURES.map((name) => [name, measured(ours, name)]));
      expect({ ...ours, measures }).toEqual(state);
    }
  }
  const all = lives.flatMap(({ steps }) => steps.map(({ state }) => state));
  expect(all.some(({ unmanagedRecent, unmanagedOld }) => unmanagedRecent > 0 && unmanagedOld > 0)).toBe(true);
});

test("one that floods the scheduler with figures is measured by the last of them", () => {
  const unmanaged = new UnmanagedMemory();
  for (let i = 0; i < 5_000; i++) unmanaged.note(i, 10 + i, 30_000);
  expect(unmanaged.oldBytes).toBe(10 + 5_000 - 1_024);
  unmanaged.note(5_000, 3, 30_000);
  expect(unmanaged.oldBytes).toBe(3);
});

function movesIn({ workers, limits, keys }: Case): ResultMove[] {
  const sides = workers.map(({ results, ...worker }) => ({
    ...worker,
    hasResults: results.length > 0,
    results: () => results,
    has: (key: Key) => results.some((each) => each.key === key),
  }));
  return findMoves(sides, limits, keys && new Set(keys));
}

test("results that should move are Dask's, in its order", () => {
  const sound = cases.filter(({ isMisled }) => !isMisled);
  for (const one of sound) expect(movesIn(one)).toEqual(one.moves);
  expect(sound.filter(({ moves }) => moves.length > 3).length).toBeGreaterThan(10);
});

test("where a copy is there already another takes it, and nobody passes the mean", () => {
  const misled = cases.filter(({ isMisled }) => isMisled);
  expect(misled.length).toBeGreaterThan(3);
  for (const one of misled) {
    const mean = Math.floor(one.workers.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0) / one.workers.length);
    const bytes = new Map(one.workers.map(({ address, memoryBytes }) => [address, memoryBytes]));
    for (const { key, from, to } of movesIn(one)) {
      const [sender, recipient] = [from, to].map((address) => one.workers.find((each) => each.address === address));
      const nbytes = sender?.results.find((each) => each.key === key)?.nbytes ?? Number.NaN;
      expect(recipient?.results.some((each) => each.key === key)).toBe(false);
      bytes.set(from, (bytes.get(from) as number) - nbytes);
      bytes.set(to, (bytes.get(to) as number) + nbytes);
      expect(bytes.get(from)).toBeGreaterThanOrEqual(mean);
      expect(bytes.get(to)).toBeLessThanOrEqual(mean);
    }
  }
});

/** Two results at `old`, and a worker beside it that came later. */
function two(budgetBytes = 1000): Driver {
  const driver = new Driver();
  driver.worker("old", { budgetBytes: 1000 });
  driver.submit([task("a"), task("b")], ["a", "b"]);
  driver.finish("a", 60);
  driver.finish("b", 60);
  driver.worker("new", { budgetBytes });
  return driver;
}

const move = (driver: Driver, ...names: string[]): unknown =>
  driver.feed({
    type: "move-results",
    request: 1,
    moves: names.map((name) => ({ key: k(name), from: "old", to: "new" })),
  });
const asked = (driver: Driver): string[] =>
  driver.sent.flatMap((sent) =>
    sent.type === "send-worker" && sent.message.op === "acquire-replicas"
      ? [...sent.message.whoHas.keys()].map(String)
      : [],
  );
const moved = (driver: Driver): unknown => driver.sent.find(({ type }) => type === "moved");
const arrives = (driver: Driver, name: string): unknown =>
  driver.say("new", { op: "add-keys", keys: [k(name)], stimulusId: "s" });

test("S-C31: a result is copied, then dropped where it was", () => {
  const driver = two();
  move(driver, "a");
  expect(asked(driver)).toEqual(["a"]);
  expect(driver.views.whoHas([k("a")]).get(k("a"))).toEqual(["old"]);
  expect(moved(driver)).toBeUndefined();
  arrives(driver, "a");
  expect(driver.views.whoHas([k("a")]).get(k("a"))).toEqual(["new"]);
  expect(moved(driver)).toEqual({ type: "moved", request: 1, failed: [] });
  const freed = driver.sent.filter((sent) => sent.type === "send-worker" && sent.message.op === "free-keys");
  expect(freed).toMatchObject([{ worker: "old", message: { keys: [k("a")] } }]);
  driver.release("a", "b");
  expect(driver.views.isEmpty()).toBe(true);
});

test("S-C31: what has no room, is not there, or is released on its way stays, and is told", () => {
  const driver = two(100);
  move(driver, "a", "b", "c");
  expect(asked(driver)).toEqual(["a"]);
  driver.release("a");
  expect(moved(driver)).toEqual({ type: "moved", request: 1, failed: [k("b"), k("c"), k("a")] });
  expect(driver.views.worker("new")?.extraBytes).toBe(0);
  driver.release("b");
  expect(driver.views.isEmpty()).toBe(true);
});

test("S-C31: a recipient that leaves ends the move; nothing of it is left", () => {
  const driver = two();
  move(driver, "a");
  driver.leave("new");
  expect(moved(driver)).toEqual({ type: "moved", request: 1, failed: [k("a")] });
  expect(driver.core.moving.size).toBe(0);
  driver.release("a", "b");
  expect(driver.views.isEmpty()).toBe(true);
});

test("S-C31: what a task is using goes when the task has ended", () => {
  const driver = two();
  driver.submit([task("user", ["a"], { workers: ["old"] })], ["user"]);
  move(driver, "a");
  arrives(driver, "a");
  expect(driver.views.whoHas([k("a")]).get(k("a"))).toEqual(["old", "new"]);
  expect(moved(driver)).toBeUndefined();
  driver.finish("user", 8);
  expect(driver.views.whoHas([k("a")]).get(k("a"))).toEqual(["new"]);
  expect(moved(driver)).toEqual({ type: "moved", request: 1, failed: [] });
});

test("S-C31: one that is at both is only dropped, and a sender that left meanwhile has nothing to drop", () => {
  const driver = two();
  arrives(driver, "a");
  move(driver, "a", "b");
  expect(driver.views.whoHas([k("a")]).get(k("a"))).toEqual(["new"]);
  expect(asked(driver)).toEqual(["b"]);
  arrives(driver, "b");
  expect(moved(driver)).toEqual({ type: "moved", request: 1, failed: [] });
});
