/** Functions that travel as text: only what a function itself says may go along (api.md §5). */
import { type Node, parseExpressionAt } from "acorn";
import { ArgumentError, ClosureError, shownValue, UnsupportedError } from "../base/index.ts";
import { PyFunction } from "./call-spec.ts";

/** Names that every worker has: the language's own, and what Node puts beside them. */
const EVERYWHERE: ReadonlySet<string> = new Set(
  `AggregateError Array ArrayBuffer AsyncDisposableStack Atomics BigInt BigInt64Array BigUint64Array Boolean DataView
   Date DisposableStack Error EvalError FinalizationRegistry Float16Array Float32Array Float64Array Function Infinity
   Int16Array Int32Array Int8Array Intl Iterator JSON Map Math NaN Number Object Promise Proxy RangeError
   ReferenceError Reflect RegExp Set SharedArrayBuffer String SuppressedError Symbol SyntaxError TypeError URIError
   Uint16Array Uint32Array Uint8Array Uint8ClampedArray WeakMap WeakRef WeakSet arguments decodeURI
   decodeURIComponent encodeURI encodeURIComponent escape eval globalThis isFinite isNaN parseFloat parseInt undefined
   unescape AbortController AbortSignal Blob Buffer URL URLSearchParams TextDecoder TextEncoder WebAssembly atob btoa
   clearImmediate clearInterval clearTimeout console crypto fetch performance process queueMicrotask setImmediate
   setInterval setTimeout structuredClone`.split(/\s+/),
);

const TEXTS = new WeakMap<object, string>();

/** From now on {@link functionText} of `fn` is `text`: an expression that means the same elsewhere. */
export function declareText(fn: (...args: never[]) => unknown, text: string): void {
  TEXTS.set(fn, text);
}

/**
 * Text of a JavaScript function as an expression that means the same elsewhere.
 * @throws {ClosureError} it uses names of its surroundings; they are listed
 * @throws {ArgumentError} a built-in function, a class, or a form that is no expression
 */
export function functionText(fn: (...args: never[]) => unknown): string {
  if ((fn as unknown) instanceof PyFunction)
    throw new UnsupportedError(
      `the Python function ${(fn as unknown as PyFunction).path} runs on Python workers, one call at a time: submit or map it over the blocks, futuresOf(await x.persist())`,
    );
  if (typeof fn !== "function") throw new ArgumentError(`${shownValue(fn)} is no function`);
  const known = TEXTS.get(fn);
  if (known !== undefined) return known;
  const name = fn.name || "the function";
  const text = Function.prototype.toString.call(fn);
  if (/\{\s*\[native code\]\s*\}\s*$/.test(text)) {
    throw new ArgumentError(
      `${name} is built in and has no text that could travel; wrap it: (...args) => ${fn.name || "f"}(...args)`,
    );
  }
  // A method's text is no expression until it is called a function.
  for (const candidate of [text, `function ${text}`, text.replace(/^async\s+/, "async function ")]) {
    const parsed = parse(candidate);
    if (parsed === null) continue;
    if (parsed["type"] === "ClassExpression") throw new ArgumentError(`${name} is a class; a function can travel`);
    const free = freeNames(parsed);
    if (free.length > 0)
      throw new ClosureError(
        `${name} uses ${free.join(", ")} of its surroundings, which do${free.length === 1 ? "es" : ""} not travel; give values in args, and define what it calls inside`,
        { details: { names: free } },
      );
    TEXTS.set(fn, candidate);
    return candidate;
  }
  throw new ArgumentError(`${name} cannot travel: ${JSON.stringify(text.slice(0, 80))} is no function expression`);
}

type Syntax = Node & Readonly<Record<string, unknown>>;

const FUNCTIONS: ReadonlySet<string> = new Set([
  "FunctionExpression",
  "ArrowFunctionExpression",
  "FunctionDeclaration",
  "ClassExpression",
]);

function parse(text: string): Syntax | null {
  try {
    const source = `(${text}\n)`;
    // Nodes are open records. Parentheses are no nodes: what is found must end where they do.
    const found = parseExpressionAt(source, 0, { ecmaVersion: "latest" }) as unknown as Syntax;
    return FUNCTIONS.has(found.type) && found.start === 1 && source.slice(found.end).trim() === ")" ? found : null;
  } catch {
    return null; // a syntax error is the answer
  }
}

/** Names that a function uses and neither declares nor finds everywhere, in order of first use. */
export function freeNames(fn: Node): string[] {
  const walk = new FreeNames();
  walk.visit(fn as Syntax); // nodes are open records
  return [...walk.found];
}

/** Names of one scope, and the scope around it. */
interface Scope {
  readonly names: Set<string>;
  readonly outer: Scope | null;
}

