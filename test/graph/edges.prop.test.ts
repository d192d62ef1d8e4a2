/** Edges, bytes and order by formula are what the programs of the tasks say, one by one. */
import { expect, test } from "vitest";
import { type Random, seededRandom } from "../../src/base/index.ts";
import { TABLE_MOST } from "../../src/graph/edge-rows.ts";
import { GraphEdges, MANY_LINKS, NO_LINKS } from "../../src/graph/edges.ts";
import {
  applyNode,
  blockwiseNode,
  buildGraph,
  type Chunks,
  callNode,
  coarsenNode,
  cogNode,
  cogPartNode,
  concatenateNode,
  type Graph,
  type LayerNode,
  rechunkNode,
  reduceNode,
  selectNode,
  sliceNode,
  sourceNode,
  stackNode,
  type TaskEdges,
  type TaskId,
  takeNode,
  taskOrder,
  transposeNode,
  windowNode,
  writeZarrNode,
} from "../../src/graph/index.ts";
import { TaskNeeds } from "../../src/graph/needs.ts";
import { LISTED, PlacedRows, type TaskLists } from "../../src/graph/placed-rows.ts";
import { programEdges } from "../../src/graph/program-edges.ts";
import { TaskWalk } from "../../src/graph/walk.ts";
import { graphOf, sumCall } from "../sim/random-graph.ts";

function cut(random: Random, size: number): number[] {
  const out: number[] = [];
  for (let left = size; left > 0; ) {
    const n = Math.min(left, 1 + random.below(4));
    out.push(n);
    left -= n;
  }
  return out;
}

const cuts = (random: Random, shape: readonly number[]): Chunks => shape.map((size) => cut(random, size));
const shapeOf = (node: LayerNode): number[] => node.layer.chunks.map((sizes) => sizes.reduce((a, b) => a + b, 0));
const AXES = [0, 1];
const SUM = { op: "sum", from: "float32", dtype: "float32", ddof: 0, minCount: 0, empty: null } as const;

/** One more layer on a node of rank two; the result has rank two again. */
function grow(random: Random, node: LayerNode): LayerNode {
  const shape = shapeOf(node);
  const { chunks } = node.layer;
  switch (random.below(12)) {
    case 0:
      return rechunkNode(node, cuts(random, shape));
    case 1:
      return transposeNode(node, [1, 0]);
    case 2: {
      const index = shape.map((size) => {
        const step = random.below(2) === 0 ? 1 + random.below(3) : -1 - random.below(2);
        const start = random.below(size);
        const room = step > 0 ? size - 1 - start : start;
        return { kind: "range" as const, start, step, count: 1 + Math.floor(room / Math.abs(step)) };
      });
      return sliceNode(node, index);
    }
    case 3:
      return concatenateNode([node, node], random.below(2));
    case 4: {
      const stacked = stackNode([node, node], 0);
      return reduceNode("sum", sumCall(1), SUM, [{ layer: stacked, axes: [0, 1, 2] }], stacked.layer.chunks, {
        reduced: [0],
        keepdims: false,
        splitEvery: 2,
      });
    }
    case 5: {
      const starts = chunks.map((sizes) => sizes.map((_, b) => sizes.slice(0, b).reduce((x, y) => x + y, 0)));
      const wide = chunks.map((sizes, k) =>
        sizes.map((size, b) => Math.min(size + 1, (shape[k] as number) - (starts[k]?.[b] as number))),
      );
      return windowNode("window", node, wide, starts);
    }
    case 6: {
      const axis = random.below(2);
      const indices = Array.from({ length: 1 + random.below(9) }, () => random.below(shape[axis] as number));
      return takeNode("take", node, axis, indices, cut(random, indices.length));
    }
    case 7:
      return reduceNode("sum", sumCall(1), SUM, [{ layer: node, axes: AXES }], chunks, {
        reduced: random.below(2) === 0 ? [0] : [0, 1],
        keepdims: true,
        splitEvery: 2 + random.below(2),
      });
    case 8: {
      const whole = rechunkNode(node, [[shape[0] as number], chunks[1] as readonly number[]]);
      return selectNode("median", sumCall(1), SELECT, [{ layer: whole, axes: AXES }], whole.layer.chunks, {
        reduced: [0],
        keepdims: true,
      });
    }
    case 9:
      return applyNode("apply", {
        kernel: "copy",
        params: null,
        inputs: [{ layer: node, axes: AXES }],
        dtype: "float32",
        chunks,
        scratchBytes: random.below(50),
        byNumber: random.below(2) === 0,
      });
    case 10:
      return callNode("call", {
        text: "(a) => a",
        inputs: [{ layer: node, axes: [0, null] }],
        lists: true,
        args: null,
        dtype: "float32",
        chunks: [chunks[0] as readonly number[], [1]],
      });
    default:
      return blockwiseNode(
        "add",
        sumCall(2),
        [
          { layer: node, axes: AXES },
          { layer: blockwiseNode("twice", sumCall(1), [{ layer: node, axes: AXES }], chunks), axes: AXES },
        ],
        chunks,
      );
  }
}

