/**
 * Windows of sums and extremes in bands of sixteen rows: down the columns with all rows of a band in registers, then along the rows, which
 * lie in the second-level cache. The order is that of plan.ts, so the bits are those of passes.
 *
 * Two kernels take turns, one that stores to scratch and one that stores to the result: V8 widens stores to a module's first memory only. The rows
 * of a pass are all made before the next pass reads them, since a load waits for two stores that it reads both of.
 */
import { shapeOf } from "../map/lanes.ts";
import {
  type Address,
  FunctionBuilder,
  i32,
  type Local,
  loadScalar,
  loadVector,
  scalar2,
  scalarCompare,
  select,
  type Vector,
  type Vector2Name,
  vector2,
} from "../wasm/builder.ts";
import { encodeModule, type FunctionCode } from "../wasm/encoder.ts";
import { countRun, kernelOf, SCRATCH, scratch } from "../wasm/runtime.ts";
import type { WasmMemory } from "../wasm/webassembly.ts";
import { WORK } from "../work.ts";
import { quieted } from "./lanes.ts";
import type { Pass } from "./plan.ts";
import { type Size, type Surface, sizeOfItem } from "./surface.ts";
import { combined, type TapKernel, tapElements } from "./taps.ts";

type V = Local<"v128">;
type Pointer = Local<"i32">;

/** A window as passes; all dtypes of the kernel are one. */
export interface Banded {
  readonly kernel: TapKernel;
  readonly vertical: readonly Pass[];
  readonly horizontal: readonly Pass[];
}

/** Rows of a band. */
export const BAND_ROWS = 16;
/** Most rows of a window: the code of a band grows with them. */
const HEIGHT_MAX = 32;
/** Bytes of a strip's columns: a band's rows stay in the second-level cache. Narrower strips were slower: each row of them is a stream to be found anew. */
const STRIP_BYTES = 8192;
/** Most bytes that a window reaches along a row. */
const REACH_MAX = 512;
/** Bytes from row to row in scratch: an odd number of lines of the cache. */
const ROW_BYTES: number = STRIP_BYTES + REACH_MAX + 192;
/** Vectors that go down together: V8 makes one of two. */
const VECTORS = 2;
/** Byte of the divisor in the block of parameters. */
const DIVISOR = 16;

/** Whether a window goes by bands: no pass reads the input once more, and its code stays small. */
export function isBanded({ kernel, vertical, horizontal }: Banded): boolean {
  const last = (plan: readonly Pass[]): number => plan.at(-1)?.length ?? 1;
  return (
    [...vertical, ...horizontal].every((p) => p.rest === null) &&
    last(vertical) <= HEIGHT_MAX &&
    last(horizontal) * sizeOfItem(kernel.dtype) <= REACH_MAX
  );
}

/** Two vectors combined: sums as an expression, since V8 counts a local that is set in a loop as a further use. */
function join(f: FunctionBuilder, kernel: TapKernel, a: Vector, b: Vector): Vector {
  if (kernel.combine === "sum") return vector2(`${shapeOf(kernel.dtype)}.add` as Vector2Name, a, b); // every shape has it
  return combined({ f }, kernel, f.let(a), f.let(b));
}

/** Function `(line, pitch, at)`: the columns of a few vectors from byte `at` of the strip on, all rows of a band. */
function columnsFunction({ kernel, vertical }: Banded, from: number): FunctionCode {
  const f = new FunctionBuilder(["i32", "i32", "i32"]);
  const [line, pitch, at] = [f.param(0, "i32"), f.param(1, "i32"), f.param(2, "i32")];
  const layers: V[][][] = [[], ...vertical.map(() => [])];
  const height = vertical.at(-1)?.length ?? 1;
  const each = Array.from({ length: VECTORS }, (_, n) => n);
  for (let t = 0; t < BAND_ROWS + height - 1; t++) {
    if (t > 0) f.set(line, scalar2("i32.add", line, pitch));
    layers[0]?.push(each.map((n) => f.let(loadVector("v128.load", { memory: from, base: line, offset: 16 * n }))));
    for (const [k, pass] of vertical.entries()) {
      const row = t - (pass.length - 1);
      if (row < 0) break;
      const below = layers[k] as V[][]; // one more than passes
      const values = each.map((n) =>
        pass.taps.map((d): Vector => (below[row + d] as V[])[n] as V).reduce((a, b) => join(f, kernel, a, b)),
      );
      if (k < vertical.length - 1) layers[k + 1]?.push(values.map((v) => f.let(v)));
      else
        f.storeVectors(
          values.map((x, n) => ({ at: { memory: 0, base: at, offset: WORK.start + row * ROW_BYTES + 16 * n }, x })),
        );
    }
  }
  return f.finish();
}

