/** Rows about the engine itself: compiling, calling, memory, threads. */
import { DTYPES } from "../../src/dtype/index.ts";
import type { NodeId } from "../../src/graph/index.ts";
import { copyStrided, createSegment, runMap } from "../../src/kernels/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { type BenchRow, median, row } from "../contract.ts";
import type { Inputs } from "./inputs.ts";
import { callOf, type Row } from "./row.ts";
import { explog, plainNdvi } from "./rows-map.ts";
import { TASK, Threads } from "./threads.ts";

/** How often everything is measured. */
export interface Rounds {
  readonly rounds: number;
  readonly repeats: number;
}

let clock = (): number => performance.now();

/** Milliseconds now: of the wall, or of this process's processor time once {@link useProcessorTime} was called. */
export function now(): number {
  return clock();
}

/** Measure processor time from here on: the process's, since Node's of one thread moves by whole ticks of the kernel. */
export function useProcessorTime(): void {
  clock = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  };
}

export function timed(f: () => void): number {
  const start = clock();
  f();
  return clock() - start;
}

const OPS = ["add", "sub", "mul", "max", "min"] as const;

/** Milliseconds to emit, compile and first run an expression of six nodes that no one has compiled before. */
export function compileRow(inputs: Inputs, { rounds }: Rounds): BenchRow {
  const [a, out] = [inputs.get("a"), inputs.empty("float32", [16, 64])];
  const part = new NDArray("float32", a.data, [16, 64], a.stride, a.offset);
  let serial = 0;
  const sample = (): number => {
    serial++;
    let rest = serial;
    const call = callOf(["float32"], (b, [x]) => {
      let node = x as NodeId; // one input
      for (let k = 0; k < 5; k++) {
        node = b.binary(
          OPS[rest % 5] as "add",
          node,
          k % 2 === 0 ? b.param(k + 1, "float32") : b.unary("abs", x as NodeId),
        );
        rest = Math.floor(rest / 5);
      }
      return node;
    });
    return timed(() => runMap(call, [part], [out], part.shape));
  };
  for (let k = 0; k < 30; k++) sample(); // warms the emitter
  const ours = Array.from({ length: Math.max(9, 5 * rounds) }, sample);
  return row({ id: "compile-6-nodes", metric: "ms", ours, target: 3, aim: 1 });
}

/** Microseconds of a call of a compiled kernel on 64 elements. */
export function cachedRow(inputs: Inputs, { rounds }: Rounds): BenchRow {
  const call = callOf(["float32", "float32"], plainNdvi);
  const operand = (name: string): NDArray => {
    const x = inputs.get(name);
    return new NDArray("float32", x.data, [64], [1], x.offset);
  };
  const [a, b, out] = [operand("a"), operand("b"), inputs.empty("float32", [64])];
  runMap(
    call,
    [inputs.get("a"), inputs.get("b")],
    [inputs.empty("float32", inputs.get("a").shape)],
    inputs.get("a").shape,
  );
  const calls = 20_000;
  const many = (): void => {
    for (let k = 0; k < calls; k++) runMap(call, [a, b], [out], [64]);
  };
  many();
  const ours = Array.from({ length: Math.max(3, rounds) }, () => (timed(many) / calls) * 1000);
  return row({ id: "cached-64-elements", metric: "µs", ours, target: 5, aim: 1.5 });
}

/** MiB of array memory that a fused selection takes beside inputs and output. */
export function memoryRow(bound: { readonly run: () => void }): BenchRow {
  bound.run();
  const ours = Array.from({ length: 3 }, () => {
    const before = process.memoryUsage().arrayBuffers;
    bound.run();
    return Math.max(0, process.memoryUsage().arrayBuffers - before) / 2 ** 20;
  });
  const middle = median(ours);
  return { ...row({ id: "ndvi-nanmedian-24 memory", metric: "MiB", ours, target: 1 }), spread: middle === 0 ? 0 : 1 };
}

