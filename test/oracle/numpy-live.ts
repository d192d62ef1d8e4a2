/**
 * NumPy and dask.array asked live: one Python process per test file, questions and answers in frames over its pipes.
 *
 * @example
 * ```ts
 * describeNumpy("cumsum", (numpy) => {
 *   test("runs along rows", async () => {
 *     const x = NDArray.of(Float32Array.of(1, 2, 3, 4), [2, 2]);
 *     const want = await numpy.call("np.cumsum", [x], { axis: 1 });
 *     expect((await array.cumsum(x, 1).compute()).toArray()).toEqual(want.toArray());
 *   });
 *   test("refuses", async () => {
 *     await expect(numpy.call("np.max", [NDArray.zeros("int8", [0])])).rejects.toMatchObject({ type: "ValueError" });
 *   });
 * });
 * ```
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterAll } from "vitest";
import { type DType, isDType } from "../../src/dtype/index.ts";
import { ascontiguous, NDArray } from "../../src/ndarray/index.ts";
import { describePeer, PYTHON } from "../peers.ts";

/** What Python raised. `type` is the class's name, e.g. `"TypeError"`. */
export class PythonError extends Error {
  override readonly name = "PythonError";
  readonly type: string;

  constructor(type: string, message: string) {
    super(`${type}: ${message}`);
    this.type = type;
  }
}

/** Values with a meaning of their own in Python. */
export interface PythonValue {
  readonly $dtype?: DType;
  readonly $tuple?: readonly PythonArgument[];
  readonly $slice?: readonly (number | null)[];
  readonly $ellipsis?: true;
  readonly $complex?: readonly [number, number];
  /** A Python float, where a whole JavaScript number would become an int. */
  readonly $float?: number;
}

/** An argument of a call: whole numbers become ints, others floats; null is None; dtypes as `dtype("float32")`. */
export type PythonArgument =
  | NDArray
  | number
  | bigint
  | boolean
  | string
  | null
  | PythonValue
  | readonly PythonArgument[];

/** `np.dtype(name)` as an argument. */
export function dtype(name: DType): PythonValue {
  return { $dtype: name };
}

/** A tuple as an argument (a list stays a list). */
export function tuple(...items: readonly PythonArgument[]): PythonValue {
  return { $tuple: items };
}

/** `slice(start, stop, step)` as an argument. */
export function pySlice(...parts: readonly (number | null)[]): PythonValue {
  return { $slice: parts };
}

/** What came back: an array (scalars are 0-d arrays), a list of such, or a plain value (text, None). */
export type PythonResult = NDArray | readonly PythonResult[] | string | number | boolean | null;

interface ArrayHeader {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly nbytes: number;
}

type Described =
  | { readonly array: number; readonly chunks?: readonly (readonly (number | null)[])[] }
  | { readonly list: readonly Described[] }
  | { readonly value: string | number | boolean | null };

interface Answer {
  readonly result?: Described;
  readonly error?: string;
  readonly message?: string;
  readonly arrays: readonly ArrayHeader[];
}

interface Waiting {
  readonly resolve: (result: PythonResult) => void;
  readonly reject: (error: Error) => void;
}

const HEADER_BYTES = 4;

/** The process. Questions may be asked without awaiting earlier ones; answers come in their order. */
export class NumpyLive {
  #child: ChildProcessWithoutNullStreams | null = null;
  #said = "";
  readonly #parts: Buffer[] = [];
  #available = 0;
  readonly #waiting: Waiting[] = [];

  /**
   * One array from a call; see numpy_live.py for the names.
   * @throws {PythonError} Python raised  @throws {Error} the result is no single array
   */
  async call(
    name: string,
    args: readonly PythonArgument[],
    kwargs: Readonly<Record<string, PythonArgument>> = {},
  ): Promise<NDArray> {
    const result = await this.ask(name, args, kwargs);
    if (result instanceof NDArray) return result;
    throw new Error(`${name} gave ${JSON.stringify(result)}: expected one array; use ask()`);
  }

  /** Like {@link call}; gives the error as a value. */
  attempt(
    name: string,
    args: readonly PythonArgument[],
    kwargs: Readonly<Record<string, PythonArgument>> = {},
  ): Promise<PythonResult | PythonError> {
    return this.ask(name, args, kwargs).catch((error: unknown) => {
      if (error instanceof PythonError) return error;
      throw error;
    });
  }

