/**
 * Matrix products of blocks: `out[…, m, n] = Σ_p a[…, m, p] · b[…, p, n]`, leading axes broadcast.
 *
 * Order of operations: p in panels of 256, each summed from zero in order; panel sums are added in order. So the bits
 * depend on nothing but p's extent. Floats round after every operation (float16 computes in float32, rounded once),
 * integers wrap in their dtype, bool gives "any of the pairs" as NumPy. Panels of both operands are packed into scratch
 * and multiplied by a kernel of 4 × 2 vectors (Goto and van de Geijn, Anatomy of High-Performance Matrix
 * Multiplication, 2008). Bytes an element: three blocks once, and b once more per 256 rows.
 */
import { invariant, UnsupportedError } from "../../base/index.ts";
import { DTYPES, type DType } from "../../dtype/index.ts";
import { broadcastTo, NDArray, sizeOf } from "../../ndarray/index.ts";
import type { BlockKernel } from "../blocks.ts";
import { complexMatmul, complexMatmulScratch } from "../complex/matmul.ts";
import { convert, fill } from "../copy.ts";
import { memoryOf } from "../segment.ts";
import {
  type Address,
  FunctionBuilder,
  i32,
  type Local,
  loadScalar,
  loadVector,
  scalar2,
  type Vector2Name,
  vector2,
} from "../wasm/builder.ts";
import { encodeModule } from "../wasm/encoder.ts";
import { countRun, kernelOf, SCRATCH, scratch } from "../wasm/runtime.ts";
import { WORK, workBlock } from "../work.ts";
import { type Compute, packPanels } from "./matmul-pack.ts";
import { linesAlong, multiplyLines } from "./matmul-vector.ts";

const COMPUTE: Readonly<Partial<Record<DType, Compute>>> = {
  bool: "int32",
  int8: "int32",
  uint8: "int32",
  int16: "int32",
  uint16: "int32",
  int32: "int32",
  uint32: "int32",
  int64: "int64",
  uint64: "int64",
  float16: "float32",
  float32: "float32",
  float64: "float64",
};

/** Rows of a packed panel of `a`; a panel of `b` is two vectors wide. */
const ROWS = 4;
/** Extents of what is packed at once: depth, rows, and bytes of a row of b. */
const DEPTH = 256;
const STRIP = 256;
const STRIP_BYTES = 2048;
/** Products of fewer multiplications are not worth packing. */
const PACK_FROM = 4096;

const SHAPE: Readonly<Record<Compute, string>> = { float32: "f32x4", float64: "f64x2", int32: "i32x4", int64: "i64x2" };

/**
 * Module of the panel kernel: `k(block, panels of b, panels of a)`; the block holds the addresses of a, b and c, the
 * depth (at least 1) and the bytes from row to row of c. Adds to c.
 */
function emitPanels(dtype: Compute): Uint8Array<ArrayBuffer> {
  const f = new FunctionBuilder(["i32", "i32", "i32"]);
  const [block, columns, rows] = [f.param(0, "i32"), f.param(1, "i32"), f.param(2, "i32")];
  const size = DTYPES[dtype].itemsize;
  const word = (k: number): Local<"i32"> =>
    f.let(loadScalar("i32.load", { memory: 0, base: block, offset: SCRATCH.block + 4 * k }));
  const [a, b, c, depth, pitch] = [word(0), word(1), word(2), word(3), word(4)];
  const [add, mul] = [`${SHAPE[dtype]}.add`, `${SHAPE[dtype]}.mul`] as Vector2Name[] as [Vector2Name, Vector2Name]; // all eight exist
  const splat = size === 4 ? "v128.load32_splat" : "v128.load64_splat";
  const zero = f.constant(new Uint8Array(16));
  const [pa, pb, left, i, row] = [f.local("i32"), f.local("i32"), f.local("i32"), f.local("i32"), f.local("i32")];
  const sums = Array.from({ length: ROWS * 2 }, () => f.local("v128"));
  const at = (base: Local<"i32">, offset: number): Address => ({ memory: 0, base, offset });
  const bump = (x: Local<"i32">, by: number): void => f.set(x, scalar2("i32.add", x, i32(by)));
  const count = (n: Local<"i32">, body: () => void): void =>
    f.doWhile(
      () => n,
      () => {
        body();
        bump(n, -1);
      },
    );
  const step = (k: number): void => {
    const right = [0, 1].map((v) => f.let(loadVector("v128.load", at(pb, (2 * k + v) * 16))));
    for (let r = 0; r < ROWS; r++) {
      const x = f.let(loadVector(splat, at(pa, (ROWS * k + r) * size)));
      right.forEach((y, v) => {
        const sum = sums[2 * r + v] as Local<"v128">; // two per row
        f.set(sum, vector2(add, sum, vector2(mul, x, y)));
      });
    }
  };
  const steps = (n: number): void =>
    f.if(left, () =>
      count(left, () => {
        for (let k = 0; k < n; k++) step(k);
        bump(pa, n * ROWS * size);
        bump(pb, n * 32);
      }),
    );
  count(columns, () => {
    f.set(pa, a);
    f.set(row, c);
    f.set(i, rows);
    count(i, () => {
      for (const sum of sums) f.set(sum, zero);
      f.set(pb, b);
      f.set(left, scalar2("i32.shr_u", depth, i32(2)));
      steps(4);
      f.set(left, scalar2("i32.and", depth, i32(3)));
      steps(1);
      for (let r = 0; r < ROWS; r++) {
        // both loads before both stores, or wide mode would not join them
        const loaded = [0, 1].map((v) => f.let(loadVector("v128.load", at(row, v * 16))));
        const added = loaded.map((x, v) => f.let(vector2(add, x, sums[2 * r + v] as Local<"v128">))); // two per row
        added.forEach((x, v) => {
          f.storeVector(at(row, v * 16), x);
        });
        f.set(row, scalar2("i32.add", row, pitch));
      }
    });
    f.set(b, pb);
    bump(c, 32);
  });
  return encodeModule([f.finish()], 1);
}

