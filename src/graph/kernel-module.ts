/** Kernel modules: the text of one JavaScript module as an expression, so that its functions travel with their surroundings. */
import { createHash } from "node:crypto";
import { type Node, parse, parseExpressionAt } from "acorn";
import { ArgumentError, ClosureError } from "../base/index.ts";
import { declareText, freeNames } from "./travel.ts";

/** A module that can travel. */
export interface KernelModule {
  /** Names that it exports. */
  readonly names: readonly string[];
  /** SHA-256 of its text, in hex. */
  readonly hash: string;
  /** An expression whose value is an object of all exports. */
  readonly text: string;
  /** An expression whose value is one export. */
  textOf(name: string): string;
}

/** What a function of a kernel module belongs to. */
export interface KernelOrigin {
  readonly module: KernelModule;
  readonly name: string;
}

const ORIGINS = new WeakMap<object, KernelOrigin>();

/** The module of a function that {@link declareKernel} has seen. */
export function kernelOrigin(fn: object): KernelOrigin | undefined {
  return ORIGINS.get(fn);
}

/** From now on `fn` travels as export `name` of `module`. */
export function declareKernel(fn: (...args: never[]) => unknown, origin: KernelOrigin): void {
  ORIGINS.set(fn, origin);
  declareText(fn, origin.module.textOf(origin.name));
}

type Syntax = Node & Readonly<Record<string, unknown>>;

/** One change of the text: what stands from `start` to `end` becomes `text`. */
interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** What a module's top level says: its exports by name, and how the text changes so that it is no module any more. */
class TopLevel {
  readonly exports = new Map<string, string>();
  readonly edits: Edit[] = [];
  readonly #source: string;
  readonly #where: string;

  constructor(source: string, where: string) {
    this.#source = source;
    this.#where = where;
  }

  read(node: Syntax): void {
    switch (node.type) {
      case "ImportDeclaration":
        return this.#import(node);
      case "ExportNamedDeclaration":
        return this.#named(node);
      case "ExportDefaultDeclaration":
        return this.#default(node);
      case "ExportAllDeclaration":
        throw this.#closure(String((node["source"] as Syntax)["value"]));
    }
  }

  /** Node's own modules are everywhere; anything else does not travel. */
  #import(node: Syntax): void {
    const from = String((node["source"] as Syntax)["value"]);
    if (!from.startsWith("node:")) throw this.#closure(from);
    const module = `process.getBuiltinModule(${JSON.stringify(from)})`;
    const lines = (node["specifiers"] as readonly Syntax[]).map((specifier) => {
      const local = nameOf(specifier["local"]);
      const imported = specifier["imported"];
      return imported ? `const { ${nameOf(imported)}: ${local} } = ${module};` : `const ${local} = ${module};`;
    });
    this.edits.push({ start: node.start, end: node.end, text: lines.join(" ") });
  }

  #named(node: Syntax): void {
    if (node["source"]) throw this.#closure(String((node["source"] as Syntax)["value"]));
    const declaration = node["declaration"] as Syntax | null;
    if (!declaration) {
      for (const each of node["specifiers"] as readonly Syntax[])
        this.exports.set(nameOf(each["exported"]), nameOf(each["local"]));
      this.edits.push({ start: node.start, end: node.end, text: "" });
      return;
    }
    const declared =
      declaration.type === "VariableDeclaration"
        ? (declaration["declarations"] as readonly Syntax[]).map((each) => each["id"])
        : [declaration["id"]];
    for (const id of declared) {
      if ((id as Syntax).type !== "Identifier")
        throw new ArgumentError(`${this.#where} exports a pattern; export the names one by one`);
      this.exports.set(nameOf(id), nameOf(id));
    }
    this.edits.push({ start: node.start, end: declaration.start, text: "" });
  }

  #default(node: Syntax): void {
    const declaration = node["declaration"] as Syntax;
    const hasName = declaration.type.endsWith("Declaration") && declaration["id"];
    const local = hasName ? nameOf(declaration["id"]) : "$default";
    this.exports.set("default", local);
    this.edits.push({ start: node.start, end: declaration.start, text: hasName ? "" : `const ${local} = ` });
  }

  #closure(from: string): Error {
    return new ClosureError(
      `${this.#where} imports ${JSON.stringify(from)}, which does not travel with it; a kernel module holds all that it calls, but Node's own modules (node:…)`,
      { details: { names: [from] } },
    );
  }

  /** The text after all edits. */
  text(): string {
    let at = 0;
    let out = "";
    for (const { start, end, text } of this.edits.sort((a, b) => a.start - b.start)) {
      out += this.#source.slice(at, start) + text;
      at = end;
    }
    return out + this.#source.slice(at);
  }
}

function nameOf(node: unknown): string {
  const { name, value } = node as { readonly name?: string; readonly value?: unknown }; // an identifier, or a text as a name
  return name ?? String(value);
}

/**
 * Read the text of a JavaScript module. `where` names it in errors.
 * @throws {ClosureError} it imports other modules than Node's own, or uses names that are declared nowhere
 * @throws {ArgumentError} no JavaScript, or a module that waits at its top level
 */
export function readKernelModule(source: string, where: string): KernelModule {
  const top = new TopLevel(source, where);
  for (const node of parseModule(source, where)) top.read(node);
  const body = top.text();
  const wrap = (result: string): string => `(() => { "use strict";\n${body}\nreturn ${result};\n})()`;
  const table = Array.from(top.exports, ([name, local]) => `${JSON.stringify(name)}: ${local}`).join(", ");
  const text = wrap(`{ ${table} }`);
  checkExpression(text, where);
  return {
    names: Array.from(top.exports.keys()),
    hash: createHash("sha256").update(text).digest("hex"),
    text,
    textOf: (name) => wrap(top.exports.get(name) ?? "undefined"),
  };
}

function parseModule(source: string, where: string): readonly Syntax[] {
  try {
    const program = parse(source, { ecmaVersion: "latest", sourceType: "module" });
    return program.body as unknown as readonly Syntax[]; // nodes are open records
  } catch (cause) {
    throw new ArgumentError(`${where} is no JavaScript module: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    });
  }
}

function checkExpression(text: string, where: string): void {
  let parsed: Node;
  try {
    parsed = parseExpressionAt(text, 0, { ecmaVersion: "latest" });
  } catch (cause) {
    throw new ArgumentError(
      `${where} cannot travel: a kernel module neither waits (await) nor asks where it is (import.meta) at its top level: ${cause instanceof Error ? cause.message : cause}`,
      { cause },
    );
  }
  const free = freeNames(parsed);
  if (free.length > 0)
    throw new ClosureError(`${where} uses ${free.join(", ")}, declared nowhere in it`, { details: { names: free } });
}
