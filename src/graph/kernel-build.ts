/** Building kernels: equal subexpressions become one node, literals become parameters, calls compose. */
import { invariant } from "../base/index.ts";
import { castScalar, type DType, type Scalar } from "../dtype/index.ts";
import {
  type BinaryOp,
  type CompareOp,
  type ComplexOp,
  type Kernel,
  type KernelCall,
  type KernelNode,
  type NodeId,
  PREDICATES,
  type UnaryOp,
} from "./kernel.ts";

const COMPARE: ReadonlySet<string> = new Set(["lt", "le", "gt", "ge", "eq", "ne"]);

/** Collects nodes of one kernel. */
export class KernelBuilder {
  readonly #nodes: KernelNode[] = [];
  readonly #known = new Map<string, NodeId>();
  readonly #inputs: DType[] = [];
  readonly #params: { dtype: DType; value: number | bigint }[] = [];
  readonly #sets: { dtype: DType; values: readonly (number | bigint)[] }[] = [];

  /** dtype of a node's value. */
  dtype(id: NodeId): DType {
    return this.node(id).dtype;
  }

  node(id: NodeId): KernelNode {
    const node = this.#nodes[id];
    invariant(node !== undefined, `kernel node ${id}`);
    return node;
  }

  /** A new input slot. */
  input(dtype: DType): NodeId {
    this.#inputs.push(dtype);
    return this.#add({ op: "in", slot: this.#inputs.length - 1, dtype });
  }

  /** A literal of `dtype`; equal literals share a slot. */
  param(value: Scalar, dtype: DType): NodeId {
    const cast = castScalar(value, dtype);
    let slot = this.#params.findIndex((p) => p.dtype === dtype && Object.is(p.value, cast));
    if (slot < 0) slot = this.#params.push({ dtype, value: cast }) - 1;
    return this.#add({ op: "param", slot, dtype });
  }

