/** A runner for tests: every task in this thread, one after another, through the step interpreter. */
import { runTask } from "../src/executor/index.ts";
import { type Graph, type Plan, type Runner, registerRunner, runSequential } from "../src/graph/index.ts";
import type { NDArray } from "../src/ndarray/index.ts";

/** What the inline runner has seen. */
export interface InlineRunner extends Runner {
  /** Plans of the runs so far. */
  readonly plans: Plan[];
}

/** Register the inline runner for this test file. */
export function useInlineRunner(memoryBytes: number = 2 ** 40): InlineRunner {
  const plans: Plan[] = [];
  const runner: InlineRunner = {
    name: "inline",
    plans,
    limits: () => Promise.resolve({ threads: 1, memoryBytes, workers: 1 }),
    run: (graph: Graph, plan: Plan) => {
      plans.push(plan);
      // The tasks of a graph give blocks, those that call a function included.
      return runSequential(graph, async (spec, inputs) => (await runTask(spec, inputs, { trusted: true })) as NDArray);
    },
  };
  registerRunner(() => Promise.resolve(runner));
  return runner;
}
