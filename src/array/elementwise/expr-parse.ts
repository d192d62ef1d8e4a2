/** Parser of `expr` templates: text with holes to a tree. Grammar and errors: api.md §5. */
import { ExprSyntaxError } from "../../base/index.ts";

/** A parsed expression. `slot` is the number of a `${…}` hole. */
export type ExprTree =
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "slot"; readonly slot: number }
  | { readonly kind: "name"; readonly name: string; readonly at: Place }
  | { readonly kind: "unary"; readonly op: "-" | "!" | "~"; readonly x: ExprTree }
  | { readonly kind: "binary"; readonly op: string; readonly x: ExprTree; readonly y: ExprTree }
  | { readonly kind: "choose"; readonly c: ExprTree; readonly x: ExprTree; readonly y: ExprTree }
  | { readonly kind: "call"; readonly name: string; readonly args: readonly ExprTree[]; readonly at: Place };

/** Where something stands: segment of the template (text before hole 0 is 0) and column, both from 0. */
export interface Place {
  readonly segment: number;
  readonly column: number;
}

interface Token {
  readonly text: string;
  readonly slot: number | null;
  readonly at: Place;
}

/** How a hole is shown in messages. */
const HOLE = ["$", "{}"].join("");

const TOKEN =
  /\s*(?:(\d+(?:\.\d*)?(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?)|([A-Za-z_]\w*)|(\*\*|\/\/|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%<>&|^!~?:(),]))/iy;

/** Binary operators by precedence, loosest first; `**` and unary operators are handled apart. */
const LEVELS: readonly (readonly string[])[] = [
  ["||"],
  ["&&"],
  ["|"],
  ["^"],
  ["&"],
  ["==", "!=", "<", "<=", ">", ">="],
  ["<<", ">>"],
  ["+", "-"],
  ["*", "/", "//", "%"],
];
const COMPARISONS: ReadonlySet<string> = new Set(LEVELS[5]);
const BITWISE: ReadonlySet<string> = new Set(["&", "|", "^"]);

/** Deepest nesting of one expression. */
const DEPTH_MAX = 200;

/**
 * Tree of a template.
 * @param segments the template's texts, one more than it has holes
 * @throws {ExprSyntaxError} with segment and column
 */
export function parseExpr(segments: readonly string[]): ExprTree {
  return new Parser(segments).parse();
}

class Parser {
  readonly #segments: readonly string[];
  readonly #tokens: Token[];
  #next = 0;
  #depth = 0;

  constructor(segments: readonly string[]) {
    this.#segments = segments;
    this.#tokens = this.#scan();
  }

  parse(): ExprTree {
    const tree = this.#choose();
    const rest = this.#peek();
    if (rest.text !== "") this.#fail(`unexpected ${describe(rest)}`, rest.at);
    return tree;
  }

