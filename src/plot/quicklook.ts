/** A picture of a raster that is in memory: values through a colour map, missing pixels transparent. */
import { ArgumentError, type OptionNames, requireKnownOptions, ShapeError, shownValue } from "../base/index.ts";
import { NDArray } from "../ndarray/index.ts";
import { type ColorMap, colorTable } from "./color-maps.ts";
import { encodePng } from "./png.ts";

/** How a quicklook looks. */
export interface QuicklookOptions {
  /** Values of the first and last colour; default the block's own least and greatest. */
  readonly range?: readonly [number, number];
  readonly colors?: ColorMap;
  /** Missing value beside NaN. */
  readonly nodata?: number | bigint | null;
  /** Longest side in pixels; a larger block is thinned, keeping every k-th pixel. Default 1024. */
  readonly maxSize?: number;
  /** `tEXt` chunks of the file. */
  readonly text?: Readonly<Record<string, string>>;
}

const OPTIONS: OptionNames<QuicklookOptions> = { range: true, colors: true, nodata: true, maxSize: true, text: true };

/** Every how many pixels are kept so that neither side exceeds `maxSize`. */
export function thinningOf(height: number, width: number, maxSize = 1024): number {
  return Math.max(1, Math.ceil(Math.max(height, width) / maxSize));
}

/**
 * PNG bytes of a block of shape (y, x).
 * @throws {ShapeError} another rank, or no pixels  @throws {ArgumentError} no block, or a range that is no range
 */
export function quicklook(block: NDArray, options: QuicklookOptions = {}): Uint8Array {
  if (!(block instanceof NDArray))
    throw new ArgumentError(
      `quicklook of ${shownValue(block)}: expected a block in memory, as x.compute() or (await a.compute()).values gives`,
    );
  requireKnownOptions("quicklook", options, OPTIONS);
  const [height, width] = block.shape;
  if (block.ndim !== 2 || !height || !width)
    throw new ShapeError(`quicklook of shape (${block.shape.join(", ")}): expected (y, x) with pixels`);
  const step = thinningOf(height, width, options.maxSize);
  const [rows, columns] = [Math.ceil(height / step), Math.ceil(width / step)];
  const values = new Float64Array(rows * columns);
  for (let y = 0; y < rows; y++) {
    const row = block.offset + y * step * (block.stride[0] as number); // rank 2
    for (let x = 0; x < columns; x++) {
      const v = block.data[row + x * step * (block.stride[1] as number)] as number | bigint; // in range
      values[y * columns + x] = v === options.nodata ? Number.NaN : Number(v);
    }
  }
  const [low, high] = options.range ?? extent(values);
  if (!(low <= high)) throw new ArgumentError(`range [${low}, ${high}]: expected two numbers in order`);
  const table = colorTable(options.colors ?? "viridis");
  const data = new Uint8Array(rows * columns * 4);
  const scale = high > low ? 255 / (high - low) : 0;
  for (let i = 0; i < values.length; i++) {
    const v = values[i] as number; // in range
    if (Number.isNaN(v)) continue;
    const color = Math.min(255, Math.max(0, Math.round((v - low) * scale))) * 3;
    data.set(table.subarray(color, color + 3), i * 4);
    data[i * 4 + 3] = 255;
  }
  return encodePng({ width: columns, height: rows, data }, options.text);
}

function extent(values: Float64Array): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const v of values) {
    if (v < low) low = v;
    if (v > high) high = v;
  }
  return low <= high ? [low, high] : [0, 1];
}
