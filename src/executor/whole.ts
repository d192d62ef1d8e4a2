/**
 * Programs over a few cells as one small kernel: blocks of one or some elements, each step of which would cost more in
 * views and calls than in arithmetic. What a task then takes is reading its cells, the kernel, and writing them.
 */
import { DTYPES, type DType, itemsize, viewOf } from "../dtype/index.ts";
import type { ReduceSpec, Step, TaskSpec } from "../graph/index.ts";
import { type Cell, CellsBuilder, isCellwise, TINY_CELLS, type TinyProgram, tinyProgram } from "../kernels/index.ts";
import { sizeOf } from "../ndarray/index.ts";
import type { BlockFacts } from "./programs.ts";
import type { RecordReader } from "./record.ts";

/** The one element of a literal; null for a literal of more, or of complex numbers. */
export function elementOf(bytes: Uint8Array, dtype: DType): number | bigint | null {
  if (bytes.length !== itemsize(dtype) || DTYPES[dtype].components > 1) return null;
  return viewOf(dtype, bytes.slice().buffer, 0, 1)[0] ?? null;
}

/** Memory of a segment as elements of one dtype, from its first byte on. */
export type CellsOf = (segment: number, dtype: DType) => { [index: number]: number | bigint };

/** A program that is run in one go. */
export interface Whole {
  run(record: RecordReader, cellsOf: CellsOf): void;
}

/** A column of cells that the kernel reads or writes. */
interface Column {
  /** Input of the task that it is of; -1: the output. */
  readonly input: number;
  readonly dtype: DType;
  readonly bytes: number;
  /** Cells before it in its block. */
  readonly before: number;
  readonly tile: { [index: number]: number | bigint };
}

/** The program as a whole; null where it is not one for this way. */
export function wholeProgram(spec: TaskSpec, inputs: readonly BlockFacts[]): Whole | null {
  const made = new Walk(spec, inputs).program();
  if (made === null) return null;
  const { program, columns, cells } = made;
  return {
    run: (record, cellsOf) => {
      for (let k = 0; k < columns.length - made.outs; k++) read(columns[k] as Column, record, cellsOf, cells); // k < length
      program.run(cells);
      for (let k = columns.length - made.outs; k < columns.length; k++)
        write(columns[k] as Column, record, cellsOf, cells); // k < length
    },
  };
}

function read({ input, dtype, bytes, before, tile }: Column, record: RecordReader, cellsOf: CellsOf, n: number): void {
  const data = cellsOf(record.inputSegment(input), dtype);
  const at = record.inputOffset(input) / bytes + before;
  for (let i = 0; i < n; i++) tile[i] = data[at + i] as number; // within the block
}

function write({ dtype, bytes, before, tile }: Column, record: RecordReader, cellsOf: CellsOf, n: number): void {
  const data = cellsOf(record.outputSegment, dtype);
  const at = record.outputOffset / bytes + before;
  for (let i = 0; i < n; i++) data[at + i] = tile[i] as number; // within the tile
}

/** Follows a program's steps. */
class Walk {
  readonly #spec: TaskSpec;
  readonly #inputs: readonly BlockFacts[];
  readonly #builder = new CellsBuilder();
  /** What each register holds; a task's inputs once it is known what they are. */
  readonly #cells: (Cell | null)[];
  /** Columns that are read, in the order of the kernel's inputs. */
  readonly #read: Omit<Column, "tile">[] = [];
  /** The partials among the task's inputs, and what they are of. */
  readonly #partials = new Map<number, ReduceSpec>();
  #count = 0;

  constructor(spec: TaskSpec, inputs: readonly BlockFacts[]) {
    this.#spec = spec;
    this.#inputs = inputs;
    this.#cells = inputs.map(() => null);
  }

