/** Einstein sums: NumPy's `einsum` over lazy arrays, two operands at a time. */
import { ArgumentError, ShapeError } from "../../base/index.ts";
import { transposeNode } from "../../graph/index.ts";
import { ChunkedArray } from "../chunked-array.ts";
import { elementwise } from "../elementwise/layer.ts";
import { binaryTerm, type Term } from "../elementwise/terms.ts";
import { type LazyArray, lazyOf } from "../lazy.ts";
import { reduceLayer } from "../reduce/layer.ts";
import { diagonal } from "../shape/grids.ts";
import { castTo, contractLayer, type Labelled, productType } from "./contract.ts";
import { type ProductOperand, toLazy } from "./products.ts";

/** Labels of each operand and of the result; axes of an ellipsis are numbered from its last. */
interface Subscripts {
  readonly operands: readonly (readonly string[])[];
  readonly out: readonly string[];
}

/**
 * Labels of NumPy's subscripts, `"ij,jk->ik"`; without `->` the result has what occurs once, in the alphabet's order.
 * @throws {ArgumentError} text that is none, labels of the result that no operand has  @throws {ShapeError} another number of axes
 */
function parse(text: string, ranks: readonly number[]): Subscripts {
  const [inputs = "", output, ...rest] = text.replaceAll(/\s/g, "").split("->");
  const terms = inputs.split(",");
  const isTerm = (term: string): boolean => /^[A-Za-z]*(\.\.\.)?[A-Za-z]*$/.test(term);
  if (rest.length > 0 || !terms.every(isTerm) || (output !== undefined && !isTerm(output)))
    throw new ArgumentError(`einsum of ${JSON.stringify(text)}: expected subscripts such as "ij,jk->ik"`);
  if (terms.length !== ranks.length)
    throw new ArgumentError(`einsum of ${JSON.stringify(text)}: ${terms.length} terms for ${ranks.length} arrays`);
  let widest = 0;
  const operands = terms.map((term, k) => {
    const rank = ranks[k] as number; // as many as terms
    const [head, tail] = term.split("...") as [string, string?];
    const named = head.length + (tail?.length ?? 0);
    if (tail === undefined ? named !== rank : named > rank)
      throw new ShapeError(`einsum of ${JSON.stringify(text)}: ${term} for an array of rank ${rank}`);
    const more = tail === undefined ? 0 : rank - named;
    widest = Math.max(widest, more);
    return [...head, ...ellipsis(more), ...(tail ?? "")];
  });
  const all = operands.flat();
  if (output === undefined) {
    const once = [...new Set(all)].filter((name) => name.length === 1 && all.indexOf(name) === all.lastIndexOf(name));
    return { operands, out: [...ellipsis(widest), ...once.sort()] };
  }
  const out = output.split("...").flatMap((part, k) => [...(k === 1 ? ellipsis(widest) : []), ...part]);
  const unknown = out.find((name) => !all.includes(name));
  if (unknown !== undefined || new Set(out).size !== out.length)
    throw new ArgumentError(`einsum of ${JSON.stringify(text)}: ${unknown ?? "a label twice"} in the result`);
  return { operands, out };
}

function ellipsis(n: number): string[] {
  return Array.from({ length: n }, (_, k) => `...${n - k}`);
}

/** Labels that occur twice become their diagonal; labels that nobody else needs are summed. */
function simplify({ x, labels }: Labelled, needed: ReadonlySet<string>): Labelled {
  let [array, names] = [x, [...labels]];
  for (;;) {
    const twin = names.findIndex((name, k) => names.indexOf(name) < k);
    if (twin < 0) break;
    const name = names[twin] as string; // found above
    const first = names.indexOf(name);
    if (array.shape[first] !== array.shape[twin])
      throw new ShapeError(`einsum: label ${name} has sizes ${array.shape[first]} and ${array.shape[twin]}`);
    array = diagonal(new ChunkedArray(array.node), { axis1: first, axis2: twin });
    names = [...names.filter((_, k) => k !== first && k !== twin), name];
  }
  const over = names.flatMap((name, k) => (needed.has(name) ? [] : [k]));
  if (over.length === 0) return { x: array, labels: names };
  const { dtype } = array;
  const node = dtype === "bool" ? reduceLayer("any", array, over) : reduceLayer("sum", array, over, { dtype });
  return { x: lazyOf(node), labels: names.filter((_, k) => !over.includes(k)) };
}

/** The array with its axes in the order of `out`, new axes of size 1 where it has none. */
function arranged({ x, labels }: Labelled, out: readonly string[]): LazyArray {
  const present = out.filter((name) => labels.includes(name));
  const order = present.map((name) => labels.indexOf(name));
  const turned = order.every((k, at) => k === at) ? x.node : transposeNode(x.node, order);
  const lazy = new ChunkedArray(turned);
  return out.length === present.length ? lazy : lazy.slice(...out.map((name) => (labels.includes(name) ? ":" : null)));
}

/** Product of two operands with all labels that are still needed. */
function pair(a: Labelled, b: Labelled, needed: ReadonlySet<string>): Labelled {
  const labels = [...new Set([...a.labels, ...b.labels])];
  const out = labels.filter((name) => needed.has(name));
  if (labels.length === out.length) {
    const product = elementwise("multiply", [arranged(a, out), arranged(b, out)], (builder, [p, q]) =>
      binaryTerm(builder, "mul", p as Term, q as Term),
    );
    return { x: lazyOf(product), labels: out };
  }
  return { x: lazyOf(contractLayer("einsum", a, b, out)), labels: out };
}

/**
 * Sum of products by labels of axes: `einsum("ij,jk->ik", a, b)`. Labels may repeat in an operand (its diagonal) and stand
 * for several axes (`...`). The operands are joined from left to right, two at a time; a label is summed as soon as no
 * later operand and no result has it. dtype by promotion; integers wrap, bool gives "any".
 *
 * Chunks: the larger operand's along each label. Matches NumPy `einsum` and dask.array `einsum`.
 * @throws {ArgumentError} subscripts that cannot be read  @throws {ShapeError} sizes that do not agree
 */
export function einsum(subscripts: string, ...arrays: readonly ProductOperand[]): ChunkedArray {
  if (arrays.length === 0) throw new ArgumentError("einsum needs at least one array");
  const lazy = arrays.map(toLazy);
  const { operands, out } = parse(
    subscripts,
    lazy.map((x) => x.ndim),
  );
  const dtype = productType("einsum", ...lazy.map((x) => x.dtype));
  const later = (k: number): Set<string> => new Set([...operands.slice(k + 1).flat(), ...out]);
  const terms = lazy.map((x, k): Labelled => {
    const others = operands.filter((_, i) => i !== k).flat();
    return simplify({ x: castTo(x, dtype), labels: operands[k] ?? [] }, new Set([...others, ...out]));
  });
  const total = terms.reduce((a, b, k) => simplify(pair(a, b, later(k)), later(k)));
  return new ChunkedArray(arranged(total, out).node);
}
