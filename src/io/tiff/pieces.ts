/** Which tiles a region of a TIFF touches, which bytes of them, and where their pixels go. Pure. */
import { CodecError, SelectionError } from "../../base/index.ts";
import { type ByteRange, type MergedRange, type MergeRule, mergeRanges } from "../range/merge.ts";
import type { Region, SourceSpec } from "../source.ts";
import { redact } from "../store/keys.ts";
import { stripRows, tileRowBytes } from "./directory.ts";
import { decodeMeta, type TiffSource } from "./meta.ts";

/** A box of one tile and its place in the block. All numbers are pixels unless they say bytes. */
export interface TilePiece extends ByteRange {
  /** Index in the tile table. */
  readonly tile: number;
  /** Rows and columns of the tile that are wanted. */
  readonly row: number;
  readonly col: number;
  readonly rows: number;
  readonly cols: number;
  /** First row of the tile that the fetched bytes hold, and how many: all of it unless it is stored uncompressed. */
  readonly storedRow: number;
  readonly storedRows: number;
  /** Place in the block. */
  readonly toRow: number;
  readonly toCol: number;
  /** Samples to take from each pixel and the block's bands that they fill. */
  readonly samples: readonly number[];
  readonly toBands: readonly number[];
}

/** The tiles of a region. Sparse ones have length 0 and belong to no request. */
export interface TiffPieces extends TiffSource {
  readonly pieces: readonly TilePiece[];
  readonly requests: readonly MergedRange[];
}

/** A compressed tile may be larger than its pixels by this much and no more. */
const COMPRESSED_SLACK_BYTES = 64 * 1024;

/**
 * Pieces of `region`, whose axes are those of the source: (y, x) or (band, y, x).
 * @throws {SelectionError} the region leaves the source
 * @throws {CodecError} code `oversize` or `short`: a tile's byte count cannot be
 */
export function tilePieces(source: SourceSpec, region: Region, rule: MergeRule): TiffPieces {
  checkRegion(source, region);
  const { meta, table } = decodeMeta(source);
  const [y, x] = region.slice(-2) as [Region[number], Region[number]]; // rank 2 or 3
  const band = region.length === 3 ? region[0]! : { start: 0, stop: 1 };
  const wanted = meta.bands.slice(band.start, band.stop);
  const groups = meta.isPlanar
    ? wanted.map((sample, i) => ({ plane: sample, samples: [0], toBands: [i] }))
    : [{ plane: 0, samples: wanted, toBands: wanted.map((_, i) => i) }];
  const pieces: TilePiece[] = [];
  const isEmpty = wanted.length === 0 || y.stop <= y.start || x.stop <= x.start;
  for (const { plane, samples, toBands } of isEmpty ? [] : groups) {
    for (let ty = Math.floor(y.start / meta.tileHeight); ty * meta.tileHeight < y.stop; ty++) {
      for (let tx = Math.floor(x.start / meta.tileWidth); tx * meta.tileWidth < x.stop; tx++) {
        const tile = (plane * meta.down + ty) * meta.across + tx;
        const [top, left] = [ty * meta.tileHeight, tx * meta.tileWidth];
        const row = Math.max(0, y.start - top);
        const col = Math.max(0, x.start - left);
        const rows = Math.min(meta.tileHeight, y.stop - top) - row;
        const cols = Math.min(meta.tileWidth, x.stop - left) - col;
        const stored = storedBytes({ meta, table }, source, { tile, row, rows });
        pieces.push({
          tile,
          row,
          col,
          rows,
          cols,
          ...stored,
          toRow: top + row - y.start,
          toCol: left + col - x.start,
          samples,
          toBands,
        });
      }
    }
  }
  return { meta, table, pieces, requests: mergeRanges(pieces, rule) };
}

function checkRegion(source: SourceSpec, region: Region): void {
  const isInside =
    region.length === source.shape.length &&
    region.every(({ start, stop }, k) => start >= 0 && start <= stop && stop <= source.shape[k]!);
  if (isInside) return;
  const text = region.map(({ start, stop }) => `${start}:${stop}`).join(", ");
  throw new SelectionError(`region [${text}] leaves the source of shape (${source.shape.join(", ")})`, {
    details: { url: redact(source.url) },
  });
}

type Stored = ByteRange & Pick<TilePiece, "storedRow" | "storedRows">;

function storedBytes(
  { meta, table }: TiffSource,
  source: SourceSpec,
  at: { readonly tile: number; readonly row: number; readonly rows: number },
): Stored {
  const offset = table.offsets[at.tile]!;
  const count = table.counts[at.tile]!;
  const storedRows = stripRows(meta, at.tile);
  if (offset === 0 || count === 0) return { offset: 0, length: 0, storedRow: 0, storedRows };
  const rowBytes = tileRowBytes(meta);
  const fail = (code: "short" | "oversize", expected: string): Error =>
    new CodecError(
      `${redact(source.url)} tile ${at.tile}: ${count} bytes stored, ${expected} expected`,
      { details: { url: redact(source.url), tile: at.tile, count } },
      code,
    );
  if (meta.compression !== 1) {
    const bound = 2 * rowBytes * storedRows + COMPRESSED_SLACK_BYTES;
    if (count > bound) throw fail("oversize", `at most ${bound}`);
    return { offset, length: count, storedRow: 0, storedRows };
  }
  const end = (at.row + at.rows) * rowBytes;
  if (count < end) throw fail("short", String(storedRows * rowBytes));
  return { offset: offset + at.row * rowBytes, length: at.rows * rowBytes, storedRow: at.row, storedRows: at.rows };
}