  /**
   * Whatever a call gives. With `chunks` (one entry per array argument in order, null: leave NumPy's) the arrays are
   * dask arrays.
   * @throws {PythonError} Python raised
   */
  ask(
    name: string,
    args: readonly PythonArgument[],
    kwargs: Readonly<Record<string, PythonArgument>> = {},
    chunks?: readonly (readonly (readonly number[])[] | null)[],
  ): Promise<PythonResult> {
    const child = this.#start();
    const arrays: NDArray[] = [];
    const plainArgs = args.map((a) => plain(a, arrays));
    const plainKwargs = Object.fromEntries(Object.entries(kwargs).map(([k, v]) => [k, plain(v, arrays)]));
    const wanted =
      chunks?.map((c) => c && { $tuple: c.map((sizes) => ({ $tuple: sizes })) }) ??
      (name.startsWith("da.") ? arrays.map((a) => ({ $tuple: a.shape.map((n) => ({ $tuple: [n] })) })) : undefined);
    const header = Buffer.from(
      JSON.stringify({
        call: name,
        args: plainArgs,
        kwargs: plainKwargs,
        arrays: arrays.map((a) => ({ dtype: a.dtype, shape: a.shape, nbytes: a.nbytes })),
        ...(wanted && { chunks: wanted }),
      }),
    );
    const size = Buffer.alloc(HEADER_BYTES);
    size.writeUInt32LE(header.length);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      child.stdin.write(Buffer.concat([size, header, ...arrays.map(bytesOf)]));
    });
  }

  /** Ends the process once all questions are answered. @throws {Error} it ended badly */
  async close(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null) return;
    const end = once(child, "close");
    child.stdin.end();
    const timer = setTimeout(() => child.kill("SIGKILL"), 60_000);
    await end;
    clearTimeout(timer);
    if (child.exitCode !== 0) throw new Error(`numpy_live.py: ${child.signalCode ?? child.exitCode}\n${this.#said}`);
  }

  #start(): ChildProcessWithoutNullStreams {
    if (this.#child) return this.#child;
    const env = { ...process.env, OPENBLAS_NUM_THREADS: "1", OMP_NUM_THREADS: "1", PYTHONHASHSEED: "0" };
    const child = spawn(PYTHON, ["-u", join(import.meta.dirname, "numpy_live.py")], { env });
    child.stdout.on("data", (part: Buffer) => this.#push(part));
    child.stderr.on("data", (part: Buffer) => {
      this.#said += part.toString();
    });
    child.stdin.on("error", () => undefined); // the close event says why it is gone
    const fail = (error: Error): void => {
      for (const { reject } of this.#waiting.splice(0)) reject(error);
    };
    child.on("error", fail);
    child.on("close", () => fail(new Error(`numpy_live.py ended early\n${this.#said}`)));
    this.#child = child;
    return child;
  }

  #push(part: Buffer): void {
    this.#parts.push(part);
    this.#available += part.length;
    for (;;) {
      if (this.#available < HEADER_BYTES) return;
      const all = this.#parts.length === 1 ? (this.#parts[0] as Buffer) : Buffer.concat(this.#parts); // not empty
      this.#parts.splice(0, this.#parts.length, all);
      const size = all.readUInt32LE(0);
      if (all.length < HEADER_BYTES + size) return;
      const answer = JSON.parse(all.toString("utf8", HEADER_BYTES, HEADER_BYTES + size)) as Answer;
      const total = HEADER_BYTES + size + answer.arrays.reduce((sum, a) => sum + a.nbytes, 0);
      if (all.length < total) return;
      this.#parts.splice(0, this.#parts.length, all.subarray(total));
      this.#available -= total;
      this.#settle(answer, all.subarray(HEADER_BYTES + size, total));
    }
  }

  #settle(answer: Answer, bytes: Buffer): void {
    const { resolve, reject } = this.#waiting.shift() as Waiting; // one per question
    if (!answer.result) return reject(new PythonError(answer.error ?? "", answer.message ?? ""));
    let at = 0;
    const arrays = answer.arrays.map((a) => {
      if (!isDType(a.dtype)) throw new Error(`dtype ${a.dtype} has no counterpart`);
      const copy = new Uint8Array(bytes.subarray(at, at + a.nbytes));
      at += a.nbytes;
      return NDArray.view(a.dtype, copy.buffer, 0, a.shape);
    });
    resolve(build(answer.result, arrays));
  }
}

function build(described: Described, arrays: readonly NDArray[]): PythonResult {
  if ("array" in described) return arrays[described.array] as NDArray; // indices come with the arrays
  return "list" in described ? described.list.map((d) => build(d, arrays)) : described.value;
}

function bytesOf(block: NDArray): Buffer {
  const { data, offset, dtype: name, size } = ascontiguous(block);
  const from = data.byteOffset + (offset * block.nbytes) / Math.max(1, size);
  const bytes = Buffer.from(data.buffer as ArrayBuffer, from, block.nbytes);
  return name === "bool" ? Buffer.from(bytes) : bytes;
}

/** JSON for an argument; arrays are appended to `arrays`. */
function plain(argument: PythonArgument, arrays: NDArray[]): unknown {
  if (argument instanceof NDArray) return { $array: arrays.push(argument) - 1 };
  if (typeof argument === "bigint") return { $int: String(argument) };
  if (typeof argument === "number")
    return Number.isSafeInteger(argument) && !Object.is(argument, -0) ? argument : { $float: float(argument) };
  if (argument === null || typeof argument !== "object") return argument;
  if (Array.isArray(argument)) return argument.map((a: PythonArgument) => plain(a, arrays));
  const value = argument as PythonValue; // the only object left
  if (value.$tuple) return { $tuple: value.$tuple.map((a) => plain(a, arrays)) };
  if (value.$complex) return { $complex: value.$complex.map(float) };
  return value.$float === undefined ? value : { $float: float(value.$float) };
}

/** A number as Python's float() reads it. */
function float(value: number): string {
  return Object.is(value, -0) ? "-0.0" : String(value);
}

/** Tests with a live NumPy: {@link describePeer} with the process started at the first question and ended after the last. */
export function describeNumpy(title: string, body: (numpy: NumpyLive) => void): void {
  describePeer(title, ["numpy"], () => body(useNumpy()));
}

/** The same with dask.array beside it. */
export function describeDask(title: string, body: (dask: NumpyLive) => void): void {
  describePeer(title, ["numpy", "dask"], () => body(useNumpy()));
}

function useNumpy(): NumpyLive {
  const live = new NumpyLive();
  afterAll(() => live.close());
  return live;
}
