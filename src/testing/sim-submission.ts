/** A graph as a client submits it: as layers, or as single tasks. */
import type { Graph, Key } from "../graph/index.ts";
import { ANYWHERE, type SubmittedTask } from "../scheduler/state/index.ts";
import type { ClientWord } from "./sim-client.ts";

/** How it is to run. */
export interface SimSubmission {
  readonly priority?: number;
  readonly retries?: number;
  /** Materialised tasks instead of layers. */
  readonly isPlain?: boolean;
  readonly leastBytes: number;
}

/** The event that the client's message becomes. */
export function submissionOf(
  client: string,
  graph: Graph,
  { priority = 0, retries = 0, isPlain = false, leastBytes }: SimSubmission,
): ClientWord {
  const wanted = graph.wanted().flat();
  if (!isPlain)
    return { type: "submit-layers", client, graph, wanted, leastBytes, placement: ANYWHERE, retries, priority };
  const tasks = Array.from({ length: graph.taskCount }, (_, task): SubmittedTask => {
    const { dependencies, spec } = graph.expand(task);
    return {
      ...ANYWHERE,
      key: graph.key(task),
      dependencies: Array.from(new Set(dependencies.map((dependency): Key => graph.key(dependency)))),
      // Specs pass between the machines as they are; workers of the simulated cluster know.
      runSpec: spec as never,
      language: "native",
      retries,
      priority,
      rank: task,
      needBytes: spec.out.nbytes + spec.workspace,
    };
  });
  return { type: "submit-tasks", client, tasks, wanted: wanted.map((task) => graph.key(task)) };
}