  cast(a: NodeId, dtype: DType): NodeId {
    const from = this.node(a);
    if (from.dtype === dtype) return a;
    if (from.op === "param") return this.param(this.#params[from.slot]?.value as Scalar, dtype);
    return this.#add({ op: "cast", a, dtype });
  }

  unary(op: UnaryOp, a: NodeId, dtype: DType = PREDICATES.has(op) ? "bool" : this.dtype(a)): NodeId {
    return this.#add({ op, a, dtype });
  }

  binary(op: BinaryOp | CompareOp, a: NodeId, b: NodeId): NodeId {
    const dtype = this.dtype(a);
    invariant(dtype === this.dtype(b) || op === "shl" || op === "shr", `${op} of ${dtype} and ${this.dtype(b)}`);
    // CompareOp and BinaryOp are told apart by the set, which TypeScript cannot see.
    return COMPARE.has(op)
      ? this.#add({ op: op as CompareOp, a, b, dtype: "bool" })
      : this.#add({ op: op as BinaryOp, a, b, dtype });
  }

  /** Conjugate or part of a complex value. */
  complexUnary(op: ComplexOp | "abs", a: NodeId): NodeId {
    const dtype = this.dtype(a);
    const made = op === "conj" ? dtype : dtype === "complex64" ? "float32" : "float64";
    return op === "abs" ? this.unary(op, a, made) : this.#add({ op, a, dtype: made });
  }

  /** Complex value of two parts, both float32 or both float64. */
  complex(re: NodeId, im: NodeId): NodeId {
    const dtype = this.dtype(re);
    invariant(dtype === this.dtype(im), `complex of ${dtype} and ${this.dtype(im)}`);
    return this.#add({ op: "complex", a: re, b: im, dtype: dtype === "float32" ? "complex64" : "complex128" });
  }

  where(c: NodeId, a: NodeId, b: NodeId): NodeId {
    invariant(
      this.dtype(c) === "bool" && this.dtype(a) === this.dtype(b),
      `where of ${this.dtype(c)}, ${this.dtype(a)}, ${this.dtype(b)}`,
    );
    return a === b ? a : this.#add({ op: "where", c, a, b, dtype: this.dtype(a) });
  }

  /** Membership; values that `a`'s dtype cannot hold are the caller's to drop. */
  inSet(a: NodeId, values: readonly (number | bigint)[]): NodeId {
    const dtype = this.dtype(a);
    const text = values.join(",");
    let set = this.#sets.findIndex((s) => s.dtype === dtype && s.values.join(",") === text);
    if (set < 0) set = this.#sets.push({ dtype, values }) - 1;
    return this.#add({ op: "in-set", a, set, dtype: "bool" });
  }

  /** Copy another call in, its input slots standing for `inputs`; gives its outputs. */
  embed(call: KernelCall, inputs: readonly NodeId[]): NodeId[] {
    const { kernel } = call;
    const at: NodeId[] = [];
    for (const n of kernel.nodes) at.push(this.#embedNode(n, call, inputs, at));
    return kernel.outputs.map((o) => at[o] as NodeId); // outputs are nodes
  }

  #embedNode(n: KernelNode, call: KernelCall, inputs: readonly NodeId[], at: readonly NodeId[]): NodeId {
    const ref = (id: NodeId): NodeId => at[id] as NodeId; // operands come before users
    switch (n.op) {
      case "in":
        return inputs[n.slot] as NodeId; // one per slot
      case "param":
        return this.param(call.params[n.slot] as number | bigint, n.dtype);
      case "in-set":
        return this.inSet(ref(n.a), call.sets[n.set] as readonly (number | bigint)[]);
      case "where":
        return this.where(ref(n.c), ref(n.a), ref(n.b));
      case "cast":
        return this.cast(ref(n.a), n.dtype);
      default:
        return this.#add("b" in n ? { ...n, a: ref(n.a), b: ref(n.b) } : { ...n, a: ref(n.a) });
    }
  }

  /**
   * The finished kernel; nodes that no output needs are dropped, input slots stay. Equal kernels, and equal calls without
   * sets, are the same object, so that what was found out about one (its text, its module) is found again.
   */
  build(outputs: readonly NodeId[]): KernelCall {
    const types = [this.#inputs, this.#params.map((p) => p.dtype), this.#sets.map((s) => s.dtype), outputs];
    const key = `${types.join(";")};${[...this.#known.keys()].join()}`;
    const kernel = kernels.get(key) ?? kernels.add(key, this.#kernel(outputs));
    const params = this.#params.map((p) => p.value);
    if (this.#sets.length > 0) return { kernel, params, sets: this.#sets.map((s) => s.values) };
    const callKey = `${params.map((v) => (Object.is(v, -0) ? "-0" : v)).join()};${key}`;
    return calls.get(callKey) ?? calls.add(callKey, { kernel, params, sets: [] });
  }

  #kernel(outputs: readonly NodeId[]): Kernel {
    const used = new Set<NodeId>();
    const visit = (id: NodeId): void => {
      if (used.has(id)) return;
      used.add(id);
      operands(this.node(id)).forEach(visit);
    };
    outputs.forEach(visit);
    const kept = [...used].sort((a, b) => a - b);
    const place = new Map(kept.map((id, k) => [id, k]));
    return {
      inputs: [...this.#inputs],
      params: this.#params.map((p) => p.dtype),
      sets: this.#sets.map((s) => s.dtype),
      nodes: kept.map((id) => renumber(this.node(id), (x) => place.get(x) as NodeId)), // operands are kept
      outputs: outputs.map((o) => place.get(o) as NodeId),
    };
  }

  #add(node: KernelNode): NodeId {
    const key = keyOf(node);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const id = this.#nodes.push(node) - 1;
    this.#known.set(key, id);
    return id;
  }
}

/** Text that only equal nodes have. */
function keyOf(n: KernelNode): string {
  const own = `${n.op} ${n.dtype}`;
  if ("slot" in n) return `${own} ${n.slot}`;
  if ("c" in n) return `${own} ${n.c} ${n.a} ${n.b}`;
  if ("set" in n) return `${own} ${n.a} of ${n.set}`;
  return "b" in n ? `${own} ${n.a} ${n.b}` : `${own} ${n.a}`;
}

/** The last things of a kind, by key. */
class Recent<T> {
  readonly #most: number;
  readonly #known = new Map<string, T>();

  constructor(most: number) {
    this.#most = most;
  }

  get(key: string): T | undefined {
    return this.#known.get(key);
  }

  /** Remembers it and gives it back; the oldest is forgotten when there are too many. */
  add(key: string, made: T): T {
    this.#known.set(key, made);
    if (this.#known.size > this.#most) this.#known.delete(this.#known.keys().next().value ?? "");
    return made;
  }
}

const kernels = new Recent<Kernel>(1024);
const calls = new Recent<KernelCall>(1024);

/** Operands of a node. */
export function operands(n: KernelNode): NodeId[] {
  if (n.op === "in" || n.op === "param") return [];
  if (n.op === "where") return [n.c, n.a, n.b];
  return "b" in n ? [n.a, n.b] : [n.a];
}

function renumber(n: KernelNode, f: (id: NodeId) => NodeId): KernelNode {
  if (n.op === "in" || n.op === "param") return n;
  if (n.op === "where") return { ...n, c: f(n.c), a: f(n.a), b: f(n.b) };
  return "b" in n ? { ...n, a: f(n.a), b: f(n.b) } : { ...n, a: f(n.a) };
}

/** Readable form of a kernel's first output, for `explain()`. */
export function kernelText(call: KernelCall): string {
  const text = (id: NodeId): string => {
    const n = call.kernel.nodes[id] as KernelNode; // ids are of this kernel
    switch (n.op) {
      case "in":
        return `x${n.slot}`;
      case "param":
        return String(call.params[n.slot]);
      case "cast":
        return `${n.dtype}(${text(n.a)})`;
      case "in-set":
        return `isin(${text(n.a)}, [${call.sets[n.set]?.join(", ")}])`;
      default:
        return `${n.op}(${operands(n).map(text).join(", ")})`;
    }
  };
  return call.kernel.outputs.map(text).join("; ");
}
