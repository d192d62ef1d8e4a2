/**
 * Inputs that run across memory (a transposed block): a square tile is first moved, row by contiguous row, into scratch,
 * where its lanes are then picked from the cache. Rows of a block lie a power of two apart and would evict each other.
 */
import { DTYPES, type DType, viewOf } from "../dtype/index.ts";
import type { KernelCall } from "../graph/index.ts";
import { type Access, accessKind } from "./access.ts";
import { blockLayout } from "./block.ts";
import { CallBuilder } from "./ir.ts";
import { emitMap } from "./map-module.ts";
import { nativeDType } from "./op-table.ts";
import { kernelOf, SCRATCH, scratch } from "./wasm/runtime.ts";
import type { WasmKernel, WasmMemory } from "./wasm/webassembly.ts";

/** Side of a square tile. */
export const SQUARE = 64;
/** Bytes of a tile of the widest dtype. */
export const STAGE_BYTES: number = SQUARE * (SQUARE * 8 + 16);

/** True for an input whose step along the last axis leaves the cache line while the axis before stays in it. */
export function isAcross(step: number, rowStep: number, itemsize: number): boolean {
  return Math.abs(step * itemsize) >= 256 && rowStep !== 0 && Math.abs(rowStep * itemsize) <= 16;
}

/** Elements from column to column of a staged tile; not a power of two. */
export function stagePitch(dtype: DType): number {
  return SQUARE + 16 / DTYPES[dtype].itemsize;
}

const copies = new Map<DType, KernelCall>();

function copyCall(dtype: DType): KernelCall {
  let call = copies.get(dtype);
  if (call === undefined) {
    const b = new CallBuilder();
    call = b.build([b.input(dtype)]);
    copies.set(dtype, call);
  }
  return call;
}

/** Moves tiles of one operand. */
export interface Stage {
  /** Move `columns` lines of `rows` elements from byte `address` of the operand's memory to byte `tile` of scratch. */
  readonly move: (address: number, tile: number, rows: number, columns: number) => void;
}

/** Stage of an operand of `dtype` in `memory`; steps in elements. */
export function stageOf(dtype: DType, memory: WasmMemory, step: number, rowStep: number): Stage {
  const own = scratch();
  const native = nativeDType(dtype) as DType; // staged operands belong to lowerable kernels
  const call = copyCall(native);
  const memories = memory === own.memory ? [own.memory] : [memory, own.memory];
  const outs: Access[] = [{ dtype: native, kind: "c", memory: memories.length - 1 }];
  const inputs: Access[] = [{ dtype: native, kind: accessKind(rowStep, false), memory: 0 }];
  const key = `stage ${native} ${inputs[0]?.kind} ${memories.length}`;
  const run: WasmKernel = kernelOf(key, memories, () =>
    emitMap(call.kernel, { outs, inputs, sets: [], memories: memories.length }),
  );
  const layout = blockLayout(call.kernel, 2, []);
  const size = DTYPES[dtype].itemsize;
  const at = SCRATCH.stage;
  const words = viewOf("int32", own.buffer, at, layout.bytes / 4) as Int32Array; // by its dtype
  const pitch = stagePitch(dtype) * size;
  return {
    move: (address, tile, rows, columns) => {
      words.set([tile, pitch, size, 0, address, step * size, rowStep * size, 0]);
      run(at, columns, rows);
    },
  };
}