/** A matrix inside a block. */
interface Matrix {
  readonly block: NDArray;
  readonly offset: number;
  readonly rowStep: number;
  readonly step: number;
}

/** Rows and columns from (row, column) on, seen at `shape` by `stride`. */
function part(
  { block, offset, rowStep, step }: Matrix,
  [row, column]: readonly [number, number],
  shape: readonly number[],
  stride: readonly number[],
): NDArray {
  return new NDArray(block.dtype, block.data, shape, stride, offset + row * rowStep + column * step);
}

interface Area {
  readonly at: number;
  readonly bytes: number;
}

/** Where packed panels and the strip of results lie. */
interface Places {
  readonly a: Area;
  readonly b: Area;
  readonly c: Area;
}

function placesOf(dtype: Compute): Places {
  const size = DTYPES[dtype].itemsize;
  const a = { at: WORK.start, bytes: STRIP * DEPTH * size };
  const b = { at: a.at + a.bytes, bytes: DEPTH * STRIP_BYTES };
  const c = { at: b.at + b.bytes, bytes: STRIP * STRIP_BYTES };
  invariant(c.at + c.bytes <= WORK.end, "panels do not fit into scratch");
  return { a, b, c };
}

/**
 * Pack `lines` lines of `depth` elements into panels of `width` lines: `[panel][p][line]`. `along` and `across` are the
 * steps from element to element and from line to line. Missing lines of the last panel are 0.
 */
function pack(
  dtype: Compute,
  to: Area,
  from: {
    readonly matrix: Matrix;
    readonly first: readonly [number, number];
    readonly along: number;
    readonly across: number;
  },
  { lines, depth, width }: { readonly lines: number; readonly depth: number; readonly width: number },
): void {
  const whole = Math.floor(lines / width);
  const rest = lines % width;
  const panel = depth * width;
  const { matrix, first, along, across } = from;
  if (whole > 0 && !packWhole(dtype, to, from, { panels: whole, width, depth }))
    convert(
      workBlock(dtype, to.at, [whole, depth, width], [panel, width, 1]),
      part(matrix, first, [whole, depth, width], [width * across, along, across]),
    );
  if (rest === 0) return;
  const at = to.at + whole * panel * DTYPES[dtype].itemsize;
  fill(workBlock(dtype, at, [panel], [1]), dtype === "int64" ? 0n : 0);
  const source = part(matrix, first, [depth, rest], [along, across]);
  convert(
    workBlock(dtype, at, [depth, rest], [width, 1]),
    new NDArray(source.dtype, source.data, source.shape, source.stride, source.offset + whole * width * across),
  );
}

/** Pack whole panels without conversion, if they lie so. */
function packWhole(
  dtype: Compute,
  to: Area,
  { matrix, first, along, across }: Parameters<typeof pack>[2],
  extent: { readonly panels: number; readonly width: number; readonly depth: number },
): boolean {
  const { block } = matrix;
  const memory = memoryOf(block.data.buffer);
  if (memory === undefined || block.dtype !== dtype) return false;
  const size = DTYPES[dtype].itemsize;
  const at = matrix.offset + first[0] * matrix.rowStep + first[1] * matrix.step;
  const lines = { memory, address: block.data.byteOffset + at * size, across: across * size, along: along * size };
  return packPanels(dtype, lines, to.at, extent);
}

