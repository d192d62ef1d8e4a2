/** Evaluation of `expr` trees into terms, and the `expr` tag for chunked arrays. */
import type { Scalar } from "../../dtype/index.ts";
import type { KernelBuilder } from "../../graph/index.ts";
import type { NDArray } from "../../ndarray/index.ts";
import { ChunkedArray } from "../chunked-array.ts";
import { type ExprTree, exprError, type Place, parseExpr } from "./expr-parse.ts";
import { elementwise } from "./layer.ts";
import {
  type BinaryName,
  binaryTerm,
  clipTerm,
  FLOAT_FUNCTIONS,
  roundTerm,
  type Term,
  type UnaryName,
  unaryTerm,
  whereTerm,
} from "./terms.ts";

const PARSED = new WeakMap<readonly string[], ExprTree>();

/** Tree of a template, parsed once per place in the source (templates have identity). @throws {ExprSyntaxError} */
export function parsedExpr(segments: readonly string[]): ExprTree {
  let tree = PARSED.get(segments);
  if (!tree) {
    tree = parseExpr(segments);
    PARSED.set(segments, tree);
  }
  return tree;
}

/** Operations by their sign in `expr`. */
export const EXPR_OPERATORS: Readonly<Record<string, BinaryName>> = {
  "+": "add",
  "-": "sub",
  "*": "mul",
  "/": "div",
  "//": "floordiv",
  "%": "mod",
  "**": "pow",
  "<": "lt",
  "<=": "le",
  ">": "gt",
  ">=": "ge",
  "==": "eq",
  "!=": "ne",
  "&&": "and",
  "||": "or",
  "&": "and",
  "|": "or",
  "^": "xor",
  "<<": "shl",
  ">>": "shr",
};
const FUNCTIONS: ReadonlySet<string> = new Set([
  ...[...FLOAT_FUNCTIONS].filter((name) => !["mantissa", "exponent", "spacing"].includes(name)),
  ..."abs sign square floor ceil trunc isnan isinf isfinite".split(" "),
]);
/** Functions of two operands by their names here. */
const TWO: Readonly<Record<string, BinaryName>> = {
  atan2: "atan2",
  hypot: "hypot",
  pow: "pow",
  fmin: "fmin",
  fmax: "fmax",
};

/** What an evaluation needs beside the tree. */
export interface ExprScope {
  readonly segments: readonly string[];
  readonly terms: readonly Term[];
  /** Term of a name (a Dataset's variable), or undefined. */
  readonly named?: (name: string) => Term | undefined;
}

/**
 * Term of a tree.
 * @throws {ExprSyntaxError} an unknown name or function, or a wrong number of arguments
 * @throws {DTypeError} an operation that is not defined for its operands' dtypes
 */
export function evaluateExpr(b: KernelBuilder, tree: ExprTree, scope: ExprScope): Term {
  const value = (t: ExprTree): Term => evaluateExpr(b, t, scope);
  switch (tree.kind) {
    case "number":
      return { weak: tree.value };
    case "slot":
      return scope.terms[tree.slot] as Term; // one per hole
    case "name": {
      const found = scope.named?.(tree.name);
      if (!found) throw exprError(`unknown name ${tree.name}`, scope.segments, tree.at);
      return found;
    }
    case "unary":
      return unaryTerm(b, tree.op === "-" ? "neg" : "not", value(tree.x));
    case "binary":
      return binaryTerm(b, EXPR_OPERATORS[tree.op] as BinaryName, value(tree.x), value(tree.y));
    case "choose":
      return whereTerm(b, value(tree.c), value(tree.x), value(tree.y));
    case "call":
      return callTerm(b, tree.name, tree.args.map(value), (what) => exprError(what, scope.segments, tree.at as Place));
  }
}

function callTerm(b: KernelBuilder, name: string, args: readonly Term[], error: (what: string) => Error): Term {
  const want = (least: number, most = least): void => {
    if (args.length < least || args.length > most)
      throw error(`${name} takes ${least === most ? least : `${least} to ${most}`} arguments, got ${args.length}`);
  };
  const [x, y, z] = args as [Term, Term, Term]; // `want` checks the count before use
  if (FUNCTIONS.has(name)) {
    want(1);
    return unaryTerm(b, name as UnaryName, x);
  }
  const two = Object.hasOwn(TWO, name) ? TWO[name] : undefined;
  if (two !== undefined) {
    want(2);
    return binaryTerm(b, two, x, y);
  }
  switch (name) {
    case "min":
    case "max":
      want(2, 64);
      return args.reduce((p, q) => binaryTerm(b, name === "min" ? "minimum" : "maximum", p, q));
    case "clip":
      want(3);
      return clipTerm(b, x, y, z);
    case "where":
      want(3);
      return whereTerm(b, x, y, z);
    case "round":
      want(1, 2);
      if (y && !("weak" in y)) throw error("round takes a constant number of decimals");
      return roundTerm(b, x, y ? Number(y.weak) : 0);
    default:
      throw error(`unknown function ${name}`);
  }
}

/**
 * One fused layer from an expression: `` expr`(${nir} - ${red}) / (${nir} + ${red})` ``.
 *
 * Lazy; errors are thrown here, not when it runs. Shape by broadcasting, dtype by NumPy's rules; one pass over memory.
 * @throws {ExprSyntaxError} with segment and column  @throws {DTypeError}  @throws {BroadcastError}
 */
export function exprArray(
  segments: TemplateStringsArray,
  ...operands: readonly (ChunkedArray | NDArray | Scalar)[]
): ChunkedArray {
  const tree = parsedExpr(segments);
  return new ChunkedArray(elementwise("expr", operands, (b, terms) => evaluateExpr(b, tree, { segments, terms })));
}
