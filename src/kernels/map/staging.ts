/**
 * Inputs that run across memory (a transposed block): a square tile is first turned, in registers, into rows in scratch,
 * which the kernel then reads as it reads any others. Lines of a block lie a power of two apart and would evict each
 * other. Bytes per element moved: twice its size.
 */
import { DTYPES, type DType, viewOf } from "../../dtype/index.ts";
import {
  FunctionBuilder,
  type I32,
  i32,
  type Local,
  loadScalar,
  loadVector,
  scalar2,
  scalarCompare,
  shuffle,
} from "../wasm/builder.ts";
import { encodeModule } from "../wasm/encoder.ts";
import { kernelOf, SCRATCH, scratch } from "../wasm/runtime.ts";
import type { WasmMemory } from "../wasm/webassembly.ts";
import { moveElements } from "./access.ts";
import { LaneCode, type V, type Width } from "./lanes.ts";

/** Side of a square tile. */
export const SQUARE = 64;
/** Bytes of a tile of the widest dtype. */
export const STAGE_BYTES: number = SQUARE * (SQUARE * 8 + 16);

/** True for an input whose step along the last axis leaves the cache line while the axis before goes along memory. */
export function isAcross(step: number, rowStep: number, itemsize: number): boolean {
  return Math.abs(step * itemsize) >= 256 && Math.abs(rowStep) === 1;
}

/** Elements from row to row of a staged tile; not a power of two. */
export function stagePitch(dtype: DType): number {
  return SQUARE + 16 / DTYPES[dtype].itemsize;
}

/** Interleave the elements of the lower (or upper) halves of two vectors. */
function interleave(width: Width, upper: boolean): number[] {
  const half = upper ? 8 : 0;
  return Array.from({ length: 16 }, (_, byte) => {
    const element = Math.floor(byte / width);
    return half + width * (element >> 1) + (byte % width) + (element % 2 === 0 ? 0 : 16);
  });
}

/** Rows of a square of vectors that hold its columns: log2(n) rounds of perfect shuffles. */
function transpose(code: LaneCode, width: Width, lines: readonly V[]): readonly V[] {
  let v = lines;
  const half = lines.length / 2;
  for (let round = 1; round < lines.length; round *= 2)
    v = v.map((_, k) => {
      const [a, b] = [v[k >> 1] as V, v[(k >> 1) + half] as V]; // both within the list
      return code.let(shuffle(a, b, interleave(width, k % 2 === 1)));
    });
  return v;
}

/** Words of the block: tile and its pitch; address of the first line, bytes from line to line. */
const WORDS = { tile: 0, pitch: 4, line: 8, step: 12 } as const;

/**
 * `k(block, rows, columns)`: element `r` of line `c` goes to row `r`, column `c` of the tile. Memory 0 holds the lines,
 * the last one block and tile.
 */
function emitTurn(width: Width, memories: number): Uint8Array<ArrayBuffer> {
  const f = new FunctionBuilder(["i32", "i32", "i32"]);
  const [block, rows, columns] = [f.param(0, "i32"), f.param(1, "i32"), f.param(2, "i32")];
  const n = 16 / width;
  const code = new LaneCode(f, n);
  const own = memories - 1;
  const word = (offset: number): Local<"i32"> => f.let(loadScalar("i32.load", { memory: own, base: block, offset }));
  const [tile, pitch, line, step] = [word(WORDS.tile), word(WORDS.pitch), word(WORDS.line), word(WORDS.step)];
  const groups = (count: I32): I32 => scalar2("i32.shr_u", count, i32(Math.log2(n)));
  const rest = (count: I32): Local<"i32"> => f.let(scalar2("i32.and", count, i32(n - 1)));
  const plus = (a: I32, b: I32): I32 => scalar2("i32.add", a, b);
  const times = (a: I32, b: I32): I32 => scalar2("i32.mul", a, b);
  repeat(f, groups(columns), () => {
    const from = Array.from({ length: n }, (_, k) => f.let(plus(line, times(step, i32(k)))));
    const to = f.let(tile);
    repeat(f, groups(rows), () => {
      const lines = from.map((base) => code.let(loadVector("v128.load", { memory: 0, base, offset: 0 })));
      for (const x of transpose(code, width, lines)) {
        f.storeVector({ memory: own, base: to, offset: 0 }, x);
        f.set(to, plus(to, pitch));
      }
      for (const base of from) f.set(base, plus(base, i32(16)));
    });
    const last = rest(rows);
    f.if(last, () => {
      for (const [k, base] of from.entries())
        moveElements(
          code,
          width,
          { memory: own, base: to, offset: k * width, step: pitch },
          { memory: 0, base, offset: 0, step: i32(width) },
          last,
        );
    });
    f.set(line, plus(line, times(step, i32(n))));
    f.set(tile, plus(tile, i32(16)));
  });
  repeat(f, rest(columns), () => {
    moveElements(
      code,
      width,
      { memory: own, base: tile, offset: 0, step: pitch },
      { memory: 0, base: line, offset: 0, step: i32(width) },
      rows,
    );
    f.set(line, plus(line, step));
    f.set(tile, plus(tile, i32(width)));
  });
  return encodeModule([f.finish()], memories);
}

/** Run `body` `times` times, if at all. */
function repeat(f: FunctionBuilder, times: I32, body: () => void): void {
  const left = f.let(times);
  f.if(scalarCompare("i32.gt_u", left, i32(0)), () =>
    f.doWhile(
      () => left,
      () => {
        body();
        f.set(left, scalar2("i32.sub", left, i32(1)));
      },
    ),
  );
}

/** Turns tiles of one operand. */
export interface Stage {
  /** Turn `columns` lines of `rows` elements, the first at byte `address` of the operand's memory, to byte `tile` of scratch. */
  readonly move: (address: number, tile: number, rows: number, columns: number) => void;
}

/** Stage of an operand of `dtype` in `memory`: `step` elements from line to line, 1 or -1 within one. */
export function stageOf(dtype: DType, memory: WasmMemory, step: number, rowStep: number): Stage {
  const own = scratch();
  const size = DTYPES[dtype].itemsize as Width; // staged operands belong to lowerable kernels
  const memories = memory === own.memory ? [own.memory] : [memory, own.memory];
  const run = kernelOf(`turn ${size} ${memories.length}`, memories, () => emitTurn(size, memories.length));
  const words = viewOf("int32", own.buffer, SCRATCH.stage, 4) as Int32Array; // by its dtype
  const pitch = stagePitch(dtype) * size;
  return {
    move: (address, tile, rows, columns) => {
      // Lines that run backwards are read forwards, into rows from the last to the first.
      const back = rowStep < 0 ? rows - 1 : 0;
      words[0] = tile + back * pitch;
      words[1] = rowStep < 0 ? -pitch : pitch;
      words[2] = address - back * size;
      words[3] = step * size;
      run(SCRATCH.stage, rows, columns);
    },
  };
}