interface Extents {
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** One product by packed panels. */
function multiply(dtype: Compute, [a, b, out]: readonly [Matrix, Matrix, Matrix], { m, n, k }: Extents): void {
  const vector = asVector([a, b, out], { m, n, k });
  if (vector !== null && multiplyVector(dtype, vector, Math.max(m, n), k)) return;
  const size = DTYPES[dtype].itemsize;
  const width = 32 / size;
  const columnsMax = STRIP_BYTES / size;
  const own = scratch();
  const places = placesOf(dtype);
  const run = kernelOf(`matmul ${dtype}`, [own.memory], () => emitPanels(dtype));
  countRun("wasm");
  for (let j = 0; j < n; j += columnsMax) {
    const columns = Math.min(columnsMax, n - j);
    const pitch = Math.ceil(columns / width) * width;
    for (let i = 0; i < m; i += STRIP) {
      const rows = Math.min(STRIP, m - i);
      const padded = Math.ceil(rows / ROWS) * ROWS;
      fill(workBlock(dtype, places.c.at, [padded * pitch], [1]), dtype === "int64" ? 0n : 0);
      for (let p = 0; p < k; p += DEPTH) {
        const depth = Math.min(DEPTH, k - p);
        pack(
          dtype,
          places.a,
          { matrix: a, first: [i, p], along: a.step, across: a.rowStep },
          { lines: rows, depth, width: ROWS },
        );
        pack(
          dtype,
          places.b,
          { matrix: b, first: [p, j], along: b.rowStep, across: b.step },
          { lines: columns, depth, width },
        );
        own.i32.set([places.a.at, places.b.at, places.c.at, depth, pitch * size], SCRATCH.block / 4);
        run(0, pitch / width, padded / ROWS);
      }
      convert(
        part(out, [i, j], [rows, columns], [out.rowStep, out.step]),
        workBlock(dtype, places.c.at, [rows, columns], [pitch, 1]),
      );
    }
  }
}

/** Bytes of scratch for a vector, and for the results of a product with it. */
const VECTOR_BYTES = 1 << 20;
/** Lines side by side whose running sums stay in the first-level cache. */
const LINES = 2048;

/** What a product with a vector sums over: the matrix, its lines and their steps, the vector and the results. */
interface VectorProduct {
  readonly matrix: Matrix;
  readonly across: number;
  readonly along: number;
  readonly vector: NDArray;
  /** Results of `count` lines from `first` on. */
  readonly out: (first: number, count: number) => NDArray;
}

/** One product of a matrix and a vector; false, and nothing done, where packing it is the way. */
function multiplyVector(dtype: Compute, product: VectorProduct, lines: number, k: number): boolean {
  const { matrix, across, along, vector, out } = product;
  const memory = memoryOf(matrix.block.data.buffer);
  const size = DTYPES[dtype].itemsize;
  const isAlong = along === 1;
  const most = isAlong ? VECTOR_BYTES / size : LINES;
  const least = isAlong ? linesAlong(dtype) : 16 / size;
  if (memory === undefined || matrix.block.dtype !== dtype || k * size > VECTOR_BYTES) return false;
  if ((!isAlong && across !== 1) || lines < least || (!isAlong && lines % least !== 0)) return false;
  const places = { vector: WORK.start, to: WORK.start + VECTOR_BYTES };
  convert(workBlock(dtype, places.vector, [k], [1]), vector);
  for (let first = 0; first < lines; first += most) {
    // a last part that is too short for an iteration begins earlier
    const at = Math.min(first, Math.max(0, lines - least));
    const count = Math.min(most, lines - at);
    const address = matrix.block.data.byteOffset + (matrix.offset + at * across) * size;
    multiplyLines(dtype, { memory, address, across: across * size, along: along * size }, places, { count, depth: k });
    convert(out(at, count), workBlock(dtype, places.to, [count], [1]));
  }
  return true;
}

/** A product of which one side has one row or column. */
function asVector([a, b, out]: readonly [Matrix, Matrix, Matrix], { m, n, k }: Extents): VectorProduct | null {
  if (n === 1)
    return {
      matrix: a,
      across: a.rowStep,
      along: a.step,
      vector: part(b, [0, 0], [k], [b.rowStep]),
      out: (first, count) => part(out, [first, 0], [count], [out.rowStep]),
    };
  if (m !== 1) return null;
  return {
    matrix: b,
    across: b.step,
    along: b.rowStep,
    vector: part(a, [0, 0], [k], [a.step]),
    out: (first, count) => part(out, [0, first], [count], [out.step]),
  };
}

/** One small product; the same bits as {@link multiply}. */
function multiplySmall(dtype: Compute, [a, b, out]: readonly [Matrix, Matrix, Matrix], { m, n, k }: Extents): void {
  if (dtype === "int64") return multiplySmallBig([a, b, out], { m, n, k });
  const round = dtype === "float32" ? Math.fround : (x: number): number => x;
  const times = dtype === "int32" ? Math.imul : (x: number, y: number): number => round(x * y);
  const plus =
    dtype === "int32" ? (x: number, y: number): number => (x + y) | 0 : (x: number, y: number) => round(x + y);
  // not the 64-bit dtypes, so elements are numbers
  const [x, y, z] = [a.block.data, b.block.data, out.block.data] as unknown as [number[], number[], number[]];
  const isBool = out.block.dtype === "bool";
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let total = 0;
      for (let p = 0; p < k; p += DEPTH) {
        let sum = 0;
        for (let q = p; q < Math.min(k, p + DEPTH); q++)
          sum = plus(
            sum,
            times(
              x[a.offset + i * a.rowStep + q * a.step] as number,
              y[b.offset + q * b.rowStep + j * b.step] as number,
            ),
          );
        total = plus(total, sum);
      }
      z[out.offset + i * out.rowStep + j * out.step] = isBool ? Number(total !== 0) : total;
    }
  }
}

