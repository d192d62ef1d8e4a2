/**
 * Complex kernels as real ones: every complex value becomes its two parts, every complex operand two strided views of the
 * same block, so that arithmetic, comparisons, selections and moduli run compiled. The operations and their rounding are
 * those of `arithmetic.ts`, so both ways give the same bits. Kernels with other functions stay with the interpreter.
 */
import type { DType } from "../../dtype/index.ts";
import type { CompareOp, KernelCall, KernelNode, NodeId } from "../../graph/index.ts";
import type { NDArray } from "../../ndarray/index.ts";
import { CallBuilder } from "../map/ir.ts";
import { isComplex, partType, partView } from "./views.ts";

/** A value: its node, or the nodes of its parts. */
type Value = NodeId | readonly [re: NodeId, im: NodeId];
type Parts = readonly [re: NodeId, im: NodeId];

const splits = new WeakMap<KernelCall, KernelCall | null>();

function hasComplexNode({ kernel }: KernelCall): boolean {
  return kernel.inputs.some(isComplex) || kernel.nodes.some((n) => isComplex(n.dtype));
}

/** The real form of `call`; null where it has none or needs none. */
export function splitCall(call: KernelCall): KernelCall | null {
  let known = splits.get(call);
  if (known === undefined) {
    known = hasComplexNode(call) ? new Splitter(call).build() : null;
    splits.set(call, known);
  }
  return known;
}

/** Blocks as the real form sees them: both parts of a complex one, one after the other. */
export function splitBlocks(blocks: readonly NDArray[]): NDArray[] {
  return blocks.flatMap((x) => (isComplex(x.dtype) ? [partView(x, 0), partView(x, 1)] : [x]));
}

class Splitter {
  readonly #call: KernelCall;
  readonly #b = new CallBuilder();
  readonly #values: Value[] = [];
  readonly #inputs: readonly Value[];

