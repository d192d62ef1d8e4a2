/**
 * A process that runs kernels in one mode (first argument: plain, wide, single, threads) and prints the hashes of their
 * results after the first call, when code is not optimised yet, and after the fiftieth.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { DTYPES, type DType, reductionType } from "../../src/dtype/index.ts";
import {
  type KernelCall,
  type NodeId,
  type Plain,
  REDUCE_COMPONENTS,
  type ReduceOp,
  type SelectSpec,
} from "../../src/graph/index.ts";
import {
  adoptSegment,
  coarsen,
  createSegment,
  enableWide,
  finalizePartial,
  kernelStats,
  runBlock,
  runMap,
  runReduce,
  runSelect,
  useSingleMemory,
  type WasmMemory,
} from "../../src/kernels/index.ts";
import { compileFrom } from "../../src/kernels/map/engine.ts";
import { CallBuilder } from "../../src/kernels/map/ir.ts";
import { NDArray } from "../../src/ndarray/index.ts";

compileFrom.elements = 0;
const [ROWS, COLUMNS] = [120, 353];
const SHAPE = [ROWS, COLUMNS];

interface Case {
  readonly out: NDArray;
  /** Rows `from … to` of the result, where it has them. */
  readonly run: (from: number, to: number) => void;
  readonly byRows: boolean;
}

function callOf(dtypes: readonly DType[], build: (b: CallBuilder, inputs: readonly NodeId[]) => NodeId): KernelCall {
  const b = new CallBuilder();
  return b.build([
    build(
      b,
      dtypes.map((d) => b.input(d)),
    ),
  ]);
}

function rowsOf(x: NDArray, from: number, to: number): NDArray {
  const offset = x.offset + from * (x.stride[0] as number);
  return new NDArray(x.dtype, x.data, [to - from, ...x.shape.slice(1)], x.stride, offset);
}

