/** Samples that do not fill whole elements (NBITS 1-7, 9-15, 17-31): most significant bit first, rows padded to bytes. */

/** How many samples of how many bits. */
export interface BitRows {
  readonly rows: number;
  readonly perRow: number;
  readonly bits: number;
}

/** Widen each sample of `source` to one element of `target`. */
export function unpackBits(source: Uint8Array, target: Uint8Array | Uint16Array | Uint32Array, shape: BitRows): void {
  const { rows, perRow, bits } = shape;
  const rowBytes = Math.ceil((perRow * bits) / 8);
  for (let r = 0, t = 0; r < rows; r++) {
    let at = r * rowBytes;
    let held = 0;
    let value = 0;
    for (let i = 0; i < perRow; i++) {
      // `value` holds fewer than 8 bits here, so up to 39 bits fit a double exactly.
      while (held < bits) {
        value = value * 256 + source[at++]!;
        held += 8;
      }
      held -= bits;
      const high = Math.floor(value / 2 ** held);
      target[t++] = high;
      value -= high * 2 ** held;
    }
  }
}
