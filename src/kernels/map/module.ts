/** Modules of elementwise kernels: rows of elements, E at a time, the rest of a row through scratch. See kernels.md §3.6. */
import type { DType } from "../../dtype/index.ts";
import type { Kernel, KernelNode, NodeId } from "../../graph/index.ts";
import { type BlockLayout, blockLayout } from "../block.ts";
import { quietHalf } from "../math/half.ts";
import {
  type Address,
  anyTrue,
  extract,
  FunctionBuilder,
  type I32,
  i32,
  type Local,
  laneSelect,
  loadScalar,
  loadVector,
  scalar2,
  scalarCompare,
  shuffle,
  type Vector,
  vector1,
  vector2,
} from "../wasm/builder.ts";
import { encodeModule } from "../wasm/encoder.ts";
import {
  type Access,
  loadContiguous,
  loadHalves,
  loadReversed,
  loadSplat,
  loadStrided,
  moveElements,
  storeContiguous,
  stored,
  storeStrided,
} from "./access.ts";
import { toInt64Function } from "./cast.ts";
import { floatPattern, LaneCode, type Lanes, shapeOf, type V, widthOf } from "./lanes.ts";
import { itemIsByte, iterationOf, lowerNode, type Sources, storedDType } from "./op-table.ts";
import { hasWildNaN } from "./scalar-ops.ts";
import { SET_MEMBERS_MAX } from "./set-search.ts";

/** What a module is made for, beside the kernel itself. */
export interface MapShape {
  readonly outs: readonly Access[];
  readonly inputs: readonly Access[];
  /** Padded set sizes. */
  readonly sets: readonly number[];
  /** Number of imported memories; the last is the scratch memory. */
  readonly memories: number;
}

/** Where a node's value can be computed: once per call, once per row, once per iteration. */
type Level = 0 | 1 | 2;

/** Nodes that outputs need, with their levels. */
export function levelsOf(kernel: Kernel, inputs: readonly Access[]): (Level | null)[] {
  const levels: (Level | null)[] = kernel.nodes.map(() => null);
  const visit = (id: NodeId): Level => {
    const known = levels[id];
    if (known !== null && known !== undefined) return known;
    const node = kernel.nodes[id] as KernelNode; // ids are in range
    let level: Level = 0;
    if (node.op === "in") level = inputs[node.slot]?.kind === "s" ? 1 : 2;
    else for (const operand of operandsOf(node)) level = Math.max(level, visit(operand)) as Level;
    levels[id] = level;
    return level;
  };
  kernel.outputs.forEach(visit);
  return levels;
}

function operandsOf(node: KernelNode): NodeId[] {
  if (node.op === "in" || node.op === "param") return [];
  if (node.op === "where") return [node.c, node.a, node.b];
  return "b" in node ? [node.a, node.b] : [node.a];
}

/** Inputs of a level, by slot. */
export interface Inputs {
  readonly whole: (slot: number) => Lanes;
  /** Contiguous float32 in halves. */
  readonly halves: (slot: number) => readonly V[];
}

/** Contiguous float32 inputs that are only ever widened to float64: nothing else reads them. */
function widenedInputs(kernel: Kernel, levels: readonly (Level | null)[], inputs: readonly Access[]): Set<NodeId> {
  const found = new Set<NodeId>();
  kernel.nodes.forEach((node, id) => {
    if (node.op === "in" && node.dtype === "float32" && levels[id] === 2 && inputs[node.slot]?.kind === "c")
      found.add(id);
  });
  kernel.nodes.forEach((node, id) => {
    if (levels[id] === null || (node.op === "cast" && node.dtype === "float64")) return;
    for (const operand of operandsOf(node)) found.delete(operand);
  });
  for (const id of kernel.outputs) found.delete(id);
  return found;
}

/** Lowers a kernel's nodes level by level; values of lower levels are kept. */
export class NodeCode {
  readonly code: LaneCode;
  readonly #kernel: Kernel;
  readonly #levels: readonly (Level | null)[];
  readonly #values = new Map<NodeId, Lanes>();
  readonly #fixed: Omit<Sources, "input">;
  readonly #widened: ReadonlySet<NodeId>;
  /** An operation fails for some values: no lane may hold one that no element has. */
  readonly isChecked: boolean;

