/** CRC-32C by eight table look-ups per eight bytes. Sources: RFC 3720 appendix B.4; "slicing-by-8" (Kounavis, Berry 2005). */

const POLYNOMIAL = 0x82f63b78;
const TABLE: Int32Array = makeTable();

function makeTable(): Int32Array {
  const table = new Int32Array(8 * 256);
  for (let i = 0; i < 256; i++) {
    let c = i;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ POLYNOMIAL : c >>> 1;
    table[i] = c;
  }
  for (let k = 1; k < 8; k++) {
    for (let i = 0; i < 256; i++) {
      const c = table[(k - 1) * 256 + i]!;
      table[k * 256 + i] = (c >>> 8) ^ table[c & 255]!;
    }
  }
  return table;
}

/** See `ByteKernels.crc32c`. */
export function crc32c(data: Uint8Array): number {
  const t = TABLE;
  let c = -1;
  let at = 0;
  for (const end = data.length - (data.length % 8); at < end; at += 8) {
    c ^= data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16) | (data[at + 3]! << 24);
    c =
      t[1792 + (c & 255)]! ^
      t[1536 + ((c >>> 8) & 255)]! ^
      t[1280 + ((c >>> 16) & 255)]! ^
      t[1024 + (c >>> 24)]! ^
      t[768 + data[at + 4]!]! ^
      t[512 + data[at + 5]!]! ^
      t[256 + data[at + 6]!]! ^
      t[data[at + 7]!]!;
  }
  for (; at < data.length; at++) c = (c >>> 8) ^ t[(c ^ data[at]!) & 255]!;
  return (c ^ -1) >>> 0;
}
