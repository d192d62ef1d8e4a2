/** NumPy objects inside pickles: scalars, arrays in and out of band, dtypes. Recognised, never executed. */
import { RemoteProtocolError } from "../base/index.ts";
import { contiguousStride, type NDArray, sizeOf } from "../ndarray/index.ts";
import { arrayOf, itemOf, PyArray } from "./numpy.ts";
import { type NumpyType, numpyTypeOfPy } from "./numpy-type.ts";
import { PyBuffer, type PyCall, PyTuple, type PyValue } from "./pickle/tree.ts";
import { calleePath } from "./pickle/values.ts";

/** The value of a NumPy call, or undefined when it is none: a scalar (number, bigint, text, …), a block, a {@link PyArray}. */
export function numpyValue(node: PyCall, plain: (inner: PyValue) => unknown): unknown {
  // NumPy 1 says numpy.core, NumPy 2 numpy._core.
  switch (calleePath(node)?.replace("numpy.core.", "numpy._core.")) {
    case "numpy._core.multiarray.scalar":
      return scalarOf(node);
    case "numpy._core.multiarray._reconstruct":
      return reconstructed(node, plain);
    case "numpy._core.numeric._frombuffer":
      return fromBuffer(node);
    case "numpy.dtype":
      return numpyTypeOfPy(node).code;
    default:
      return undefined;
  }
}

function scalarOf(node: PyCall): unknown {
  const [dtype, bytes] = node.args;
  const type = numpyTypeOfPy(dtype ?? null);
  if (!(bytes instanceof Uint8Array) || bytes.byteLength < type.itemsize)
    throw new RemoteProtocolError("pickled NumPy scalar without its bytes");
  const value = itemOf(type, bytes, 0);
  return typeof value === "bigint" && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** `_reconstruct(cls, (0,), b"b")` with state `(version, shape, dtype, isFortran, bytes or list)`. */
function reconstructed(node: PyCall, plain: (inner: PyValue) => unknown): NDArray | PyArray {
  const state = node.state instanceof PyTuple ? node.state.items : [];
  const [, shape, dtype, isFortran, content] = state;
  const type = numpyTypeOfPy(dtype ?? null);
  const extents = shapeOf(shape);
  if (type.kind === "object") {
    const items = plain(content ?? null);
    if (!Array.isArray(items) || items.length !== sizeOf(extents))
      throw new RemoteProtocolError("pickled object array without its items");
    return new PyArray(type.code, extents, items);
  }
  if (!(content instanceof Uint8Array)) throw new RemoteProtocolError("pickled array without its bytes");
  return over(type, content, { extents, isFortran: isFortran === true });
}

/** `_frombuffer(buffer, dtype, shape, order)`. */
function fromBuffer(node: PyCall): NDArray | PyArray {
  const [buffer, dtype, shape, order] = node.args;
  const bytes = buffer instanceof PyBuffer ? buffer.data : buffer;
  if (!(bytes instanceof Uint8Array))
    throw new RemoteProtocolError("pickled array whose out-of-band buffer is missing");
  return over(numpyTypeOfPy(dtype ?? null), bytes, { extents: shapeOf(shape), isFortran: order === "F" });
}

function over(
  type: NumpyType,
  bytes: Uint8Array,
  { extents, isFortran }: { readonly extents: readonly number[]; readonly isFortran: boolean },
): NDArray | PyArray {
  const order = isFortran ? extents.toReversed() : extents;
  const strides = contiguousStride(order).map((s) => s * type.itemsize);
  return arrayOf(type, bytes, { shape: extents, strides: isFortran ? strides.toReversed() : strides });
}

function shapeOf(node: PyValue | undefined): number[] {
  const items = node instanceof PyTuple ? node.items : [node];
  return items.map((n) => {
    if (typeof n !== "number" || !(n >= 0)) throw new RemoteProtocolError("pickled array without a shape");
    return n;
  });
}
