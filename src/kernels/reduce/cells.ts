/**
 * Several steps over the same cells as one elementwise kernel: values, partials of single values, and what joins and
 * finishes partials. Nothing is computed in another order than by one step after the other, so the bits are the same.
 */
import { DTYPES, type DType, givesIndex } from "../../dtype/index.ts";
import type { KernelCall, NodeId, ReduceSpec } from "../../graph/index.ts";
import { CallBuilder } from "../map/ir.ts";
import { componentDTypes, finalCall, firstCall, joinCall, ontoCall } from "./partial.ts";
import { isMoments } from "./plan.ts";

/** What stands in a cell: an element, or the components of a partial. */
export type Cell = readonly NodeId[];

/** Builds one call from steps. */
export class CellsBuilder {
  readonly #builder = new CallBuilder();
  readonly #literals = new Map<string, NodeId>();

  /** An element of a block that is read. */
  element(dtype: DType): Cell {
    return [this.#builder.input(dtype)];
  }

  /** The components of a partial block that is read, each an input of the kernel. */
  partial(spec: ReduceSpec): Cell {
    return componentDTypes(spec).map((dtype) => this.#builder.input(dtype));
  }

  /** The same value in every cell. */
  literal(value: number | bigint, dtype: DType): Cell {
    const text = `${dtype} ${Object.is(value, -0) ? "-0" : value}`;
    let node = this.#literals.get(text);
    if (node === undefined) {
      node = this.#builder.param(value, dtype);
      this.#literals.set(text, node);
    }
    return [node];
  }

  /** The first value of a kernel over elements. */
  map(call: KernelCall, inputs: readonly Cell[]): Cell {
    return this.#builder.import(call, inputs.flat()).slice(0, 1);
  }

  /** The partial of the only element that is reduced into each cell, joined onto one that comes first if there is such. */
  reduce(call: KernelCall, spec: ReduceSpec, inputs: readonly Cell[], onto: Cell | null): Cell {
    return onto === null
      ? this.#builder.import(firstCall(call, spec), inputs.flat())
      : this.#builder.import(ontoCall(call, spec), [...onto, ...inputs.flat()]);
  }

  /** Partials joined in order. */
  combine(spec: ReduceSpec, [first, ...rest]: readonly [Cell, ...Cell[]]): Cell {
    let sum = first;
    for (const part of rest) sum = this.#builder.import(joinCall(spec), [...sum, ...part]);
    return sum;
  }

  /** The result of a partial. */
  finish(spec: ReduceSpec, partial: Cell): Cell {
    return this.#builder.import(finalCall(spec), partial);
  }

  dtypeOf(node: NodeId): DType {
    return this.#builder.dtypeOf(node);
  }

  /** The call whose outputs are these. */
  build(cell: Cell): KernelCall {
    return this.#builder.build(cell);
  }
}

/** True when {@link CellsBuilder.reduce} can be asked for it: an element's partial needs no place, and no mean first. */
export function isCellwise({ op, from }: ReduceSpec): boolean {
  return !isMoments(op) && !givesIndex(op) && DTYPES[from].components === 1;
}
