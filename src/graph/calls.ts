/**
 * Layers of single calls of users' functions: many tasks as columns. Task k calls function `fn[k]` (0, without `fn`) with the arguments whose
 * text is number a = `arg[k]` (k, where there is no `arg`): `args[argStart[a] … argStart[a + 1])`. It reads the tasks `inputs[inputStart[k] … inputStart[k + 1])` of its graph,
 * which come before it. Numbers are uint32, little-endian; those of functions and of texts are bytes where there are no more than 256 of them.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { RemoteProtocolError } from "../base/index.ts";
import type { ExpandedTask, TaskId } from "./graph.ts";
import { KeyColumn } from "./key-column.ts";
import type { Key } from "./keys.ts";
import type { Chunks, Layer, LayerOf } from "./layer.ts";
import { decodePlain, plainText } from "./plain.ts";
import type { Plain, TaskSpec } from "./task.ts";

/** A layer of calls. */
export type CallsLayer = Extract<LayerOf<number>, { readonly kind: "calls" }>;

/** Most functions of one layer, and most bytes of the arguments of one call. */
const FUNCTIONS_MAX = 65_536;
const ARGS_BYTES_MAX = 2 ** 26;

/** Bytes that are counted for the result of a call, before it is known. */
export const CALL_BYTES = 8;

/** One call. */
export interface Call {
  readonly key: Key;
  /** Text of a function expression. */
  readonly text: string;
  /** Arguments in the form of a `call` step: `{ input: k }` stands for input k. */
  readonly args: Plain;
  /** What `plainText` makes of them, if that is known. */
  readonly argsText?: string;
  /** Tasks of the graph, lower ones. */
  readonly inputs: readonly TaskId[];
}

/** Numbers of functions or texts, as wide as they need to be. */
type Numbers = Uint8Array | Uint32Array;

/** The columns of a layer, to be read. */
interface Columns {
  readonly fn: Numbers | null;
  readonly arg: Numbers | null;
  readonly argStart: Uint32Array;
  readonly inputStart: Uint32Array;
  readonly inputs: Uint32Array;
  /** Program of the last call that was expanded: calls of one function with the same arguments share it. */
  last: { readonly fn: number; readonly text: number; readonly spec: TaskSpec } | null;
}

const COLUMNS = new WeakMap<object, Columns>();

function columnsOf(layer: CallsLayer): Columns {
  const known = COLUMNS.get(layer.args);
  if (known) return known;
  const columns = {
    fn: layer.fn && numbers(layer.fn, layer.functions.length),
    arg: layer.arg && numbers(layer.arg, (layer.argStart.byteLength >> 2) - 1),
    argStart: words(layer.argStart),
    inputStart: words(layer.inputStart),
    inputs: words(layer.inputs),
    last: null,
  };
  COLUMNS.set(layer.args, columns);
  return columns;
}

function words(bytes: Uint8Array): Uint32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength >> 2);
}

/** Numbers below `count`, in bytes where these can say them. */
function numbers(bytes: Uint8Array, count: number): Numbers {
  return count <= BYTE_NUMBERS ? bytes : words(bytes);
}

/** Numbers that a byte can say. */
const BYTE_NUMBERS = 256;

/** Chunks of a layer of `count` results, each a task. */
export function chunksOfCalls(count: number): Chunks {
  return [sizesOfOne(count)];
}

/** A list of so many ones, a byte each. */
function sizesOfOne(count: number): readonly number[] {
  // Nobody asks a list of sizes for more than both have: places, a length, a walk.
  return new Uint8Array(count).fill(1) as unknown as readonly number[];
}

/** A growing column of uint32; at first as long as stands in the heap. */
class Column {
  #words = new Uint32Array(16);
  #length = 0;