const SELECT = {
  op: "median",
  q: [],
  isList: false,
  method: "linear",
  skipna: false,
  empty: null,
  from: "float32",
  dtype: "float32",
} as const;

function outputsOf(random: Random, node: LayerNode): LayerNode[] {
  const { chunks } = node.layer;
  switch (random.below(4)) {
    case 0:
      return [writeZarrNode(node, null, "a")];
    case 1: {
      const rows = rechunkNode(node, [chunks[0] as readonly number[], [shapeOf(node)[1] as number]]);
      const part = cogPartNode(
        rows,
        null,
        0,
        (rows.layer.chunks[0] as readonly number[]).map(() => 2),
      );
      return [cogNode([part], null)];
    }
    case 2: {
      const half = chunks.map((sizes) => [sizes.reduce((a, b) => a + b, 0)].map((size) => Math.ceil(size / 2)));
      return [coarsenNode(node, half, "average", null), node];
    }
    default:
      return [node];
  }
}

/** Some layers in a row and side by side, fused in one of the ways of a plan, or not at all. */
function someGraph(seed: number): Graph {
  const random = seededRandom(seed);
  const chunks = cuts(random, [6 + random.below(5), 5 + random.below(5)]);
  let node = sourceNode({ source: "s", dtype: "float32", chunks, scratchBytes: random.below(50) });
  const steps = 1 + random.below(5);
  for (let i = 0; i < steps; i++) node = grow(random, node);
  const outputs = outputsOf(random, node);
  const how = random.below(4);
  return how === 3 ? graphOf(outputs) : buildGraph(outputs, how as 0 | 1 | 2);
}

const SEEDS = 150;

function rows(start: Uint32Array, items: Uint32Array): number[][] {
  return Array.from({ length: start.length - 1 }, (_, t) => Array.from(items.subarray(start[t], start[t + 1])));
}

function sorted(lists: readonly (readonly number[])[]): number[][] {
  return lists.map((list) => list.toSorted((a, b) => a - b));
}

function inputsOf(edges: GraphEdges, task: number): number[] {
  const out: number[] = [];
  const count = edges.inputs(task, out);
  return out.slice(0, count);
}

test("dependencies and dependents by formula are those of the programs, nothing twice", () => {
  let formulas = 0;
  const kinds = new Set<string>();
  for (let seed = 1; seed <= SEEDS; seed++) {
    const graph = someGraph(seed);
    const edges = new GraphEdges(graph);
    if (edges.columns) continue;
    formulas++;
    for (const layer of graph.layers) kinds.add(layer.kind);
    const own = edges.toColumns();
    const oracle = programEdges(graph);
    const inputs = Array.from({ length: graph.taskCount }, (_, task) => inputsOf(edges, task));
    expect(sorted(inputs), `seed ${seed}`).toEqual(sorted(rows(oracle.start, oracle.dependencies)));
    // In the order in which the program reads them: workers hand inputs over by their place.
    expect(rows(own.start, own.dependencies), `seed ${seed}`).toEqual(rows(oracle.start, oracle.dependencies));
    expect(sorted(rows(own.dependentsStart, own.dependents)), `seed ${seed}`).toEqual(
      sorted(rows(oracle.dependentsStart, oracle.dependents)),
    );
  }
  expect(formulas).toBeGreaterThan(SEEDS * 0.85);
  for (const kind of ["gather", "window", "take", "coarsen", "combine", "select", "apply", "call", "write-cog"])
    expect(kinds).toContain(kind);
});

