/** Is what a peer calls a layer one? Checked before any formula meets it, so that formulas may trust their fields. */
import { RemoteProtocolError } from "../base/index.ts";
import { type DType, isDType, itemsize } from "../dtype/index.ts";
import { areKeys, checkCalls } from "./calls.ts";
import { partialComponents, REDUCE_COMPONENTS, type ReduceSpec } from "./kernel.ts";
import type { Chunks, Layer } from "./layer.ts";

type Fields = Readonly<Record<string, unknown>>;

/**
 * Check layer `index` of `layers`; its inputs must be earlier ones.
 * @throws {RemoteProtocolError} a field that is missing, of another type, or out of range
 */
export function validateLayer(layers: readonly Layer[], index: number): void {
  new Checker(layers, index).check();
}

class Checker {
  readonly #fields: Fields;
  readonly #index: number;
  readonly #layers: readonly Layer[];
  readonly #chunks: Chunks;

  constructor(layers: readonly Layer[], index: number) {
    // What a peer says is a layer is only fields until it has been checked.
    this.#fields = layers[index] as unknown as Fields;
    this.#index = index;
    this.#layers = layers;
    this.#chunks = this.#fields["chunks"] as Chunks; // read by SizeReader
  }

  check(): void {
    const { kind, name, dtype, inline, inMemory = false } = this.#fields;
    this.#demand(typeof name === "string" && [inline, inMemory].every(isFlag) && isDType(dtype), "name, dtype, flags");
    switch (kind) {
      case "source":
        this.#walk(this.#fields["walk"], this.#chunks.length);
        if (this.#fields["starts"] !== undefined) this.#starts(null);
        return this.#demand(isCount(this.#fields["scratchBytes"]), "scratchBytes");
      case "literal":
        return this.#literal();
      case "arange":
        return this.#demand(
          this.#chunks.length === 1 && isNumber(this.#fields["start"]) && isNumber(this.#fields["step"]),
          "start and step of one axis",
        );
      case "blockwise":
        this.#kernel();
        return this.#blockInputs(this.#chunks);
      case "select":
        return this.#select();
      case "apply":
        if (this.#fields["byNumber"] === true) this.#blocksByNumber();
        else this.#blockInputs(this.#chunks);
        return this.#demand(
          typeof this.#fields["kernel"] === "string" && isCount(this.#fields["scratchBytes"]),
          "a kernel's name and scratchBytes",
        );
      case "window": {
        const { chunks } = this.#input(this.#fields["input"]);
        this.#demand(chunks.length === this.#chunks.length, "an input of as many axes");
        return this.#starts(chunks);
      }
      case "take":
        return this.#take();
      case "reduce":
        return this.#reduce();
      case "combine":
        return this.#combine();
      case "gather":
        return this.#parts();
      case "coarsen":
        return this.#demand(
          this.#input(this.#fields["input"]).chunks.length === this.#chunks.length && this.#chunks.length >= 2,
          "an input of two axes or more",
        );
      case "write-zarr":
        return this.#demand(
          sameGrid(this.#input(this.#fields["input"]).chunks, this.#chunks) &&
            typeof this.#fields["array"] === "string" &&
            this.#isDone(this.#fields["done"]),
          "an input cut alike, an array, and for each block 8 bytes of what is done",
        );
      case "write-cog-part":
        return this.#cogPart();
      case "write-cog":
        for (const i of this.#list("inputs")) this.#demand(this.#input(i).kind === "write-cog-part", "parts as inputs");
        return;
      case "held":
        return this.#demand(
          this.#fields["keys"] === undefined || areKeys(this.#fields["keys"], this.#count(this.#index)),
          "a key for each of its results",
        );
      case "calls":
        return checkCalls(this.#fields, { base: this.#base(), count: this.#count(this.#index) });
      case "call":
        this.#blockInputs(this.#chunks);
        return this.#demand(
          typeof this.#fields["text"] === "string" && typeof this.#fields["lists"] === "boolean",
          "text and lists",
        );
      default:
        return this.#demand(false, "a kind that this side knows");
    }
  }

  #isDone(done: unknown): boolean {
    const blocks = this.#chunks.reduce((n, sizes) => n * sizes.length, 1);
    return done === undefined || (done instanceof Uint8Array && done.byteLength === 8 * blocks);
  }

  #count(index: number): number {
    return (this.#layers[index] as Layer).chunks.reduce((n, sizes) => n * sizes.length, 1);
  }

  /** Number of the layer's first task. */
  #base(): number {
    return this.#layers.slice(0, this.#index).reduce((n, layer, k) => n + (layer.inline ? 0 : this.#count(k)), 0);
  }

  #demand(holds: boolean, what: string): void {
    if (!holds)
      throw new RemoteProtocolError(`layer ${this.#index} of kind ${String(this.#fields["kind"])}: expected ${what}`);
  }

  #input(ref: unknown): Layer {
    const found = isCount(ref) && ref < this.#index ? this.#layers[ref] : undefined;
    if (!found) throw new RemoteProtocolError(`layer ${this.#index}: input ${String(ref)} is no earlier layer`);
    return found;
  }

  #list(field: string): readonly unknown[] {
    const value = this.#fields[field];
    this.#demand(Array.isArray(value), `a list of ${field}`);
    return value as readonly unknown[];
  }

  #walk(walk: unknown, ndim: number, inputAxes?: number): void {
    const axes = Array.isArray(walk) ? (walk as readonly Fields[]) : [];
    this.#demand(
      Array.isArray(walk) && (inputAxes === undefined || axes.length === inputAxes),
      "a walk of every input axis",
    );
    for (const w of axes) {
      const { axis, start, step } = w ?? {};
      this.#demand(
        (axis === null || (isCount(axis) && axis < ndim)) && isCount(start) && Number.isSafeInteger(step) && step !== 0,
        "axis, start and step in a walk",
      );
    }
  }

  #literal(): void {
    const { bytes, dtype } = this.#fields;
    const size = itemsize(dtype as DType); // checked
    const n = this.#chunks.reduce((all, c) => all * c.reduce((a, b) => a + b, 0), 1);
    this.#demand(
      bytes instanceof Uint8Array && (bytes.length === size || bytes.length === n * size),
      "bytes of one element or of all",
    );
  }

  #kernel(): void {
    const call = this.#fields["call"] as { kernel?: { nodes?: unknown } } | undefined;
    this.#demand(Array.isArray(call?.kernel?.nodes), "a kernel");
  }

  /** Start of every block of every axis; with `inside`, each block lies within these chunks. */
  #starts(inside: Chunks | null): void {
    const starts = this.#list("starts");
    const holds = this.#chunks.every((sizes, k) => {
      const axis = starts[k];
      const n = inside?.[k]?.reduce((a, b) => a + b, 0) ?? Number.MAX_SAFE_INTEGER;
      return (
        Array.isArray(axis) &&
        axis.length === sizes.length &&
        sizes.every((size, b) => isCount(axis[b]) && (axis[b] as number) + size <= n)
      );
    });
    this.#demand(starts.length === this.#chunks.length && holds, "a start inside the input for every block");
  }

  #select(): void {
    const loop = this.#fields["loop"] as Chunks; // read by SizeReader
    const { keepdims, spec } = this.#fields;
    const { isList, q } = (spec ?? {}) as { isList?: unknown; q?: unknown };
    this.#axes("reduced", loop.length);
    const reduced = this.#list("reduced");
    this.#demand(
      typeof keepdims === "boolean" && typeof isList === "boolean" && Array.isArray(q) && q.length <= 65536,
      "keepdims and a selection",
    );
    this.#demand(
      reduced.every((k) => loop[k as number]?.length === 1),
      "whole reduced axes",
    );
    const kept = loop.flatMap((c, k) => (reduced.includes(k) ? (keepdims === true ? [1] : []) : [c.length]));
    const grid = isList === true ? [1, ...kept] : kept;
    this.#demand(
      this.#chunks.length === grid.length && this.#chunks.every((c, k) => c.length === grid[k]),
      "blocks cut like the loop",
    );
    this.#kernel();
    this.#blockInputs(loop);
  }

  #take(): void {
    const { chunks } = this.#input(this.#fields["input"]);
    const { axis, indices } = this.#fields;
    this.#demand(
      isCount(axis) && axis < chunks.length && chunks.length === this.#chunks.length,
      "an axis of the input",
    );
    const along = axis as number; // checked
    const total = (this.#chunks[along] as readonly number[]).reduce((a, b) => a + b, 0);
    this.#demand(indices instanceof Uint8Array && indices.length === 8 * total, "an index per element of the axis");
    const n = (chunks[along] as readonly number[]).reduce((a, b) => a + b, 0);
    const bytes = (indices as Uint8Array).slice(); // a copy is aligned
    this.#demand(
      new Float64Array(bytes.buffer).every((i) => isCount(i) && i < n),
      "indices within the axis",
    );
    this.#demand(
      this.#chunks.every((c, k) => k === along || sameSizes(c, chunks[k] as readonly number[])),
      "other axes cut like the input's",
    );
  }

  /** Inputs by block: every axis that is followed is cut into as many blocks as the loop's. */
  #blockInputs(loop: Chunks): void {
    for (const input of this.#list("inputs") as readonly Fields[]) {
      const { chunks } = this.#input(input?.["layer"]);
      const axes = input["axes"] as readonly unknown[];
      this.#demand(Array.isArray(axes) && axes.length === chunks.length, "an axis for each of the input's");
      axes.forEach((axis, k) => {
        const blocks = (chunks[k] as readonly number[]).length; // one per axis
        this.#demand(
          axis === null ? blocks >= 1 : isCount(axis) && axis < loop.length && blocks === loop[axis]?.length,
          "inputs cut like the loop",
        );
      });
    }
  }

  /** Inputs by number: each has as many blocks as the layer. */
  #blocksByNumber(): void {
    const blocks = (chunks: Chunks): number => chunks.reduce((n, c) => n * c.length, 1);
    for (const input of this.#list("inputs") as readonly Fields[])
      this.#demand(blocks(this.#input(input?.["layer"]).chunks) === blocks(this.#chunks), "inputs of as many blocks");
  }

  #reduce(): void {
    const loop = this.#fields["loop"] as Chunks; // read by SizeReader
    const spec = this.#fields["spec"] as Partial<ReduceSpec> | undefined;
    const { op = "", total } = spec ?? {};
    const isKnown = Object.hasOwn(REDUCE_COMPONENTS, op) && (total === undefined || isCount(total));
    const parts = isKnown ? partialComponents(spec as ReduceSpec).length : undefined; // of what it reads it has both
    this.#demand(
      parts !== undefined && this.#chunks[0]?.length === 1 && this.#chunks[0][0] === parts,
      "a reduction and its components",
    );
    this.#demand(sameGrid(loop, this.#chunks.slice(1)), "partials cut like the loop");
    this.#axes("reduced", loop.length);
    this.#kernel();
    this.#blockInputs(loop);
  }

  #axes(field: string, ndim: number): void {
    const axes = this.#list(field);
    this.#demand(
      axes.every((k) => isCount(k) && k < ndim) && new Set(axes).size === axes.length,
      `different ${field} axes below ${ndim}`,
    );
  }

  #combine(): void {
    const input = this.#input(this.#fields["input"]);
    const ndim = input.chunks.length - 1;
    const group = this.#list("group");
    const { final, keepdims, spec } = this.#fields;
    const kept =
      final === true && keepdims === false ? ndim - this.#list("reduced").length : ndim + (final === true ? 0 : 1);
    this.#axes("reduced", ndim);
    this.#demand(group.length === ndim && group.every((g) => isCount(g) && g >= 1), "a group per axis");
    this.#demand(
      typeof final === "boolean" && typeof keepdims === "boolean" && typeof spec === "object" && spec !== null,
      "final, keepdims and spec",
    );
    this.#demand(this.#chunks.length === kept && input.chunks.every((c) => c.length >= 1), "as many axes as are kept");
    const blocks = input.chunks.slice(1).map((c, k) => Math.ceil(c.length / (group[k] as number)));
    const reduced = this.#list("reduced");
    this.#demand(
      final !== true || reduced.every((k) => blocks[k as number] === 1),
      "one block left in each reduced axis",
    );
    const own = final === true && keepdims === false ? blocks.filter((_, k) => !reduced.includes(k)) : blocks;
    this.#demand(
      (final === true ? this.#chunks : this.#chunks.slice(1)).every((c, k) => c.length === own[k]),
      "as many blocks as groups",
    );
  }

  #parts(): void {
    for (const part of this.#list("parts") as readonly Fields[]) {
      const { chunks } = this.#input(part?.["layer"]);
      const [lo, hi] = [part["lo"], part["hi"]] as [readonly unknown[], readonly unknown[]];
      for (const corner of [lo, hi])
        this.#demand(
          Array.isArray(corner) && corner.length === this.#chunks.length && corner.every(isCount),
          "corners of a part's box",
        );
      this.#walk(part["walk"], this.#chunks.length, chunks.length);
      const extents = chunks.map((c) => c.reduce((a, b) => a + b, 0));
      (part["walk"] as readonly { axis: number | null; start: number; step: number }[]).forEach(
        ({ axis, start, step }, k) => {
          const steps = axis === null ? 0 : (hi[axis] as number) - (lo[axis] as number) - 1;
          const last = start + step * Math.max(0, steps);
          const n = extents[k] as number; // one per input axis
          this.#demand(steps < 0 || (start < n && last >= 0 && last < n), "a walk inside its input");
        },
      );
    }
  }

  #cogPart(): void {
    const { chunks } = this.#input(this.#fields["input"]);
    const tiles = this.#list("tiles");
    this.#demand(
      isCount(this.#fields["level"]) && tiles.every(isCount) && this.#chunks.length === 1,
      "level and tiles",
    );
    this.#demand(
      chunks.length >= 2 && chunks.at(-2)?.length === tiles.length && this.#chunks[0]?.length === tiles.length,
      "a part for each band of rows",
    );
  }
}

function isFlag(value: unknown): boolean {
  return typeof value === "boolean";
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isNumber(value: unknown): boolean {
  return typeof value === "number";
}

function sameGrid(a: Chunks, b: Chunks): boolean {
  return a.length === b.length && a.every((sizes, k) => sizes.length === b[k]?.length);
}

function sameSizes(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i]);
}
