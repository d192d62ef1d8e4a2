/**
 * Selection along axes: median and quantiles of a fused kernel's values, per pixel of the axes that stay.
 *
 * Columns up to some thousand deep are sorted in scratch by {@link emitNetwork}, 64 bytes of neighbouring pixels at a
 * time; values that a kernel computes, and inputs that do not lie in rows, pass through a tile of scratch, so the peak
 * is inputs, output and one tile. Deeper columns are counted instead ({@link selectDeep}). See kernels.md §8.
 */
import { invariant } from "../../base/index.ts";
import { allocate, DTYPES, type DType, type TypedArray, viewOf } from "../../dtype/index.ts";
import type { KernelCall, NodeId, SelectSpec } from "../../graph/index.ts";
import { contiguousStride, NDArray, sizeOf } from "../../ndarray/index.ts";
import { splitBlocks, splitCall } from "../complex/split.ts";
import { isCompiled } from "../map/engine.ts";
import { CallBuilder } from "../map/ir.ts";
import { loopNest } from "../map/loop.ts";
import { runMap } from "../map/map.ts";
import { nativeDType } from "../map/op-table.ts";
import { memoryOf } from "../segment.ts";
import { countRun, kernelOf, SCRATCH, scratch } from "../wasm/runtime.ts";
import type { WasmKernel, WasmMemory } from "../wasm/webassembly.ts";
import { selectDeep } from "./deep.ts";
import { forEachRun, type SelectJob } from "./job.ts";
import { hasMiddle } from "./middle.ts";
import { emitNetwork, type NetworkShape } from "./network.ts";
import { ENTRY_BYTES } from "./pick.ts";
import { columnSelector } from "./plain.ts";
import { endingOf, isNarrow, missingOf, ranksOf } from "./quantile.ts";
import { WORD } from "./words.ts";

/** Elements of a tile without WebAssembly. */
const PLAIN_TILE = 1 << 16;
/** Bytes of results per call of a network, and of a tile that stays near the cores. */
const RESULT_BYTES = 1 << 14;
const TILE_BYTES = 1 << 18;
/** Columns deeper than this are counted, not sorted. */
export const DEEP_FROM = 6144;

/**
 * Ranks the values of `call` (its second output, if any, masks them) along the `reduced` axes of `loop`.
 *
 * `views` are seen at `loop`; `out` is in C order: quantiles first if `spec.isList`, then the axes that stay (reduced
 * ones may be there with size 1). NaN and masked elements are left out, or make the result missing without `skipna`.
 */
export function runSelect(
  call: KernelCall,
  spec: SelectSpec,
  views: readonly NDArray[],
  loop: readonly number[],
  reduced: readonly number[],
  out: NDArray,
): void {
  const split = splitCall(call);
  if (split) return runSelect(split, spec, splitBlocks(views), loop, reduced, out);
  const kept = loop.flatMap((_, k) => (reduced.includes(k) ? [] : [k]));
  const pick = (of: readonly number[], axes: readonly number[]): number[] => axes.map((k) => of[k] as number);
  const shape = pick(loop, kept);
  const quantiles = spec.op === "median" ? 1 : spec.q.length;
  const pixels = sizeOf(shape);
  invariant(
    out.size === quantiles * pixels && out.dtype === spec.dtype,
    `a selection of ${quantiles} × ${pixels} values of ${spec.dtype} into ${out.size} of ${out.dtype}`,
  );
  const operands = [
    new NDArray(out.dtype, out.data, shape, contiguousStride(shape), out.offset),
    ...views.map((x) => new NDArray(x.dtype, x.data, shape, pick(x.stride, kept), x.offset)),
  ];
  const depths = pick(loop, reduced);
  const depth = sizeOf(depths);
  const job: SelectJob = {
    call,
    spec,
    views,
    depths,
    depthStrides: views.map((x) => pick(x.stride, reduced)),
    depth,
    pixels,
    quantiles,
    nest: loopNest(shape, operands),
    out,
  };
  if (out.size === 0) return;
  if (depth === 0) out.data.fill(missingOf(spec) as never, out.offset, out.offset + out.size);
  else if (depth > DEEP_FROM) selectDeep(job);
  else if (!selectByNetwork(job)) selectPlainly(job);
}