  #scan(): Token[] {
    const tokens: Token[] = [];
    this.#segments.forEach((text, segment) => {
      TOKEN.lastIndex = 0;
      for (let column = 0; column < text.length; column = TOKEN.lastIndex) {
        TOKEN.lastIndex = column;
        const found = TOKEN.exec(text);
        if (!found) {
          if (text.slice(column).trim() === "") break;
          const skipped = text.slice(column).length - text.slice(column).trimStart().length;
          this.#fail(`unexpected character ${JSON.stringify(text[column + skipped])}`, {
            segment,
            column: column + skipped,
          });
        }
        const token = found[0].trimStart();
        tokens.push({ text: token, slot: null, at: { segment, column: TOKEN.lastIndex - token.length } });
      }
      if (segment < this.#segments.length - 1)
        tokens.push({ text: HOLE, slot: segment, at: { segment, column: text.length } });
    });
    const last = this.#segments.length - 1;
    tokens.push({ text: "", slot: null, at: { segment: last, column: this.#segments[last]?.length ?? 0 } });
    return tokens;
  }

  #peek(): Token {
    return this.#tokens[this.#next] as Token; // the end token is never passed
  }

  #take(text: string): boolean {
    if (this.#peek().text !== text) return false;
    this.#next++;
    return true;
  }

  #expect(text: string): void {
    const token = this.#peek();
    if (!this.#take(text)) this.#fail(`expected ${JSON.stringify(text)} before ${describe(token)}`, token.at);
  }

  #choose(): ExprTree {
    if (++this.#depth > DEPTH_MAX) this.#fail(`nested more than ${DEPTH_MAX} deep`, this.#peek().at);
    const c = this.#level(0);
    let tree = c;
    if (this.#take("?")) {
      const x = this.#choose();
      this.#expect(":");
      tree = { kind: "choose", c, x, y: this.#choose() };
    }
    this.#depth--;
    return tree;
  }

  #level(level: number): ExprTree {
    const ops = LEVELS[level];
    if (!ops) return this.#unary();
    const first = this.#next;
    let x = this.#level(level + 1);
    for (let token = this.#peek(); ops.includes(token.text) && token.slot === null; token = this.#peek()) {
      this.#next++;
      const second = this.#next;
      const y = this.#level(level + 1);
      if (BITWISE.has(token.text)) {
        this.#refuseMixed(token, x, first);
        this.#refuseMixed(token, y, second);
      }
      x = { kind: "binary", op: token.text, x, y };
    }
    return x;
  }

  /** JavaScript and Python disagree on `a & b == c`, so it is refused; parentheses decide. */
  #refuseMixed(op: Token, side: ExprTree, start: number): void {
    if (side.kind !== "binary" || !COMPARISONS.has(side.op) || this.#tokens[start]?.text === "(") return;
    this.#fail(
      `${op.text} beside ${side.op} needs parentheses: write (a ${op.text} b) ${side.op} c or a ${op.text} (b ${side.op} c)`,
      op.at,
    );
  }

  #unary(): ExprTree {
    const { text } = this.#peek();
    if (text === "+" || text === "-" || text === "!" || text === "~") {
      if (++this.#depth > DEPTH_MAX) this.#fail(`nested more than ${DEPTH_MAX} deep`, this.#peek().at);
      this.#next++;
      const x = this.#unary();
      this.#depth--;
      return text === "+" ? x : { kind: "unary", op: text, x };
    }
    const base = this.#primary();
    // Right associative, and tighter than the unary minus on its left: -x ** 2 is -(x ** 2).
    return this.#take("**") ? { kind: "binary", op: "**", x: base, y: this.#unary() } : base;
  }

  #primary(): ExprTree {
    const token = this.#peek();
    if (token.slot !== null) {
      this.#next++;
      return { kind: "slot", slot: token.slot };
    }
    if (this.#take("(")) {
      const inside = this.#choose();
      this.#expect(")");
      return inside;
    }
    if (/^[\d.]/.test(token.text)) {
      this.#next++;
      return { kind: "number", value: Number(token.text) };
    }
    if (/^[A-Za-z_]/.test(token.text)) return this.#named(token);
    return this.#fail(`expected a value before ${describe(token)}`, token.at);
  }

  #named(token: Token): ExprTree {
    this.#next++;
    if (!this.#take("(")) {
      const constant = { nan: Number.NaN, inf: Number.POSITIVE_INFINITY, pi: Math.PI }[token.text];
      return constant === undefined
        ? { kind: "name", name: token.text, at: token.at }
        : { kind: "number", value: constant };
    }
    const args: ExprTree[] = [];
    if (!this.#take(")")) {
      do args.push(this.#choose());
      while (this.#take(","));
      this.#expect(")");
    }
    return { kind: "call", name: token.text, args, at: token.at };
  }

  #fail(what: string, at: Place): never {
    throw exprError(what, this.#segments, at);
  }
}

/** The error at a place of a template, with the text and a pointer. */
export function exprError(what: string, segments: readonly string[], at: Place): Error {
  const text = segments.join(HOLE);
  const column = segments.slice(0, at.segment).reduce((n, s) => n + s.length + 3, 0) + at.column;
  return new ExprSyntaxError(
    `${what} (segment ${at.segment}, column ${at.column})\n  ${text}\n  ${" ".repeat(column)}^`,
    { details: { segment: at.segment, column: at.column } },
  );
}

function describe(token: Token): string {
  return token.slot !== null ? "an operand" : token.text === "" ? "the end" : JSON.stringify(token.text);
}
