/**
 * How window kernels see memory: rows of elements side by side. A kernel's rows overlap at their end instead of having
 * tails: the last iteration is moved back so that it ends with the row. Blocks that are not so pass through scratch.
 */
import { DTYPES, type DType } from "../../dtype/index.ts";
import { NDArray, sizeOf } from "../../ndarray/index.ts";
import { memoryOf } from "../segment.ts";
import {
  type Address,
  FunctionBuilder,
  type I32,
  i32,
  type Local,
  loadScalar,
  scalar2,
  scalarCompare,
  select,
} from "../wasm/builder.ts";
import { encodeModule } from "../wasm/encoder.ts";
import { countRun, kernelOf, SCRATCH, scratch } from "../wasm/runtime.ts";
import type { WasmKernel, WasmMemory } from "../wasm/webassembly.ts";
import { WORK, workBlock } from "../work.ts";

/** Rows of elements that follow each other. */
export interface Surface {
  readonly memory: WasmMemory;
  /** Byte of the first element, and bytes from row to row. */
  readonly address: number;
  readonly pitch: number;
}

/** A plane as a surface; null when its elements do not follow each other in a segment. */
export function surfaceOf(plane: NDArray): Surface | null {
  const memory = memoryOf(plane.data.buffer);
  const [pitch, step] = plane.stride as [number, number]; // planes have rank 2
  if (memory === undefined || (step !== 1 && plane.shape[1] !== 1)) return null;
  const size = DTYPES[plane.dtype].itemsize;
  return { memory, address: plane.data.byteOffset + plane.offset * size, pitch: pitch * size };
}

/** A surface in scratch. */
export function workSurface(address: number, pitch: number): Surface {
  return { memory: scratch().memory, address, pitch };
}

/** The surface from (row, column) on. */
export function surfaceFrom(surface: Surface, [row, column]: readonly [number, number], itemsize: number): Surface {
  return { ...surface, address: surface.address + row * surface.pitch + column * itemsize };
}

/** Indices of the memories that a module reads, writes and takes its parameters from. */
export interface Places {
  readonly from: number;
  readonly to: number;
  readonly own: number;
}

/** Pointers of one iteration. */
export interface Iteration {
  readonly f: FunctionBuilder;
  readonly places: Places;
  /** Address of the iteration's first element in the source, and bytes from row to row of it. */
  readonly at: Local<"i32">;
  readonly pitch: Local<"i32">;
  readonly to: Local<"i32">;
  /** Bytes from row to row of the result. */
  readonly toPitch: Local<"i32">;
  /** First column of the iteration, and rows left with this one. */
  readonly column: Local<"i32">;
  readonly rows: Local<"i32">;
  /** Word `k` of the kernel's own parameters, read once. */
  readonly word: (k: number) => Local<"i32">;
  /** Address of byte `offset` of the kernel's own parameters. */
  readonly own: (offset: number) => Address;
}

/** Words before a kernel's own ones. */
const WORDS = 4;

/** Step of one row: elements per iteration, and their bytes in the source and in the result. */
export interface Step {
  readonly elements: number;
  readonly fromSize: number;
  readonly toSize: number;
  /** Rows that an iteration makes at once: 1 unless given. Of an odd number of them the last pair begins earlier. */
  readonly rows?: 1 | 2;
}

/** Module `k(block, rows, columns)` that runs `body` for every `elements` columns of every row; columns ≥ elements. */
function emitRows(places: Places, step: Step, body: (i: Iteration) => void): Uint8Array<ArrayBuffer> {
  const f = new FunctionBuilder(["i32", "i32", "i32"]);
  const [block, rows, columns] = [f.param(0, "i32"), f.param(1, "i32"), f.param(2, "i32")];
  const own = (offset: number): Address => ({ memory: places.own, base: block, offset: offset + 4 * WORDS });
  const word = (k: number): Local<"i32"> => f.hoist(`word ${k}`, () => loadScalar("i32.load", own(4 * k)));
  const [source, pitch, target, targetPitch] = [word(-4), word(-3), word(-2), word(-1)];
  const last = f.let(scalar2("i32.sub", columns, i32(step.elements)));
  const [column, before, at, to] = [f.local("i32"), f.local("i32"), f.local("i32"), f.local("i32")];
  const place = (base: Local<"i32">, size: number): I32 =>
    scalar2("i32.add", base, scalar2("i32.shl", column, i32(Math.log2(size))));
  f.doWhile(
    () => rows,
    () => {
      if (step.rows === 2)
        f.if(scalarCompare("i32.eq", rows, i32(1)), () => {
          f.set(source, scalar2("i32.sub", source, pitch));
          f.set(target, scalar2("i32.sub", target, targetPitch));
          f.set(rows, i32(2));
        });
      f.set(column, i32(0));
      f.doWhile(
        () => scalarCompare("i32.lt_u", before, last),
        () => {
          f.set(at, place(source, step.fromSize));
          f.set(to, place(target, step.toSize));
          body({ f, places, at, pitch, to, toPitch: targetPitch, column, rows, word, own });
          f.set(before, column);
          f.set(column, scalar2("i32.add", column, i32(step.elements)));
          f.set(column, select(scalarCompare("i32.gt_u", column, last), last, column));
        },
      );
      for (let k = 0; k < (step.rows ?? 1); k++) {
        f.set(source, scalar2("i32.add", source, pitch));
        f.set(target, scalar2("i32.add", target, targetPitch));
      }
      f.set(rows, scalar2("i32.sub", rows, i32(step.rows ?? 1)));
    },
  );
  return encodeModule([f.finish()], places.own + 1);
}

