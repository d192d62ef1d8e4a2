/** Building kernels inside this room: nodes are hash-consed, whole calls can be imported under new input slots. */
import type { DType } from "../../dtype/index.ts";
import type { BinaryOp, CompareOp, Kernel, KernelCall, KernelNode, NodeId, UnaryOp } from "../../graph/index.ts";

/** Unary operations whose result is bool. */
const PREDICATES: ReadonlySet<UnaryOp> = new Set<UnaryOp>(["isnan", "isinf", "isfinite", "signbit"]);

/** Where an imported call's inputs, parameters and nodes now are. */
interface Places {
  readonly inputs: readonly NodeId[];
  readonly params: readonly NodeId[];
  readonly now: (id: NodeId) => NodeId;
}

/** Collects nodes, inputs, parameters and sets of one call. */
export class CallBuilder {
  readonly #nodes: KernelNode[] = [];
  readonly #known = new Map<string, NodeId>();
  readonly #inputs: DType[] = [];
  readonly #params: { readonly dtype: DType; readonly value: number | bigint }[] = [];
  readonly #paramsOf = new Map<KernelCall, readonly NodeId[]>();
  readonly #sets: { readonly dtype: DType; readonly values: readonly (number | bigint)[] }[] = [];

  /** A new input slot and the node that reads it. */
  input(dtype: DType): NodeId {
    return this.#add({ op: "in", slot: this.#inputs.push(dtype) - 1, dtype });
  }

  param(value: number | bigint, dtype: DType): NodeId {
    return this.#add({ op: "param", slot: this.#params.push({ dtype, value }) - 1, dtype });
  }

  cast(a: NodeId, dtype: DType): NodeId {
    return this.dtypeOf(a) === dtype ? a : this.#add({ op: "cast", a, dtype });
  }

  unary(op: UnaryOp, a: NodeId): NodeId {
    return this.#add({ op, a, dtype: PREDICATES.has(op) ? "bool" : this.dtypeOf(a) });
  }

  binary(op: BinaryOp, a: NodeId, b: NodeId): NodeId {
    return this.#add({ op, a, b, dtype: this.dtypeOf(a) });
  }

  compare(op: CompareOp, a: NodeId, b: NodeId): NodeId {
    return this.#add({ op, a, b, dtype: "bool" });
  }

  where(c: NodeId, a: NodeId, b: NodeId): NodeId {
    return this.#add({ op: "where", c, a, b, dtype: this.dtypeOf(a) });
  }

  inSet(a: NodeId, values: readonly (number | bigint)[]): NodeId {
    const set = this.#sets.push({ dtype: this.dtypeOf(a), values }) - 1;
    return this.#add({ op: "in-set", a, set, dtype: "bool" });
  }

  dtypeOf(id: NodeId): DType {
    return (this.#nodes[id] as KernelNode).dtype; // ids come from this builder
  }

  /**
   * Copy `call` into this one: its inputs are `given`, or become new slots, in order; parameters are shared between
   * copies. Gives the nodes of its outputs.
   */
  import(call: KernelCall, given?: readonly NodeId[]): NodeId[] {
    const { kernel } = call;
    const params =
      this.#paramsOf.get(call) ?? kernel.params.map((dtype, k) => this.param(call.params[k] as number | bigint, dtype));
    this.#paramsOf.set(call, params);
    const inputs = given ?? kernel.inputs.map((dtype) => this.input(dtype));
    const at: NodeId[] = [];
    const now = (id: NodeId): NodeId => at[id] as NodeId; // operands precede users
    for (const node of kernel.nodes) at.push(this.#importNode(node, call, { inputs, params, now }));
    return kernel.outputs.map(now);
  }

  #importNode(node: KernelNode, call: KernelCall, { inputs, params, now }: Places): NodeId {
    switch (node.op) {
      case "in":
        return inputs[node.slot] as NodeId; // slots are in range by construction
      case "param":
        return params[node.slot] as NodeId;
      case "in-set": {
        const dtype = call.kernel.sets[node.set] as DType;
        const set = this.#sets.push({ dtype, values: call.sets[node.set] ?? [] }) - 1;
        return this.#add({ op: "in-set", a: now(node.a), set, dtype: "bool" });
      }
      case "where":
        return this.#add({ ...node, c: now(node.c), a: now(node.a), b: now(node.b) });
      default:
        return this.#add("b" in node ? { ...node, a: now(node.a), b: now(node.b) } : { ...node, a: now(node.a) });
    }
  }

  /** The finished call. */
  build(outputs: readonly NodeId[]): KernelCall {
    return {
      kernel: {
        inputs: this.#inputs,
        params: this.#params.map((p) => p.dtype),
        sets: this.#sets.map((s) => s.dtype),
        nodes: this.#nodes,
        outputs,
      },
      params: this.#params.map((p) => p.value),
      sets: this.#sets.map((s) => s.values),
    };
  }

  #add(node: KernelNode): NodeId {
    const text = JSON.stringify(node);
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const id = this.#nodes.push(node) - 1;
    this.#known.set(text, id);
    return id;
  }
}

const texts = new WeakMap<Kernel, string>();

/** Structure of a kernel as text: two kernels of one text share their modules. */
export function kernelText(kernel: Kernel): string {
  let text = texts.get(kernel);
  if (text === undefined) {
    text = JSON.stringify([kernel.inputs, kernel.params, kernel.sets, kernel.nodes, kernel.outputs]);
    texts.set(kernel, text);
  }
  return text;
}

/** Calls of larger sets are told apart by identity. */
const SET_TEXT_MAX = 256;

/** Text of a call, literals included; null where that would be long. */
export function callText({ kernel, params, sets }: KernelCall): string | null {
  if (sets.some((s) => s.length > SET_TEXT_MAX)) return null;
  const literal = (x: number | bigint): string => (Object.is(x, -0) ? "-0" : String(x));
  return `${kernelText(kernel)} ${params.map(literal).join()} ${sets.map((s) => s.map(literal).join()).join(";")}`;
}

const BUILT_MAX = 256;

/**
 * What is built from something once per name, for as long as that is alive; with `textOf` also from whatever has the
 * same text, as the calls of a task's steps have, each decoded anew.
 */
export class BuiltOnce<K extends object, T> {
  readonly #known = new WeakMap<K, Map<string, T>>();
  readonly #recent = new Map<string, T>();
  readonly #textOf: (from: K) => string | null;

  constructor(textOf: (from: K) => string | null = () => null) {
    this.#textOf = textOf;
  }

  get(from: K, name: string, build: () => T): T {
    let built = this.#known.get(from);
    if (built === undefined) {
      built = new Map();
      this.#known.set(from, built);
    }
    let found = built.get(name);
    if (found === undefined) {
      const text = this.#textOf(from);
      found = text === null ? build() : this.#shared(`${name} ${text}`, build);
      built.set(name, found);
    }
    return found;
  }

  #shared(key: string, build: () => T): T {
    const found = this.#recent.get(key) ?? build();
    this.#recent.delete(key);
    this.#recent.set(key, found);
    const [oldest] = this.#recent.keys();
    if (this.#recent.size > BUILT_MAX && oldest !== undefined) this.#recent.delete(oldest);
    return found;
  }
}
