/**
 * Modules of row reductions: `k(block, rows, count)` reduces each row of `count` elements of a fused kernel to a slot
 * (8-byte value, float64 count); products go on from the slot's value. Operand 0 of the block is the slots; the inputs
 * follow. See kernels.md §7.
 *
 * Float sums follow NumPy's `pairwise_sum`: eight accumulators are four f64x2, leaves hold at most 128 elements, halves
 * are cut at multiples of 8. (Two leaves side by side halve the latency but run three times as long: the processor no
 * longer sees one stream to fetch ahead.) Rows of other accumulations hold at most {@link ROW_MAX} elements.
 * Bytes per element moved: the sum of the inputs' item sizes.
 */

import { type BlockLayout, blockLayout } from "../block.ts";
import { toInt64Function } from "../map/cast.ts";
import { LaneCode, type Lanes, type V, widthOf } from "../map/lanes.ts";
import {
  advance,
  type Cursor,
  fixedSources,
  type Inputs,
  inputsAt,
  inputsInPlaces,
  levelsOf,
  type MapShape,
  moveRest,
  NodeCode,
} from "../map/module.ts";
import {
  type Address,
  anyTrue,
  bitmask,
  call,
  extract,
  FunctionBuilder,
  getGlobal,
  type I32,
  i32,
  type Local,
  loadScalar,
  scalar1,
  scalar2,
  scalarCompare,
  splat,
  type Value,
  vector2,
} from "../wasm/builder.ts";
import { encodeModule, type FunctionCode } from "../wasm/encoder.ts";
import { accumulatorOf, maskCount, type Reducible, valueType } from "./accumulators.ts";
import { isProduct, type ReducePlan } from "./plan.ts";

/** Longest row: 16-bit counters and 32-bit sums of 16-bit values do not overflow. */
export const ROW_MAX: number = 1 << 17;

/** Indices of functions; 1 is the cast's helper. */
const LEAF = 2;
const PAIRWISE = 3;
/** Longest leaf of a pairwise sum. */
const LEAF_MAX = 128;
/** Globals: count of a row's elements, address of its slot. */
const COUNT = 0;
const SLOT = 1;
/** Four vectors of the widest value: accumulators beside them stay in registers. */
const VECTOR_BYTES = 64;
/** Kernels of more nodes than this take eight elements an iteration: they have no registers for more. A search keeps little. */
const FEW_NODES = 6;
const FEW_NODES_SEARCHED = 12;

/** Elements per iteration: eight where their order counts, else what fills four vectors of a small kernel. */
function elementsOf(plan: ReducePlan): number {
  const { nodes } = plan.call.kernel;
  const few = plan.kind === "first" ? FEW_NODES_SEARCHED : FEW_NODES;
  if (plan.kind === "sum-float" || isProduct(plan.kind) || nodes.length > few) return 8;
  return Math.min(32, VECTOR_BYTES / Math.max(...nodes.map((n) => widthOf(n.dtype))));
}

/** What the functions of one module are made from. */
interface Source {
  readonly plan: ReducePlan;
  readonly shape: MapShape;
  readonly layout: BlockLayout;
}

/** One function that reads elements: `f(block, first, …)`. */
class Reader {
  readonly f: FunctionBuilder;
  readonly code: LaneCode;
  readonly nodes: NodeCode;
  readonly #source: Source;
  readonly #block: I32;