/** Run `body` from byte 0 on in steps of `bytes`, and at last from byte `last` on, which may lie before. */
function stepping(f: FunctionBuilder, last: Pointer, bytes: number, body: (at: Pointer) => void): void {
  const [at, before] = [f.let(i32(0)), f.local("i32")];
  f.doWhile(
    () => scalarCompare("i32.lt_u", before, last),
    () => {
      body(at);
      f.set(before, at);
      f.set(at, scalar2("i32.add", at, i32(bytes)));
      f.set(at, select(scalarCompare("i32.gt_u", at, last), last, at));
    },
  );
}

/** Values of one iteration of a pass along rows, whose terms lie in scratch. */
function alongValues(
  f: FunctionBuilder,
  kernel: TapKernel,
  { taps }: Pass,
  { memory, base }: Pick<Address, "memory" | "base">,
): Vector[] {
  const size = sizeOfItem(kernel.dtype);
  return Array.from({ length: (tapElements(kernel.dtype) * size) / 16 }, (_, n) =>
    taps
      .map((d) => loadVector("v128.load", { memory, base, offset: WORK.start + d * size + 16 * n }))
      .reduce((a, b) => join(f, kernel, a, b)),
  );
}

/** Module `k(block, bytes)`: down the columns of a strip, and all passes along its rows but the last, in place. */
function emitDown(r: Banded, from: number, memories: number): Uint8Array<ArrayBuffer> {
  const { kernel, horizontal } = r;
  const f = new FunctionBuilder(["i32", "i32", "i32"]);
  const [block, bytes] = [f.param(0, "i32"), f.param(1, "i32")];
  const word = (k: number): Pointer => f.let(loadScalar("i32.load", { memory: 0, base: block, offset: 4 * k }));
  const [source, pitch] = [word(0), word(1)];
  const size = sizeOfItem(kernel.dtype);
  const reach = ((horizontal.at(-1)?.length ?? 1) - 1) * size;
  const last = f.let(scalar2("i32.add", bytes, i32(reach - 16 * VECTORS)));
  stepping(f, last, 16 * VECTORS, (at) => f.call(1, [scalar2("i32.add", source, at), pitch, at]));
  const step = tapElements(kernel.dtype) * size;
  for (const pass of horizontal.slice(0, -1)) {
    const row = f.let(i32(0));
    const end = f.local("i32");
    f.doWhile(
      () => scalarCompare("i32.lt_u", row, i32(BAND_ROWS * ROW_BYTES)),
      () => {
        // up to a whole iteration beyond what is needed, which the row has room for
        const at = f.let(row);
        f.set(end, scalar2("i32.add", row, scalar2("i32.add", bytes, i32(reach - (pass.length - 1) * size))));
        f.doWhile(
          () => scalarCompare("i32.lt_u", at, end),
          () => {
            const values = alongValues(f, kernel, pass, { memory: 0, base: at });
            f.storeVectors(values.map((x, n) => ({ at: { memory: 0, base: at, offset: WORK.start + 16 * n }, x })));
            f.set(at, scalar2("i32.add", at, i32(step)));
          },
        );
        f.set(row, scalar2("i32.add", row, i32(ROW_BYTES)));
      },
    );
  }
  return encodeModule([f.finish(), columnsFunction(r, from)], memories);
}