/** A kernel over rows: what names it, how it steps, and the code of one iteration. */
export interface RowKernel {
  readonly key: string;
  readonly step: Step;
  readonly body: (i: Iteration) => void;
}

/** Rows and columns of a part of a plane. */
export interface Size {
  readonly rows: number;
  readonly columns: number;
}

/** Run a kernel from one surface to another, which overlap nothing; `write` puts its own parameters (from a byte on). */
export function runRows(
  { key, step, body }: RowKernel,
  source: Surface,
  target: Surface,
  size: Size,
  write?: (words: Int32Array, at: number) => void,
): void {
  const own = scratch();
  const memories = [...new Set([source.memory, target.memory])].filter((m) => m !== own.memory);
  memories.push(own.memory);
  const places: Places = {
    from: memories.indexOf(source.memory),
    to: memories.indexOf(target.memory),
    own: memories.length - 1,
  };
  const run: WasmKernel = kernelOf(`window ${key} ${places.from}${places.to}${places.own}`, memories, () =>
    emitRows(places, step, body),
  );
  own.i32.set([source.address, source.pitch, target.address, target.pitch], SCRATCH.block / 4);
  write?.(own.i32, SCRATCH.block / 4 + WORDS);
  countRun("wasm");
  run(SCRATCH.block, size.rows, size.columns);
}

/** Visit the planes (last two axes) of blocks whose leading axes agree. */
export function forEachPlane(blocks: readonly NDArray[], visit: (planes: readonly NDArray[]) => void): void {
  const lead = blocks[0]?.shape.slice(0, -2) ?? [];
  for (let p = 0; p < sizeOf(lead); p++) {
    visit(
      blocks.map((x) => {
        let [offset, rest] = [x.offset, p];
        for (let axis = lead.length - 1; axis >= 0; axis--) {
          const n = lead[axis] as number; // axis < rank
          offset += (rest % n) * (x.stride[axis] as number);
          rest = Math.floor(rest / n);
        }
        return new NDArray(x.dtype, x.data, x.shape.slice(-2), x.stride.slice(-2), offset);
      }),
    );
  }
}

/** Rows and columns `at …` of a plane. */
export function partOf(plane: NDArray, [row, column]: readonly [number, number], { rows, columns }: Size): NDArray {
  const [down, right] = plane.stride as [number, number]; // planes have rank 2
  return new NDArray(
    plane.dtype,
    plane.data,
    [rows, columns],
    plane.stride,
    plane.offset + row * down + column * right,
  );
}

/** Visit the tiles of a plane. */
export function forEachTile(whole: Size, tile: Size, visit: (at: readonly [number, number], size: Size) => void): void {
  for (let row = 0; row < whole.rows; row += tile.rows)
    for (let column = 0; column < whole.columns; column += tile.columns)
      visit([row, column], {
        rows: Math.min(tile.rows, whole.rows - row),
        columns: Math.min(tile.columns, whole.columns - column),
      });
}

/** Elements of a surface in scratch as a block. */
export function workRows(dtype: DType, { address, pitch }: Surface, { rows, columns }: Size): NDArray {
  return workBlock(dtype, address, [rows, columns], [pitch / DTYPES[dtype].itemsize, 1]);
}

/** Bytes of scratch that tiles share. */
export const WORK_BYTES: number = WORK.end - WORK.start;

/** Bytes of one element of the dtype. */
export function sizeOfItem(dtype: DType): number {
  return DTYPES[dtype].itemsize;
}
