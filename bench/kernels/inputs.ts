/** Inputs of bench/kernels: seeded, made when a row asks for them, in one shared segment and as files for the peers. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "../../src/base/index.ts";
import type { DType } from "../../src/dtype/index.ts";
import { createSegment } from "../../src/kernels/index.ts";
import { NDArray, sizeOf } from "../../src/ndarray/index.ts";

/** Values by a random number in [0, 1): `missing` of them are `gap`. */
interface Input {
  readonly dtype: DType;
  readonly shape: (s: Sides) => readonly number[];
  readonly value: (u: number) => number | bigint;
  readonly missing?: number;
  readonly gap?: number;
}

/** Extents of the inputs. */
export interface Sides {
  /** Of planes. */
  readonly side: number;
  /** Of planes in cubes over time. */
  readonly cube: number;
  /** Of the 16M plane, and of the planes that are copied. */
  readonly large: number;
  readonly huge: number;
  readonly matrix: number;
}

const plane = ({ side }: Sides): readonly number[] => [side, side];
const cube =
  (depth: number) =>
  ({ cube: n }: Sides): readonly number[] => [depth, n, n];
const digital = (u: number): number => 1 + Math.floor(u * 9999);
const uniform = (u: number): number => u;
const nodata = { missing: 0.1, gap: 0 } as const;
const cloudy = { missing: 0.4, gap: Number.NaN } as const;

const INPUTS: Readonly<Record<string, Input>> = {
  nir: { dtype: "uint16", shape: plane, value: digital, ...nodata },
  red: { dtype: "uint16", shape: plane, value: digital, ...nodata },
  blue: { dtype: "uint16", shape: plane, value: digital, ...nodata },
  scl: { dtype: "uint8", shape: plane, value: (u) => Math.floor(u * 12) },
  qa: { dtype: "uint16", shape: plane, value: (u) => Math.floor(u * 65536) },
  a: { dtype: "float32", shape: plane, value: uniform },
  b: { dtype: "float32", shape: plane, value: (u) => u + 0.01 },
  signed: { dtype: "float32", shape: plane, value: (u) => (u - 0.5) * 60000 },
  byte: { dtype: "float64", shape: plane, value: (u) => u * 255 },
  holes: { dtype: "float32", shape: plane, value: uniform, missing: 0.2, gap: Number.NaN },
  da: { dtype: "float64", shape: plane, value: uniform },
  db: { dtype: "float64", shape: plane, value: (u) => u + 0.01 },
  big: { dtype: "int64", shape: plane, value: (u) => BigInt(Math.floor(u * 2 ** 52)) * 1000n },
  wide: { dtype: "float32", shape: ({ side }) => [side + 8, side + 8], value: uniform },
  warped: { dtype: "float32", shape: ({ matrix }) => [matrix, matrix], value: uniform },
  la: { dtype: "float32", shape: ({ large }) => [large, large], value: uniform },
  lb: { dtype: "float32", shape: ({ large }) => [large, large], value: (u) => u + 0.01 },
  huge: { dtype: "float32", shape: ({ huge }) => [huge, huge], value: uniform },
  ma: { dtype: "float32", shape: ({ matrix }) => [matrix, matrix], value: (u) => u - 0.5 },
  mb: { dtype: "float32", shape: ({ matrix }) => [matrix, matrix], value: (u) => u - 0.5 },
  mda: { dtype: "float64", shape: ({ matrix }) => [matrix, matrix], value: (u) => u - 0.5 },
  mdb: { dtype: "float64", shape: ({ matrix }) => [matrix, matrix], value: (u) => u - 0.5 },
  t24: { dtype: "float32", shape: cube(24), value: uniform, ...cloudy },
  t120: { dtype: "float32", shape: cube(120), value: uniform, ...cloudy },
  t365: { dtype: "float32", shape: cube(365), value: uniform, ...cloudy },
  full24: { dtype: "float32", shape: cube(24), value: uniform },
  full120: { dtype: "float32", shape: cube(120), value: uniform },
  nir24: { dtype: "uint16", shape: cube(24), value: digital, missing: 0.3, gap: 0 },
  red24: { dtype: "uint16", shape: cube(24), value: digital, missing: 0.3, gap: 0 },
};

/** How a plane is seen. */
export type View = "whole" | "odd" | "strided" | "reversed" | "broadcast";

/** Views in which rows are compared before they are timed; peer.py makes the same ones. */
export const VIEWS: readonly View[] = ["odd", "strided", "reversed", "broadcast"];

/** `x` as a view sees it; in `broadcast` every input but the first repeats its first row. */
export function seen(x: NDArray, view: View, isFirst: boolean): NDArray {
  const [down, right] = x.stride as [number, number]; // views are of planes
  const part = (shape: readonly number[], stride: readonly number[], offset: number): NDArray =>
    new NDArray(x.dtype, x.data, shape, stride, x.offset + offset);
  switch (view) {
    case "whole":
      return x;
    case "odd":
      return part([37, 61], x.stride, 0);
    case "strided":
      return part([67, 60], [3 * down, 5 * right], down + 2 * right);
    case "reversed":
      return part([101, 61], [-down, -right], 100 * down + 60 * right);
    case "broadcast":
      return part([41, 53], isFirst ? x.stride : [0, right], 0);
  }
}

/** All inputs that rows asked for, and room for results. */
export class Inputs {
  readonly sides: Sides;
  readonly #folder: string;
  readonly #known = new Map<string, NDArray>();
  readonly #buffers: { readonly buffer: SharedArrayBuffer; used: number }[] = [];

  constructor(folder: string, sides: Sides) {
    this.#folder = folder;
    this.sides = sides;
  }

  /** Room for a block, in a segment; the same for all blocks until it is full. */
  empty(dtype: DType, shape: readonly number[]): NDArray {
    const bytes = sizeOf(shape) * 8 + 192;
    let last = this.#buffers.at(-1);
    if (last === undefined || last.used + bytes > last.buffer.byteLength) {
      last = { buffer: createSegment(Math.max(1 << 30, bytes)).buffer, used: 0 };
      this.#buffers.push(last);
    }
    const block = NDArray.view(dtype, last.buffer, last.used, shape);
    last.used = (last.used + block.nbytes + 127) & ~63;
    return block;
  }

  /** An input by name; written to a file the first time. */
  get(name: string): NDArray {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const input = INPUTS[name];
    if (input === undefined) throw new RangeError(`no input ${name}`);
    const random = seededRandom([...name].reduce((sum, c) => sum * 31 + c.charCodeAt(0), 7));
    const block = this.empty(input.dtype, input.shape(this.sides));
    const cells = block.data as { [index: number]: number | bigint };
    for (let i = 0; i < block.size; i++) {
      const gap = input.missing !== undefined && random.next() < input.missing;
      cells[i] = gap ? (input.gap as number) : input.value(random.next());
    }
    const { buffer, byteOffset, byteLength } = block.data;
    writeFileSync(join(this.#folder, name), new Uint8Array(buffer, byteOffset, byteLength));
    writeFileSync(join(this.#folder, `${name}.json`), JSON.stringify({ dtype: block.dtype, shape: block.shape }));
    this.#known.set(name, block);
    return block;
  }
}