function multiplySmallBig([a, b, out]: readonly [Matrix, Matrix, Matrix], { m, n, k }: Extents): void {
  // the 64-bit dtypes, so elements are bigints; storing wraps
  const [x, y, z] = [a.block.data, b.block.data, out.block.data] as unknown as [bigint[], bigint[], bigint[]];
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0n;
      for (let q = 0; q < k; q++)
        sum +=
          (x[a.offset + i * a.rowStep + q * a.step] as bigint) * (y[b.offset + q * b.rowStep + j * b.step] as bigint);
      z[out.offset + i * out.rowStep + j * out.step] = sum;
    }
  }
}

/** The matrix of a block at one place of the leading axes; `at` counts in C order. */
function matrixAt(block: NDArray, lead: readonly number[], at: number): Matrix {
  let [offset, rest] = [block.offset, at];
  for (let axis = lead.length - 1; axis >= 0; axis--) {
    const size = lead[axis] as number; // axis < rank
    offset += (rest % size) * (block.stride[axis] as number);
    rest = Math.floor(rest / size);
  }
  const [rowStep, step] = block.stride.slice(-2) as [number, number]; // rank 2 at least
  return { block, offset, rowStep, step };
}

function matmul([a, b]: readonly NDArray[], out: NDArray): void {
  invariant(a !== undefined && b !== undefined, "a matrix product has two operands");
  const compute = COMPUTE[out.dtype];
  if (compute === undefined) throw new UnsupportedError(`matrix products of ${out.dtype} are not supported`);
  const [m, n] = out.shape.slice(-2) as [number, number]; // checked below
  const k = a.shape.at(-1) ?? 0;
  invariant(
    a.ndim >= 2 && b.ndim >= 2 && out.ndim >= 2 && a.shape.at(-2) === m && b.shape.at(-2) === k && b.shape.at(-1) === n,
    `matrix product of (${a.shape.join(", ")}) and (${b.shape.join(", ")}) into (${out.shape.join(", ")})`,
  );
  if (out.size === 0) return;
  if (k === 0) return fill(out, compute === "int64" ? 0n : 0);
  const lead = out.shape.slice(0, -2);
  const [x, y] = [broadcastTo(a, [...lead, m, k]), broadcastTo(b, [...lead, k, n])];
  const run = m * n * k < PACK_FROM ? multiplySmall : multiply;
  const seen = (block: NDArray, at: number): Matrix => matrixAt(block, lead, at);
  for (let at = 0; at < sizeOf(lead); at++) run(compute, [seen(x, at), seen(y, at), seen(out, at)], { m, n, k });
}

export const matmulKernels: Readonly<Record<string, BlockKernel>> = {
  /** Inputs a and b of one dtype, which is the result's. Works in the thread's scratch memory. */
  matmul: {
    run: (inputs, out) => {
      if (DTYPES[out.dtype].kind === "c") complexMatmul(inputs, out, matmul);
      else matmul(inputs, out);
    },
    scratch: (_, out) => (DTYPES[out.dtype].kind === "c" ? complexMatmulScratch(out) : 0),
  },
};
