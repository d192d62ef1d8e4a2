/** Steps that compute: from blocks to one block, synchronously. */
import { assertNever, invariant } from "../base/index.ts";
import { dtypeInfo, viewOf } from "../dtype/index.ts";
import { partialComponents, type ReduceSpec, type Register, type Step } from "../graph/index.ts";
import {
  coarsen,
  combinePartials,
  copyParts,
  copyStrided,
  fill,
  fillRange,
  finalizePartial,
  runBlock,
  runMap,
  runReduce,
  runReduceOnto,
  runSelect,
  takePicks,
} from "../kernels/index.ts";
import { contiguousStride, NDArray } from "../ndarray/index.ts";
import { axesView, boxView, walkView } from "./walk.ts";

/** Steps that need nothing but blocks. */
export type ComputeStep = Extract<
  Step,
  {
    readonly do:
      | "literal"
      | "arange"
      | "map"
      | "reduce"
      | "select"
      | "apply"
      | "take"
      | "combine"
      | "gather"
      | "coarsen";
  }
>;

/**
 * Write the step's result to `out`, a block in C order.
 * @param block gives a register's block
 */
export function computeStep(step: ComputeStep, block: (register: Register) => NDArray, out: NDArray): void {
  switch (step.do) {
    case "literal":
      literal(step.bytes, out);
      break;
    case "arange":
      arange(step, out);
      break;
    case "map":
      runMap(step.call, inputViews(step, step.shape, block), [out], step.shape);
      break;
    case "reduce":
      reduce(step, block, out);
      break;
    case "select":
      runSelect(step.call, step.spec, inputViews(step, step.loop, block), step.loop, step.reduced, out);
      break;
    case "apply":
      runBlock(step.kernel, step.inputs.map(block), out, step.params, { at: step.at, position: step.position });
      break;
    case "take":
      takePicks(new Int32Array(step.picks.slice().buffer), step.axis, step.inputs.map(block), out);
      break;
    case "combine":
      if (step.final) finalCombine(step.spec, step.inputs.map(block), out);
      else combinePartials(step.spec, step.inputs.map(block), out);
      break;
    case "gather":
      copyParts(
        step.pieces.map(({ at, count, from, walk }) => ({
          to: boxView(out, at, count),
          from: walkView(block(from), walk, count),
        })),
      );
      break;
    case "coarsen":
      coarsen(block(step.from), out, step.method, step.nodata);
      break;
    default:
      assertNever(step);
  }
}

function reduce(
  step: Extract<Step, { readonly do: "reduce" }>,
  block: (register: Register) => NDArray,
  out: NDArray,
): void {
  const { call, spec, loop, reduced, place, onto } = step;
  const inputs = inputViews(step, loop, block);
  if (onto === undefined) runReduce(call, spec, inputs, loop, reduced, out, place);
  else runReduceOnto(call, spec, inputs, loop, reduced, { onto: block(onto), out, place });
}

/** Cells that are combined at a time on the way to a result: the sum of all parts is then never a block of its own. */
const FINAL_CELLS = 8192;

/** Combine partials and finish, a run of cells at a time. `out` is in C order. */
function finalCombine(spec: ReduceSpec, parts: readonly NDArray[], out: NDArray): void {
  const only = parts.length === 1 ? parts[0] : undefined;
  if (only) {
    finalizePartial(spec, only, out);
    return;
  }
  const components = partialComponents(spec).length;
  const cells = out.size;
  for (let from = 0; from < cells; from += FINAL_CELLS) {
    const n = Math.min(FINAL_CELLS, cells - from);
    const pieces = parts.map((p) => new NDArray("float64", p.data, [components, n], [cells, 1], p.offset + from));
    const sum = NDArray.zeros("float64", [components, n]);
    combinePartials(spec, pieces, sum);
    finalizePartial(spec, sum, new NDArray(out.dtype, out.data, [n], [1], out.offset + from));
  }
}

function inputViews(
  step: Extract<Step, { readonly do: "map" | "reduce" | "select" }>,
  shape: readonly number[],
  block: (register: Register) => NDArray,
): NDArray[] {
  return step.inputs.map((register, k) => axesView(block(register), step.axes[k] as readonly (number | null)[], shape)); // one per input
}

/** Bytes in C order, little-endian as all machines that Node runs on; one element repeats over the whole block. */
function literal(bytes: Uint8Array, out: NDArray): void {
  const { itemsize } = dtypeInfo(out.dtype);
  const count = bytes.length / itemsize;
  invariant(
    count === 1 || count === out.size,
    `a literal of ${bytes.length} bytes for ${out.size} elements of ${out.dtype}`,
  );
  const aligned = bytes.slice(); // typed arrays need aligned buffers, messages do not give them
  if (count === 1 && itemsize <= 8) {
    // As unsigned integers, so that every bit of a NaN stays.
    const dtype = `uint${8 * itemsize}` as "uint8" | "uint16" | "uint32" | "uint64"; // the widths up to 8
    const value = viewOf(dtype, aligned.buffer, 0, 1)[0] as number | bigint; // one element
    const start = out.data.byteOffset + out.offset * itemsize;
    fill(NDArray.view(dtype, out.data.buffer, start, out.shape), value);
    return;
  }
  const from = viewOf(out.dtype, aligned.buffer, 0, count);
  copyStrided(
    out,
    new NDArray(out.dtype, from, out.shape, count === 1 ? out.shape.map(() => 0) : contiguousStride(out.shape)),
  );
}

function arange(step: Extract<Step, { readonly do: "arange" }>, out: NDArray): void {
  const { start, step: by, first } = step;
  const { data, dtype, offset, size } = out;
  if (dtype === "int64" || dtype === "float64") fillRange(out, start, by, first);
  else if (dtypeInfo(dtype).big)
    for (let i = 0; i < size; i++) data[offset + i] = BigInt(start + by * (first + i)) as never; // an array class of bigints
  else for (let i = 0; i < size; i++) data[offset + i] = (start + by * (first + i)) as never; // an array class of numbers
}
