/** Blocks of one size whose elements take turns in memory, as when arrays are stacked along a new last axis. */
import type { NDArray } from "../ndarray/index.ts";
import { bind, CALL_BYTES, sum, VECTOR } from "./moves.ts";
import {
  type Address,
  FunctionBuilder,
  type I32,
  i32,
  type Local,
  loadScalar,
  loadVector,
  scalar2,
  scalarCompare,
  shuffle,
  type Vector,
} from "./wasm/builder.ts";
import { encodeModule } from "./wasm/encoder.ts";
import { countRun, kernelFor, SCRATCH, scratch } from "./wasm/runtime.ts";

/** Widths of elements whose blocks are put in turns by shuffles, and how many blocks at most. */
type Width = 1 | 2 | 4 | 8;
const TURNS_MAX = 8;
const TURNS = {};

/** Whether {@link moveTurns} takes so many blocks of elements of this size. */
export function takesTurns(count: number, itemsize: number): boolean {
  return count >= 2 && count <= TURNS_MAX && itemsize <= 8;
}

/**
 * Element i of every block after each other, for all i: `out` is in C order and as long as all blocks together, which are
 * in C order and of one size. False where one lies in no segment.
 */
export function moveTurns(out: NDArray, blocks: readonly NDArray[], width: Width): boolean {
  const bound = bind([out, ...blocks].map((x) => x.data.buffer));
  if (bound === null) return false;
  const { list, at } = bound;
  const own = list.length - 1;
  const variant = `${width} ${at.join()}`;
  const run = kernelFor(TURNS, variant, list, {
    key: () => `move turns ${variant}/${own}`,
    emit: () => emitTurns(width, at, own),
  });
  countRun("wasm");
  const words = scratch().i32;
  const first = SCRATCH.block / 4;
  const size = blocks[0]?.size ?? 0;
  const most = Math.floor(CALL_BYTES / width / blocks.length);
  for (let i = 0; i < size; i += most) {
    words[first] = Math.min(most, size - i);
    words[first + 1] = out.data.byteOffset + (out.offset + i * blocks.length) * width;
    for (const [k, x] of blocks.entries()) words[first + 2 + k] = x.data.byteOffset + (x.offset + i) * width;
    run(SCRATCH.block, 1, 1);
  }
  return true;
}

function emitTurns(width: Width, memories: readonly number[], own: number): Uint8Array<ArrayBuffer> {
  const f = new FunctionBuilder(["i32", "i32", "i32"]);
  const word = (k: number): Local<"i32"> =>
    f.let(loadScalar("i32.load", { memory: own, base: f.param(0, "i32"), offset: 4 * k }));
  const [rest, to] = [word(0), word(1)];
  const from = memories.slice(1).map((_, k) => word(2 + k));
  const lanes = VECTOR / width;
  const at = (k: number, offset: number): Address => ({
    memory: memories[k] as number,
    base: (k === 0 ? to : from[k - 1]) as Local<"i32">,
    offset,
  }); // one per memory
  const advance = (n: number): void => {
    f.set(to, sum(to, i32(n * width * from.length)));
    for (const x of from) f.set(x, sum(x, i32(n * width)));
    f.set(rest, scalar2("i32.sub", rest, i32(n)));
  };
  const fits = (): I32 => scalarCompare("i32.ge_u", rest, i32(lanes));
  f.if(fits(), () =>
    f.doWhile(fits, () => {
      const loaded = from.map((_, k) => f.let(loadVector("v128.load", at(k + 1, 0))));
      for (let v = 0; v < loaded.length; v++) f.storeVector(at(0, v * VECTOR), turnOf(loaded, v, width));
      advance(lanes);
    }),
  );
  const [load, store] = {
    1: ["i32.load8_u", "i32.store8"],
    2: ["i32.load16_u", "i32.store16"],
    4: ["i32.load", "i32.store"],
    8: ["i64.load", "i64.store"],
  }[width] as ["i32.load", "i32.store"]; // names of one width
  f.if(rest, () =>
    f.doWhile(
      () => rest,
      () => {
        for (const k of from.keys()) f.storeScalar(store, at(0, k * width), loadScalar(load, at(k + 1, 0)));
        advance(1);
      },
    ),
  );
  return encodeModule([f.finish()], own + 1);
}

/** Vector `v` of the result of one turn: its bytes come from lanes of all vectors, one shuffle for each vector after the first. */
function turnOf(loaded: readonly Vector[], v: number, width: Width): Vector {
  const places = Array.from({ length: VECTOR }, (_, i) => {
    const element = Math.floor((VECTOR * v + i) / width);
    return { block: element % loaded.length, byte: Math.floor(element / loaded.length) * width + (i % width) };
  });
  const [first, second, ...others] = [...new Set(places.map((p) => p.block))] as [number, number | undefined];
  const pair = second ?? first;
  let made = shuffle(
    loaded[first] as Vector, // a block of the list, here and below
    loaded[pair] as Vector,
    places.map(({ block, byte }) => (block === first ? byte : block === pair ? VECTOR + byte : 0)),
  );
  for (const next of others as readonly number[])
    made = shuffle(
      made,
      loaded[next] as Vector,
      places.map(({ block, byte }, i) => (block === next ? VECTOR + byte : i)),
    );
  return made;
}
