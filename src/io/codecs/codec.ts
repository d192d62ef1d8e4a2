/** What a byte codec is, and the checks that all share. */
import { CodecError, UnsupportedError } from "../../base/index.ts";
import type { ByteKernels } from "./byte-kernels.ts";

/** What the one who decodes or encodes supplies. */
export interface CodecContext {
  readonly kernels: ByteKernels;
  /** Reused as the workspace when it is large enough; never holds a result. */
  readonly scratch?: Uint8Array;
}

/** Settings of a codec as they stand in metadata. */
export type CodecOptions = Readonly<Record<string, unknown>>;

/** Bytes to bytes, both ways. Stateless; safe on any thread. */
export interface Codec {
  readonly id: string;
  /**
   * Decode `src`, filling `dst` exactly.
   * @throws {CodecError} `short`, `oversize`, `corrupt` or `checksum`
   */
  decode(src: Uint8Array, dst: Uint8Array, context: CodecContext): void;
  /**
   * Decode `src`, whose decoded length is unknown: the outer layers of a chain.
   * @throws {CodecError} as `decode`; `oversize` beyond `maxBytes`
   */
  decodeUpTo(src: Uint8Array, maxBytes: number, context: CodecContext): Uint8Array;
  /** Encode into fresh bytes. */
  encode(src: Uint8Array, context: CodecContext): Uint8Array;
  /** `decode` makes fresh bytes and copies them: callers without a place of their own take `decodeUpTo`'s as they are. */
  readonly isFresh: boolean;
  /** Bytes beside `src` and `dst` that decoding to `decodedBytes` takes. */
  workspace(decodedBytes: number): number;
  /** Encoded length where it follows from the decoded one, else null. */
  encodedBytes(decodedBytes: number): number | null;
}

/** Reasons of a `CodecError`; also its code. */
export type CodecFault = "short" | "oversize" | "corrupt" | "checksum";

/** The error of codec `id`: what was expected, what came. */
export function codecError(id: string, fault: CodecFault, message: string, cause?: unknown): Error {
  return new CodecError(
    `${id}: ${message}`,
    { details: { codec: id }, ...(cause === undefined ? {} : { cause }) },
    fault,
  );
}

/** @throws {CodecError} when a decoder gave another number of bytes than the metadata say */
export function expectLength(id: string, got: number, expected: number): void {
  if (got === expected) return;
  throw codecError(id, got < expected ? "short" : "oversize", `decoded to ${got} bytes, expected ${expected}`);
}

/** `nbytes` of workspace: from the context where it holds them. */
export function workspaceOf(context: CodecContext, nbytes: number): Uint8Array {
  const { scratch } = context;
  return scratch !== undefined && scratch.length >= nbytes ? scratch.subarray(0, nbytes) : new Uint8Array(nbytes);
}

/**
 * An integer setting within bounds, `fallback` when it is absent.
 * @throws {UnsupportedError} anything else
 */
export function integerOption(options: CodecOptions, name: string, bounds: IntegerBounds): number {
  const value = options[name] ?? bounds.fallback;
  if (typeof value === "number" && Number.isInteger(value) && value >= bounds.min && value <= bounds.max) return value;
  throw new UnsupportedError(
    `${bounds.codec}: ${name} ${JSON.stringify(value)} is not an integer from ${bounds.min} to ${bounds.max}`,
    { details: { codec: bounds.codec, option: name, value } },
  );
}

/** Bounds of {@link integerOption}. */
export interface IntegerBounds {
  readonly codec: string;
  readonly min: number;
  readonly max: number;
  readonly fallback?: number;
}
