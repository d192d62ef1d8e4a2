/** Typed access to the parts of a TIFF file that have been fetched; what is missing is noted as needed. Pure. */
import type { ByteRange } from "../range/merge.ts";
import { TYPE_BYTES, tiffError } from "./codes.ts";

/** A piece of the file. */
export interface FileWindow {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** One field of a directory; `at` is where its values lie in the file. */
export interface Entry {
  readonly tag: number;
  readonly type: number;
  readonly count: number;
  readonly at: number;
}

/** The file as far as it is known. */
export class HeaderReader {
  readonly isLittleEndian: boolean;
  readonly isBig: boolean;
  readonly size: number;
  /** Ranges that were asked for and are not there. */
  readonly needs: ByteRange[] = [];
  readonly #windows: readonly FileWindow[];

  constructor(windows: readonly FileWindow[], size: number) {
    this.#windows = windows;
    this.size = size;
    const head = windows[0]?.bytes ?? new Uint8Array(0);
    const order = head.length >= 8 ? String.fromCharCode(head[0]!, head[1]!) : "";
    this.isLittleEndian = order === "II";
    const magic = order === "II" ? head[2]! | (head[3]! << 8) : (head[2]! << 8) | head[3]!;
    if ((order !== "II" && order !== "MM") || (magic !== 42 && magic !== 43)) {
      const start = Array.from(head.subarray(0, 8), (b) => b.toString(16).padStart(2, "0")).join(" ");
      throw tiffError("magic", `not a TIFF: begins with ${start || "nothing"}; expected "II" or "MM" and 42 or 43`, {
        size,
      });
    }
    this.isBig = magic === 43;
  }

  /** The bytes of a range, or null when they have yet to be fetched: then it is in `needs`, grown to `ahead` bytes. */
  view(offset: number, length: number, ahead: number = length): DataView | null {
    if (offset + length > this.size) {
      throw tiffError(
        "offset",
        `bytes ${offset}-${offset + length - 1} lie beyond the end of the file at ${this.size}`,
        { offset, length },
      );
    }
    for (const w of this.#windows) {
      if (offset >= w.offset && offset + length <= w.offset + w.bytes.length) {
        return new DataView(w.bytes.buffer, w.bytes.byteOffset + offset - w.offset, length);
      }
    }
    this.needs.push({ offset, length: Math.min(Math.max(ahead, length), this.size - offset) });
    return null;
  }

  /** Offset of the first directory; null when it is not there yet. */
  firstDirectory(): number | null {
    const view = this.view(0, this.isBig ? 16 : 8);
    if (!view) return null;
    if (!this.isBig) return view.getUint32(4, this.isLittleEndian);
    const [offsetBytes, zero] = [view.getUint16(4, this.isLittleEndian), view.getUint16(6, this.isLittleEndian)];
    if (offsetBytes !== 8 || zero !== 0)
      throw tiffError("magic", `BigTIFF with offsets of ${offsetBytes} bytes; expected 8`);
    return this.uint64(view, 8);
  }

  /** An unsigned 64-bit integer that fits a number. */
  uint64(view: DataView, at: number): number {
    const high = view.getUint32(at + (this.isLittleEndian ? 4 : 0), this.isLittleEndian);
    const low = view.getUint32(at + (this.isLittleEndian ? 0 : 4), this.isLittleEndian);
    if (high >= 2 ** 21)
      throw tiffError("offset", `64-bit value ${BigInt(high) * 2n ** 32n + BigInt(low)} is beyond 2^53`);
    return high * 2 ** 32 + low;
  }

  /** True when the values of `entry` are there; else they are needed. */
  has(entry: Entry): boolean {
    return this.#valuesView(entry) !== null;
  }

  /** All values of a numeric field (not the 64-bit signed ones); the values must be there. */
  numbers(entry: Entry): Float64Array {
    const view = this.#present(entry);
    const out = new Float64Array(entry.count);
    const little = this.isLittleEndian;
    const step = TYPE_BYTES[entry.type]!;
    for (let i = 0, at = 0; i < entry.count; i++, at += step) out[i] = this.#number(view, entry, at, little);
    return out;
  }

  /** The bytes of a field's values. */
  bytes(entry: Entry): Uint8Array {
    const view = this.#present(entry);
    return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  }

  /** Text of an ASCII field, up to its first NUL, as UTF-8. */
  text(entry: Entry): string {
    const bytes = this.bytes(entry);
    const end = bytes.indexOf(0);
    return new TextDecoder().decode(bytes.slice(0, end < 0 ? bytes.length : end));
  }

  #number(view: DataView, entry: Entry, at: number, little: boolean): number {
    switch (entry.type) {
      case 1:
      case 7:
        return view.getUint8(at);
      case 6:
        return view.getInt8(at);
      case 3:
        return view.getUint16(at, little);
      case 8:
        return view.getInt16(at, little);
      case 4:
      case 13:
        return view.getUint32(at, little);
      case 9:
        return view.getInt32(at, little);
      case 5:
        return view.getUint32(at, little) / view.getUint32(at + 4, little);
      case 10:
        return view.getInt32(at, little) / view.getInt32(at + 4, little);
      case 11:
        return view.getFloat32(at, little);
      case 12:
        return view.getFloat64(at, little);
      case 16:
      case 18:
        return this.uint64(view, at);
      default:
        throw tiffError("tag", `tag ${entry.tag} has type ${entry.type}; expected a number`, { ...entry });
    }
  }

  #present(entry: Entry): DataView {
    const view = this.#valuesView(entry);
    if (!view) throw tiffError("offset", `tag ${entry.tag}: its values were not fetched`, { ...entry });
    return view;
  }

  #valuesView(entry: Entry): DataView | null {
    return this.view(entry.at, (TYPE_BYTES[entry.type] ?? 0) * entry.count);
  }
}