  push(value: number): void {
    if (this.#length === this.#words.length) {
      const larger = new Uint32Array(this.#length * 2);
      larger.set(this.#words);
      this.#words = larger;
    }
    this.#words[this.#length++] = value;
  }

  bytes(): Uint8Array {
    return new Uint8Array(this.#words.slice(0, this.#length).buffer);
  }

  /** The same of numbers below `count`. */
  numbers(count: number): Uint8Array {
    return count <= BYTE_NUMBERS ? Uint8Array.from(this.#words.subarray(0, this.#length)) : this.bytes();
  }
}

/** Collects calls into a layer. */
export class CallsBuilder {
  readonly #functions = new Map<string, number>();
  readonly #keys: Key[] = [];
  readonly #fn = new Column();
  readonly #inputStart = new Column();
  readonly #inputs = new Column();
  /** Texts of arguments by what they say, and each call's. */
  readonly #texts = new Map<string, number>();
  readonly #arg = new Column();
  #inputCount = 0;

  constructor() {
    this.#inputStart.push(0);
  }

  get count(): number {
    return this.#keys.length;
  }

  add({ key, text, args: call, argsText, inputs }: Call): void {
    let fn = this.#functions.get(text);
    if (fn === undefined) {
      fn = this.#functions.size;
      this.#functions.set(text, fn);
    }
    this.#keys.push(key);
    this.#fn.push(fn);
    const args = argsText ?? plainText(call);
    let arg = this.#texts.get(args);
    if (arg === undefined) {
      arg = this.#texts.size;
      this.#texts.set(args, arg);
    }
    this.#arg.push(arg);
    for (const input of inputs) this.#inputs.push(input);
    this.#inputCount += inputs.length;
    this.#inputStart.push(this.#inputCount);
  }

  /** The layer, vouched for with the cluster's token if there is one. */
  build(name: string, token: string | null): CallsLayer {
    const layer: CallsLayer = {
      kind: "calls",
      name,
      dtype: "float64",
      chunks: chunksOfCalls(this.count),
      keys: KeyColumn.of(this.#keys),
      functions: Array.from(this.#functions.keys()),
      fn: this.#functions.size < 2 ? null : this.#fn.numbers(this.#functions.size),
      arg: this.#texts.size === this.count ? null : this.#arg.numbers(this.#texts.size),
      ...packTexts(Array.from(this.#texts.keys())),
      inputs: this.#inputs.bytes(),
      inputStart: this.#inputStart.bytes(),
      mac: null,
    };
    return token === null ? layer : { ...layer, mac: macOf(layer, token) };
  }
}

/** Calls of one function that read nothing, each with its own arguments. */
export interface PlainCalls {
  readonly name: string;
  readonly keys: KeyColumn;
  /** Text of a function expression. */
  readonly text: string;
  /** What `plainText` makes of the arguments of each. */
  readonly argsTexts: readonly string[];
}

/** A layer of such calls, vouched for with the cluster's token if there is one. */
export function plainCalls({ name, keys, text, argsTexts }: PlainCalls, token: string | null): CallsLayer {
  const layer: CallsLayer = {
    kind: "calls",
    name,
    dtype: "float64",
    chunks: chunksOfCalls(keys.length),
    keys,
    functions: [text],
    fn: null,
    arg: null,
    ...packTexts(argsTexts),
    inputs: new Uint8Array(0),
    inputStart: new Uint8Array(4 * (keys.length + 1)),
    mac: null,
  };
  return token === null ? layer : { ...layer, mac: macOf(layer, token) };
}

/** All texts as bytes, and where each begins. */
function packTexts(texts: readonly string[]): { readonly args: Uint8Array; readonly argStart: Uint8Array } {
  const args = new Uint8Array(Buffer.from(texts.join("")));
  const argStart = new Uint32Array(texts.length + 1);
  let chars = 0;
  for (let k = 0; k < texts.length; k++) {
    chars += (texts[k] as string).length; // k < length
    argStart[k + 1] = chars;
  }
  // Texts of ASCII have as many bytes as characters.
  if (args.byteLength !== chars)
    for (let k = 0; k < texts.length; k++)
      argStart[k + 1] = (argStart[k] as number) + Buffer.byteLength(texts[k] as string); // k < length
  return { args, argStart: new Uint8Array(argStart.buffer) };
}

/** Inputs of call `index`, in the order of its registers. */
export function callInputs(layer: CallsLayer, index: number): readonly TaskId[] {
  const { inputStart, inputs } = columnsOf(layer);
  const [from, to] = [inputStart[index] as number, inputStart[index + 1] as number]; // a call of the layer
  if (from === to) return NO_INPUTS;
  const out: TaskId[] = [];
  for (let i = from; i < to; i++) out.push(inputs[i] as TaskId); // within the row
  return out;
}

const NO_INPUTS: readonly TaskId[] = [];

/** Inputs of all tasks of a graph whose last layer is of calls and whose others have none; null for another graph. */
export function callRows(
  layers: readonly Layer[],
  count: number,
): { readonly start: Uint32Array; readonly dependencies: Uint32Array } | null {
  const calls = layers.at(-1);
  if (calls?.kind !== "calls" || layers.slice(0, -1).some(({ kind }) => kind !== "held")) return null;
  const { inputStart, inputs } = columnsOf(calls);
  const first = count + 1 - inputStart.length;
  if (first === 0) return { start: inputStart, dependencies: inputs };
  const start = new Uint32Array(count + 1);
  start.set(inputStart, first);
  return { start, dependencies: inputs };
}

/** Number of the function of call `index`. */
export function callFunction(layer: CallsLayer, index: number): number {
  const { fn } = columnsOf(layer);
  return fn ? (fn[index] as number) : 0; // a call of the layer
}

/** Write the text of the arguments of call `index` into `bytes[start … stop)`; gives how many bytes that are, or -1 where they do not fit. */
export function writeCallArguments(
  layer: CallsLayer,
  index: number,
  { bytes, start, stop }: { readonly bytes: Uint8Array; readonly start: number; readonly stop: number },
): number {
  const { arg, argStart } = columnsOf(layer);
  const text = arg ? (arg[index] as number) : index; // a call of the layer
  const [from, to] = [argStart[text] as number, argStart[text + 1] as number];
  const count = to - from;
  if (count > stop - start) return -1;
  const { args } = layer;
  for (let i = 0; i < count; i++) bytes[start + i] = args[from + i] as number; // within the arguments
  return count;
}

/** Inputs and program of call `index`. */
export function expandCall(layer: CallsLayer, index: number): ExpandedTask {
  const columns = columnsOf(layer);
  const dependencies = callInputs(layer, index);
  const fn = columns.fn ? (columns.fn[index] as number) : 0; // a call of the layer
  const text = columns.arg ? (columns.arg[index] as number) : index;
  const { last } = columns;
  if (last === null || last.fn !== fn || last.text !== text || last.spec.inputs !== dependencies.length)
    columns.last = { fn, text, spec: specOf(layer, { fn, text, inputs: dependencies.length }) };
  return { dependencies, spec: (columns.last as NonNullable<typeof last>).spec }; // set above
}

function specOf(
  layer: CallsLayer,
  { fn, text, inputs }: { readonly fn: number; readonly text: number; readonly inputs: number },
): TaskSpec {
  const { argStart } = columnsOf(layer);
  return {
    v: 1,
    inputs,
    steps: [
      {
        do: "call",
        dtype: "float64",
        shape: [],
        text: layer.functions[fn] as string, // checked when the layer was read
        inputs: Array.from({ length: inputs }, (_, k) => k),
        args: decodePlain(layer.args.subarray(argStart[text], argStart[text + 1]), "arguments") as Plain, // written by `encodePlain`
        mac: layer.mac,
      },
    ],
    out: { dtype: "float64", shape: [], nbytes: CALL_BYTES },
    workspace: 0,
    scratch: 0,
  };
}

const NONE = new Uint8Array(0);
/** Where short columns stand one behind the other, and what the length of one may take. */
const MAC_SCRATCH = Buffer.alloc(4096);
const LENGTH_BYTES = 11;

/** HMAC-SHA-256 under the cluster's token of all that the layer's tasks run: functions, arguments, and who calls what with which inputs. */
function macOf(layer: CallsLayer, token: string): string {
  const { functions, fn, arg, args, argStart, inputs, inputStart } = layer;
  const text = plainText({ calls: functions });
  const head = `${Buffer.byteLength(text)}:${text}`;
  const columns = [fn ?? NONE, arg ?? NONE, args, argStart, inputs, inputStart];
  const columnBytes = columns.reduce((sum, { byteLength }) => sum + byteLength + LENGTH_BYTES, 0);
  const hmac = createHmac("sha256", token);
  if (columnBytes > MAC_SCRATCH.length) {
    hmac.update(head);
    for (const column of columns) hmac.update(`${column.byteLength}:`).update(column);
    return hmac.digest("hex");
  }
  // What is short is told to the library in one piece: each costs more than its bytes.
  let at = 0;
  for (const column of columns) {
    at += MAC_SCRATCH.write(`${column.byteLength}:`, at, "latin1");
    MAC_SCRATCH.set(column, at);
    at += column.byteLength;
  }
  return hmac.update(head).update(MAC_SCRATCH.subarray(0, at)).digest("hex");
}

/** True when the layer carries the mac of its calls; takes the same time whatever differs. */
export function verifyCalls(layer: CallsLayer, token: string): boolean {
  const [ours, theirs] = [Buffer.from(macOf(layer, token)), Buffer.from(String(layer.mac))];
  return ours.length === theirs.length && timingSafeEqual(ours, theirs);
}

/**
 * Check what a peer says is a layer of calls whose first task has number `base` in its graph; `count` is the number of its tasks.
 * @throws {RemoteProtocolError} columns that do not fit each other, or inputs that are no earlier tasks
 */
export function checkCalls(
  fields: Readonly<Record<string, unknown>>,
  { base, count }: { readonly base: TaskId; readonly count: number },
): void {
  const { keys, functions, mac } = fields;
  demand(Array.isArray(functions) && functions.length <= FUNCTIONS_MAX && functions.every(isText), "functions");
  const known = functions.length;
  const fn = fields["fn"] === null ? null : numbersIn(fields, "fn", { count, below: known });
  const args = fields["args"];
  const starts = fields["argStart"];
  const hasOwn = fields["arg"] === null || !(starts instanceof Uint8Array);
  const texts = hasOwn ? count : Math.max(0, Math.min(count, (starts.byteLength >> 2) - 1));
  if (fields["arg"] !== null) numbersIn(fields, "arg", { count, below: texts });
  const [argStart, inputStart] = [wordsIn(fields, "argStart", texts + 1), wordsIn(fields, "inputStart", count + 1)];
  const inputs = wordsIn(fields, "inputs", inputStart[count] as number);
  demand(args instanceof Uint8Array && ascends(argStart, args.length, ARGS_BYTES_MAX), "arguments");
  demand(ascends(inputStart, inputs.length, inputs.length), "inputs");
  demand(keys === null || areKeys(keys, count), "a key for each");
  demand(mac === null || isText(mac), "a mac");
  demand(fn !== null || known > 0 || count === 0, "a function");
  for (let k = 0; k < count; k++) checkRow(inputs, inputStart[k] as number, inputStart[k + 1] as number, base + k); // k < count
}

/** Inputs of one task: each once, and before it. */
function checkRow(inputs: Uint32Array, from: number, to: number, task: TaskId): void {
  for (let i = from; i < to; i++) demand((inputs[i] as number) < task, "inputs that come before"); // within the row
  if (to - from < 2) return;
  const row = inputs.subarray(from, to);
  if (to - from > 8) return demand(new Set(row).size === row.length, "each input once");
  for (let i = from; i < to; i++) for (let j = i + 1; j < to; j++) demand(inputs[i] !== inputs[j], "each input once");
}

/** True for a column of `count` keys. */
export function areKeys(keys: unknown, count: number): keys is KeyColumn {
  return keys instanceof KeyColumn && keys.length === count;
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function demand(holds: boolean, what: string): asserts holds {
  if (!holds) throw new RemoteProtocolError(`a layer of calls: expected ${what}`);
}

/** A number below `below` for each. */
function numbersIn(
  fields: Readonly<Record<string, unknown>>,
  name: string,
  { count, below }: { readonly count: number; readonly below: number },
): Numbers {
  const bytes = fields[name];
  const size = below <= BYTE_NUMBERS ? 1 : 4;
  demand(bytes instanceof Uint8Array && bytes.byteLength === size * count, `${count} numbers as ${name}`);
  const found = numbers(bytes, below);
  for (const number of found) demand(number < below, `numbers below ${below} as ${name}`);
  return found;
}

function wordsIn(fields: Readonly<Record<string, unknown>>, name: string, count: number): Uint32Array {
  const bytes = fields[name];
  demand(bytes instanceof Uint8Array && bytes.byteLength === 4 * count, `${count} numbers as ${name}`);
  return words(bytes);
}

/** From 0 to `total`, by steps of at most `stepMax`. */
function ascends(starts: Uint32Array, total: number, stepMax: number): boolean {
  if (starts[0] !== 0 || starts.at(-1) !== total) return false;
  for (let k = 1; k < starts.length; k++) {
    const step = (starts[k] as number) - (starts[k - 1] as number); // k < length
    if (step < 0 || step > stepMax) return false;
  }
  return true;
}