/** Compute `call` for `width` pixels from `at` on into `tiles`, whose strides are given; all reduced elements of each. */
function evaluateTile(
  job: SelectJob,
  call: KernelCall,
  run: { readonly at: readonly number[]; readonly steps: readonly number[]; readonly width: number },
  tiles: readonly NDArray[],
): void {
  const shape = [...job.depths, run.width];
  const inputs = job.views.map(
    (x, k) =>
      new NDArray(
        x.dtype,
        x.data,
        shape,
        [...(job.depthStrides[k] as readonly number[]), run.steps[k + 1] as number],
        run.at[k + 1] as number,
      ),
  );
  runMap(call, inputs, tiles, shape);
}

/** Copy the results of quantile `k` for `width` pixels to their place; the result's pixels follow each other. */
function store(job: SelectJob, k: number, at: number, results: TypedArray): void {
  job.out.data.set(results as never, k * job.pixels + at); // one element class, or numbers that convert
}

function selectPlainly(job: SelectJob): void {
  const { call, spec, depth, quantiles } = job;
  const select = columnSelector(spec);
  const dtypes = call.kernel.outputs.map((id) => call.kernel.nodes[id]?.dtype as DType); // ids are in range
  const most = Math.max(1, Math.floor(PLAIN_TILE / depth));
  forEachRun(job, (at, width, steps) => {
    for (let from = 0; from < width; from += most) {
      const n = Math.min(most, width - from);
      const run = { at: at.map((o, k) => o + from * (steps[k] as number)), steps, width: n };
      const shape = [...job.depths, n];
      const stride = [...contiguousStride(job.depths), depth];
      const tiles = dtypes.map((dtype) => new NDArray(dtype, allocate(dtype, n * depth), shape, stride));
      evaluateTile(job, call, run, tiles);
      const results = Array.from({ length: quantiles }, () => allocate(spec.dtype, n));
      for (let p = 0; p < n; p++) {
        const [values, mask] = tiles.map((t) => t.data.subarray(p * depth, (p + 1) * depth));
        select({ values: values as TypedArray, mask: mask ?? null }, (k, x) => {
          (results[k] as TypedArray)[p] = x as never; // of the result's dtype
        });
      }
      for (const [k, r] of results.entries()) store(job, k, run.at[0] as number, r);
    }
  });
}

/** dtype in which values are sorted; null where there are no lanes. */
function laneDType(dtype: DType): DType | null {
  const native = nativeDType(dtype);
  if (native === null || DTYPES[native].itemsize > 1) return native;
  return native === "int8" ? "int16" : "uint16";
}

/** The kernel whose values are sorted: masked floats are NaN, masks of integers stay beside them. */
function networkCall(
  call: KernelCall,
  lanes: DType,
): { readonly call: KernelCall; readonly counted: NetworkShape["counted"] } {
  const b = new CallBuilder();
  const [value, mask] = b.import(call) as [NodeId, NodeId?];
  const x = b.cast(value, lanes);
  const float = DTYPES[lanes].kind === "f";
  if (mask === undefined) return { call: b.build([x]), counted: float ? "nan" : "all" };
  if (!float) return { call: b.build([x, b.cast(mask, "bool")]), counted: "mask" };
  return { call: b.build([b.where(mask, x, b.param(Number.NaN, lanes))]), counted: "nan" };
}

/** A network ready to run. */
interface Network {
  readonly job: SelectJob;
  readonly lanes: DType;
  readonly call: KernelCall;
  readonly run: WasmKernel;
  readonly pickOut: DType;
  /** Pixels of a group, groups per call; rows of a tile are `tileWidth` pixels apart. */
  readonly group: number;
  readonly batch: number;
  readonly tileWidth: number;
  /** Set where rows of the view are sorted in place of a tile. */
  readonly direct: { readonly rowStep: number; readonly view: number } | null;
  /** Addresses in scratch. */
  readonly at: {
    readonly counts: number;
    readonly sorted: number;
    readonly table: number;
    readonly result: number;
    readonly tile: number;
    readonly mask: number;
  };
  readonly tableStep: number;
}

