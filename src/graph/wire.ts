/** Plain bytes of graphs and task specs: JSON with tags for what JSON lacks. The only writer and reader of both. */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { RemoteProtocolError } from "../base/index.ts";
import { Graph } from "./graph.ts";
import type { Chunks, Layer } from "./layer.ts";
import type { TaskSpec } from "./task.ts";

/** Most bytes of one encoded graph or spec that is read from a peer. */
export const PLAIN_BYTES_MAX: number = 2 ** 30;

// Tags are one-key objects; a user's own object with such a key is wrapped in `$o`.
function toJson(value: unknown): unknown {
  if (typeof value === "bigint") return { $n: value.toString() };
  if (typeof value === "number")
    return Number.isFinite(value) && !Object.is(value, -0)
      ? value
      : { $f: Object.is(value, -0) ? "-0" : String(value) };
  if (value instanceof Uint8Array)
    return { $b: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64") };
  if (Array.isArray(value)) return value.map(toJson);
  if (value === null || typeof value !== "object") return value;
  const out: Record<string, unknown> = {};
  for (const [k, v] of Object.entries(value)) if (v !== undefined) out[k] = toJson(v);
  return Object.keys(out).some((k) => k.startsWith("$")) ? { $o: out } : out;
}

function fromJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(fromJson);
  if (value === null || typeof value !== "object") return value;
  const o = value as Record<string, unknown>; // an object that is no array
  if (typeof o["$n"] === "string") return BigInt(o["$n"]);
  if (typeof o["$f"] === "string") return Number(o["$f"]);
  if (typeof o["$b"] === "string") return new Uint8Array(Buffer.from(o["$b"], "base64"));
  const inner = (o["$o"] as Record<string, unknown> | undefined) ?? o;
  return Object.fromEntries(Object.entries(inner).map(([k, v]) => [k, fromJson(v)]));
}

/** Bytes of any plain value; equal values give equal bytes (object keys in the order given). */
export function encodePlain(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(toJson(value)));
}

/**
 * The value of {@link encodePlain}'s bytes.
 * @throws {RemoteProtocolError} too long, or not such bytes
 */
export function decodePlain(bytes: Uint8Array, what: string): unknown {
  if (bytes.length > PLAIN_BYTES_MAX)
    throw new RemoteProtocolError(`${what} of ${bytes.length} bytes; the limit is ${PLAIN_BYTES_MAX}`);
  try {
    return fromJson(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
  } catch (cause) {
    throw new RemoteProtocolError(`${what} is not readable: ${(cause as Error).message}`, { cause });
  }
}

/** Sizes as runs `[size, count, …]`, so that a regular grid of a million blocks is two numbers. */
function packSizes(sizes: readonly number[]): number[] {
  const out: number[] = [];
  for (const s of sizes) {
    if (out.length > 0 && out[out.length - 2] === s) out[out.length - 1] = (out[out.length - 1] as number) + 1;
    else out.push(s, 1);
  }
  return out;
}

function unpackSizes(runs: readonly number[]): number[] {
  const out: number[] = [];
  for (let i = 0; i < runs.length; i += 2) {
    const [size, count] = [runs[i] as number, runs[i + 1] as number];
    if (
      !(
        Number.isSafeInteger(size) &&
        size >= 0 &&
        Number.isSafeInteger(count) &&
        count >= 1 &&
        out.length + count <= 2 ** 26
      )
    ) {
      throw new RemoteProtocolError(`chunk run of ${count} blocks of ${size} is out of bounds`);
    }
    for (let k = 0; k < count; k++) out.push(size);
  }
  return out;
}

/** Bytes of a graph: its layers as formulas, whatever the number of tasks. */
export function encodeGraph(graph: Graph): Uint8Array {
  const pack = (chunks: Chunks): number[][] => chunks.map(packSizes);
  const layers = graph.layers.map((l) => ({
    ...l,
    chunks: pack(l.chunks),
    ...(l.kind === "reduce" ? { loop: pack(l.loop) } : {}),
  }));
  return encodePlain({ v: 1, layers, outputs: graph.outputs });
}

/**
 * A graph from its bytes.
 * @throws {RemoteProtocolError} not such bytes, an unknown version, or inputs that are no earlier layers
 */
export function decodeGraph(bytes: Uint8Array): Graph {
  const plain = decodePlain(bytes, "graph") as { v?: unknown; layers?: unknown; outputs?: unknown };
  if (plain.v !== 1 || !Array.isArray(plain.layers) || !Array.isArray(plain.outputs))
    throw new RemoteProtocolError(`graph of version ${String(plain.v)}; this side reads 1`);
  const unpack = (chunks: unknown): Chunks => {
    if (!Array.isArray(chunks)) throw new RemoteProtocolError("layer without chunks");
    return chunks.map((runs) => unpackSizes(runs as number[]));
  };
  const layers = plain.layers.map((l: Record<string, unknown>) => {
    // Fields are used by formulas only; a wrong one fails the task that meets it.
    return {
      ...l,
      chunks: unpack(l["chunks"]),
      ...(l["kind"] === "reduce" ? { loop: unpack(l["loop"]) } : {}),
    } as unknown as Layer;
  });
  return new Graph(layers, plain.outputs as number[]);
}

/** Bytes of one native task spec. */
export function encodeTaskSpec(spec: TaskSpec): Uint8Array {
  return encodePlain(spec);
}

/**
 * A native task spec from its bytes.
 * @throws {RemoteProtocolError} not such bytes, or an unknown version
 */
export function decodeTaskSpec(bytes: Uint8Array): TaskSpec {
  const spec = decodePlain(bytes, "task spec") as TaskSpec;
  if (spec.v !== 1 || !Array.isArray(spec.steps) || spec.steps.length === 0 || !Number.isSafeInteger(spec.inputs)) {
    throw new RemoteProtocolError(`task spec of version ${String(spec.v)}; this side reads 1`);
  }
  return spec;
}

/** Hexadecimal SHA-256 of a plain value, cut to `digits`. */
export function tokenize(value: unknown, digits = 32): string {
  return createHash("sha256").update(encodePlain(value)).digest("hex").slice(0, digits);
}

/** HMAC-SHA-256 under the cluster's token of a user function's text and its arguments; a worker runs no text without it. */
export function functionMac(text: string, args: unknown, token: string): string {
  return createHmac("sha256", token).update(encodePlain({ text, args })).digest("hex");
}

/** True when `mac` is {@link functionMac} of the same; takes the same time whatever differs. */
export function verifyFunctionMac(text: string, args: unknown, token: string, mac: string): boolean {
  const [ours, theirs] = [Buffer.from(functionMac(text, args, token)), Buffer.from(mac)];
  return ours.length === theirs.length && timingSafeEqual(ours, theirs);
}
