/**
 * The same tasks by two ways: a client that speaks the dialect sends layers, one that does not sends their tasks one by
 * one, and both name them alike. What comes second joins what is there; a graph whose tasks are known one by one is
 * therefore taken one by one.
 */
import { type Graph, type Key, taskOrder } from "../../graph/index.ts";
import type { Core } from "./core.ts";
import type { SchedulerEvent, SubmittedTask } from "./events.ts";
import { isKeyed, languageOf } from "./keyed.ts";

type LayersEvent = Extract<SchedulerEvent, { readonly type: "submit-layers" }>;

/** True when tasks of the graph's layers are known as single tasks. */
export function isKnownBySingles(core: Core, graph: Graph): boolean {
  if (core.keys.size === 0 || isKeyed(graph)) return false;
  const names = new Set(graph.layers.filter(({ inline, kind }) => !inline && kind !== "held").map(({ name }) => name));
  for (const [key, slot] of core.keys) {
    // Data that somebody put on workers, or only asked for, cannot be computed: the layer can.
    if (key.startsWith('\0["') && names.has(layerOf(key)) && core.records.get(slot)?.runSpec) return true;
  }
  return false;
}

/** True when all blocks of a held layer are known as single tasks, or as data: somebody else's client persisted them. */
export function isHeldOneByOne(core: Core, graph: Graph, layer: number): boolean {
  if (core.keys.size + core.callKeys.size < graph.count(layer)) return false;
  for (let index = 0; index < graph.count(layer); index++) {
    const key = graph.key(graph.base(layer) + index);
    if (!core.keys.has(key) && !core.callKeys.find(key)) return false;
  }
  return true;
}

/** Name in a key `(name, i, j, …)`. */
function layerOf(key: Key): string {
  return key.slice(3, key.indexOf('"', 3));
}

/** The graph's tasks one by one; those of held layers are known already. */
export function asSingles(core: Core, event: LayersEvent): Extract<SchedulerEvent, { readonly type: "submit-tasks" }> {
  const { graph, placement, priority, retries, client, now, stimulusId } = event;
  const tasks: SubmittedTask[] = [];
  taskOrder(graph).forEach((task, rank) => {
    if (graph.layer(graph.locate(task).layer).kind === "held") return;
    const { dependencies, spec } = graph.expand(task);
    tasks.push({
      ...placement,
      key: graph.key(task),
      dependencies: dependencies.map((input) => graph.key(input)),
      runSpec: core.config.runSpecOf(spec),
      language: languageOf(graph),
      retries,
      priority,
      rank,
      needBytes: spec.out.nbytes + spec.workspace,
    });
  });
  const wanted = event.wanted.map((task) => graph.key(task));
  return { type: "submit-tasks", client, now, stimulusId, tasks, wanted };
}
