/** Results that stay where they were computed: on the threads' memory, or on a cluster's workers. */
import { UnsupportedError } from "../base/index.ts";
import { currentPlanner, currentRunner, heldNode, type LayerNode } from "../graph/index.ts";
import { type Computable, type ComputeOptions, checkComputeOptions, planAll, planRun, settleAll } from "./compute.ts";
import { keepFor } from "./holds.ts";

/** Lazy objects that can say themselves over other layers. */
export interface Persistable<T> extends Computable<unknown> {
  /** The same object over layers with the same values, one for each of `outputs`. */
  over(nodes: readonly LayerNode[]): T;
}

/**
 * Begin to compute lazy objects as one graph and keep their blocks where they are computed; gives the same objects over
 * these blocks, as soon as the runner has the graph. What follows from them computes nothing again.
 * @throws {MemoryBudgetError} the plan cannot fit  @throws {UnsupportedError} the runner keeps nothing
 */
export async function persistAll<T>(items: readonly Persistable<T>[], options: ComputeOptions = {}): Promise<T[]> {
  checkComputeOptions("persist", options);
  const planner = currentPlanner();
  if (planner) {
    planner((await planAll(items, options)).plan);
    return items.map((item) => item.over(item.outputs)); // what follows counts it again: nothing is kept
  }
  // What settles is of the same kind.
  const known = (await settleAll<unknown>(
    items,
    options,
  )) as readonly Computable<unknown>[] as readonly Persistable<T>[];
  const runner = await currentRunner();
  if (!runner.hold) throw new UnsupportedError(`persist: runner ${runner.name} keeps no results; use compute`);
  // What is held already stays with the hold that it has.
  const open = known.flatMap(({ outputs }) => outputs.filter(({ layer }) => layer.kind !== "held"));
  if (open.length === 0) return known.map((item) => item.over(item.outputs));
  const { graph, plan } = await planRun([{ outputs: open, assemble: () => null }], options);
  const { memory: _, ...run } = options;
  const hold = await runner.hold(graph, plan, run);
  const kept = hold.names.map((name, k) => heldNode(open[k] as LayerNode, name)); // one per open output
  keepFor(kept, hold);
  let at = 0;
  const place = (node: LayerNode): LayerNode => (node.layer.kind === "held" ? node : (kept[at++] as LayerNode)); // in order
  return known.map((item) => item.over(item.outputs.map(place)));
}
