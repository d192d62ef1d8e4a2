/**
 * Codecs that only a library decodes, and only asynchronously: JPEG, by `geotiff`'s decoder.
 * Tiles are decoded while they are fetched, on the thread that fetches; what the slots then hold is raw pixels.
 */
import { CodecError, UnsupportedError } from "../../base/index.ts";
import { stripRows, type TiffLayout, tileRowBytes } from "./directory.ts";
import type { TiffMeta } from "./meta.ts";

const JPEG = 7;
const YCBCR = 6;

/** True where tiles need {@link decodeRare}. */
export function isRare(layout: Pick<TiffLayout, "compression">): boolean {
  return layout.compression === JPEG;
}

/**
 * Refuse the JPEG variants that would come out wrong.
 * @throws {UnsupportedError} subsampled colour: libjpeg interpolates it, the decoder here repeats it
 */
export function checkRare(layout: TiffLayout, url: string): void {
  const { bits, photometric, subsampling } = layout;
  if (bits !== 8)
    throw new UnsupportedError(`${url}: TIFF compression jpeg with ${bits} bits is not supported`, {
      details: { url, bits },
    });
  if (photometric !== YCBCR || subsampling === 1) return;
  throw new UnsupportedError(`${url}: TIFF compression jpeg with subsampled YCbCr colour is not supported`, {
    details: { url, photometric },
  });
}

/**
 * Raw pixels of one tile, within ±1 of libjpeg's.
 * @throws {CodecError} no JPEG stream of the tile's size
 */
export async function decodeRare(meta: TiffMeta, tile: number, bytes: Uint8Array): Promise<Uint8Array> {
  const samples = meta.isPlanar ? 1 : meta.samples;
  const frame = jpegFrame(bytes);
  const rows = stripRows(meta, tile);
  const isFit =
    frame !== null &&
    frame.width === meta.tileWidth &&
    frame.height >= rows &&
    frame.height <= meta.tileHeight &&
    frame.components === samples;
  if (!isFit) {
    const got = frame ? `${frame.width} × ${frame.height} × ${frame.components}` : "no frame";
    throw new CodecError(
      `jpeg: ${got}, expected ${meta.tileWidth} × ${rows} × ${samples}`,
      { details: { tile } },
      "corrupt",
    );
  }
  const { getDecoder } = await import("geotiff");
  const parameters = {
    tileWidth: meta.tileWidth,
    tileHeight: meta.tileHeight,
    predictor: 1,
    bitsPerSample: 8,
    planarConfiguration: meta.isPlanar ? 2 : 1,
    samplesPerPixel: meta.samples,
    ...(meta.jpegTables === null ? {} : { JPEGTables: new Uint8Array(Buffer.from(meta.jpegTables, "base64")) }),
  };
  let decoded: Uint8Array;
  try {
    const decoder = await getDecoder(JPEG, parameters);
    decoded = new Uint8Array(await decoder.decode(Uint8Array.from(bytes).buffer));
  } catch (e) {
    throw new CodecError("jpeg: the stream is corrupt", { cause: e, details: { tile } }, "corrupt");
  }
  if (meta.photometric === YCBCR) toRgb(decoded);
  return decoded.subarray(0, rows * tileRowBytes(meta));
}

interface JpegFrame {
  readonly width: number;
  readonly height: number;
  readonly components: number;
}

/** Size that a stream's only frame header claims; null without one or with several. The decoder trusts it blindly. */
function jpegFrame(bytes: Uint8Array): JpegFrame | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let found: JpegFrame | null = null;
  for (let at = 2; at + 4 <= bytes.length; ) {
    if (bytes[at] !== 0xff) return null;
    const marker = bytes[at + 1]!;
    if (marker === 0xff) {
      at++;
      continue;
    }
    if (marker === 0xda) return found;
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (isFrame) {
      if (found || at + 10 > bytes.length) return null;
      found = { height: view.getUint16(at + 5), width: view.getUint16(at + 7), components: bytes[at + 9]! };
    }
    at += 2 + view.getUint16(at + 2);
  }
  return null;
}

/** JFIF's YCbCr to RGB in place (ITU-T T.871). */
function toRgb(pixels: Uint8Array): void {
  const clamp = (v: number): number => Math.max(0, Math.min(255, Math.round(v)));
  for (let i = 0; i + 2 < pixels.length; i += 3) {
    const [y, cb, cr] = [pixels[i]!, pixels[i + 1]! - 128, pixels[i + 2]! - 128];
    pixels[i] = clamp(y + 1.402 * cr);
    pixels[i + 1] = clamp(y - 0.344136 * cb - 0.714136 * cr);
    pixels[i + 2] = clamp(y + 1.772 * cb);
  }
}
