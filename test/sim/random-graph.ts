/** Random layered graphs: sources, elementwise kernels, rechunks, concatenations, tree reductions. */
import type { Random } from "../../src/base/index.ts";
import {
  blockwiseNode,
  buildGraph,
  CallsBuilder,
  type Chunks,
  concatenateNode,
  Graph,
  type KernelCall,
  keyOfValue,
  type Layer,
  type LayerNode,
  layerInputs,
  mapInputs,
  rechunkNode,
  reduceNode,
  sourceNode,
} from "../../src/graph/index.ts";

/** Sum of its inputs, element by element. */
export function sumCall(count: number): KernelCall {
  const inputs = Array.from({ length: count }, () => "float32" as const);
  const nodes: KernelCall["kernel"]["nodes"] = [
    ...inputs.map((dtype, slot) => ({ op: "in" as const, slot, dtype })),
    ...inputs.slice(1).map((dtype, i) => ({ op: "add" as const, a: i === 0 ? 0 : count + i - 1, b: i + 1, dtype })),
  ];
  return { kernel: { inputs, params: [], sets: [], nodes, outputs: [nodes.length - 1] }, params: [], sets: [] };
}

function cut(random: Random, size: number): number[] {
  const out: number[] = [];
  for (let left = size; left > 0; ) {
    const n = Math.min(left, 1 + random.below(4));
    out.push(n);
    left -= n;
  }
  return out;
}

const SHAPE = [8, 6];

/** Every node a layer of its own, in topological order; nothing fused, so that graphs stay large. */
export function graphOf(outputs: readonly LayerNode[]): Graph {
  const index = new Map<LayerNode, number>();
  const layers: Layer[] = [];
  const visit = (node: LayerNode): number => {
    const known = index.get(node);
    if (known !== undefined) return known;
    for (const input of layerInputs(node.layer)) visit(input);
    layers.push({ ...mapInputs(node.layer, (ref) => index.get(ref) as number), inline: false });
    index.set(node, layers.length - 1);
    return layers.length - 1;
  };
  const wanted = outputs.map(visit);
  return new Graph(layers, wanted);
}

/** A graph of some 10 to 300 tasks. */
export function randomGraph(random: Random, options: { readonly label?: string; readonly fuse?: boolean } = {}): Graph {
  const chunks: Chunks = SHAPE.map((size) => cut(random, size));
  const pool: LayerNode[] = [];
  const sources = 1 + random.below(3);
  for (let i = 0; i < sources; i++)
    pool.push(
      sourceNode({ source: `${options.label ?? "s"}${i}`, dtype: "float32", chunks, scratchBytes: random.below(50) }),
    );
  const pick = (): LayerNode => pool[random.below(pool.length)] as LayerNode;
  const steps = 2 + random.below(5);
  for (let i = 0; i < steps; i++) {
    const a = pick();
    if (random.below(3) === 0)
      pool.push(
        rechunkNode(
          a,
          SHAPE.map((size) => cut(random, size)),
        ),
      );
    else if (random.below(4) === 0) pool.push(concatenateNode([a], 0));
    else {
      const b = pool.filter((node) => sameChunks(node, a))[0] as LayerNode;
      const axes = [0, 1];
      pool.push(
        blockwiseNode(
          "add",
          sumCall(2),
          [
            { layer: a, axes },
            { layer: b, axes },
          ],
          a.layer.chunks,
        ),
      );
    }
  }
  const last = pool.at(-1) as LayerNode;
  const outputs = [last];
  if (random.below(2) === 0) {
    const spec = { op: "sum", from: "float32", dtype: "float32", ddof: 0, minCount: 0, empty: null } as const;
    const reduced = random.below(2) === 0 ? [0, 1] : [random.below(2)];
    const layer = pick();
    outputs.push(
      reduceNode("sum", sumCall(1), spec, [{ layer, axes: [0, 1] }], layer.layer.chunks, {
        reduced,
        keepdims: false,
        splitEvery: 2,
      }),
    );
  }
  return options.fuse ? buildGraph(outputs, 0) : graphOf(outputs);
}

/** Some chains of calls, with a branch and a call over two of them here and there. */
export function randomChains(random: Random, label: string): Graph {
  const builder = new CallsBuilder();
  const ends: number[] = [];
  const add = (inputs: readonly number[]): number => {
    const number = builder.count;
    builder.add({ key: keyOfValue(`${label}-${number}`), text: "(...xs) => xs", args: null, inputs });
    return number;
  };
  for (let chain = 1 + random.below(4); chain > 0; chain--) {
    let end = add([]);
    for (let link = 1 + random.below(50); link > 0; link--)
      end = add(random.below(12) === 0 && ends.length > 0 && ends[0] !== end ? [ends[0] as number, end] : [end]);
    ends.push(end);
  }
  return new Graph([{ ...builder.build(`chains-${label}`, null), inline: false }], [0]);
}

/** A graph of single calls in ranks, most of which read several of the ranks before; all that nobody reads are results. */
export function randomCalls(random: Random, label: string): Graph {
  const builder = new CallsBuilder();
  const wide = 1 + random.below(12);
  for (let rank = 1 + random.below(12); rank > 0; rank--) {
    const before = builder.count;
    for (let i = 0; i < wide; i++) {
      const inputs = new Set<number>();
      for (let k = random.below(4); before > 0 && k > 0; k--)
        inputs.add(random.below(3) === 0 ? random.below(before) : before - 1 - random.below(Math.min(wide, before)));
      builder.add({
        key: keyOfValue(`${label}-${builder.count}`),
        text: "(...xs) => xs",
        args: null,
        inputs: [...inputs],
      });
    }
  }
  return new Graph([{ ...builder.build(`calls-${label}`, null), inline: false }], [0]);
}

function sameChunks(a: LayerNode, b: LayerNode): boolean {
  return JSON.stringify(a.layer.chunks) === JSON.stringify(b.layer.chunks);
}
