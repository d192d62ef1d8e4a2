/** Graphs and task specs as bytes, and who vouches for the code in them. */
import { createHmac, hash, timingSafeEqual } from "node:crypto";
import { RemoteProtocolError } from "../base/index.ts";
import { chunksOfCalls } from "./calls.ts";
import { decodeCalls, encodeCalls, isEncodedCalls } from "./calls-wire.ts";
import { Graph } from "./graph.ts";
import { KeyColumn } from "./key-column.ts";
import { type Chunks, keysOf, type Layer } from "./layer.ts";
import { decodePlain, encodePlain, plainText } from "./plain.ts";
import type { Plain, TaskSpec } from "./task.ts";
import { validateLayer } from "./validate.ts";

/** Sizes as runs `[size, count, …]`, so that a regular grid of a million blocks is two numbers. */
function packSizes(sizes: readonly number[]): number[] {
  const out: number[] = [];
  for (const s of sizes) {
    if (out.length > 0 && out[out.length - 2] === s) out[out.length - 1] = (out[out.length - 1] as number) + 1;
    else out.push(s, 1);
  }
  return out;
}

/** Most blocks along the axes of all layers of one graph, and most axes; a peer's few bytes must not become gigabytes. */
const BLOCK_SIZES_MAX = 2 ** 22;
const AXES_MAX = 64;
/** Most tasks of one graph that a peer may submit. */
const TASKS_MAX = 2 ** 22;

/** Unpacks runs within what is left of a graph's allowance; equal axes share one array. */
class SizeReader {
  readonly #known = new Map<string, readonly number[]>();
  #left = BLOCK_SIZES_MAX;