test("bytes by kind of block are those of the program", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const graph = someGraph(seed);
    const edges = new GraphEdges(graph);
    const needs = new TaskNeeds(graph);
    for (let task = 0; task < graph.taskCount; task++) {
      const { spec } = graph.expand(task);
      expect(needs.of(edges.layerOf(task), task), `seed ${seed} task ${task}`).toEqual({
        nbytes: spec.out.nbytes,
        need: spec.out.nbytes + spec.workspace,
      });
    }
  }
});

/** True when the first task of this one's layer makes little of what it reads. */
function gathers(graph: Graph, inputs: readonly (readonly number[])[], task: number): boolean {
  const first = graph.base(graph.locate(task).layer);
  const read = new Set(inputs[first]);
  const bytes = Array.from(read).reduce((sum, input) => sum + graph.nbytes(input), 0);
  return read.size > 1 && 4 * graph.nbytes(first) <= bytes;
}

/**
 * Depth first, what gets ready at once, and before it goes deeper the sources that are all that tasks wait for which gather:
 * over columns, all in one go.
 */
function simpleOrder(graph: Graph, edges: TaskEdges): number[] {
  const inputs = rows(edges.start, edges.dependencies);
  const users = rows(edges.dependentsStart, edges.dependents);
  const needed = new Set<number>();
  const need = (task: number): void => {
    if (needed.has(task)) return;
    needed.add(task);
    for (const input of inputs[task] as number[]) need(input);
  };
  const wanted = graph.wanted().flat();
  for (const task of wanted) need(task);
  const order: number[] = [];
  const done = new Set<number>();
  const almost: number[] = [];
  const missing = (task: number): number[] => Array.from(new Set(inputs[task])).filter((input) => !done.has(input));
  const finish = (task: number): void => {
    if (done.has(task)) return;
    done.add(task);
    order.push(task);
    for (const user of (users[task] as number[]).toReversed())
      if (needed.has(user) && missing(user).length === 1 && gathers(graph, inputs, user)) almost.push(user);
    for (const user of users[task] as number[])
      if (needed.has(user) && (inputs[user] as number[]).every((input) => done.has(input))) finish(user);
  };
  const visit = (task: number): void => {
    if (done.has(task)) return;
    for (const input of inputs[task] as number[]) visit(input);
    finish(task);
    for (let next = almost.pop(); next !== undefined; next = almost.pop()) {
      const left = done.has(next) ? [] : missing(next);
      if (left.length === 1 && inputs[left[0] as number]?.length === 0) finish(left[0] as number);
    }
  };
  for (const task of wanted) visit(task);
  return order;
}

/** Most bytes at once when tasks run in this order and blocks die with their last use; results stay. */
function simplePeak(graph: Graph, order: readonly number[]): number {
  const wanted = new Set(graph.wanted().flat());
  const specs = new Map(order.map((task) => [task, graph.expand(task)]));
  const live = new Set<number>();
  let peak = 0;
  order.forEach((task, at) => {
    const { spec } = specs.get(task) as ReturnType<Graph["expand"]>; // of the order
    const held = Array.from(live).reduce((sum, block) => sum + graph.nbytes(block), 0);
    peak = Math.max(peak, held + spec.out.nbytes + spec.workspace);
    live.add(task);
    for (const block of live) {
      const isUsed = order.slice(at + 1).some((later) => specs.get(later)?.dependencies.includes(block));
      if (!isUsed && !wanted.has(block)) live.delete(block);
    }
  });
  return peak;
}

test("a walk gives the same order in pieces of any size, inputs first, and the same peak as a plan", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const graph = someGraph(seed);
    const edges = new GraphEdges(graph);
    const whole = Array.from(taskOrder(graph));
    const random = seededRandom(seed);
    const walk = new TaskWalk(graph, graph.wanted().flat(), edges);
    const pieces: number[] = [];
    while (!walk.isDone) {
      const piece = new Uint32Array(1 + random.below(7));
      pieces.push(...piece.subarray(0, walk.next(piece, piece.length)));
      for (const task of pieces) expect(walk.isRanked(task)).toBe(true);
    }
    expect(pieces, `seed ${seed}`).toEqual(whole);
    const place = new Map(whole.map((task, rank) => [task, rank]));
    for (const [rank, task] of whole.entries())
      for (const input of inputsOf(edges, task)) expect(place.get(input), `seed ${seed}`).toBeLessThan(rank);
    expect(whole, `seed ${seed}`).toEqual(simpleOrder(graph, edges.toColumns()));
    expect(walk.ranked).toBe(whole.length);
    expect(walk.leastBytes, `seed ${seed}`).toBe(simplePeak(graph, whole));
  }
});

