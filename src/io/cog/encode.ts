/** From a full-width band of pixels to framed, compressed tiles (io.md §6.1-6.2). Pure. */
import { invariant } from "../../base/index.ts";
import { type DType, dtypeInfo } from "../../dtype/index.ts";
import type { NDArray } from "../../ndarray/index.ts";
import { type ByteKernels, type Codec, codecOf, type ItemSize } from "../codecs/index.ts";
import { parseNodata } from "../tiff/gdal-metadata.ts";
import { bytesOf } from "../tiff/scatter.ts";
import { deflateTile } from "./deflate.ts";
import type { CogLevel, CogPlan } from "./plan.ts";

/** What the one who encodes supplies. */
export interface EncodeContext {
  readonly kernels: ByteKernels;
}

/** A run of tiles in file order, each framed by its size and its last four bytes; sparse ones have size 0 and no bytes. */
export interface CogPart {
  readonly chunks: readonly Uint8Array[];
  readonly nbytes: number;
  /** Compressed size of each tile. */
  readonly tileSizes: Uint32Array;
}

const FRAME_BYTES = 4;

/**
 * Encode the tiles from `firstTile` on (a multiple of the level's tiles per row): `block` has the plan's rank, all
 * bands, all columns of the level, and whole rows of tiles except at the bottom.
 */
export function encodePartSync(
  plan: CogPlan,
  levelIndex: number,
  firstTile: number,
  block: NDArray,
  context: EncodeContext,
): CogPart {
  const level = plan.levels[levelIndex];
  invariant(level !== undefined, `the plan has no level ${levelIndex}`);
  const band = asBands(block);
  checkBlock(plan, level, firstTile, band);
  const { blocksize } = plan;
  const encoder = makeEncoder(plan, context);
  const tileRows = Math.ceil(band.shape[1]! / blocksize);
  const sizes: number[] = [];
  const chunks: Uint8Array[] = [];
  let nbytes = 0;
  for (let ty = 0; ty < tileRows; ty++) {
    for (let tx = 0; tx < level.across; tx++) {
      for (let plane = 0; plane < (plan.isPlanar ? plan.bands : 1); plane++) {
        const data = encodeTile(encoder, band, { row: ty * blocksize, col: tx * blocksize, plane });
        sizes.push(data?.length ?? 0);
        if (!data) continue;
        const leader = new Uint8Array(FRAME_BYTES);
        new DataView(leader.buffer).setUint32(0, data.length, true);
        chunks.push(leader, data, data.subarray(data.length - FRAME_BYTES));
        nbytes += data.length + 2 * FRAME_BYTES;
      }
    }
  }
  return { chunks, nbytes, tileSizes: Uint32Array.from(sizes) };
}

/** A block as (band, y, x). */
function asBands(block: NDArray): Bands {
  const [height, width] = block.shape.slice(-2) as [number, number]; // checkBlock compares the rank
  const lead = block.ndim === 3;
  return {
    block,
    shape: [lead ? block.shape[0]! : 1, height, width],
    stride: [lead ? block.stride[0]! : 0, block.stride[block.ndim - 2]!, block.stride[block.ndim - 1]!],
  };
}

interface Bands {
  readonly block: NDArray;
  readonly shape: readonly [number, number, number];
  readonly stride: readonly [number, number, number];
}

function checkBlock(plan: CogPlan, level: CogLevel, firstTile: number, { block, shape }: Bands): void {
  const firstRow = (firstTile / level.tilesPerRow) * plan.blocksize;
  const isWhole = shape[1] % plan.blocksize === 0 || firstRow + shape[1] === level.height;
  invariant(
    block.dtype === plan.dtype &&
      block.ndim === plan.rank &&
      shape[0] === plan.bands &&
      shape[2] === level.width &&
      isWhole &&
      Number.isInteger(firstRow) &&
      firstRow + shape[1] <= level.height,
    `block of ${block.dtype} (${block.shape.join(", ")}) at tile ${firstTile} is no band of whole tile rows of ${plan.dtype} ${plan.bands} × ${level.height} × ${level.width}`,
  );
}

interface Encoder {
  readonly plan: CogPlan;
  /** Null: deflate, which has an encoder of its own. */
  readonly codec: Codec | null;
  readonly context: EncodeContext;
  readonly samples: number;
  readonly itemsize: ItemSize;
  readonly tile: Uint8Array;
  /** The tile's elements, by width. */
  readonly items: Uint8Array | Uint16Array | Uint32Array;
  readonly isSparse: (items: Uint8Array | Uint16Array | Uint32Array) => boolean;
}

function makeEncoder(plan: CogPlan, context: EncodeContext): Encoder {
  const itemsize = dtypeInfo(plan.dtype).itemsize as ItemSize; // planCog refuses the others
  const samples = plan.isPlanar ? 1 : plan.bands;
  const tile = new Uint8Array(plan.blocksize * plan.blocksize * samples * itemsize);
  const items = itemsize === 1 ? tile : itemsize === 2 ? new Uint16Array(tile.buffer) : new Uint32Array(tile.buffer);
  const isSparse = plan.sparse ? emptyTest(plan.dtype, plan.nodata) : () => false;
  return { plan, codec: codecFor(plan), context, samples, itemsize, tile, items, isSparse };
}

