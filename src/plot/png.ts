/** PNG encoding (ISO/IEC 15948), 8 bits per sample, on node:zlib: up filter, fast compression, text chunks. */
import { crc32, deflateSync } from "node:zlib";
import { ArgumentError } from "../base/index.ts";

/** Pixels to encode: `width * height * 4` bytes, red, green, blue, alpha, rows from the top. */
export interface Rgba {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

/**
 * Bytes of a PNG file.
 * @param text `tEXt` chunks by keyword (Latin-1)
 * @throws {ArgumentError} sizes of 0 or data of another length
 */
export function encodePng(image: Rgba, text: Readonly<Record<string, string>> = {}, level = 1): Uint8Array {
  const { width, height, data } = image;
  if (!(width > 0 && height > 0) || data.length !== width * height * 4) {
    throw new ArgumentError(`PNG of ${width} × ${height} from ${data.length} bytes; expected ${width * height * 4}`);
  }
  const stride = width * 4;
  // Filter "up" (2): each byte less the one above. It suits smooth rasters and costs one subtraction.
  const filtered = new Uint8Array((stride + 1) * height);
  for (let y = 0; y < height; y++) {
    const to = y * (stride + 1);
    const from = y * stride;
    filtered[to] = 2;
    for (let i = 0; i < stride; i++)
      filtered[to + 1 + i] = (data[from + i] as number) - (y > 0 ? (data[from - stride + i] as number) : 0);
  }
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, 6, 0, 0, 0], 8); // 8 bits, RGBA, deflate, adaptive filters, no interlace
  const texts = Object.entries(text).map(([key, value]) => chunk("tEXt", Buffer.from(`${key}\0${value}`, "latin1")));
  return Buffer.concat([
    SIGNATURE,
    chunk("IHDR", header),
    ...texts,
    chunk("IDAT", deflateSync(filtered, { level })),
    chunk("IEND", new Uint8Array(0)),
  ]);
}

function chunk(type: string, body: Uint8Array): Uint8Array {
  const out = Buffer.alloc(body.length + 12);
  out.writeUInt32BE(body.length, 0);
  out.write(type, 4, "latin1");
  out.set(body, 8);
  out.writeUInt32BE(crc32(out.subarray(4, body.length + 8)), body.length + 8);
  return out;
}