/** Module `k(block, bytes)`: the last pass along the rows of a strip, to the result. */
function emitLast({ kernel, horizontal }: Banded, own: number): Uint8Array<ArrayBuffer> {
  const f = new FunctionBuilder(["i32", "i32", "i32"]);
  const [block, bytes] = [f.param(0, "i32"), f.param(1, "i32")];
  const at = (offset: number): Address => ({ memory: own, base: block, offset });
  const target = f.let(loadScalar("i32.load", at(8)));
  const pitch = f.let(loadScalar("i32.load", at(12)));
  const divisor = kernel.ending === "scaled" ? f.let(loadVector("v128.load32_splat", at(DIVISOR))) : null;
  const ended = (x: Vector): Vector => {
    if (divisor !== null) return vector2("f32x4.div", x, divisor);
    return kernel.ending === "quieted" ? quieted(f, kernel.dtype, f.let(x)) : x;
  };
  const step = tapElements(kernel.dtype) * sizeOfItem(kernel.dtype);
  const last = f.let(scalar2("i32.sub", bytes, i32(step)));
  const row = f.let(i32(0));
  f.doWhile(
    () => scalarCompare("i32.lt_u", row, i32(BAND_ROWS * ROW_BYTES)),
    () => {
      stepping(f, last, step, (column) => {
        const base = f.let(scalar2("i32.add", row, column));
        const to = f.let(scalar2("i32.add", target, column));
        const values = alongValues(f, kernel, horizontal.at(-1) as Pass, { memory: own, base }); // there is one
        f.storeVectors(values.map((x, n) => ({ at: { memory: 0, base: to, offset: 16 * n }, x: ended(x) })));
      });
      f.set(row, scalar2("i32.add", row, i32(ROW_BYTES)));
      f.set(target, scalar2("i32.add", target, pitch));
    },
  );
  return encodeModule([f.finish()], own + 1);
}

/** Different memories, `first` first. */
function memoriesOf(first: WasmMemory, second: WasmMemory): WasmMemory[] {
  return first === second ? [first] : [first, second];
}

/**
 * Combine all windows of the source into the target, at least {@link BAND_ROWS} rows of an iteration's columns; the ending
 * `scaled` divides by `divisor`.
 */
export function runBanded(r: Banded, source: Surface, target: Surface, size: Size, divisor: number): void {
  const { kernel, vertical, horizontal } = r;
  const own = scratch();
  const name = kernel.combine === "sum" ? "sum" : `${kernel.combine.which}${kernel.combine.skipna ? " skipna" : ""}`;
  const key = `${name} ${kernel.dtype} ${kernel.ending} ${vertical.at(-1)?.length} ${horizontal.at(-1)?.length}`;
  const [above, below] = [memoriesOf(own.memory, source.memory), memoriesOf(target.memory, own.memory)];
  const down = kernelOf(`band down ${key} ${above.length}`, above, () => emitDown(r, above.length - 1, above.length));
  const last = kernelOf(`band last ${key} ${below.length}`, below, () => emitLast(r, below.length - 1));
  countRun("wasm");
  const item = sizeOfItem(kernel.dtype);
  const [bytes, least] = [size.columns * item, tapElements(kernel.dtype) * item];
  const words = own.i32;
  const at = SCRATCH.block / 4;
  words[at + 1] = source.pitch;
  words[at + 3] = target.pitch;
  new DataView(own.buffer).setFloat32(SCRATCH.block + DIVISOR, divisor, true);
  for (let row = 0; row < size.rows; row += BAND_ROWS) {
    const y = Math.min(row, size.rows - BAND_ROWS); // bands and strips overlap at the ends
    for (let column = 0; column < bytes; column += STRIP_BYTES) {
      const width = Math.max(least, Math.min(STRIP_BYTES, bytes - column));
      const x = Math.min(column, bytes - width);
      words[at] = source.address + y * source.pitch + x;
      words[at + 2] = target.address + y * target.pitch + x;
      down(SCRATCH.block, width, 0);
      last(SCRATCH.block, width, 0);
    }
  }
}