  constructor(call: KernelCall) {
    this.#call = call;
    this.#inputs = call.kernel.inputs.map((dtype): Value => {
      if (!isComplex(dtype)) return this.#b.input(dtype);
      const part = partType(dtype);
      return [this.#b.input(part), this.#b.input(part)];
    });
  }

  build(): KernelCall | null {
    for (const node of this.#call.kernel.nodes) {
      const value = this.#value(node);
      if (value === null) return null;
      this.#values.push(value);
    }
    return this.#b.build(this.#call.kernel.outputs.flatMap((id) => this.#values[id] as Value)); // ids are in range
  }

  #real(id: NodeId): NodeId {
    return this.#values[id] as NodeId; // dtypes say which values have parts
  }

  #parts(id: NodeId): Parts {
    return this.#values[id] as Parts; // as above
  }

  #dtype(id: NodeId): DType {
    return (this.#call.kernel.nodes[id] as KernelNode).dtype; // operands precede users
  }

  #value(node: KernelNode): Value | null {
    const { params } = this.#call;
    switch (node.op) {
      case "in":
        return this.#inputs[node.slot] as Value; // one per slot
      case "param": {
        if (!isComplex(node.dtype)) return this.#b.param(params[node.slot] as number | bigint, node.dtype); // one per slot
        const part = partType(node.dtype);
        return [this.#b.param(params[node.slot] as number, part), this.#b.param(0, part)]; // a number: complex dtypes
      }
      case "where": {
        const c = this.#real(node.c);
        if (!isComplex(node.dtype)) return this.#b.where(c, this.#real(node.a), this.#real(node.b));
        return this.#choose(c, this.#parts(node.a), this.#parts(node.b));
      }
      case "complex":
        return [this.#real(node.a), this.#real(node.b)];
      case "cast":
        return this.#cast(node.a, node.dtype);
      case "in-set":
        return isComplex(this.#dtype(node.a))
          ? null
          : this.#b.inSet(this.#real(node.a), this.#call.sets[node.set] ?? []);
      default:
        return this.#operation(node);
    }
  }

  #cast(a: NodeId, to: DType): Value {
    const b = this.#b;
    if (!isComplex(this.#dtype(a))) {
      const x = this.#real(a);
      return isComplex(to) ? [b.cast(x, partType(to)), b.param(0, partType(to))] : b.cast(x, to);
    }
    const [re, im] = this.#parts(a);
    if (isComplex(to)) return [b.cast(re, partType(to)), b.cast(im, partType(to))];
    return to === "bool" ? b.binary("or", b.cast(re, to), b.cast(im, to)) : b.cast(re, to);
  }

  #operation(
    node: Exclude<KernelNode, { readonly op: "in" | "param" | "where" | "complex" | "cast" | "in-set" }>,
  ): Value | null {
    const b = this.#b;
    if (!isComplex(this.#dtype(node.a))) {
      const a = this.#real(node.a);
      if (!("b" in node))
        return node.op === "conj" || node.op === "real" || node.op === "imag"
          ? null
          : this.#same(b.unary(node.op, a), node.dtype);
      const other = this.#real(node.b);
      return isCompare(node.op) ? b.compare(node.op, a, other) : this.#same(b.binary(node.op, a, other), node.dtype);
    }
    const x = this.#parts(node.a);
    if (!("b" in node)) return this.#unary(node.op, x);
    const y = this.#parts(node.b);
    return isCompare(node.op) ? this.#compare(node.op, x, y) : this.#binary(node.op, x, y);
  }

  /** The node, if it has the dtype that the kernel gave it. */
  #same(id: NodeId, dtype: DType): NodeId | null {
    return this.#b.dtypeOf(id) === dtype ? id : null;
  }

  #unary(op: string, [re, im]: Parts): Value | null {
    const b = this.#b;
    switch (op) {
      case "real":
        return re;
      case "imag":
        return im;
      case "conj":
        return [re, b.unary("neg", im)];
      case "neg":
        return [b.unary("neg", re), b.unary("neg", im)];
      case "abs":
        return b.binary("hypot", re, im);
      case "square":
        return [
          b.binary("sub", b.binary("mul", re, re), b.binary("mul", im, im)),
          b.binary("add", b.binary("mul", re, im), b.binary("mul", im, re)),
        ];
      case "isnan":
      case "isinf":
        return b.binary("or", b.unary(op, re), b.unary(op, im));
      case "isfinite":
        return b.binary("and", b.unary(op, re), b.unary(op, im));
      default:
        return null;
    }
  }

  #choose(c: NodeId, a: Parts, b: Parts): Parts {
    return [this.#b.where(c, a[0], b[0]), this.#b.where(c, a[1], b[1])];
  }

  #binary(op: string, x: Parts, y: Parts): Value | null {
    const b = this.#b;
    switch (op) {
      case "add":
      case "sub":
        return [b.binary(op, x[0], y[0]), b.binary(op, x[1], y[1])];
      case "mul":
        return [
          b.binary("sub", b.binary("mul", x[0], y[0]), b.binary("mul", x[1], y[1])),
          b.binary("add", b.binary("mul", x[0], y[1]), b.binary("mul", x[1], y[0])),
        ];
      case "div":
        return this.#divide(x, y);
      case "max":
      case "min": {
        const wins = op === "max" ? this.#compare("ge", x, y) : this.#compare("le", x, y);
        const nan = b.binary("or", b.unary("isnan", x[0]), b.unary("isnan", x[1]));
        return this.#choose(b.binary("or", nan, wins), x, y);
      }
      default:
        return null;
    }
  }

  /** Smith's method, both of its forms, and division by zero. */
  #divide([ar, ai]: Parts, [br, bi]: Parts): Parts {
    const b = this.#b;
    const dtype = b.dtypeOf(ar);
    const [x, y] = [b.unary("abs", br), b.unary("abs", bi)];
    const [zero, one] = [b.param(0, dtype), b.param(1, dtype)];
    const isWide = b.compare("ge", x, y);
    const pick = (wide: NodeId, high: NodeId): NodeId => b.where(isWide, wide, high);
    const [big, small] = [pick(br, bi), pick(bi, br)];
    const ratio = b.binary("div", small, big);
    const scale = b.binary("div", one, b.binary("add", big, b.binary("mul", small, ratio)));
    const times = (p: NodeId, q: NodeId): NodeId => b.binary("mul", p, q);
    const re = pick(b.binary("add", ar, times(ai, ratio)), b.binary("add", times(ar, ratio), ai));
    const im = pick(b.binary("sub", ai, times(ar, ratio)), b.binary("sub", times(ai, ratio), ar));
    const isZero = b.binary("and", b.compare("eq", x, zero), b.compare("eq", y, zero));
    return this.#choose(isZero, [b.binary("div", ar, x), b.binary("div", ai, x)], [times(re, scale), times(im, scale)]);
  }

  /** Order by real, then by imaginary part; a NaN in either compares false. */
  #compare(op: CompareOp, x: Parts, y: Parts): NodeId {
    const b = this.#b;
    const [re, im] = [b.compare("eq", x[0], y[0]), b.compare("eq", x[1], y[1])];
    if (op === "eq") return b.binary("and", re, im);
    if (op === "ne") return b.binary("or", b.compare("ne", x[0], y[0]), b.compare("ne", x[1], y[1]));
    const strict = op === "lt" || op === "le" ? "lt" : "gt";
    const known = b.compare("eq", x[1], x[1]);
    const both = b.binary("and", known, b.compare("eq", y[1], y[1]));
    const first = b.binary("and", b.compare(strict, x[0], y[0]), both);
    return b.binary("or", first, b.binary("and", re, b.compare(op, x[1], y[1])));
  }
}

function isCompare(op: string): op is CompareOp {
  return op === "lt" || op === "le" || op === "gt" || op === "ge" || op === "eq" || op === "ne";
}