  constructor(code: LaneCode, kernel: Kernel, inputs: readonly Access[], fixed: Omit<Sources, "input">) {
    this.code = code;
    this.#kernel = kernel;
    this.#levels = levelsOf(kernel, inputs);
    this.#widened = widenedInputs(kernel, this.#levels, inputs);
    this.#fixed = fixed;
    this.isChecked = kernel.nodes.some(({ op }) => op === "index");
  }

  /** Emit the nodes of one level; `inputs` gives the lanes of an input of that level. */
  lower(level: Level, inputs: Inputs): void {
    const loaded = new Map<number, Lanes>();
    const input = (slot: number): Lanes => {
      const lanes = loaded.get(slot) ?? inputs.whole(slot);
      loaded.set(slot, lanes);
      return lanes;
    };
    this.#kernel.nodes.forEach((node, id) => {
      if (this.#levels[id] !== level || this.#widened.has(id)) return;
      const operand = (k: NodeId): Lanes => this.#values.get(k) as Lanes; // lowered before
      this.#values.set(
        id,
        node.op === "cast" && this.#widened.has(node.a)
          ? this.#widen(node.a, inputs)
          : lowerNode(this.code, node, operand, { ...this.#fixed, input }),
      );
    });
  }

  /** A widened input; read once per use, which is one unless there are equal casts. */
  #widen(id: NodeId, inputs: Inputs): Lanes {
    const { slot } = this.#kernel.nodes[id] as Extract<KernelNode, { readonly op: "in" }>; // a widened input
    const v = inputs.halves(slot).map((x) => this.code.let(vector1("f64x2.promote_low_f32x4", x)));
    return { dtype: "float64", width: 8, v };
  }

  output(k: number): Lanes {
    return this.#values.get(this.#kernel.outputs[k] as NodeId) as Lanes; // all outputs have levels
  }

  /** Output `k` as it is stored: NaNs of arithmetic are the one quiet NaN. */
  stored(k: number): Lanes {
    const x = this.output(k);
    if (!hasWildNaN(this.#kernel, this.#kernel.outputs[k] as NodeId)) return x;
    const { code } = this;
    if (x.dtype === "float16") return quietHalf(code, x);
    const dtype = x.dtype as "float32" | "float64"; // the floats that have lanes
    const quiet = code.f.constant(floatPattern(dtype, Number.NaN));
    const ne = `${shapeOf(dtype)}.ne` as "f32x4.ne" | "f64x2.ne";
    return { ...x, v: x.v.map((v) => code.let(laneSelect(x.width, quiet, v, vector2(ne, v, v)))) };
  }
}

/** Loads of parameters and sets from the block, before everything else. */
export function fixedSources(
  code: LaneCode,
  layout: BlockLayout,
  block: I32,
  shape: { readonly sets: readonly number[]; readonly scratch: number },
): Omit<Sources, "input"> {
  const at = (offset: number): Address => ({ memory: shape.scratch, base: block, offset });
  const splat = (dtype: DType, offset: number): Lanes => loadSplat(code, storedDType(dtype) as DType, at(offset)); // lowerable kernels only
  return {
    param: (slot, dtype) => splat(dtype, layout.param(slot)),
    set: (set, dtype) => {
      const start = layout.set(set);
      const vectors: V[] = [];
      code.f.once(() => {
        if (itemIsByte(dtype)) for (const k of [0, 16]) vectors.push(code.let(loadVector("v128.load", at(start + k))));
        else for (let k = 0; k < (shape.sets[set] as number); k++) vectors.push(splat(dtype, start + 8 * k).v[0] as V);
      });
      return vectors;
    },
    sorted: (set, dtype) => {
      const size = shape.sets[set] as number; // one per set
      return itemIsByte(dtype) || size <= SET_MEMBERS_MAX ? null : { at: at(layout.set(set)), size };
    },
  };
}

/** Pointer and steps of one operand inside the row loop. */
export interface Cursor {
  readonly access: Access;
  readonly index: number;
  /** Start of the row, and place of the iteration in it. */
  readonly row: Local<"i32">;
  readonly at: Local<"i32">;
  readonly rowStep: I32;
  readonly step: I32;
}

function cursorOf(
  f: FunctionBuilder,
  access: Access,
  index: number,
  word: (offset: number) => I32,
  layout: BlockLayout,
): Cursor {
  const base = layout.operand(index);
  return {
    access,
    index,
    row: f.let(word(base)),
    at: f.local("i32"),
    rowStep: f.let(word(base + 4)),
    step: f.let(word(base + 8)),
  };
}

function loadAt(code: LaneCode, { access, at, step }: Cursor): Lanes {
  const from: Address = { memory: access.memory, base: at, offset: 0 };
  switch (access.kind) {
    case "c":
      return loadContiguous(code, access.dtype, from);
    case "r":
      return loadReversed(code, access.dtype, from);
    case "g":
      return loadStrided(code, access.dtype, from, step);
    case "s":
      return loadSplat(code, access.dtype, from);
  }
}

/** Inputs at their cursors. */
export function inputsAt(code: LaneCode, cursor: (slot: number) => Cursor): Inputs {
  return {
    whole: (slot) => loadAt(code, cursor(slot)),
    halves: (slot) => {
      const { access, at } = cursor(slot);
      return loadHalves(code, { memory: access.memory, base: at, offset: 0 });
    },
  };
}

/** Inputs whose last elements were moved to places of their own. */
export function inputsInPlaces(
  code: LaneCode,
  cursor: (slot: number) => Cursor,
  place: (c: Cursor) => Address,
): Inputs {
  return {
    whole: (slot) => loadContiguous(code, cursor(slot).access.dtype, place(cursor(slot))),
    halves: (slot) => loadHalves(code, place(cursor(slot))),
  };
}

/** Advance by one iteration. */
export function advance(code: LaneCode, { access, at, step }: Cursor): void {
  const bytes = code.elements * widthOf(access.dtype);
  const by =
    access.kind === "c" ? i32(bytes) : access.kind === "r" ? i32(-bytes) : scalar2("i32.mul", step, i32(code.elements));
  if (access.kind !== "s") code.f.set(at, scalar2("i32.add", at, by));
}

/**
 * Module of an elementwise kernel: `k(block, rows, count)`, both at least 1.
 * Bytes per element moved: the sum of the operands' item sizes.
 */
export function emitMap(kernel: Kernel, shape: MapShape): Uint8Array<ArrayBuffer> {
  const f = new FunctionBuilder(["i32", "i32", "i32"]);
  const [block, rows, count] = [f.param(0, "i32"), f.param(1, "i32"), f.param(2, "i32")];
  const scratch = shape.memories - 1;
  const code = new LaneCode(f, iterationOf(kernel), scratch);
  const layout = blockLayout(kernel, shape.outs.length + shape.inputs.length, shape.sets);
  const levels = levelsOf(kernel, shape.inputs);
  const used = (slot: number): boolean =>
    kernel.nodes.some((n, id) => n.op === "in" && n.slot === slot && levels[id] !== null);
  const word = (offset: number): I32 => loadScalar("i32.load", { memory: scratch, base: block, offset });
  const outs = shape.outs.map((x, k) => cursorOf(f, x, k, word, layout));
  const inputs = shape.inputs.map((x, k) => (used(k) ? cursorOf(f, x, outs.length + k, word, layout) : null));
  const cursors = [...outs, ...inputs.filter((c) => c !== null)];
  const nodes = new NodeCode(
    code,
    kernel,
    shape.inputs,
    fixedSources(code, layout, block, { sets: shape.sets, scratch }),
  );
  const input = (slot: number): Cursor => inputs[slot] as Cursor; // asked for used slots only
  const sources = inputsAt(code, input);
  code.fix(() => nodes.lower(0, sources));
  const whole = f.let(scalar2("i32.shr_u", count, i32(Math.log2(code.elements))));
  const rest = f.let(scalar2("i32.and", count, i32(code.elements - 1)));
  const iterations = f.local("i32");
  f.doWhile(
    () => scalarCompare("i32.gt_u", rows, i32(0)),
    () => {
      for (const c of cursors) f.set(c.at, c.row);
      nodes.lower(1, sources);
      const each = (): void => {
        f.set(iterations, whole);
        f.if(whole, () =>
          f.doWhile(
            () => iterations,
            () => {
              nodes.lower(2, sources);
              storeAll(code, nodes, outs);
              for (const c of cursors) advance(code, c);
              f.set(iterations, scalar2("i32.sub", iterations, i32(1)));
            },
          ),
        );
        f.if(rest, () => emitTail({ code, nodes, outs, input, cursors, layout, block, rest, scratch }));
      };
      const isFilled = outs.every((c, k) => c.access.kind === "c" && levels[kernel.outputs[k] as NodeId] === 0);
      if (isFilled) emitFill({ code, nodes, outs }, count, each);
      else each();
      for (const c of cursors) f.set(c.row, scalar2("i32.add", c.row, c.rowStep));
      f.set(rows, scalar2("i32.sub", rows, i32(1)));
    },
  );
  return encodeModule([f.finish(), toInt64Function()], shape.memories);
}

function storeAll(code: LaneCode, nodes: NodeCode, outs: readonly Cursor[]): void {
  for (const [k, c] of outs.entries()) {
    const to: Address = { memory: c.access.memory, base: c.at, offset: 0 };
    if (c.access.kind === "c") storeContiguous(code, nodes.stored(k), to);
    else storeStrided(code, nodes.stored(k), to, c.step);
  }
}

/** The first byte of a vector in all bytes. */
const FIRST_BYTES: readonly number[] = new Array(16).fill(0);

/** Rows of values that stay the same: bytes that are all alike are one instruction, which is faster than stores. */
function emitFill(
  { code, nodes, outs }: Pick<Tail, "code" | "nodes" | "outs">,
  count: I32,
  otherwise: () => void,
): void {
  const { f } = code;
  const fills = outs.map((c, k) => {
    const value = stored(code, nodes.stored(k))[0] as V; // one vector at least
    return { c, value, byte: f.let(extract("i8x16.extract_lane_u", value, 0)) };
  });
  const differs = fills
    .map(({ value }): Vector => vector2("i8x16.ne", value, shuffle(value, value, FIRST_BYTES)))
    .reduce((a, b) => vector2("v128.or", a, b));
  f.if(anyTrue(differs), otherwise, () => {
    for (const { c, byte } of fills) {
      const to: Address = { memory: c.access.memory, base: c.at, offset: 0 };
      f.fill(to, byte, scalar2("i32.mul", count, i32(widthOf(c.access.dtype))));
    }
  });
}

interface Tail {
  readonly code: LaneCode;
  readonly nodes: NodeCode;
  readonly outs: readonly Cursor[];
  readonly input: (slot: number) => Cursor;
  readonly cursors: readonly Cursor[];
  readonly layout: BlockLayout;
  readonly block: I32;
  readonly rest: I32;
  readonly scratch: number;
}

/** Move the last elements of a row between an operand and its place in scratch. */
function moveTail(
  code: LaneCode,
  c: { readonly access: Access; readonly at: I32; readonly step: I32 },
  place: Address,
  rest: I32,
  direction: "in" | "out",
): void {
  const { f } = code;
  const width = widthOf(c.access.dtype);
  const operand: Address = { memory: c.access.memory, base: c.at, offset: 0 };
  if (c.access.kind === "c") {
    const bytes = scalar2("i32.mul", rest, i32(width));
    if (direction === "in") f.copy(place, operand, bytes);
    else f.copy(operand, place, bytes);
    return;
  }
  const [a, b] = [
    { ...operand, step: c.step },
    { ...place, step: i32(width) },
  ];
  if (direction === "in") moveElements(code, width, b, a, rest);
  else moveElements(code, width, a, b, rest);
}

/** Move the last elements of an input's row to its place in scratch; where operations are checked, its first fills up the rest. */
export function moveRest(nodes: NodeCode, c: Cursor, place: Address, rest: I32): void {
  const { code } = nodes;
  moveTail(code, c, place, rest, "in");
  if (!nodes.isChecked) return;
  const width = widthOf(c.access.dtype);
  const end = scalar2("i32.add", place.base, scalar2("i32.mul", rest, i32(width)));
  const count = scalar2("i32.sub", i32(code.elements), rest);
  moveElements(code, width, { ...place, base: end, step: i32(width) }, { ...place, step: i32(0) }, count);
}

/** The last elements of a row: a full iteration over scratch, of which the valid elements are brought home. */
function emitTail({ code, nodes, outs, input, cursors, layout, block, rest, scratch }: Tail): void {
  const place = (c: Cursor): Address => ({ memory: scratch, base: block, offset: layout.tail(c.index) });
  const inputs = cursors.filter((c) => !outs.includes(c) && c.access.kind !== "s");
  for (const c of inputs) moveRest(nodes, c, place(c), rest);
  nodes.lower(2, inputsInPlaces(code, input, place));
  for (const [k, c] of outs.entries()) storeContiguous(code, nodes.stored(k), place(c));
  for (const c of outs) moveTail(code, c, place(c), rest, "out");
}