  constructor(source: Source, f: FunctionBuilder) {
    const { plan, shape, layout } = source;
    this.f = f;
    this.#source = source;
    this.#block = f.param(0, "i32");
    this.code = new LaneCode(f, elementsOf(plan), this.scratch);
    const fixed = fixedSources(this.code, layout, this.#block, { sets: shape.sets, scratch: this.scratch });
    this.nodes = new NodeCode(this.code, plan.call.kernel, shape.inputs, fixed);
  }

  get scratch(): number {
    return this.#source.shape.memories - 1;
  }

  /** Cursors of the used inputs at element `first` of the current row. */
  stream(first: I32): Stream {
    const { plan, shape, layout } = this.#source;
    const { kernel } = plan.call;
    const levels = levelsOf(kernel, shape.inputs);
    const cursors = shape.inputs.map((access, k): Cursor | null => {
      if (!kernel.nodes.some((x, id) => x.op === "in" && x.slot === k && levels[id] !== null)) return null;
      const word = (offset: number): I32 =>
        loadScalar("i32.load", { memory: this.scratch, base: this.#block, offset: layout.operand(1 + k) + offset });
      const step = access.kind === "c" ? i32(widthOf(access.dtype)) : this.f.let(word(8));
      const at = this.f.let(
        access.kind === "s" ? word(0) : scalar2("i32.add", word(0), scalar2("i32.mul", first, step)),
      );
      return { access, index: 1 + k, row: at, at, rowStep: i32(0), step };
    });
    const cursor = (slot: number): Cursor => cursors[slot] as Cursor; // asked for used slots only
    return { cursors: cursors.filter((c) => c !== null), cursor, inputs: inputsAt(this.code, cursor) };
  }

  /** Values that do not change along a row. */
  lowerFixed(inputs: Inputs): void {
    this.code.fix(() => this.nodes.lower(0, inputs));
    this.nodes.lower(1, inputs);
  }

  /** Values of one iteration; the cursors move on. */
  lowerNext({ inputs, cursors }: Stream, take: () => void): void {
    this.nodes.lower(2, inputs);
    take();
    for (const c of cursors) advance(this.code, c);
  }

  /** Values of the last `rest` elements, by way of scratch. */
  lowerRest({ cursors, cursor }: Stream, rest: I32): void {
    const { layout } = this.#source;
    const place = (c: Cursor): Address => ({ memory: this.scratch, base: this.#block, offset: layout.tail(c.index) });
    for (const c of cursors) if (c.access.kind !== "s") moveRest(this.nodes, c, place(c), rest);
    this.nodes.lower(2, inputsInPlaces(this.code, cursor, place));
  }

  /** Run `body` `times` times, if at all. */
  repeat(times: I32, body: (left: I32) => void): void {
    const left = this.f.let(times);
    this.f.if(left, () =>
      this.f.doWhile(
        () => left,
        () => {
          body(left);
          this.f.set(left, scalar2("i32.sub", left, i32(1)));
        },
      ),
    );
  }

  /** The first `rest` lanes. */
  live(rest: I32): Lanes {
    const v = Array.from({ length: this.code.count(2) }, (_, k) => {
      const order = this.f.constant(new Uint8Array(Uint16Array.from({ length: 8 }, (_, lane) => 8 * k + lane).buffer));
      return this.code.let(vector2("i16x8.lt_u", order, splat("i16x8.splat", rest)));
    });
    return { dtype: "bool", width: 2, v };
  }

  count(counted: I32): void {
    this.f.setGlobal(COUNT, scalar2("i32.add", getGlobal(COUNT), counted));
  }
}

/** Places in one run of elements. */
interface Stream {
  readonly cursors: readonly Cursor[];
  readonly cursor: (slot: number) => Cursor;
  readonly inputs: Inputs;
}

/** `leaf(block, first, n)`: reduces `n` elements of the current row and adds their count to the global. */
function leafFunction(source: Source): FunctionCode {
  const { plan } = source;
  const f = new FunctionBuilder(["i32", "i32", "i32"], [valueType(plan)]);
  const [first, n] = [f.param(1, "i32"), f.param(2, "i32")];
  const r = new Reader(source, f);
  const { code, nodes } = r;
  const shift = i32(Math.log2(code.elements));
  const stream = r.stream(first);
  r.lowerFixed(stream.inputs);
  const acc = plan.kind === "first" ? null : accumulatorOf(code, plan, () => startOf(plan, r.scratch));
  const count = plan.counted ? maskCount(code) : null;
  const whole = f.let(scalar2("i32.shr_u", n, shift));
  r.repeat(whole, (left) =>
    r.lowerNext(stream, () => {
      if (acc === null) returnFirst(code, nodes.output(0), scalar2("i32.shl", scalar2("i32.sub", whole, left), shift));
      acc?.take(nodes.output(0), null);
      count?.take(nodes.output(1), null);
    }),
  );
  const rest = f.let(scalar2("i32.and", n, i32(code.elements - 1)));
  const sum = acc !== null && plan.kind === "sum-float" ? (f.let(acc.result()) as Local<"f64">) : null; // sums of floats are float64
  f.if(rest, () => {
    r.lowerRest(stream, rest);
    const live = r.live(rest);
    if (acc === null) returnFirst(code, nodes.output(0), scalar2("i32.shl", whole, shift), live);
    else if (sum === null) acc.take(nodes.output(0), live);
    else addInOrder(code, sum, nodes.output(0), rest, 0);
    count?.take(nodes.output(1), live);
  });
  if (count !== null) r.count(scalar1("i32.wrap_i64", count.result()));
  return f.finish(acc === null ? scalar1("f64.convert_i32_u", n) : (sum ?? acc.result()));
}

/** Value that products go on from. */
function startOf(plan: ReducePlan, scratch: number): Value<Reducible> {
  return loadScalar(`${valueType(plan)}.load`, { memory: scratch, base: getGlobal(SLOT), offset: 0 });
}

/** Return `first` plus the place of the first true lane, if there is one. */
function returnFirst(code: LaneCode, hits: Lanes, first: I32, live?: Lanes): void {
  const masks = live === undefined ? hits.v : code.map2("v128.and", hits.v, code.mask(live, hits.width));
  const per = Math.min(code.elements, 16 / hits.width);
  const shape = ({ 1: "i8x16", 2: "i16x8", 4: "i32x4", 8: "i64x2" } as const)[hits.width];
  const any = masks.slice(1).reduce((m, x) => code.let(vector2("v128.or", m, x)), masks[0] as V); // one at least
  code.f.if(anyTrue(any), () => {
    masks.forEach((mask, k) => {
      const bits = code.f.let(bitmask(shape, mask));
      // Eight lanes of a byte each fill half a vector.
      const seen = per * hits.width < 16 ? code.f.let(scalar2("i32.and", bits, i32(2 ** per - 1))) : bits;
      code.f.if(seen, () => {
        const at = scalar2("i32.add", scalar2("i32.add", first, i32(k * per)), scalar1("i32.ctz", seen));
        code.f.return(scalar1("f64.convert_i32_u", at));
      });
    });
  });
}

/** Add the first `rest` (1 … 7) float64 lanes one by one. */
function addInOrder(code: LaneCode, sum: Local<"f64">, x: Lanes, rest: I32, k: number): void {
  if (k === code.elements - 1) return;
  code.f.set(sum, scalar2("f64.add", sum, extract("f64x2.extract_lane", x.v[k >> 1] as V, k % 2)));
  code.f.if(scalarCompare("i32.gt_u", rest, i32(k + 1)), () => addInOrder(code, sum, x, rest, k + 1));
}

/** `pairwise(block, first, n)`: the leaf, or the sum of two halves. Source: NumPy `pairwise_sum`. */
function pairwiseFunction(): FunctionCode {
  const f = new FunctionBuilder(["i32", "i32", "i32"], ["f64"]);
  const [block, first, n] = [f.param(0, "i32"), f.param(1, "i32"), f.param(2, "i32")];
  f.if(scalarCompare("i32.le_u", n, i32(LEAF_MAX)), () => f.return(call(LEAF, "f64", [block, first, n])));
  const half = f.let(scalar2("i32.and", scalar2("i32.shr_u", n, i32(1)), i32(~7)));
  const [second, left] = [scalar2("i32.add", first, half), scalar2("i32.sub", n, half)];
  return f.finish(
    scalar2("f64.add", call(PAIRWISE, "f64", [block, first, half]), call(PAIRWISE, "f64", [block, second, left])),
  );
}

/** Module of a row reduction. `shape.outs` is empty: the slots lie in scratch. */
export function emitReduce(plan: ReducePlan, shape: MapShape): Uint8Array<ArrayBuffer> {
  const layout = blockLayout(plan.call.kernel, 1 + shape.inputs.length, shape.sets);
  const scratch = shape.memories - 1;
  const type = valueType(plan);
  const f = new FunctionBuilder(["i32", "i32", "i32"]);
  const [block, rows, count] = [f.param(0, "i32"), f.param(1, "i32"), f.param(2, "i32")];
  const at = (offset: number): Address => ({ memory: scratch, base: block, offset });
  const slot = f.let(loadScalar("i32.load", at(layout.operand(0))));
  f.doWhile(
    () => rows,
    () => {
      if (plan.counted) f.setGlobal(COUNT, i32(0));
      if (isProduct(plan.kind)) f.setGlobal(SLOT, slot);
      const slotAt = (offset: number): Address => ({ memory: scratch, base: slot, offset });
      f.storeScalar(
        `${type}.store`,
        slotAt(0),
        call(plan.kind === "sum-float" ? PAIRWISE : LEAF, type, [block, i32(0), count]),
      );
      f.storeScalar("f64.store", slotAt(8), scalar1("f64.convert_i32_u", plan.counted ? getGlobal(COUNT) : count));
      f.set(slot, scalar2("i32.add", slot, i32(16)));
      shape.inputs.forEach((_, k) => {
        const base = layout.operand(1 + k);
        const [address, step] = [loadScalar("i32.load", at(base)), loadScalar("i32.load", at(base + 4))];
        f.storeScalar("i32.store", at(base), scalar2("i32.add", address, step));
      });
      f.set(rows, scalar2("i32.sub", rows, i32(1)));
    },
  );
  const source: Source = { plan, shape, layout };
  const functions = [f.finish(), toInt64Function(), leafFunction(source)];
  if (plan.kind === "sum-float") functions.push(pairwiseFunction());
  return encodeModule(functions, shape.memories, 2);
}