/** What a row of a walk says of the tasks on one side of it: few are listed, or their distance tells them; of many their number is told. */
function told(
  { count, tasks }: TaskLists,
  row: number,
  { task, away }: { task: TaskId; away: number },
): number[] | number {
  const n = count[row] as number; // a row
  if (away !== MANY_LINKS) expect(n).toBe(0);
  if (away === NO_LINKS) return [];
  if (away !== MANY_LINKS) return [task - away];
  return n > LISTED ? n : Array.from(tasks.subarray(LISTED * row, LISTED * row + n));
}

/** The same of what is known: as it is told. */
function few(tasks: readonly number[]): readonly number[] | number {
  return tasks.length > LISTED ? tasks.length : tasks;
}

test("beside places a walk tells bytes, inputs as programs read them, and dependents", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const graph = someGraph(seed);
    const edges = new GraphEdges(graph);
    const walk = new TaskWalk(graph, graph.wanted().flat(), edges);
    const random = seededRandom(seed);
    const specs = Array.from({ length: graph.taskCount }, (_, task) => graph.expand(task));
    while (!walk.isDone) {
      const most = 1 + random.below(9);
      const [piece, users, rows] = [new Uint32Array(most), new Uint32Array(most), new PlacedRows(most)];
      const count = walk.next(piece, most, users, rows);
      for (let row = 0; row < count; row++) {
        const task = piece[row] as number; // row < count
        const { spec, dependencies } = specs[task] as (typeof specs)[number]; // one per task
        const layer = edges.layerOf(task);
        const [inputs, away] = [new Set(dependencies), edges.inputAway[layer] as number]; // one per layer
        expect(rows.nbytes[row]).toBe(spec.out.nbytes);
        expect(rows.need[row]).toBe(spec.out.nbytes + spec.workspace);
        expect(edges.countInputs(task)).toBe(inputs.size);
        expect(told(rows.inputs, row, { task, away }), `seed ${seed}`).toEqual(few([...inputs]));
        const readers = specs.flatMap((other, at) => (other.dependencies.includes(task) ? [at] : []));
        const dependents = told(rows.users, row, { task, away: edges.userAway[layer] as number });
        expect(Array.isArray(dependents) ? dependents.sort((a, b) => a - b) : dependents).toEqual(few(readers));
        expect(users[row]).toBe(readers.filter((reader) => walk.isNeeded(reader)).length);
      }
    }
  }
});

test("axes of more places than rows stand in tables for", () => {
  const places = TABLE_MOST + 6;
  const ones = (n: number): number[] => new Array<number>(n).fill(1);
  const sumOf = (chunks: Chunks, reduced: readonly number[]): Graph => {
    const source = sourceNode({ source: "s", dtype: "float32", chunks, scratchBytes: 0 });
    const axes = chunks.map((_, axis) => axis);
    return graphOf([
      reduceNode("sum", sumCall(1), SUM, [{ layer: source, axes }], chunks, { reduced, keepdims: true, splitEvery: 4 }),
    ]);
  };
  // Groups of four along a long axis, and both of a short axis at each place of a long one.
  for (const graph of [sumOf([ones(4 * places)], [0]), sumOf([ones(places), ones(2)], [1])]) {
    const edges = new GraphEdges(graph);
    const users = Array.from({ length: graph.taskCount }, (): number[] => []);
    let asked = 0;
    for (const [index, layer] of graph.layers.entries()) {
      if (layer.inline || layer.kind === "source") continue;
      const [from, count] = [graph.base(index), graph.count(index)];
      for (let task = from + Math.max(0, count - 50); task < from + count; task++) {
        const { dependencies } = graph.expand(task);
        expect(inputsOf(edges, task)).toEqual([...dependencies]);
        expect(edges.countInputs(task)).toBe(dependencies.length);
        for (const input of dependencies) users[input]?.push(task);
        if (count > TABLE_MOST) asked++;
      }
    }
    const out: number[] = [];
    for (const [task, readers] of users.entries())
      if (readers.length > 0) expect(out.slice(0, edges.dependents(task, out)), `task ${task}`).toEqual(readers);
    expect(asked).toBeGreaterThanOrEqual(50);
  }
});