function codecFor(plan: CogPlan): Codec | null {
  if (plan.compress === "deflate") return null;
  return plan.compress === "zstd" ? codecOf("zstd", { level: plan.level }) : codecOf(plan.compress);
}

/** Compressed bytes of one tile; null when it is left out. */
function encodeTile(
  encoder: Encoder,
  band: Bands,
  at: { readonly row: number; readonly col: number; readonly plane: number },
): Uint8Array | null {
  const { plan, tile, items, samples, itemsize, context } = encoder;
  gather(encoder, band, at);
  if (encoder.isSparse(items)) return null;
  if (plan.predictor !== 1) {
    const shape = { rows: plan.blocksize, width: plan.blocksize, samples, itemsize };
    if (plan.predictor === 2) context.kernels.predictor2Encode(tile, shape);
    else context.kernels.predictor3Encode(tile, shape);
  }
  return encoder.codec ? encoder.codec.encode(tile, context) : deflateTile(tile, plan.level);
}

/** Copy a tile's pixels from the block; beyond its edges the last column and row are repeated. */
function gather(
  encoder: Encoder,
  { block, shape, stride }: Bands,
  at: { readonly row: number; readonly col: number; readonly plane: number },
): void {
  const { plan, items, samples, itemsize } = encoder;
  const { blocksize } = plan;
  const rows = Math.min(blocksize, shape[1] - at.row);
  const cols = Math.min(blocksize, shape[2] - at.col);
  const words = itemsize === 8 ? 2 : 1;
  const bytes = bytesOf(block.data);
  const source =
    itemsize === 1
      ? bytes
      : itemsize === 2
        ? new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length >> 1)
        : new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  const rowItems = blocksize * samples * words;
  for (let s = 0; s < samples; s++) {
    const first = block.offset + (at.plane + s) * stride[0] + at.row * stride[1] + at.col * stride[2];
    for (let r = 0; r < rows; r++) {
      const from = (first + r * stride[1]) * words;
      if (samples === 1 && stride[2] === 1) {
        items.set(source.subarray(from, from + cols * words), r * rowItems);
        repeatLast(items, r * rowItems + cols * words, { count: blocksize - cols, step: words, words });
      } else {
        takeRow(items, source, {
          to: r * rowItems + s * words,
          toStep: samples * words,
          from,
          fromStep: stride[2] * words,
          cols,
          words,
        });
        repeatLast(items, r * rowItems + (cols * samples + s) * words, {
          count: blocksize - cols,
          step: samples * words,
          words,
        });
      }
    }
  }
  for (let r = rows; r < blocksize; r++) items.copyWithin(r * rowItems, (rows - 1) * rowItems, rows * rowItems);
}

type Items = Uint8Array | Uint16Array | Uint32Array;

function takeRow(
  to: Items,
  from: Items,
  at: {
    readonly to: number;
    readonly toStep: number;
    readonly from: number;
    readonly fromStep: number;
    readonly cols: number;
    readonly words: number;
  },
): void {
  const { cols, words, toStep, fromStep } = at;
  for (let w = 0; w < words; w++) {
    for (let c = 0, t = at.to + w, f = at.from + w; c < cols; c++, t += toStep, f += fromStep) to[t] = from[f]!;
  }
}

function repeatLast(
  items: Items,
  at: number,
  run: { readonly count: number; readonly step: number; readonly words: number },
): void {
  for (let c = 0, t = at; c < run.count; c++, t += run.step) {
    for (let w = 0; w < run.words; w++) items[t + w] = items[t + w - run.step]!;
  }
}

/** A test whether a tile holds nothing but nodata (0 without): equal in its bits, or any NaN for NaN. */
function emptyTest(dtype: DType, nodata: string | null): (items: Items) => boolean {
  const { array, big, itemsize } = dtypeInfo(dtype);
  const value = nodata === null ? (big ? 0n : 0) : (parseNodata(nodata, dtype).value ?? 0); // planCog checked it
  if (typeof value === "number" && Number.isNaN(value)) {
    return (items) => isAllNaN(new array(items.buffer, items.byteOffset, items.byteLength / itemsize) as Float64Array);
  }
  const one = new array(1);
  one.fill(value as never);
  const pattern = new Uint8Array(one.buffer);
  const words =
    itemsize === 1 ? pattern : itemsize === 2 ? new Uint16Array(pattern.buffer) : new Uint32Array(pattern.buffer);
  return (items) => isAll(items, words[0]!, words[words.length - 1]!);
}

function isAllNaN(values: Float64Array): boolean {
  for (let i = 0; i < values.length; i++) if (!Number.isNaN(values[i])) return false;
  return true;
}

function isAll(items: Items, even: number, odd: number): boolean {
  const n = items.length - 1;
  for (let i = 0; i < n; i += 2) if (items[i] !== even || items[i + 1] !== odd) return false;
  return true;
}