/** The view that is itself the value, if its rows can be read where they are. */
function directView(job: SelectJob, call: KernelCall, lanes: DType, group: number): Network["direct"] {
  const node = call.kernel.nodes[call.kernel.outputs[0] as number];
  if (call.kernel.outputs.length !== 1 || node?.op !== "in") return null;
  const view = node.slot;
  const x = job.views[view] as NDArray; // one per slot
  if (nativeDType(x.dtype) !== lanes || memoryOf(x.data.buffer) === undefined) return null;
  const depth = new NDArray(x.dtype, x.data, job.depths, job.depthStrides[view] as readonly number[], 0);
  const rows = loopNest(job.depths, [depth]); // the order of the elements does not matter
  const { nest } = job;
  const width = nest.shape.at(-1) ?? 1;
  if (rows.shape.length > 1 || width < group || nest.strides[view + 1]?.at(-1) !== 1) return null;
  return { view, rowStep: (rows.strides[0]?.[0] ?? 0) * DTYPES[lanes].itemsize };
}

function prepare(job: SelectJob): Network | null {
  const { spec, depth, quantiles } = job;
  const lanes = laneDType(spec.from);
  const ending = endingOf(spec);
  if (lanes === null || (ending !== "element" && DTYPES[spec.dtype].big)) return null;
  const { call, counted } = networkCall(job.call, lanes);
  const pickOut = ending === "element" ? lanes : spec.dtype === "float32" ? "float32" : "float64";
  const width = DTYPES[lanes].itemsize;
  const group = 64 / width;
  const direct = directView(job, call, lanes, group);
  const column = 16 * Math.max(8, (depth + 7) & ~7);
  const tableStep = ENTRY_BYTES * (spec.skipna && counted !== "all" ? depth + 1 : 2);
  const counts = SCRATCH.rows;
  const sorted = counts + 64;
  const table = sorted + 4 * column;
  const result = table + quantiles * tableStep;
  const groupResult = quantiles * group * DTYPES[pickOut].itemsize;
  let batch = Math.max(1, Math.floor(RESULT_BYTES / groupResult));
  const perGroup = depth * (64 + (counted === "mask" ? group : 0));
  if (direct === null) batch = Math.max(1, Math.min(batch, Math.floor(TILE_BYTES / perGroup)));
  const tile = result + batch * groupResult;
  const mask = tile + (direct === null ? batch * depth * 64 : 0);
  if (mask + (direct === null && counted === "mask" ? batch * depth * group : 0) + 64 > SCRATCH.end) return null;
  const own = scratch();
  const memories: WasmMemory[] = [own.memory];
  if (direct !== null) {
    const memory = memoryOf((job.views[direct.view] as NDArray).data.buffer) as WasmMemory; // directView saw it
    if (memory !== own.memory) memories.unshift(memory);
  }
  const shape: NetworkShape = {
    dtype: lanes,
    counted,
    isMiddle: ending === "middle" && hasMiddle(lanes, pickOut),
    pick: { ending, narrow: isNarrow(spec), whole: !spec.skipna || counted === "all", out: pickOut },
    source: 0,
    memories: memories.length,
  };
  const key = `select ${JSON.stringify(shape)}`;
  if (!isCompiled(key, depth * job.pixels)) return null;
  return {
    job,
    lanes,
    call,
    run: kernelOf(key, memories, () => emitNetwork(shape)),
    pickOut,
    group,
    batch,
    tileWidth: batch * group,
    direct,
    at: { counts, sorted, table, result, tile, mask },
    tableStep,
  };
}

/** Write the tables of ranks; gives the highest one. */
function writeTables({ job, at, tableStep }: Network): number {
  const { spec, depth, quantiles } = job;
  const { buffer, i32 } = scratch();
  const entries = tableStep / ENTRY_BYTES;
  const weights = new Float64Array(buffer, at.table, (quantiles * tableStep) / 8);
  let highest = 0;
  for (let k = 0; k < quantiles; k++) {
    for (let e = 0; e < entries; e++) {
      const entry = (at.table + k * tableStep + e * ENTRY_BYTES) / 4;
      i32[entry] = -1;
      if (e === 0) continue;
      const { low, high, weight } = ranksOf(spec, k, entries === depth + 1 ? e : depth);
      highest = Math.max(highest, high);
      i32[entry] = 16 * low;
      i32[entry + 1] = 16 * high;
      weights[(k * tableStep + e * ENTRY_BYTES) / 8 + 1] = weight;
    }
  }
  return highest;
}

