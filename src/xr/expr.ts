/** `expr` over labelled arrays: the grammar of `array`, the missing-value rules of this room. */
import { type BinaryName, EXPR_OPERATORS, type ExprTree, evaluateExpr, parsedExpr } from "../array/index.ts";
import type { KernelBuilder } from "../graph/index.ts";
import { sharedAttributes, sharedName } from "./align.ts";
import type { Labelled } from "./labelled.ts";
import { type AnyOperand, hasState, mapValues } from "./map.ts";
import { binaryValue, lower, scalarValue, unaryValue, type Value, whereValue } from "./values.ts";

/**
 * One fused layer from an expression of labelled arrays; `named` are the variables that names stand for.
 * @throws {ExprSyntaxError} with segment and column; an unknown name
 * @throws {DTypeError | GridMismatchError | CrsMismatchError | ShapeError} operands that do not go together
 */
export function evaluateLabelled(
  segments: readonly string[],
  operands: readonly AnyOperand[],
  named: ReadonlyMap<string, Labelled> = new Map(),
): Labelled {
  const tree = parsedExpr(segments);
  const used = [...namesIn(tree)].filter((name) => named.has(name));
  const variables = used.map((name) => ({ state: named.get(name) as Labelled })); // `used` are names of the map
  const all = [...operands, ...variables];
  const states = all.filter(hasState).map((o) => o.state);
  return mapValues(
    "expr",
    all,
    (b, values) => {
      const byName = new Map(used.map((name, k) => [name, values[operands.length + k] as Value])); // one value per operand
      return evaluate(b, tree, { segments, values, byName });
    },
    { attrs: sharedAttributes(states), name: sharedName(states) },
  );
}

function namesIn(tree: ExprTree): Set<string> {
  switch (tree.kind) {
    case "number":
    case "slot":
      return new Set();
    case "name":
      return new Set([tree.name]);
    case "unary":
      return namesIn(tree.x);
    case "binary":
      return namesIn(tree.x).union(namesIn(tree.y));
    case "choose":
      return namesIn(tree.c).union(namesIn(tree.x)).union(namesIn(tree.y));
    case "call":
      return tree.args.reduce((all, t) => all.union(namesIn(t)), new Set<string>());
  }
}

interface Scope {
  readonly segments: readonly string[];
  readonly values: readonly Value[];
  readonly byName: ReadonlyMap<string, Value>;
}

function evaluate(b: KernelBuilder, tree: ExprTree, scope: Scope): Value {
  const value = (t: ExprTree): Value => evaluate(b, t, scope);
  switch (tree.kind) {
    case "number":
      return scalarValue(tree.value);
    case "slot":
      return scope.values[tree.slot] as Value; // one per hole
    case "name": {
      const found = scope.byName.get(tree.name);
      // The array room's evaluator says where the unknown name stands.
      return found ?? { term: evaluateExpr(b, tree, { segments: scope.segments, terms: [] }), nodata: null };
    }
    case "unary":
      return unaryValue(b, tree.op === "-" ? "neg" : "not", value(tree.x));
    case "binary":
      return binaryValue(b, EXPR_OPERATORS[tree.op] as BinaryName, value(tree.x), value(tree.y)); // the parser knows no others
    case "choose":
      return whereValue(b, value(tree.c), value(tree.x), value(tree.y));
    case "call": {
      const [c, x, y] = tree.args;
      if (tree.name === "where" && c && x && y && tree.args.length === 3)
        return whereValue(b, value(c), value(x), value(y));
      // Functions are those of `array`, on missing as NaN: each argument stands in a hole of its own.
      const terms = tree.args.map((t) => lower(b, value(t)));
      const args = terms.map((_, slot): ExprTree => ({ kind: "slot", slot }));
      return { term: evaluateExpr(b, { ...tree, args }, { segments: scope.segments, terms }), nodata: null };
    }
  }
}
