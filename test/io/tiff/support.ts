/** Reading whole sources in tests, and hashing what came. */
import { createHash } from "node:crypto";
import { plainByteKernels, readRegionSync, type SourceSpec } from "../../../src/io/index.ts";
import { NDArray } from "../../../src/ndarray/index.ts";

/** All pixels of a local source. */
export function readAll(source: SourceSpec): NDArray {
  const into = NDArray.zeros(source.dtype, source.shape);
  readRegionSync(source, whole(source), into, { kernels: plainByteKernels });
  return into;
}

/** The region that is the source. */
export function whole(source: SourceSpec): { readonly start: number; readonly stop: number }[] {
  return source.shape.map((stop) => ({ start: 0, stop }));
}

/** sha256 of a block's elements in C order, little-endian. */
export function sha256(block: NDArray): string {
  const bytes = new Uint8Array(block.data.buffer, block.data.byteOffset, block.data.byteLength);
  return createHash("sha256").update(bytes).digest("hex");
}

/** A field of {@link makeTiff}: tag, type (3 short, 4 long, 2 text, 12 double), values. */
export type TestField = readonly [tag: number, type: 2 | 3 | 4 | 12, ...values: readonly number[]];

/** Values of the smallest sound image: 4 × 2 bytes in one strip at the given offset. */
export function soundFields(stripOffset: number): TestField[] {
  return [
    [256, 4, 4],
    [257, 4, 2],
    [258, 3, 8],
    [259, 3, 1],
    [262, 3, 1],
    [273, 4, stripOffset],
    [277, 3, 1],
    [278, 4, 2],
    [279, 4, 8],
  ];
}

/** Little-endian classic TIFF: eight pixel bytes 1…8 at offset 8, then directories, each linked to the next. */
export function makeTiff(
  directories: readonly (readonly TestField[])[],
  link: (index: number, offsets: readonly number[]) => number = (i, at) => at[i + 1] ?? 0,
): Uint8Array {
  const bytes = new Uint8Array(64 * 1024);
  const view = new DataView(bytes.buffer);
  bytes.set([0x49, 0x49, 42, 0, 16, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
  const offsets: number[] = [];
  let at = 16;
  const links: number[] = [];
  for (const fields of directories) {
    offsets.push(at);
    view.setUint16(at, fields.length, true);
    let values = at + 2 + 12 * fields.length + 4;
    fields.forEach(([tag, type, ...list], i) => {
      const size = { 2: 1, 3: 2, 4: 4, 12: 8 }[type];
      const entry = at + 2 + 12 * i;
      view.setUint16(entry, tag, true);
      view.setUint16(entry + 2, type, true);
      view.setUint32(entry + 4, list.length, true);
      const isInline = size * list.length <= 4;
      if (!isInline) view.setUint32(entry + 8, values, true);
      let place = isInline ? entry + 8 : values;
      for (const v of list) {
        if (size === 1) view.setUint8(place, v);
        else if (size === 2) view.setUint16(place, v, true);
        else if (size === 4) view.setUint32(place, v, true);
        else view.setFloat64(place, v, true);
        place += size;
      }
      if (!isInline) values = place + (place % 2);
    });
    links.push(at + 2 + 12 * fields.length);
    at = values;
  }
  for (const [i, place] of links.entries()) view.setUint32(place, link(i, offsets), true);
  return bytes.slice(0, at);
}