/** Sort `groups` groups whose first row starts at byte `source`, and store `n` of their pixels from number `skip` on. */
function runGroups(
  network: Network,
  source: number,
  groups: number,
  results: { readonly to: number; readonly skip: number; readonly n: number; readonly needed: number },
): void {
  const { job, at, group, pickOut, direct, tileWidth, tableStep } = network;
  const { i32, buffer } = scratch();
  const size = DTYPES[pickOut].itemsize;
  const resultStep = groups * group * size;
  const words: Readonly<Record<Exclude<keyof typeof WORD, "bytes" | "missing">, number>> = {
    source,
    rowStep: direct === null ? tileWidth * DTYPES[network.lanes].itemsize : direct.rowStep,
    groupStep: 64,
    mask: at.mask,
    maskRowStep: tileWidth,
    maskGroupStep: group,
    column: 16 * Math.max(8, (job.depth + 7) & ~7),
    sorted: at.sorted,
    counts: at.counts,
    table: at.table,
    quantiles: job.quantiles,
    needed: results.needed,
    tableStep,
    result: at.result,
    resultStep,
  };
  for (const [name, value] of Object.entries(words)) {
    i32[(SCRATCH.block + WORD[name as keyof typeof WORD]) / 4] = value; // its own keys
  }
  viewOf(pickOut, buffer, SCRATCH.block + WORD.missing, 1)[0] = missingOf(job.spec) as never; // of the result's dtype
  network.run(SCRATCH.block, groups, job.depth);
  for (let k = 0; k < job.quantiles; k++) {
    const first = at.result + k * resultStep + results.skip * size;
    store(job, k, results.to, viewOf(pickOut, buffer, first, results.n));
  }
}

/** False where the job has no network. */
function selectByNetwork(job: SelectJob): boolean {
  const network = prepare(job);
  if (network === null) return false;
  countRun("wasm");
  const { direct, group, batch, tileWidth, lanes, at: place } = network;
  const needed = 128 * ((writeTables(network) >> 3) + 1);
  const size = DTYPES[lanes].itemsize;
  forEachRun(job, (at, width, steps) => {
    const to = at[0] as number;
    if (direct !== null) {
      const x = job.views[direct.view] as NDArray; // the view that directView chose
      const first = x.data.byteOffset + size * (at[direct.view + 1] as number);
      const whole = Math.floor(width / group);
      for (let g = 0; g < whole; g += batch) {
        const groups = Math.min(batch, whole - g);
        runGroups(network, first + 64 * g, groups, { to: to + g * group, skip: 0, n: groups * group, needed });
      }
      const rest = width - whole * group;
      if (rest > 0)
        // the last group lies over the one before it
        runGroups(network, first + size * (width - group), 1, {
          to: to + width - rest,
          skip: group - rest,
          n: rest,
          needed,
        });
      return;
    }
    for (let from = 0; from < width; from += tileWidth) {
      const n = Math.min(tileWidth, width - from);
      const run = { at: at.map((o, k) => o + from * (steps[k] as number)), steps, width: n };
      evaluateTile(job, network.call, run, tilesOf(network, n));
      runGroups(network, place.tile, Math.ceil(n / group), { to: to + from, skip: 0, n, needed });
    }
  });
  return true;
}

function tilesOf({ job, at, tileWidth, lanes, call }: Network, n: number): NDArray[] {
  const shape = [...job.depths, n];
  const stride = [...contiguousStride(job.depths).map((s) => s * tileWidth), 1];
  const { buffer } = scratch();
  const length = job.depth * tileWidth;
  const tiles = [new NDArray(lanes, viewOf(lanes, buffer, at.tile, length), shape, stride)];
  if (call.kernel.outputs.length > 1)
    tiles.push(new NDArray("bool", viewOf("bool", buffer, at.mask, length), shape, stride));
  return tiles;
}
