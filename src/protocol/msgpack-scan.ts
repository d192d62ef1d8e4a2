/**
 * Structure check of untrusted msgpack before the decoder sees it.
 *
 * The decoder trusts counts (an array header may claim 2^32 items), recurses without a bound and knows extension types
 * of JavaScript; a peer may use none of that. One pass over the bytes, no allocation but a small stack.
 */
import { RemoteProtocolError } from "../base/index.ts";

/** Profiles are the deepest messages: up to 102 nodes of Dask's, each two levels. */
const DEPTH_MAX = 256;
/** Most values in one msgpack text: bounds what decoding may allocate. */
const VALUES_MAX = 2 ** 23;

/**
 * Check that `bytes` are exactly one msgpack value of plain types.
 * @throws {RemoteProtocolError} cut short, trailing bytes, nested too deeply, too many values, or an extension type
 */
export function checkMsgpack(bytes: Uint8Array): void {
  const end = bytes.byteLength;
  /** Values still to come at each level. */
  const left = [1];
  let at = 0;
  let values = 0;
  while (left.length > 0) {
    const top = left.length - 1;
    if (left[top] === 0) {
      left.pop();
      continue;
    }
    left[top]! -= 1;
    if (at >= end) throw broken(`cut short at byte ${at}`);
    if (++values > VALUES_MAX) throw broken(`more than ${VALUES_MAX} values`);
    const token = bytes[at++]!;
    const head = HEAD_BYTES[token]!;
    if (head === 255) throw broken(`type 0x${token.toString(16)} (extension or reserved) at byte ${at - 1}`);
    if (at + head > end) throw broken(`cut short at byte ${at}`);
    const kind = KINDS[token]!;
    if (kind === FIXED) {
      at += head;
      continue;
    }
    const count =
      kind === SHORT_TEXT
        ? token & 31
        : kind === SHORT_ITEMS || kind === SHORT_PAIRS
          ? token & 15
          : readUint(bytes, at, head);
    at += head;
    if (kind === TEXT || kind === SHORT_TEXT) {
      at += count;
      if (at > end) throw broken(`text or bytes of length ${count} reach beyond the end`);
    } else {
      const items = kind === PAIRS || kind === SHORT_PAIRS ? 2 * count : count;
      if (items > end - at) throw broken(`${count} items claimed, ${end - at} bytes left`);
      if (left.length >= DEPTH_MAX) throw broken(`nested more than ${DEPTH_MAX} deep`);
      left.push(items);
    }
  }
  if (at !== end) throw broken(`${end - at} bytes after its end`);
}

function readUint(bytes: Uint8Array, at: number, width: number): number {
  let value = 0;
  for (let i = 0; i < width; i++) value = value * 256 + bytes[at + i]!;
  return value;
}

function broken(what: string): Error {
  return new RemoteProtocolError(`not a Dask message: msgpack ${what}`);
}

const FIXED = 0;
const TEXT = 1;
const ITEMS = 2;
const PAIRS = 3;
const SHORT_TEXT = 4;
const SHORT_ITEMS = 5;
const SHORT_PAIRS = 6;

/** Bytes after the type byte that hold the value or its length; 255 where the type is refused. */
const HEAD_BYTES = new Uint8Array(256);
const KINDS = new Uint8Array(256);
KINDS.fill(SHORT_PAIRS, 0x80, 0x90).fill(SHORT_ITEMS, 0x90, 0xa0).fill(SHORT_TEXT, 0xa0, 0xc0);
for (const [token, head, kind] of [
  [0xc1, 255, FIXED],
  [0xc4, 1, TEXT],
  [0xc5, 2, TEXT],
  [0xc6, 4, TEXT],
  [0xc7, 255, FIXED],
  [0xc8, 255, FIXED],
  [0xc9, 255, FIXED],
  [0xca, 4, FIXED],
  [0xcb, 8, FIXED],
  [0xcc, 1, FIXED],
  [0xcd, 2, FIXED],
  [0xce, 4, FIXED],
  [0xcf, 8, FIXED],
  [0xd0, 1, FIXED],
  [0xd1, 2, FIXED],
  [0xd2, 4, FIXED],
  [0xd3, 8, FIXED],
  [0xd4, 255, FIXED],
  [0xd5, 255, FIXED],
  [0xd6, 255, FIXED],
  [0xd7, 255, FIXED],
  [0xd8, 255, FIXED],
  [0xd9, 1, TEXT],
  [0xda, 2, TEXT],
  [0xdb, 4, TEXT],
  [0xdc, 2, ITEMS],
  [0xdd, 4, ITEMS],
  [0xde, 2, PAIRS],
  [0xdf, 4, PAIRS],
] as const) {
  HEAD_BYTES[token] = head;
  KINDS[token] = kind;
}