/** All kernels over blocks in `buffer` from byte `start` on; filled when `fills`. */
function casesOf(buffer: ArrayBufferLike, start: number, fills: boolean): Record<string, Case> {
  let at = start;
  const empty = (dtype: DType, shape: readonly number[]): NDArray => {
    const block = NDArray.view(dtype, buffer, at, shape);
    at = (at + block.nbytes + 127) & ~63;
    return block;
  };
  let state = 99;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 0) / 2 ** 32;
  };
  const input = (dtype: DType, value: () => number): NDArray => {
    const block = empty(dtype, SHAPE);
    if (fills)
      for (let i = 0; i < block.size; i++) block.data[i] = (DTYPES[dtype].big ? BigInt(value()) : value()) as never;
    return block;
  };
  const nir = input("uint16", () => (random() < 0.1 ? 0 : Math.floor(random() * 10000)));
  const red = input("uint16", () => (random() < 0.1 ? 0 : Math.floor(random() * 10000)));
  const a = input("float32", () => (random() < 0.1 ? Number.NaN : (random() - 0.5) * 10 ** Math.floor(random() * 12)));
  const b32 = input("float32", () => random() * 100 - 50);
  const a64 = input("float64", () => (random() - 0.5) * 1e3);
  const big = input("int64", () => Math.floor((random() - 0.5) * 2 ** 53));
  const map = (
    inputs: readonly NDArray[],
    dtype: DType,
    build: (b: CallBuilder, i: readonly NodeId[]) => NodeId,
  ): Case => {
    const call = callOf(
      inputs.map((x) => x.dtype),
      build,
    );
    const out = empty(dtype, SHAPE);
    return {
      out,
      byRows: true,
      run: (from, to) =>
        runMap(
          call,
          inputs.map((x) => rowsOf(x, from, to)),
          [rowsOf(out, from, to)],
          [to - from, COLUMNS],
        ),
    };
  };
  const ratio = (b: CallBuilder, [x, y]: readonly NodeId[]): NodeId =>
    b.binary("div", b.binary("sub", x as NodeId, y as NodeId), b.binary("add", x as NodeId, y as NodeId));
  const reduce = (op: ReduceOp, from: NDArray, axes: readonly number[]): Case => {
    const kept = SHAPE.filter((_, k) => !axes.includes(k));
    const dtype = reductionType(op, from.dtype);
    const spec = { op, from: from.dtype, dtype, ddof: 1, minCount: 0, empty: null };
    const call = callOf([from.dtype], (_, [x]) => x as NodeId);
    const [partial, out] = [empty("float64", [REDUCE_COMPONENTS[op].length, ...kept]), empty(dtype, kept)];
    return {
      out,
      byRows: false,
      run: () => {
        runReduce(call, spec, [from], SHAPE, axes, partial);
        finalizePartial(spec, partial, out);
      },
    };
  };
  const cases: Record<string, Case> = {
    "ndvi u16": map([nir, red], "float32", (b, [x, y]) => {
      const none = b.param(0, "uint16");
      const missing = b.binary("or", b.compare("eq", x as NodeId, none), b.compare("eq", y as NodeId, none));
      const cast = (z: NodeId | undefined): NodeId => b.cast(z as NodeId, "float32");
      return b.where(missing, b.param(Number.NaN, "float32"), ratio(b, [cast(x), cast(y)]));
    }),
    "chain f32": map([a, b32], "float32", (b, i) =>
      b.unary("sqrt", b.unary("abs", b.binary("mul", ratio(b, i), i[0] as NodeId))),
    ),
    "chain f64": map([a64, a64], "float64", (b, [x]) =>
      b.unary("floor", b.binary("mul", x as NodeId, b.param(0.37, "float64"))),
    ),
    "f32 to i16": map([b32], "int16", (b, [x]) =>
      b.cast(b.binary("mul", x as NodeId, b.param(1e4, "float32")), "int16"),
    ),
    "i64 mul": map([big, big], "int64", (b, [x, y]) => b.binary("mul", x as NodeId, y as NodeId)),
    "clipped f32": map([a], "float32", (b, [x]) =>
      b.binary("min", b.binary("max", x as NodeId, b.param(-9, "float32")), b.param(9, "float32")),
    ),
    reversed: map(
      [new NDArray("float32", a.data, SHAPE, [COLUMNS, -1], a.offset + COLUMNS - 1), b32],
      "float32",
      ratio,
    ),
  };
  const turned = empty("float32", [COLUMNS, ROWS]);
  const copy = callOf(["float32"], (_, [x]) => x as NodeId);
  cases["transposed"] = {
    out: turned,
    byRows: false,
    run: () => runMap(copy, [a.transpose()], [turned], turned.shape),
  };
  const half = empty("uint16", [ROWS / 2, Math.ceil(COLUMNS / 2)]);
  cases["coarsen"] = { out: half, byRows: false, run: () => coarsen(nir, half, "average", 0) };
  for (const op of ["sum", "nanmean", "nanstd", "max", "nanmin", "prod", "nanargmax"] as const)
    for (const axes of [[0], [1], [0, 1]]) {
      cases[`${op} f32 ${axes}`] = reduce(op, a, axes);
      cases[`${op} u16 ${axes}`] = reduce(op, nir, axes);
    }
  const block = (kernel: string, inputs: readonly NDArray[], shape: readonly number[], params: Plain): Case => {
    const out = empty((inputs[0] as NDArray).dtype, shape); // there is one
    const place = { at: [0, 0], position: [0, 0] };
    return { out, byRows: false, run: () => runBlock(kernel, inputs, out, params, place) };
  };
  const edges = empty("float64", [4]);
  if (fills) (edges.data as Float64Array).set([-40, 0, 12.5, 5000]);
  const counts = (kernel: string, inputs: readonly NDArray[], shape: readonly number[]): Case => {
    const out = empty("int64", shape);
    const params = { side: "left", descending: false };
    return { out, byRows: false, run: () => runBlock(kernel, inputs, out, params, { at: [0, 0], position: [0, 0] }) };
  };
  const window = (kernel: string, x: NDArray, n: number, params: { readonly [name: string]: Plain }): Case =>
    block(kernel, [x], [ROWS - n + 1, COLUMNS - n + 1], { ...params, size: [n, n] });
  const weights = Array.from({ length: 25 }, (_, k) => (k % 7) - 2.5);
  for (const x of [a, a64]) {
    cases[`correlate ${x.dtype}`] = window("window-correlate", x, 5, { weights, skipna: false });
    cases[`correlate valid ${x.dtype}`] = window("window-correlate", x, 5, { weights, skipna: true });
    cases[`mean ${x.dtype}`] = window("window-box", x, 9, { op: "mean", skipna: false });
    cases[`largest ${x.dtype}`] = window("window-extreme", x, 3, { op: "max", skipna: false });
    cases[`median ${x.dtype}`] = window("window-median", x, 3, { skipna: false });
    cases[`median valid ${x.dtype}`] = window("window-median", x, 3, { skipna: true });
    for (const method of ["nearest", "bilinear"])
      cases[`${method} ${x.dtype}`] = block("warp", [x], SHAPE, {
        affine: [0.9, 0.1, -3, -0.1, 1.1, 4],
        method,
        nodata: null,
        source: SHAPE,
        starts: [[0], [0]],
      });
  }
  cases["median u16"] = window("window-median", nir, 5, { skipna: false });
  for (const x of [b32, a64, big]) cases[`matmul ${x.dtype}`] = block("matmul", [x, x.transpose()], [ROWS, ROWS], null);
  for (const x of [a, nir, a64, big]) {
    for (const axis of [0, 1]) {
      cases[`median ${x.dtype} ${axis}`] = select(x, axis, empty);
      cases[`sort ${x.dtype} ${axis}`] = block("sort", [x], SHAPE, { axis, descending: false });
      if (x !== nir) cases[`scan ${x.dtype} ${axis}`] = block("scan", [x], SHAPE, { axis, op: "add" });
    }
    cases[`counts ${x.dtype}`] = counts("count-bins", [x, edges], [3]);
    cases[`places ${x.dtype}`] = counts("locate", [x, edges], SHAPE);
  }
  cases["bincount u16"] = counts("bincount", [nir], [10_000]);
  cases["exp f32"] = map([b32], "float32", (b, [x]) => b.unary("exp", x as NodeId));
  // Numbers of all sizes and NaN: iterations with rare arguments, and without.
  for (const op of ["expm1", "log10", "log1p", "sin", "tanh", "cbrt", "asinh", "acos"] as const) {
    cases[`${op} f32`] = map([a], "float32", (b, [x]) => b.unary(op, x as NodeId));
    cases[`${op} small f32`] = map([b32], "float32", (b, [x]) =>
      b.unary(op, b.binary("mul", x as NodeId, b.param(0.01, "float32"))),
    );
  }
  for (const op of ["pow", "atan2", "hypot"] as const)
    cases[`${op} f32`] = map([a, b32], "float32", (b, [x, y]) => b.binary(op, x as NodeId, y as NodeId));
  cases["f16"] = map([b32], "float16", (b, [x]) => b.unary("sqrt", b.unary("abs", b.cast(x as NodeId, "float16"))));
  return cases;
}

