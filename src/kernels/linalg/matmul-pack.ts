/** Packing of matrices into panels of lines, `[panel][p][line]`, for matmul.ts: operands that need no conversion. */
import { DTYPES } from "../../dtype/index.ts";
import {
  type Address,
  FunctionBuilder,
  i32,
  type Local,
  loadScalar,
  loadVector,
  scalar2,
  scalarCompare,
  shuffle,
} from "../wasm/builder.ts";
import { encodeModule } from "../wasm/encoder.ts";
import { countRun, kernelOf, SCRATCH, scratch } from "../wasm/runtime.ts";
import type { WasmMemory } from "../wasm/webassembly.ts";

/** dtypes that products are computed in. */
export type Compute = "float32" | "float64" | "int32" | "int64";

type V = Local<"v128">;

/** Words of a call: source, target, bytes from panel to panel of both, bytes between lines or between steps of p. */
interface Call {
  readonly f: FunctionBuilder;
  readonly memory: { readonly from: number; readonly own: number };
  readonly word: (k: number) => Local<"i32">;
}

/** L vectors of L lanes, rows and columns exchanged. */
export function transposed(f: FunctionBuilder, rows: readonly V[]): V[] {
  const low = (a: V, b: V, size: number): V => f.let(shuffle(a, b, interleave(size, 0)));
  const high = (a: V, b: V, size: number): V => f.let(shuffle(a, b, interleave(size, 8)));
  const [a, b, c, d] = rows as [V, V, V, V]; // or two of them
  if (rows.length === 2) return [low(a, b, 8), high(a, b, 8)];
  const [p, q, r, s] = [low(a, b, 4), high(a, b, 4), low(c, d, 4), high(c, d, 4)];
  return [low(p, r, 8), high(p, r, 8), low(q, s, 8), high(q, s, 8)];
}

/** Items of the lower (from 0) or upper (from 8) halves of two vectors, in turn. */
function interleave(size: number, from: number): number[] {
  return Array.from({ length: 16 }, (_, n) => {
    const item = Math.floor(n / size);
    return from + (item % 2) * 16 + Math.floor(item / 2) * size + (n % size);
  });
}

/** Module `k(block, depth, panels)`; depth counts lines of `width` elements, or their groups of one vector. */
function emitPack(dtype: Compute, width: number, across: boolean, memories: number): Uint8Array<ArrayBuffer> {
  const f = new FunctionBuilder(["i32", "i32", "i32"]);
  const own = memories - 1;
  const block = f.param(0, "i32");
  const word = (k: number): Local<"i32"> =>
    f.hoist(`word ${k}`, () => loadScalar("i32.load", { memory: own, base: block, offset: SCRATCH.block + 4 * k }));
  const call: Call = { f, memory: { from: 0, own }, word };
  const [depth, panels] = [f.param(1, "i32"), f.param(2, "i32")];
  const size = DTYPES[dtype].itemsize;
  const [source, target, to, from, left] = [word(0), word(1), f.local("i32"), f.local("i32"), f.local("i32")];
  const body = across ? copyLine(call, width * size) : exchange(call, size, width);
  f.doWhile(
    () => scalarCompare("i32.gt_u", panels, i32(0)),
    () => {
      f.set(from, source);
      f.set(to, target);
      f.set(left, depth);
      f.doWhile(
        () => left,
        () => {
          body(from, to);
          f.set(left, scalar2("i32.sub", left, i32(1)));
        },
      );
      f.set(source, scalar2("i32.add", source, word(2)));
      f.set(target, scalar2("i32.add", target, word(3)));
      f.set(panels, scalar2("i32.sub", panels, i32(1)));
    },
  );
  return encodeModule([f.finish()], memories);
}

/** One p: the elements of a panel's lines lie side by side. */
function copyLine({ f, memory, word }: Call, bytes: number) {
  return (from: Local<"i32">, to: Local<"i32">): void => {
    for (let at = 0; at < bytes; at += 16)
      f.storeVector(
        { memory: memory.own, base: to, offset: at },
        loadVector("v128.load", { memory: memory.from, base: from, offset: at }),
      );
    f.set(from, scalar2("i32.add", from, word(4)));
    f.set(to, scalar2("i32.add", to, i32(bytes)));
  };
}

/** One vector of p: every line is contiguous. */
function exchange({ f, memory, word }: Call, size: number, width: number) {
  const lanes = 16 / size;
  return (from: Local<"i32">, to: Local<"i32">): void => {
    const line = f.let(from);
    for (let group = 0; group < width; group += lanes) {
      const rows = Array.from({ length: lanes }, (): V => {
        const x = f.let(loadVector("v128.load", { memory: memory.from, base: line, offset: 0 }));
        f.set(line, scalar2("i32.add", line, word(4)));
        return x;
      });
      for (const [p, x] of transposed(f, rows).entries()) {
        const at: Address = { memory: memory.own, base: to, offset: (p * width + group) * size };
        f.storeVector(at, x);
      }
    }
    f.set(from, scalar2("i32.add", from, i32(16)));
    f.set(to, scalar2("i32.add", to, i32(16 * width)));
  };
}

/** What is packed: the byte where it begins, and bytes from line to line and from p to p; one of them is an item's. */
export interface Lines {
  readonly memory: WasmMemory;
  readonly address: number;
  readonly across: number;
  readonly along: number;
}

/**
 * Pack `panels` panels of `width` lines (whole vectors) and `depth` elements to byte `to` of scratch. False, and nothing
 * done, when the lines lie otherwise than {@link Lines} says or depth is no multiple of a vector of contiguous lines.
 */
export function packPanels(
  dtype: Compute,
  lines: Lines,
  to: number,
  { panels, width, depth }: { readonly panels: number; readonly width: number; readonly depth: number },
): boolean {
  const size = DTYPES[dtype].itemsize;
  const across = lines.across === size;
  const steps = across ? depth : (depth * size) / 16;
  if (!Number.isInteger(steps) || !(across || lines.along === size)) return false;
  const own = scratch();
  const memories = lines.memory === own.memory ? [own.memory] : [lines.memory, own.memory];
  const run = kernelOf(`matmul pack ${dtype} ${width} ${across} ${memories.length}`, memories, () =>
    emitPack(dtype, width, across, memories.length),
  );
  const step = across ? lines.along : lines.across;
  own.i32.set([lines.address, to, width * lines.across, width * depth * size, step], SCRATCH.block / 4);
  countRun("wasm");
  run(0, steps, panels);
  return true;
}
