/** What a graph moves between workers, by a plain model of placement. */
import type { Graph } from "./graph.ts";
import type { TaskEdges } from "./order.ts";

/** Blocks that a worker makes before another is given those that belong to them: its threads, and what is sent ahead. */
const AHEAD = 3;

/**
 * Bytes that workers fetch from each other, if tasks go to the worker that has most of their inputs, and what has none
 * goes where other inputs of its first consumer are, unless that worker is ahead of another by a few blocks.
 */
export function bytesMoved(
  graph: Graph,
  { order, edges }: { readonly order: Uint32Array; readonly edges: TaskEdges },
  workers: number,
): number {
  if (workers < 2) return 0;
  const at = new Int32Array(graph.taskCount).fill(-1);
  const copies = new Map<number, Set<number>>();
  const produced = new Float64Array(workers);
  const here = new Float64Array(workers);
  let moved = 0;
  for (const t of order) {
    const [start, stop] = [edges.start[t] as number, edges.start[t + 1] as number]; // a task of the graph
    let place = -1;
    if (start === stop) place = siblingPlace(t, edges, at);
    else {
      here.fill(0);
      for (let e = start; e < stop; e++) {
        const d = edges.dependencies[e] as number;
        const w = at[d] as number;
        here[w] = (here[w] as number) + graph.nbytes(d) + 1;
      }
      place = here.indexOf(Math.max(...here));
    }
    const least = Math.min(...produced);
    const isAhead = start === stop && place >= 0 && (produced[place] as number) > least + AHEAD * graph.nbytes(t);
    if (place < 0 || isAhead) place = produced.indexOf(least);
    for (let e = start; e < stop; e++) {
      const d = edges.dependencies[e] as number;
      if (at[d] === place || copies.get(d)?.has(place)) continue;
      moved += graph.nbytes(d);
      copies.set(d, (copies.get(d) ?? new Set()).add(place));
    }
    at[t] = place;
    produced[place] = (produced[place] as number) + graph.nbytes(t);
  }
  return moved;
}

/** Where an input of the first consumer that has others is, or -1. */
function siblingPlace(t: number, edges: TaskEdges, at: Int32Array): number {
  for (let task = t; ; ) {
    const first = edges.dependentsStart[task] as number;
    if (first === edges.dependentsStart[task + 1]) return -1;
    const consumer = edges.dependents[first] as number;
    const [start, stop] = [edges.start[consumer] as number, edges.start[consumer + 1] as number];
    for (let e = start; e < stop; e++) {
      const place = at[edges.dependencies[e] as number] as number;
      if (place >= 0) return place;
    }
    if (stop - start > 1) return -1;
    task = consumer;
  }
}
