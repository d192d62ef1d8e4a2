/** Adaptive scaling, beside distributed's own formulas: test/scheduler/state/make_adaptive.py. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AdaptivePolicy } from "../../../src/cluster/adaptive-policy.ts";
import { type AdaptiveLoad, adaptiveTarget, workersToClose } from "../../../src/scheduler/state/index.ts";

interface Step {
  readonly target: number;
  readonly planned: number;
  readonly waiting: readonly string[];
  readonly closable: readonly string[];
  readonly said: { readonly status: string; readonly n?: number; readonly workers?: readonly string[] };
}

const { cases, lives } = JSON.parse(readFileSync(join(import.meta.dirname, "adaptive.json"), "utf8")) as {
  readonly cases: readonly {
    readonly load: AdaptiveLoad;
    readonly seconds: number;
    readonly target: number;
    readonly close: Readonly<Record<string, readonly string[]>>;
  }[];
  readonly lives: readonly { readonly waitCount: number; readonly steps: readonly Step[] }[];
};

test("targets are Dask's", () => {
  expect(cases.map(({ load, seconds }) => adaptiveTarget(load, seconds))).toEqual(cases.map(({ target }) => target));
  expect(new Set(cases.map(({ target }) => target)).size).toBeGreaterThan(8);
});

test("workers that can go are Dask's, freely and down to a number", () => {
  for (const { load, close } of cases) {
    for (const [target, addresses] of Object.entries(close))
      expect(workersToClose(load.workers, target === "any" ? null : Number(target)), `down to ${target}`).toEqual(
        addresses,
      );
  }
});

test("recommendations follow Dask's, call by call", () => {
  const statuses = new Set<string>();
  for (const { waitCount, steps } of lives) {
    const policy = new AdaptivePolicy<string>(waitCount);
    for (const { target, planned, waiting, closable, said } of steps) {
      const ours = policy.recommend(target, { planned, waiting }, () => closable);
      expect(ours.status === "down" ? { ...ours, workers: ours.workers.toSorted() } : ours).toEqual(said);
      statuses.add(ours.status);
    }
  }
  expect([...statuses].sort()).toEqual(["down", "same", "up"]);
});
