/** What goes along with a function that travels: its arguments as plain data, and functions built around it. */
import { ArgumentError, ClosureError } from "../../base/index.ts";
import { dtypeOfArray, type TypedArray } from "../../dtype/index.ts";
import { functionText, type Plain } from "../../graph/index.ts";
import { ascontiguous, NDArray } from "../../ndarray/index.ts";

/** A user's function before its parameters are known. */
export type AnyFunction = (...args: never[]) => unknown;

/** What a function may be given beside blocks: plain data, typed arrays and blocks in memory, at any depth. */
export type ArgumentValue =
  | null
  | undefined
  | boolean
  | number
  | bigint
  | string
  | NDArray
  | TypedArray
  | readonly ArgumentValue[]
  | { readonly [name: string]: ArgumentValue };

const RESERVED: ReadonlySet<string> = new Set(["input", "$ndarray", "$typed"]);

/**
 * Arguments as they travel; the executor's `callArguments` reads them.
 * @throws {ClosureError} a function among them  @throws {ArgumentError} a value that is no data
 */
export function plainArguments(value: unknown): Plain {
  if (value === undefined || value === null) return null;
  if (value instanceof NDArray) return { $ndarray: [value.dtype, value.shape, bytesOf(value)] };
  if (ArrayBuffer.isView(value)) return typedArguments(value);
  if (Array.isArray(value)) return value.map(plainArguments);
  switch (typeof value) {
    case "boolean":
    case "number":
    case "bigint":
    case "string":
      return value;
    case "function":
      throw new ClosureError(
        `the function ${value.name || "(unnamed)"} among the arguments cannot travel; define it inside the function that is given`,
      );
    case "object":
      return plainObject(value);
    default:
      throw new ArgumentError(`a ${typeof value} cannot travel as an argument`);
  }
}

function typedArguments(value: ArrayBufferView): Plain {
  if (value instanceof DataView || value instanceof Uint8ClampedArray)
    throw new ArgumentError(`a ${value.constructor.name} cannot travel as an argument; give a Uint8Array`);
  // Views are DataViews or typed arrays.
  const dtype = dtypeOfArray(value as TypedArray);
  return { $typed: [dtype, new Uint8Array(value.buffer, value.byteOffset, value.byteLength).slice()] };
}

function plainObject(value: object): Plain {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null)
    throw new ArgumentError(
      `a ${value.constructor.name} cannot travel as an argument; expected plain data, typed arrays or NDArrays (lazy arrays go before the options)`,
    );
  const entries = Object.entries(value);
  const [only] = entries;
  if (entries.length === 1 && only && RESERVED.has(only[0]))
    throw new ArgumentError(
      `an argument { ${only[0]}: … } cannot travel: that form has a meaning of its own; rename it`,
    );
  return Object.fromEntries(entries.map(([name, v]) => [name, plainArguments(v)]));
}

function bytesOf(block: NDArray): Uint8Array {
  const whole = ascontiguous(block);
  const bytes = whole.data.BYTES_PER_ELEMENT * (whole.data.length / Math.max(1, whole.size));
  return new Uint8Array(whole.data.buffer, whole.data.byteOffset + whole.offset * bytes, whole.nbytes).slice();
}

/** Text of `around(fn)`: `around` is a self-contained function that takes a function and gives one. */
export function composedText(around: AnyFunction, inner: string): string {
  return `(${functionText(around)})(${inner})`;
}

/** The first word of a layer's name: what the user calls it, else the function's name. */
export function callLabel(fn: AnyFunction, given: string | undefined): string {
  const name = given ?? (fn.name || "lambda");
  if (!/^[\w.-]{1,100}$/.test(name))
    throw new ArgumentError(`name ${JSON.stringify(name)}: expected letters, digits, dots and dashes`);
  return name;
}