  chunks(packed: unknown): Chunks {
    if (!Array.isArray(packed) || packed.length > AXES_MAX)
      throw new RemoteProtocolError(`a layer needs chunks of at most ${AXES_MAX} axes`);
    const chunks = packed.map((runs: unknown) => this.#axis(runs));
    const tasks = chunks.reduce((n, sizes) => n * sizes.length, 1);
    if (tasks > TASKS_MAX) throw new RemoteProtocolError(`a layer of ${tasks} blocks; the limit is ${TASKS_MAX}`);
    return chunks;
  }

  /** Those of single calls: one axis, on which all are 1. */
  ones(packed: unknown): Chunks {
    const runs: unknown = Array.isArray(packed) && packed.length === 1 ? packed[0] : null;
    if (!Array.isArray(runs) || runs.length !== 2 || runs[0] !== 1 || !isCount(runs[1])) {
      if (Array.isArray(runs) && runs.length === 0) return [[]];
      throw new RemoteProtocolError("a layer of calls has one axis of ones");
    }
    if (runs[1] > this.#left) throw new RemoteProtocolError(`a graph of more than ${BLOCK_SIZES_MAX} block sizes`);
    this.#left -= runs[1];
    return chunksOfCalls(runs[1]);
  }

  #axis(runs: unknown): readonly number[] {
    const key = JSON.stringify(runs);
    const known = this.#known.get(key);
    if (known) return known;
    if (!Array.isArray(runs) || runs.length % 2 !== 0)
      throw new RemoteProtocolError("chunk sizes come in runs of size and count");
    let total = 0;
    for (let i = 0; i < runs.length; i += 2) {
      const [size, count] = [runs[i] as unknown, runs[i + 1] as unknown];
      if (!(isCount(size) && isCount(count) && count >= 1))
        throw new RemoteProtocolError(`chunk run of ${String(count)} blocks of ${String(size)}`);
      total += count;
    }
    // Checked before anything is unpacked.
    if (total > this.#left) throw new RemoteProtocolError(`a graph of more than ${BLOCK_SIZES_MAX} block sizes`);
    this.#left -= total;
    const out = new Array<number>(total);
    let at = 0;
    for (let i = 0; i < runs.length; i += 2) {
      out.fill(runs[i] as number, at, at + (runs[i + 1] as number));
      at += runs[i + 1] as number;
    }
    this.#known.set(key, out);
    return out;
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Bytes of a graph: its layers as formulas, whatever the number of tasks. */
export function encodeGraph(graph: Graph): Uint8Array {
  const calls = encodeCalls(graph.layers, graph.outputs);
  if (calls) return calls;
  const pack = (chunks: Chunks): number[][] => chunks.map(packSizes);
  const layers = graph.layers.map((l) => ({
    ...l,
    chunks: pack(l.chunks),
    ...(l.kind === "reduce" || l.kind === "select" ? { loop: pack(l.loop) } : {}),
    ...(keysOf(l) ? { keys: keysOf(l)?.toPlain() } : {}),
  }));
  return encodePlain({ v: 1, layers, outputs: graph.outputs });
}

/**
 * A graph from its bytes.
 * @throws {RemoteProtocolError} not such bytes, an unknown version, or inputs that are no earlier layers
 */
export function decodeGraph(bytes: Uint8Array): Graph {
  if (isEncodedCalls(bytes)) return graphOfCalls(decodeCalls(bytes));
  const plain = decodePlain(bytes, "graph") as { v?: unknown; layers?: unknown; outputs?: unknown };
  if (plain.v !== 1 || !Array.isArray(plain.layers) || !Array.isArray(plain.outputs))
    throw new RemoteProtocolError(`graph of version ${String(plain.v)}; this side reads 1`);
  const sizes = new SizeReader();
  const layers = plain.layers.map((l: unknown): Layer => {
    if (typeof l !== "object" || l === null) throw new RemoteProtocolError("a layer that is no object");
    const fields = l as Record<string, unknown>; // an object
    // Checked below, layer by layer.
    return {
      ...fields,
      chunks: fields["kind"] === "calls" ? sizes.ones(fields["chunks"]) : sizes.chunks(fields["chunks"]),
      ...(fields["kind"] === "reduce" || fields["kind"] === "select" ? { loop: sizes.chunks(fields["loop"]) } : {}),
      ...(fields["keys"] ? { keys: KeyColumn.fromPlain(fields["keys"]) } : {}),
    } as unknown as Layer;
  });
  for (let k = 0; k < layers.length; k++) validateLayer(layers, k);
  const tasks = layers.reduce((n, l) => n + (l.inline ? 0 : l.chunks.reduce((m, c) => m * c.length, 1)), 0);
  if (tasks > TASKS_MAX) throw new RemoteProtocolError(`a graph of ${tasks} tasks; the limit is ${TASKS_MAX}`);
  for (const output of plain.outputs as readonly unknown[]) {
    if (typeof output !== "number" || layers[output]?.inline !== false)
      throw new RemoteProtocolError(`output ${String(output)} is no layer with tasks`);
  }
  return new Graph(layers, plain.outputs as number[]);
}

/** @throws {RemoteProtocolError} columns that do not fit each other, or too many tasks */
function graphOfCalls(layers: readonly Layer[]): Graph {
  for (let k = 0; k < layers.length; k++) validateLayer(layers, k);
  const tasks = layers.reduce((n, { chunks }) => n + (chunks[0]?.length ?? 0), 0);
  if (tasks > TASKS_MAX) throw new RemoteProtocolError(`a graph of ${tasks} tasks; the limit is ${TASKS_MAX}`);
  return new Graph(layers, [layers.length - 1]);
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
  const spec = decodePlain(bytes, "task spec") as TaskSpec | null;
  if (spec?.v !== 1 || !Array.isArray(spec.steps) || spec.steps.length === 0 || !Number.isSafeInteger(spec.inputs)) {
    throw new RemoteProtocolError(`task spec of version ${String(spec?.v)}; this side reads 1`);
  }
  // Whoever admits tasks counts by these.
  if (!isCount((spec.out as TaskSpec["out"] | null)?.nbytes) || !isCount(spec.workspace))
    throw new RemoteProtocolError("task spec without the bytes of its block and of its registers");
  return spec;
}

/** Hexadecimal SHA-256 of a plain value, cut to `digits`. */
export function tokenize(value: unknown, digits = 32): string {
  return tokenOfText(plainText(value), digits);
}

/** {@link tokenize} of the value that {@link plainText} has given this text for. */
export function tokenOfText(text: string, digits = 32): string {
  return hash("sha256", text, "hex").slice(0, digits);
}

/** {@link tokenize} of `{ text, args, kwargs: null }` for one `text` and many `args`, each as {@link plainText} gives it. */
export function callTokens(text: string): (argsText: string) => string {
  const before = `{"text":${plainText(text)},"args":`;
  return (argsText) => hash("sha256", `${before}${argsText},"kwargs":null}`, "hex").slice(0, 32);
}

/** The same as numbers of eight digits, for a column of keys: those of `argsTexts` one after the other. */
export function callDigits(text: string, argsTexts: readonly string[]): Uint32Array {
  const before = `{"text":${plainText(text)},"args":`;
  const words = new Uint32Array(4 * argsTexts.length);
  for (let k = 0; k < argsTexts.length; k++) {
    const bytes = hash("sha256", `${before}${argsTexts[k]},"kwargs":null}`, "binary");
    for (let w = 0; w < 4; w++) {
      const [a, b] = [bytes.charCodeAt(4 * w), bytes.charCodeAt(4 * w + 1)];
      words[4 * k + w] = (a << 24) | (b << 16) | (bytes.charCodeAt(4 * w + 2) << 8) | bytes.charCodeAt(4 * w + 3);
    }
  }
  return words;
}

/**
 * A spec whose user functions carry `mac`: HMAC-SHA-256 under the cluster's token of the whole spec, texts, arguments and
 * literals included. A worker runs no text without it.
 */
export function signTaskSpec(spec: TaskSpec, token: string): TaskSpec {
  const mac = specMac(spec, token);
  return { ...spec, steps: spec.steps.map((step) => (step.do === "call" ? { ...step, mac } : step)) };
}

/**
 * A graph whose user functions carry the mac of their text and arguments: HMAC-SHA-256 under the cluster's token. Whoever
 * expands the graph into tasks needs no token; blocks and their places are not vouched for, the code and `args` are.
 */
export function signGraph(graph: Graph, token: string): Graph {
  if (!graph.layers.some((layer) => layer.kind === "call")) return graph;
  const layers = graph.layers.map((layer) =>
    layer.kind === "call" ? { ...layer, mac: functionMac(layer.text, layer.args, token) } : layer,
  );
  return new Graph(layers, graph.outputs);
}

/**
 * True when every user function of `spec` carries the mac of this very spec, or of its own text and arguments; takes
 * the same time whatever differs.
 */
export function verifyTaskSpec(spec: TaskSpec, token: string): boolean {
  const whole = specMac(spec, token);
  return spec.steps.every((step) => {
    if (step.do !== "call") return true;
    const own = functionMac(step.text, Array.isArray(step.args) ? (step.args.at(-1) ?? null) : null, token);
    const isWhole = sameMac(whole, step.mac);
    const isOwn = sameMac(own, step.mac) && step.block === true;
    return isWhole || isOwn;
  });
}

function sameMac(ours: string, theirs: string | null): boolean {
  const [a, b] = [Buffer.from(ours), Buffer.from(String(theirs))];
  return a.length === b.length && timingSafeEqual(a, b);
}

function functionMac(text: string, args: Plain, token: string): string {
  return createHmac("sha256", token)
    .update(encodePlain({ function: text, args }))
    .digest("hex");
}

function specMac(spec: TaskSpec, token: string): string {
  const steps = spec.steps.map((step) => (step.do === "call" ? { ...step, mac: null } : step));
  return createHmac("sha256", token)
    .update(encodePlain({ ...spec, steps }))
    .digest("hex");
}
