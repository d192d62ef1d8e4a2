/** Complex arrays: made of parts and taken apart. */
import { DTypeError, requireKnownOptions } from "../../base/index.ts";
import { dtypeInfo, floatType, promoteTypes } from "../../dtype/index.ts";
import type { KernelBuilder, NodeId } from "../../graph/index.ts";
import { ChunkedArray } from "../chunked-array.ts";
import { conjNode, imagNode, isComplexNode, partTypeOf, realNode } from "./complex-terms.ts";
import { elementwise, type Operand } from "./layer.ts";
import { strong, type Term } from "./terms.ts";

function onNode(label: string, x: Operand, f: (b: KernelBuilder, id: NodeId) => NodeId): ChunkedArray {
  return new ChunkedArray(elementwise(label, [x], (b, [t]) => ({ node: f(b, strong(b, t as Term)) })));
}

/**
 * Complex numbers of real and imaginary parts. complex64 of float32 and float16 (a number without an array's dtype follows),
 * else complex128. Lazy; chunks as of any elementwise operation. NumPy: `re + 1j * im`, without its product.
 * @throws {DTypeError} a part that is complex already
 */
export function complex(re: Operand, im: Operand = 0): ChunkedArray {
  return new ChunkedArray(
    elementwise("complex", [re, im], (b, terms) => {
      const known = terms.flatMap((t) => ("node" in t ? [b.dtype(t.node)] : []));
      const common = known.length === 0 ? "float64" : known.reduce(promoteTypes);
      if (dtypeInfo(common).kind === "c") throw new DTypeError(`complex of parts of ${common}: expected real parts`);
      const part = partTypeOf(common);
      const [p, q] = terms.map((t) => ("node" in t ? b.cast(t.node, part) : b.param(t.weak, part)));
      return { node: b.complex(p as NodeId, q as NodeId) };
    }),
  );
}

/** Real part, float32 of complex64; a real array itself. NumPy `real`. */
export function real(x: Operand): ChunkedArray {
  return onNode("real", x, realNode);
}

/** Imaginary part; zeros of a real array, in its dtype. NumPy `imag`. */
export function imag(x: Operand): ChunkedArray {
  return onNode("imag", x, imagNode);
}

/** Complex conjugate; a real array itself (bool becomes int8, as NumPy has it). NumPy `conj`. */
export function conj(x: Operand): ChunkedArray {
  return onNode("conj", x, conjNode);
}

export { conj as conjugate };

/** atan2(0, x): π where the sign is minus, else 0, and NaN where x is. */
function realAngle(b: KernelBuilder, id: NodeId): NodeId {
  const given = b.dtype(id);
  const dtype = given === "bool" ? "float64" : floatType(given);
  const { kind } = dtypeInfo(given);
  const zero = b.param(0, dtype);
  if (kind === "b" || kind === "u") return zero;
  const sided = b.where(
    kind === "f" ? b.unary("signbit", id) : b.binary("lt", id, b.param(0, given)),
    b.param(Math.PI, dtype),
    zero,
  );
  return kind === "f" ? b.where(b.unary("isnan", id), id, sided) : sided;
}

/**
 * Angle with the positive real axis, in (−π, π], or in degrees. Real arrays give 0 or π. NumPy `angle`.
 */
export function angle(z: Operand, options: { readonly deg?: boolean } = {}): ChunkedArray {
  requireKnownOptions("angle", options, { deg: true });
  return onNode("angle", z, (b, id) => {
    const radians = isComplexNode(b, id)
      ? b.binary("atan2", b.complexUnary("imag", id), b.complexUnary("real", id))
      : realAngle(b, id);
    return options.deg ? b.binary("mul", radians, b.param(180 / Math.PI, b.dtype(radians))) : radians;
  });
}

/** True where the imaginary part is not 0. NumPy `iscomplex`. */
export function iscomplex(x: Operand): ChunkedArray {
  return onNode("iscomplex", x, (b, id) => {
    if (!isComplexNode(b, id)) return b.param(false, "bool");
    const im = b.complexUnary("imag", id);
    return b.binary("ne", im, b.param(0, b.dtype(im)));
  });
}

/** True where the imaginary part is 0. NumPy `isreal`. */
export function isreal(x: Operand): ChunkedArray {
  return onNode("isreal", x, (b, id) => {
    if (!isComplexNode(b, id)) return b.param(true, "bool");
    const im = b.complexUnary("imag", id);
    return b.binary("eq", im, b.param(0, b.dtype(im)));
  });
}
