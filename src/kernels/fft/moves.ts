/** Moves of lanes between a block and a tile in scratch: by kernels where the block lies in a segment, otherwise here. */
import type { NDArray } from "../../ndarray/index.ts";
import { memoryOf } from "../segment.ts";
import { countRun, kernelOf, type Scratch } from "../wasm/runtime.ts";
import type { WasmKernel } from "../wasm/webassembly.ts";
import { type Cells, emitLoad, emitStore, LINE_WORDS } from "./lines-module.ts";
import { GROUP_BYTES } from "./stage-module.ts";

/** Bytes of a group's real parts. */
export const PART_BYTES = 16;

/** What is moved, in entries of the block's array and rows of the tile. */
export interface Move {
  readonly isComplex: boolean;
  /** Entry of the first element, from the lane's own first entry on, and entries from one to the next. */
  readonly start: number;
  readonly step: number;
  readonly rows: number;
  /** Where in scratch the first row's first group lies, and rows from one to the next: 1 or −1. */
  readonly tile: number;
  readonly rowStep: number;
  /** Parts exchanged: real ones lie behind imaginary ones. */
  readonly isExchanged: boolean;
  /** Factors of stores. */
  readonly factors?: readonly [re: number, im: number];
}

/** A move made ready for tiles of some number of groups. */
type Mover = (places: Float64Array, lanes: number) => void;

/** What a mover needs of the room that it works in. */
export interface Room {
  readonly own: Scratch;
  readonly f64: Float64Array;
  readonly groups: number;
  /** Bytes of scratch for words and for places of lanes. */
  readonly take: (bytes: number) => number;
}

/** Moves `x` into the tile, or out of it. */
export function mover(x: NDArray, which: "load" | "store", move: Move, room: Room): Mover {
  const memory = memoryOf(x.data.buffer);
  const itemBytes = x.data.BYTES_PER_ELEMENT;
  if (memory === undefined || x.dtype === "float16") return plainMover(x, which, move, room);
  const { own, groups } = room;
  const isApart = memory !== own.memory;
  const kernel = (isBeside: boolean): WasmKernel => {
    const cells: Cells = { itemBytes: itemBytes as 4 | 8, isComplex: move.isComplex, isBeside, isApart }; // floats of 4 or 8 bytes
    const key = `fft ${which} ${itemBytes} ${move.isComplex} ${isBeside} ${isApart}`;
    const emit = which === "load" ? emitLoad : emitStore;
    return kernelOf(key, isApart ? [memory, own.memory] : [own.memory], () => emit(cells));
  };
  const [beside, single] = [kernel(true), kernel(false)];
  const words = room.take(64);
  const table = room.take(8 * groups);
  const entries = move.isComplex ? 2 : 1;
  const at = (k: number): number => (words + k) >> 2;
  own.i32[at(LINE_WORDS.tile)] = move.tile;
  own.i32[at(LINE_WORDS.tileStep)] = move.rowStep * groups * GROUP_BYTES;
  own.i32[at(LINE_WORDS.rows)] = move.rows;
  own.i32[at(LINE_WORDS.groups)] = groups;
  own.i32[at(LINE_WORDS.step)] = move.step * itemBytes;
  own.i32[at(LINE_WORDS.re)] = move.isExchanged ? PART_BYTES : 0;
  own.i32[at(LINE_WORDS.im)] = move.isExchanged ? 0 : PART_BYTES;
  room.f64.set(move.factors ?? [1, 1], (words + LINE_WORDS.factorRe) >> 3);
  const first = x.data.byteOffset + move.start * itemBytes;
  return (places, lanes) => {
    countRun("wasm");
    const isBeside = lanes === 2 * groups && followEachOther(places, lanes, entries);
    if (isBeside) own.i32[at(LINE_WORDS.block)] = first + (places[0] as number) * itemBytes;
    else {
      for (let k = 0; k < 2 * groups; k++)
        own.i32[(table >> 2) + k] = first + (places[Math.min(k, lanes - 1)] as number) * itemBytes;
      own.i32[at(LINE_WORDS.block)] = table;
    }
    (isBeside ? beside : single)(words, 0, 0);
  };
}

/** Whether each place lies `entries` behind the one before it: outer axes may lie in memory in another order. */
function followEachOther(places: Float64Array, lanes: number, entries: number): boolean {
  for (let k = 1; k < lanes; k++) if ((places[k] as number) - (places[k - 1] as number) !== entries) return false; // k < lanes
  return true;
}

/** The same for any memory and dtype, element by element. */
function plainMover(x: NDArray, which: "load" | "store", move: Move, { f64, groups }: Room): Mover {
  const data = x.data as Float64Array; // floats: the array room casts
  const [scaleRe, scaleIm] = move.factors ?? [1, 1];
  const [re, im] = move.isExchanged ? [2, 0] : [0, 2];
  const rowStep = (move.rowStep * groups * GROUP_BYTES) / 8;
  return (places, lanes) => {
    for (let lane = 0; lane < lanes; lane++) {
      let at = (places[lane] as number) + move.start;
      let cell = move.tile / 8 + (lane >> 1) * (GROUP_BYTES / 8) + (lane & 1);
      for (let j = 0; j < move.rows; j++, at += move.step, cell += rowStep) {
        if (which === "load") {
          f64[cell + re] = data[at] as number;
          if (move.isComplex) f64[cell + im] = data[at + 1] as number;
        } else {
          data[at] = (f64[cell + re] as number) * scaleRe;
          if (move.isComplex) data[at + 1] = (f64[cell + im] as number) * scaleIm;
        }
      }
    }
  };
}