/** Median without NaN along one axis. */
function select(x: NDArray, axis: number, empty: (dtype: DType, shape: readonly number[]) => NDArray): Case {
  const call = callOf([x.dtype], (_, [value]) => value as NodeId);
  const dtype = DTYPES[x.dtype].kind === "f" ? x.dtype : "float64";
  const spec: SelectSpec = {
    op: "median",
    q: [],
    isList: false,
    method: "linear",
    skipna: true,
    from: x.dtype,
    dtype,
    empty: null,
  };
  const out = empty(
    dtype,
    SHAPE.filter((_, k) => k !== axis),
  );
  return { out, byRows: false, run: () => runSelect(call, spec, [x], SHAPE, [axis], out) };
}

function hashOf({ out }: Case): string {
  const bytes = Buffer.from(out.data.buffer as ArrayBuffer, out.data.byteOffset, out.data.byteLength);
  return createHash("sha256").update(Uint8Array.from(bytes)).digest("hex").slice(0, 16);
}

/** Runs half of the rows of each kernel, when it is told to. */
async function serve(memory: WasmMemory, upper: boolean): Promise<void> {
  const cases = casesOf(adoptSegment(memory), 0, false);
  parentPort?.on("message", (name: string) => {
    const { run, byRows } = cases[name] as Case; // names come from the same list
    const cut = ROWS / 2 + 1;
    if (byRows) run(upper ? 0 : cut, upper ? cut : ROWS);
    else if (upper) run(0, ROWS);
    parentPort?.postMessage(name);
  });
}

if (isMainThread) {
  const mode = process.argv[2] as "plain" | "wide" | "single" | "threads";
  if (mode === "single") useSingleMemory();
  const wide = mode === "wide" ? enableWide() : null;
  const { buffer, memory, start } = createSegment(16 << 20);
  const cases = casesOf(buffer, start, true);
  const workers =
    mode === "threads"
      ? [true, false].map((upper) => new Worker(new URL(import.meta.url), { workerData: { memory, upper } }))
      : [];
  const hashes: Record<string, string> = {};
  for (const [name, c] of Object.entries(cases)) {
    const run = async (): Promise<void> => {
      if (workers.length === 0) return c.run(0, ROWS);
      const done = workers.map((w) => once(w, "message"));
      for (const w of workers) w.postMessage(name);
      await Promise.all(done);
    };
    await run();
    hashes[`${name} first`] = hashOf(c);
    for (let i = 1; i < 50; i++) await run();
    hashes[`${name} fiftieth`] = hashOf(c);
  }
  for (const w of workers) await w.terminate();
  process.stdout.write(
    JSON.stringify({ hashes, wide, shared: memory.buffer instanceof SharedArrayBuffer, stats: kernelStats() }),
  );
} else {
  const { memory, upper } = workerData as { readonly memory: WasmMemory; readonly upper: boolean };
  await serve(memory, upper);
}