/** A plane's operands at the start of a segment, and both halves of its elements. */
export class Halves {
  readonly #operands: readonly NDArray[];
  readonly #threads: Threads;
  readonly #elements: number;

  private constructor(operands: readonly NDArray[], threads: Threads) {
    this.#operands = operands;
    this.#threads = threads;
    this.#elements = (operands[0] as NDArray).size; // there are three
  }

  static async make(inputs: Inputs): Promise<Halves> {
    const { size } = inputs.get("la");
    const bytes = size * DTYPES.float32.itemsize;
    const segment = createSegment(3 * bytes + 4096);
    const operands = [0, 1, 2].map((k) => NDArray.view("float32", segment.buffer, k * bytes, [size]));
    copyStrided(operands[0] as NDArray, flat(inputs.get("la")));
    copyStrided(operands[1] as NDArray, flat(inputs.get("lb")));
    const offsets = [0, 1, 2].map((k) => k * bytes + bytes / 2);
    const threads = await Threads.start(segment, [{ offsets, elements: size / 2 }]);
    return new Halves(operands, threads);
  }

  /** The task over all elements in this thread, and over half of them each in two. */
  tasks(task: keyof typeof TASK): { readonly one: () => void; readonly two: () => void; readonly result: NDArray } {
    const whole = this.#operands as readonly [NDArray, NDArray, NDArray]; // three
    const half = whole.map((x) => new NDArray(x.dtype, x.data, [this.#elements / 2], [1], x.offset)) as typeof whole &
      NDArray[];
    const run = this.#run(task);
    return {
      one: () => run(whole),
      two: () => {
        this.#threads.begin(TASK[task]);
        run(half as unknown as readonly [NDArray, NDArray, NDArray]); // three
        this.#threads.join();
      },
      result: whole[2],
    };
  }

  #run(task: keyof typeof TASK): (x: readonly [NDArray, NDArray, NDArray]) => void {
    if (task === "copy") return ([a, , out]) => copyStrided(out, a);
    const call = callOf(["float32", "float32"], task === "ndvi" ? plainNdvi : explog);
    return ([a, b, out]) => runMap(call, [a, b], [out], out.shape);
  }

  end(): Promise<void> {
    return this.#threads.end();
  }
}

/** Milliseconds of the wall: what threads share is no one thread's time. */
function elapsed(f: () => void): number {
  const start = performance.now();
  f();
  return performance.now() - start;
}

function flat(x: NDArray): NDArray {
  return new NDArray(x.dtype, x.data, [x.size], [1], x.offset);
}

/** Two threads against one, on 16M elements. */
export function threadRow(
  id: string,
  { one, two }: { one: () => void; two: () => void },
  { rounds, repeats }: Rounds,
  targets: { must?: number; aim?: number },
): BenchRow {
  for (let k = 0; k < 3; k++) {
    one();
    two();
  }
  const [ours, theirs]: [number[], number[]] = [[], []];
  for (let k = 0; k < rounds; k++) {
    ours.push(median(Array.from({ length: repeats }, () => elapsed(two))));
    theirs.push(median(Array.from({ length: repeats }, () => elapsed(one))));
  }
  return row({
    id,
    metric: "ms",
    ours,
    peer: { name: "one thread", samples: theirs },
    ...(targets.must === undefined ? {} : { target: targets.must }),
    ...(targets.aim === undefined ? {} : { aim: targets.aim }),
  });
}

/** What the all-cores rows are compared with by name. */
export const CORES_ROWS: readonly Pick<Row, "id" | "near" | "peers">[] = [
  { id: "ndvi-f32-16M-cores", near: { relative: 0 }, peers: { numexpr: { must: 1 }, numba: { must: 1.25 } } },
  { id: "explog-f32-16M-cores", near: { relative: 1e-6, absolute: 1e-6 }, peers: { numexpr: { must: 1 }, numba: {} } },
];
