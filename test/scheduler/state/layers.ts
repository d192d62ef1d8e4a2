/** Symbolic graphs in a driven machine. */
import type { Graph } from "../../../src/graph/index.ts";
import { ANYWHERE } from "../../../src/scheduler/state/index.ts";
import type { Driver, Order } from "./drive.ts";

/** Alice submits a graph and wants its outputs. */
export function submit(driver: Driver, graph: Graph, wanted: readonly number[] = graph.wanted().flat()): void {
  driver.client();
  driver.feed({
    type: "submit-layers",
    client: "alice",
    graph,
    wanted,
    leastBytes: 1,
    placement: ANYWHERE,
    retries: 0,
    priority: 0,
  });
}

/** She wants them no more. */
export function release(driver: Driver, graph: Graph, tasks: readonly number[] = graph.wanted().flat()): void {
  driver.feed({ type: "client-releases-keys", client: "alice", keys: tasks.map((task) => graph.key(task)) });
}

/** Answer orders until none is left; gives their number. */
export function finishAll(driver: Driver, each?: (order: Order) => void): number {
  let count = 0;
  for (let order = driver.orders.shift(); order; order = driver.orders.shift()) {
    count++;
    each?.(order);
    driver.answer(order, 8);
  }
  return count;
}