  program(): {
    readonly program: TinyProgram;
    readonly columns: readonly Column[];
    readonly outs: number;
    readonly cells: number;
  } | null {
    const { steps } = this.#spec;
    const last = steps.at(-1);
    if (last === undefined || (steps.length === 1 && last.do === "literal")) return null; // a fill
    this.#count = cellCount(last);
    if (this.#count < 1 || this.#count > TINY_CELLS) return null;
    for (const step of steps) {
      const cell = cellCount(step) === this.#count ? this.#step(step) : null;
      if (cell === null) return null;
      this.#cells.push(cell);
    }
    const result = this.#cells.at(-1) as Cell; // a step at least
    const call = this.#builder.build(result);
    const program = tinyProgram(call);
    if (program === null || program.inputs.includes(null)) return null;
    const outs = call.kernel.outputs.map((node, k) => {
      const dtype = call.kernel.nodes[node]?.dtype as DType; // a node of the kernel
      return this.#column({ input: -1, dtype, before: k * this.#count });
    });
    const tiles = [...program.inputs, ...program.outputs] as unknown as Column["tile"][]; // none is null
    const columns = [...this.#read, ...outs].map((column, k) => ({ ...column, tile: tiles[k] as Column["tile"] })); // one each
    return { program, columns, outs: outs.length, cells: this.#count };
  }

  /** What a step gives; null: not in this way. */
  #step(step: Step): Cell | null {
    if (DTYPES[step.dtype].components > 1) return null;
    switch (step.do) {
      case "literal": {
        const value = elementOf(step.bytes, step.dtype);
        return value === null ? null : this.#builder.literal(value, step.dtype);
      }
      case "map": {
        const inputs = this.#elements(step.inputs, step.axes, step.shape);
        return inputs && this.#builder.map(step.call, inputs);
      }
      case "reduce": {
        if (!isCellwise(step.spec) || step.reduced.some((k) => step.loop[k] !== 1)) return null;
        const inputs = this.#elements(step.inputs, step.axes, step.loop);
        const onto = step.onto === undefined ? null : this.#partial(step.onto, step.spec);
        return inputs && (step.onto === undefined || onto)
          ? this.#builder.reduce(step.call, step.spec, inputs, onto)
          : null;
      }
      case "combine": {
        if (!isCellwise(step.spec)) return null;
        const parts = step.inputs.map((register) => this.#partial(register, step.spec));
        if (parts.length === 0 || parts.includes(null)) return null;
        const sum = this.#builder.combine(step.spec, parts as [Cell, ...Cell[]]); // just seen to be
        return step.final ? this.#builder.finish(step.spec, sum) : sum;
      }
      default:
        return null;
    }
  }

  /** Elements that follow the cells, one for one and in their order; null: they do not. */
  #elements(
    registers: readonly number[],
    axes: readonly (readonly (number | null)[])[],
    shape: readonly number[],
  ): Cell[] | null {
    const cells: Cell[] = [];
    for (const [k, register] of registers.entries()) {
      const own = this.#shapeOf(register);
      if (!follows(own, axes[k] ?? [], shape)) return null;
      const cell = this.#element(register);
      if (cell === null) return null;
      cells.push(cell);
    }
    return cells;
  }

  #shapeOf(register: number): readonly number[] {
    const of =
      register < this.#inputs.length ? this.#inputs[register] : this.#spec.steps[register - this.#inputs.length];
    return of?.shape ?? [];
  }

  #element(register: number): Cell | null {
    const known = this.#cells[register];
    if (known) return this.#partials.has(register) ? null : known;
    const facts = this.#inputs[register];
    if (facts === undefined || DTYPES[facts.dtype].components > 1) return null;
    const cell = this.#builder.element(facts.dtype);
    this.#read.push(this.#column({ input: register, dtype: facts.dtype, before: 0 }));
    this.#cells[register] = cell;
    return cell;
  }

  #partial(register: number, spec: ReduceSpec): Cell | null {
    const known = this.#cells[register];
    if (known) return known;
    const facts = this.#inputs[register];
    const cell = this.#builder.partial(spec);
    if (facts?.dtype !== "float64" || sizeOf(facts.shape) !== cell.length * this.#count) return null;
    cell.forEach((node, k) => {
      this.#read.push(this.#column({ input: register, dtype: this.#builder.dtypeOf(node), before: k * this.#count }));
    });
    this.#cells[register] = cell;
    this.#partials.set(register, spec);
    return cell;
  }

  #column({ input, dtype, before }: Pick<Column, "input" | "dtype" | "before">): Omit<Column, "tile"> {
    return { input, dtype, bytes: itemsize(dtype), before };
  }
}

/** Cells that a step's result has: elements, or those of one component of a partial. */
function cellCount(step: Step): number {
  const isPartial = step.do === "reduce" || (step.do === "combine" && !step.final);
  return sizeOf(isPartial ? step.shape.slice(1) : step.shape);
}

/** True when a block of shape `own`, seen through `axes`, has its elements in the order of `shape`, none twice. */
function follows(own: readonly number[], axes: readonly (number | null)[], shape: readonly number[]): boolean {
  let before = -1;
  for (let k = 0; k < own.length; k++) {
    if (own[k] === 1) continue;
    const axis = axes[k] ?? -1;
    if (axis <= before || shape[axis] !== own[k]) return false;
    before = axis;
  }
  return sizeOf(own) === sizeOf(shape);
}
