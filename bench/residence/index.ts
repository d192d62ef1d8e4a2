/**
 * What bounds the streaming kernels: instructions, or the memory they move? The same kernels over 65 536 elements, which
 * stay in the second-level cache, and over 4 million, which do not; nanoseconds per element, the least of forty rounds.
 * A row that loses to NumPy over few elements is bound by instructions, one that loses over many only by memory.
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { type DType, itemsize } from "../../src/dtype/index.ts";
import { type KernelCall, type NodeId, REDUCE_COMPONENTS, type ReduceOp } from "../../src/graph/index.ts";
import { createSegment, runMap, runReduce } from "../../src/kernels/index.ts";
import { CallBuilder } from "../../src/kernels/map/ir.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { type Bench, type BenchRow, row } from "../contract.ts";

const PYTHON = process.env["RSDAT_PYTHON"] ?? join(import.meta.dirname, "..", "..", ".venv", "bin", "python");
const SMALL = 1 << 16;
const LARGE = 1 << 22;
const ROUNDS = 40;

/** Blocks of one size, one behind the other in a segment. */
class Blocks {
  readonly #segment = createSegment(256 << 20);
  readonly #n: number;
  #at = 0;

  constructor(n: number) {
    this.#n = n;
  }

  make(dtype: DType, most: number, n = this.#n): NDArray {
    const block = NDArray.view(dtype, this.#segment.buffer, this.#at, [n]);
    this.#at += Math.ceil((n * itemsize(dtype)) / 64) * 64 + 320;
    for (let i = 0; i < n; i++) block.data[i] = ((i * 40503) % most) as never; // no 64-bit integers
    return block;
  }
}

type Build = (b: CallBuilder, inputs: readonly NodeId[]) => NodeId;

function callOf(dtypes: readonly DType[], build: Build): KernelCall {
  const b = new CallBuilder();
  return b.build([
    build(
      b,
      dtypes.map((d) => b.input(d)),
    ),
  ]);
}

/** The kernels of all rows over `n` elements. */
function kernels(n: number): Readonly<Record<string, () => void>> {
  const blocks = new Blocks(n);
  const [a, b, d, u] = [
    blocks.make("float32", 200),
    blocks.make("float32", 199),
    blocks.make("float64", 200),
    blocks.make("uint16", 10_000),
  ];
  const m = blocks.make("bool", 2);
  const to = (dtype: DType): NDArray => blocks.make(dtype, 1);
  const map = (inputs: readonly NDArray[], out: DType, build: Build): (() => void) => {
    const call = callOf(
      inputs.map((x) => x.dtype),
      build,
    );
    const target = to(out);
    return () => runMap(call, inputs, [target], [n]);
  };
  const reduce = (op: ReduceOp, x: NDArray, from: DType, dtype: DType): (() => void) => {
    const call = callOf([x.dtype], (k, [v]) => (from === x.dtype ? (v as NodeId) : k.cast(v as NodeId, from))); // one input
    const spec = { op, from, dtype, ddof: 0, minCount: 0, empty: null };
    const partial = blocks.make("float64", 1, REDUCE_COMPONENTS[op].length);
    return () => runReduce(call, spec, [x], [n], [0], partial);
  };
  const two =
    (op: "add" | "sub" | "div"): Build =>
    (k, [x, y]) =>
      k.binary(op, x as NodeId, y as NodeId); // two inputs
  const cast =
    (dtype: DType): Build =>
    (k, [x]) =>
      k.cast(x as NodeId, dtype); // one input
  return {
    "max float32": reduce("max", a, "float32", "float32"),
    "nanmax float32": reduce("nanmax", a, "float32", "float32"),
    "argmin float32": reduce("argmin", a, "float32", "int64"),
    "sum float32": reduce("sum", a, "float64", "float32"),
    "sum float64": reduce("sum", d, "float64", "float64"),
    "sum uint16": reduce("sum", u, "uint16", "uint64"),
    "copy float32": map([a], "float32", (_, [x]) => x as NodeId), // one input
    "add float32": map([a, b], "float32", two("add")),
    "where float32": map([m, a, b], "float32", (k, [c, x, y]) => k.where(c as NodeId, x as NodeId, y as NodeId)), // three inputs
    "uint16 to float32": map([u], "float32", cast("float32")),
    "float32 to int16": map([a], "int16", cast("int16")),
    "float64 to uint8": map([d], "uint8", cast("uint8")),
    "ndvi float32": map([a, b], "float32", (k, pair) => k.binary("div", two("sub")(k, pair), two("add")(k, pair))),
  };
}

/** Nanoseconds per element. */
function best(run: () => void, n: number): number {
  const repeats = Math.max(1, LARGE / n);
  for (let i = 0; i < 3; i++) run();
  let least = Number.POSITIVE_INFINITY;
  for (let r = 0; r < ROUNDS; r++) {
    const start = performance.now();
    for (let k = 0; k < repeats; k++) run();
    least = Math.min(least, (performance.now() - start) / repeats);
  }
  return (least / n) * 1e6;
}

export const bench: Bench = async ({ quick, rows: only, say }) => {
  const sizes = quick ? [1 << 12] : [SMALL, LARGE];
  const ours = sizes.map((n) => {
    const found = Object.entries(kernels(n)).filter(([id]) => only.length === 0 || only.some((o) => id.startsWith(o)));
    return new Map(found.map(([id, run]) => [id, best(run, n)]));
  });
  const { stdout } = await promisify(execFile)(PYTHON, [join(import.meta.dirname, "peer.py"), ...sizes.map(String)]);
  const theirs = JSON.parse(stdout) as Readonly<Record<string, readonly number[]>>; // peer.py's answer
  say(`${sizes.join(" and ")} elements, one thread each`);
  return sizes.flatMap((n, k): BenchRow[] =>
    [...(ours[k] as Map<string, number>)].map(([id, ns]) =>
      row({
        id,
        metric: `ns/element of ${n}`,
        ours: [ns],
        peer: { name: "NumPy", samples: [theirs[id]?.[k] ?? Number.NaN] },
      }),
    ),
  );
};