class FreeNames {
  readonly found = new Set<string>();
  #scope: Scope = { names: new Set(EVERYWHERE), outer: null };

  visit(node: Syntax): void {
    switch (node.type) {
      case "Identifier":
        return this.#use(node["name"] as string);
      case "FunctionExpression":
      case "FunctionDeclaration":
      case "ArrowFunctionExpression":
        return this.#function(node);
      case "ClassExpression":
      case "ClassDeclaration":
        return this.#within(namesOf(node["id"]), () => this.#children(node));
      case "BlockStatement":
      case "StaticBlock":
      case "Program":
        return this.#within(declaredIn(node["body"] as readonly Syntax[]), () => this.#children(node));
      case "SwitchStatement": {
        const cases = node["cases"] as readonly Syntax[];
        return this.#within(declaredIn(cases.flatMap((c) => c["consequent"] as Syntax[])), () => this.#children(node));
      }
      case "ForStatement":
      case "ForInStatement":
      case "ForOfStatement": {
        const head = (node["init"] ?? node["left"]) as Syntax | null;
        return this.#within(head ? declaredIn([head]) : [], () => this.#children(node));
      }
      case "CatchClause":
        return this.#within(namesOf(node["param"]), () => this.#children(node));
      case "UnaryExpression": {
        const argument = node["argument"] as Syntax;
        // `typeof name` asks whether there is such a name.
        if (node["operator"] === "typeof" && argument.type === "Identifier") return;
        return this.visit(argument);
      }
      default:
        return this.#children(node);
    }
  }

  #use(name: string): void {
    for (let scope: Scope | null = this.#scope; scope; scope = scope.outer) if (scope.names.has(name)) return;
    this.found.add(name);
  }

  #within(names: readonly string[], inside: () => void): void {
    const outer = this.#scope;
    this.#scope = { names: new Set(names), outer };
    inside();
    this.#scope = outer;
  }

  #function(node: Syntax): void {
    const params = node["params"] as readonly Syntax[];
    const own = node.type === "FunctionExpression" ? namesOf(node["id"]) : [];
    const names = [...own, ...params.flatMap(namesOf), ...hoistedIn(node["body"] as Syntax)];
    this.#within(names, () => {
      for (const param of params) this.visit(param);
      this.visit(node["body"] as Syntax);
    });
  }

  #children(node: Syntax): void {
    for (const [field, value] of Object.entries(node)) {
      if (field === "label" || field === "id" || isPlainName(node, field)) continue;
      for (const child of Array.isArray(value) ? value : [value]) if (isSyntax(child)) this.visit(child);
    }
    // Of a declaration, what is declared may hold defaults and computed keys.
    if (node.type === "VariableDeclarator") this.visit(node["id"] as Syntax);
  }
}

/** Names that are no variables: `.name`, `name:` and methods' names. */
function isPlainName(node: Syntax, field: string): boolean {
  if (node["computed"] === true) return false;
  if (node.type === "MemberExpression") return field === "property";
  if (node.type === "Property") return field === "key";
  return field === "key" || node.type === "MetaProperty";
}

function isSyntax(value: unknown): value is Syntax {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}

/** Names that a pattern binds. */
function namesOf(pattern: unknown): string[] {
  if (!isSyntax(pattern)) return [];
  switch (pattern.type) {
    case "Identifier":
      return [pattern["name"] as string];
    case "ObjectPattern":
      return (pattern["properties"] as readonly Syntax[]).flatMap((p) => namesOf(p["value"] ?? p["argument"]));
    case "ArrayPattern":
      return (pattern["elements"] as readonly unknown[]).flatMap(namesOf);
    case "AssignmentPattern":
      return namesOf(pattern["left"]);
    case "RestElement":
      return namesOf(pattern["argument"]);
    default:
      return [];
  }
}

/** Names that statements declare for their own block. */
function declaredIn(statements: readonly Syntax[]): string[] {
  return statements.flatMap((s) =>
    s.type === "VariableDeclaration"
      ? (s["declarations"] as readonly Syntax[]).flatMap((d) => namesOf(d["id"]))
      : s.type === "FunctionDeclaration" || s.type === "ClassDeclaration"
        ? namesOf(s["id"])
        : [],
  );
}

/** Names that `var` gives a function, at any depth of blocks. */
function hoistedIn(node: Syntax): string[] {
  if (FUNCTIONS.has(node.type)) return [];
  const own = node.type === "VariableDeclaration" && node["kind"] === "var" ? declaredIn([node]) : [];
  const children = Object.values(node).flat().filter(isSyntax);
  return [...own, ...children.flatMap(hoistedIn)];
}
