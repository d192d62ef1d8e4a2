/** NumPy dtypes as they come over the wire: type strings, field lists, pickled dtype objects. */
import { RemoteProtocolError, UnsupportedError } from "../base/index.ts";
import { type DType, fromNumpy, isDType, itemsize } from "../dtype/index.ts";
import { describe } from "./msgpack.ts";
import { readPickle } from "./pickle/reader.ts";
import { PyCall, PyTuple, type PyValue } from "./pickle/tree.ts";
import { calleePath, nameOf } from "./pickle/values.ts";

/** A dtype: a number type of ours, fixed-size text or bytes, or a record of such. */
export type NumpyType =
  | {
      readonly kind: "number";
      readonly dtype: DType;
      readonly bigEndian: boolean;
      readonly itemsize: number;
      readonly code: string;
    }
  | { readonly kind: "text" | "bytes"; readonly bigEndian: boolean; readonly itemsize: number; readonly code: string }
  | {
      readonly kind: "record";
      readonly fields: readonly NumpyField[];
      readonly itemsize: number;
      readonly code: string;
    }
  | { readonly kind: "object"; readonly itemsize: number; readonly code: string };

/** One field of a record type. */
export interface NumpyField {
  readonly name: string;
  readonly type: NumpyType;
  /** Byte offset in the record. */
  readonly offset: number;
}

/**
 * Type of a NumPy type string such as `<f4`, `|b1`, `<U2`, `|S3`.
 * @throws {UnsupportedError} a type rsdat has no values for; names it
 */
function numpyTypeOf(code: string): NumpyType {
  const number = fromNumpy(code);
  if (number) return { kind: "number", ...number, itemsize: itemsize(number.dtype), code };
  const text = /^([<>|=]?)([US])(\d{1,9})$/.exec(code);
  if (text) {
    const length = Number(text[3]);
    const isText = text[2] === "U";
    return {
      kind: isText ? "text" : "bytes",
      bigEndian: text[1] === ">",
      itemsize: isText ? 4 * length : length,
      code,
    };
  }
  if (/^\|?O8?$/.test(code)) return { kind: "object", itemsize: 8, code: "|O" };
  throw new UnsupportedError(`NumPy dtype ${JSON.stringify(code)} has no JavaScript values`, {
    details: { dtype: code },
  });
}

/** Type in an array's sub-header: `[0, string]`, `[0, field list]` or `[1, pickled dtype]`. */
export function numpyTypeOfHeader(value: unknown): NumpyType {
  if (!Array.isArray(value))
    throw new RemoteProtocolError(`dtype of an array: expected an array, got ${describe(value)}`);
  const [isPickled, type] = value;
  if (isPickled === 1 && type instanceof Uint8Array) return numpyTypeOfPy(readPickle(type));
  if (typeof type === "string") return numpyTypeOf(type);
  if (Array.isArray(type)) return typeOfDescr(type);
  throw new RemoteProtocolError(`dtype of an array: expected [0, text] or [1, bytes], got ${describe(type)}`);
}

function typeOfDescr(descr: readonly unknown[]): NumpyType {
  let offset = 0;
  const fields = descr.map((entry) => {
    const [name, code] = Array.isArray(entry) ? entry : [];
    if (typeof name !== "string" || typeof code !== "string")
      throw new UnsupportedError("NumPy dtype with nested fields has no JavaScript values");
    const type = numpyTypeOf(code);
    const field = { name, type, offset };
    offset += type.itemsize;
    return field;
  });
  return { kind: "record", fields, itemsize: offset, code: `|V${offset}` };
}

/**
 * Type of a pickled `numpy.dtype`: `dtype(code, False, True)` with state `(3, order, subarray, names, fields, itemsize, …)`.
 * Source: numpy/_core/src/multiarray/descriptor.c, `arraydescr_reduce`.
 */
export function numpyTypeOfPy(node: PyValue, depth = 0): NumpyType {
  if (!(node instanceof PyCall) || calleePath(node) !== "numpy.dtype")
    throw new UnsupportedError(`NumPy dtype given as ${nameOf(node)} has no JavaScript values`);
  const code = node.args[0];
  const state = node.state instanceof PyTuple ? node.state.items : [];
  if (typeof code !== "string") throw new RemoteProtocolError("pickled dtype without a type string");
  const names = state[3];
  if (names instanceof PyTuple && depth < 8) return recordOf(state, names, depth);
  const order = typeof state[1] === "string" ? state[1] : "|";
  // A datetime's unit stands in the state's last item: (metadata, (unit, count, …)).
  const meta = state[8] instanceof PyTuple ? state[8].items[1] : undefined;
  const unit = meta instanceof PyTuple ? meta.items[0] : undefined;
  const unitText = unit instanceof Uint8Array ? Buffer.from(unit).toString("latin1") : unit;
  return numpyTypeOf(`${order}${code}${/^[Mm]8$/.test(code) && typeof unitText === "string" ? `[${unitText}]` : ""}`);
}

/** A dtype of ours from a pickled `numpy.dtype` or its name. @throws {UnsupportedError} there is none */
export function dtypeOfPy(node: PyValue): DType {
  if (typeof node === "string" && isDType(node)) return node;
  const type = typeof node === "string" ? numpyTypeOf(node) : numpyTypeOfPy(node);
  if (type.kind === "number") return type.dtype;
  throw new UnsupportedError(`NumPy dtype ${type.code} has no lazy arrays`, { details: { dtype: type.code } });
}

function recordOf(state: readonly PyValue[], names: PyTuple, depth: number): NumpyType {
  const table = state[4];
  const size = state[5];
  if (!(table instanceof Map) || typeof size !== "number")
    throw new RemoteProtocolError("pickled dtype with names but without fields");
  const fields = names.items.map((name) => {
    const entry = table.get(name);
    const [type, offset] = entry instanceof PyTuple ? entry.items : [];
    if (typeof name !== "string" || type === undefined || typeof offset !== "number")
      throw new RemoteProtocolError("pickled dtype with a malformed field");
    const known = numpyTypeOfPy(type, depth + 1);
    if (offset < 0 || offset + known.itemsize > size)
      throw new RemoteProtocolError(`pickled dtype whose field ${name} lies outside its ${size} bytes`);
    return { name, type: known, offset };
  });
  return { kind: "record", fields, itemsize: size, code: `|V${size}` };
}
