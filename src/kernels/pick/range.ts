/** Evenly spaced numbers: rows of a short line, so that the sums are the engine's. */
import { NDArray } from "../../ndarray/index.ts";
import { CallBuilder } from "../map/ir.ts";
import { runMap } from "../map/map.ts";
import { SCRATCH, scratch } from "../wasm/runtime.ts";

/** Numbers per row, and the size from which rows are worth it; so many rows go together. */
const LINE = 4096;
const ROWS = 4096;

type Call = ReturnType<CallBuilder["build"]>;
let floats: Call | undefined;
let integers: Call | undefined;

/** `start + step * (first + i)` in float64, each operation rounded. */
function floatCall(start: number, step: number): Call {
  if (!floats) {
    const b = new CallBuilder();
    const index = b.binary("add", b.input("float64"), b.input("float64"));
    const scaled = b.binary("mul", index, b.param(0, "float64"));
    floats = b.build([b.binary("add", scaled, b.param(1, "float64"))]);
  }
  return { ...floats, params: [step, start] };
}

function integerCall(): Call {
  if (!integers) {
    const b = new CallBuilder();
    integers = b.build([b.binary("add", b.input("int64"), b.input("int64"))]);
  }
  return integers;
}

/** Fill a block in C order, float64 or int64, with `start + step * (first + i)`; integers are whole numbers below 2^53. */
export function fillRange(out: NDArray, start: number, step: number, first: number): void {
  const isFloat = out.dtype === "float64";
  const rows = Math.floor(out.size / LINE);
  // In scratch, where kernels find them without a copy.
  const block = (n: number, at: number): NDArray =>
    NDArray.view(isFloat ? "float64" : "int64", scratch().buffer, SCRATCH.lines + 8 * at, [n]);
  const store = (to: NDArray, i: number, v: number): void => {
    to.data[i] = (isFloat ? v : BigInt(v)) as never; // the dtype just chosen
  };
  const run = (at: number, count: number, width: number): void => {
    const [line, starts] = [block(width, 0), block(count, LINE)];
    for (let i = 0; i < width; i++) store(line, i, isFloat ? i : step * i);
    for (let r = 0; r < count; r++) {
      const index = first + at + r * width;
      store(starts, r, isFloat ? index : start + step * index);
    }
    const shape = [count, width];
    const inputs = [
      new NDArray(line.dtype, line.data, shape, [0, 1]),
      new NDArray(starts.dtype, starts.data, shape, [1, 0]),
    ];
    const to = new NDArray(out.dtype, out.data, shape, [width, 1], out.offset + at);
    runMap(isFloat ? floatCall(start, step) : integerCall(), inputs, [to], shape);
  };
  for (let r = 0; r < rows; r += ROWS) run(r * LINE, Math.min(ROWS, rows - r), LINE);
  const rest = out.size - rows * LINE;
  if (rest > 0) run(rows * LINE, 1, rest);
}
