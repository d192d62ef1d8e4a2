/** Results that stay where they were computed: on the threads' memory, or on a cluster's workers. */
import { currentPlanner, type LayerNode } from "../graph/index.ts";
import { type Computable, type ComputeOptions, checkComputeOptions, holdAll, planAll, settleAll } from "./compute.ts";

/** Lazy objects that can say themselves over other layers. */
export interface Persistable<T> extends Computable<unknown> {
  /** The same object over layers with the same values, one for each of `outputs`. */
  over(nodes: readonly LayerNode[]): T;
}

/**
 * Begin to compute lazy objects as one graph and keep their blocks where they are computed; gives the same objects over
 * these blocks, as soon as the runner has the graph. What follows from them computes nothing again. Calls made in one tick,
 * also of `compute` and of writers, are one graph; `{ merge: false }` keeps a call to itself.
 * @throws {MemoryBudgetError} the plan cannot fit  @throws {UnsupportedError} the runner keeps nothing
 */
export async function persistAll<T>(items: readonly Persistable<T>[], options: ComputeOptions = {}): Promise<T[]> {
  checkComputeOptions("persist", options);
  const planner = currentPlanner();
  if (planner) {
    planner((await planAll(items, options)).plan);
    return items.map((item) => item.over(item.outputs)); // what follows counts it again: nothing is kept
  }
  // What settles is of the same kind; where nothing has to, the tick goes on.
  const known = items.some((item) => item.before)
    ? ((await settleAll<unknown>(items, options)) as readonly Computable<unknown>[] as readonly Persistable<T>[])
    : items;
  // What is held already stays with the hold that it has.
  const open = known.flatMap(({ outputs }) => outputs.filter(({ layer }) => layer.kind !== "held"));
  if (open.length === 0) return known.map((item) => item.over(item.outputs));
  const kept = await holdAll(open, options);
  let at = 0;
  const place = (node: LayerNode): LayerNode => (node.layer.kind === "held" ? node : (kept[at++] as LayerNode)); // in order
  return known.map((item) => item.over(item.outputs.map(place)));
}
