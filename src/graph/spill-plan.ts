/** What a graph writes to disk when its blocks have more bytes than the memory: a run in rank order, simulated. */
import { Heap } from "../base/index.ts";
import type { Graph, TaskId } from "./graph.ts";
import type { TaskEdges } from "./order.ts";

/** Bytes that go to disk and come back. */
export interface SpillBytes {
  readonly written: number;
  readonly read: number;
  /** Most bytes on disk at once. */
  readonly onDisk: number;
}

/** A block in memory, by the rank of its next use. */
interface Resident {
  readonly task: TaskId;
  next: number;
}

/**
 * One task at a time in rank order within `memoryBytes`; whatever is needed last leaves first (Bélády 1966), and is written
 * only once, since blocks do not change. `need` is each task's result and workspace.
 */
export function simulateSpill(
  graph: Graph,
  { order, edges }: { readonly order: Uint32Array; readonly edges: TaskEdges },
  need: (task: TaskId) => number,
  memoryBytes: number,
): SpillBytes {
  const rank = new Int32Array(graph.taskCount).fill(-1);
  order.forEach((t, i) => {
    rank[t] = i;
  });
  const wanted = new Set(graph.wanted().flat());
  const nextUse = (t: TaskId, now: number): number => {
    let next = wanted.has(t) ? order.length : -1;
    for (let e = edges.dependentsStart[t] as number; e < (edges.dependentsStart[t + 1] as number); e++) {
      const r = rank[edges.dependents[e] as number] as number;
      if (r > now && (next < 0 || r < next)) next = r;
    }
    return next;
  };
  const resident = new Map<TaskId, Resident>();
  const byNext = new Heap<Resident>((a, b) => a.next > b.next);
  const copies = new Set<TaskId>();
  let [live, written, read, disk, onDisk] = [0, 0, 0, 0, 0];
  const put = (t: TaskId, next: number): void => {
    const block = { task: t, next };
    resident.set(t, block);
    byNext.push(block);
  };
  const makeRoom = (bytes: number, inputs: ReadonlySet<TaskId>): void => {
    const passed: Resident[] = [];
    while (live + bytes > memoryBytes) {
      const victim = byNext.pop();
      if (!victim) break;
      if (inputs.has(victim.task)) {
        passed.push(victim);
        continue;
      }
      resident.delete(victim.task);
      const nbytes = graph.nbytes(victim.task);
      live -= nbytes;
      if (copies.has(victim.task)) continue;
      copies.add(victim.task);
      written += nbytes;
      disk += nbytes;
      onDisk = Math.max(onDisk, disk);
    }
    for (const block of passed) byNext.push(block);
  };
  order.forEach((t, now) => {
    const inputs = new Set<TaskId>();
    for (let e = edges.start[t] as number; e < (edges.start[t + 1] as number); e++)
      inputs.add(edges.dependencies[e] as number);
    for (const d of inputs) {
      if (resident.has(d)) continue;
      const nbytes = graph.nbytes(d);
      makeRoom(nbytes, inputs);
      live += nbytes;
      read += copies.has(d) ? nbytes : 0;
      put(d, now);
    }
    makeRoom(need(t), inputs);
    live += graph.nbytes(t);
    put(t, nextUse(t, now));
    for (const d of inputs) {
      const block = resident.get(d) as Resident; // brought in above
      byNext.delete(block);
      const next = nextUse(d, now);
      if (next >= 0) put(d, next);
      else {
        resident.delete(d);
        live -= graph.nbytes(d);
        if (copies.delete(d)) disk -= graph.nbytes(d);
      }
    }
  });
  return { written, read, onDisk };
}
