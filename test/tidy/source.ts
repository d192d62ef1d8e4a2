/** Reads a TypeScript source without a compiler: its code, its comments, its imports. */
import { readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";

export interface Import {
  readonly specifier: string;
  readonly isType: boolean;
  readonly line: number;
}

export interface Source {
  /** From the repository's root, with `/`. */
  readonly path: string;
  readonly text: string;
  readonly lineCount: number;
  /** Comments blanked; strings kept. Same length as `text`. */
  readonly withStrings: string;
  /** Comments and the insides of strings blanked. Same length as `text`. */
  readonly code: string;
  readonly imports: readonly Import[];
  /** Relative modules named in strings, such as a thread's entry point; repository paths that may not exist. */
  readonly mentions: readonly string[];
}

const blank = (text: string): string => text.replace(/[^\n]/g, " ");

/** Whether a `/` after this code begins a regular expression rather than a division. */
function startsRegex(before: string): boolean {
  const last = before.trimEnd();
  return (
    last === "" || /[(,=:[!&|?{};+\-*%~^<>]$|\b(return|typeof|case|in|of|void|throw|await|yield|delete)$/.test(last)
  );
}

/** One token per match: comment, string, template piece, or nothing of these. */
const TOKEN = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|[`{}/]/g;

interface Stripped {
  readonly withStrings: string;
  readonly code: string;
}

/** Blanks comments, and in `code` also what strings, templates and regular expressions say. */
export function strip(text: string): Stripped {
  let withStrings = "";
  let code = "";
  let at = 0;
  const templates: number[] = []; // brace depth inside each open `${`
  const keep = (until: number, inside: "code" | "string" | "comment") => {
    const piece = text.slice(at, until);
    withStrings += inside === "comment" ? blank(piece) : piece;
    code += inside === "code" ? piece : blank(piece);
    at = until;
  };
  const templateText = () => {
    const end = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*(`|\$\{)/y;
    end.lastIndex = at;
    const found = end.exec(text);
    keep(found ? end.lastIndex : text.length, "string");
    if (found?.[1] === "${") templates.push(0);
  };
  while (at < text.length) {
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(text);
    if (!found) break;
    keep(found.index, "code");
    const [token] = found;
    const end = found.index + token.length;
    if (token.startsWith("//") || token.startsWith("/*")) keep(end, "comment");
    else if (token === "/") {
      const regex = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
      regex.lastIndex = at;
      if (startsRegex(code.slice(-40)) && regex.test(text)) keep(regex.lastIndex, "string");
      else keep(end, "code");
    } else if (token === "`") {
      keep(end, "string");
      templateText();
    } else if (token === "{" || token === "}") {
      const depth = templates.at(-1);
      if (token === "}" && depth === 0) {
        keep(end, "string");
        templates.pop();
        templateText();
      } else {
        keep(end, "code");
        if (depth !== undefined) templates[templates.length - 1] = depth + (token === "{" ? 1 : -1);
      }
    } else keep(end, "string");
  }
  keep(text.length, "code");
  return { withStrings, code };
}

const STATIC = /^[ \t]*(import|export)(\s+type\b)?(?:[^"';()]*?\bfrom)?\s*["']([^"']+)["']/gm;
const DYNAMIC = /\bimport\(\s*["']([^"']+)["']\s*\)(?!\s*\.[A-Z])/g;
const TYPE_IMPORT = /\bimport\(\s*["']([^"']+)["']\s*\)\s*\.[A-Z]/g;

function lineOf(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

function importsOf(withStrings: string): Import[] {
  const found: Import[] = [];
  for (const match of withStrings.matchAll(STATIC)) {
    const [, , type, specifier = ""] = match;
    found.push({ specifier, isType: type !== undefined, line: lineOf(withStrings, match.index) });
  }
  for (const match of withStrings.matchAll(DYNAMIC)) {
    found.push({ specifier: match[1] ?? "", isType: false, line: lineOf(withStrings, match.index) });
  }
  for (const match of withStrings.matchAll(TYPE_IMPORT)) {
    found.push({ specifier: match[1] ?? "", isType: true, line: lineOf(withStrings, match.index) });
  }
  return found;
}

/** A relative specifier as a path from the repository's root. */
export function resolveFrom(path: string, specifier: string): string {
  return posix.join(posix.dirname(path), specifier);
}

/** Reads one file; `path` is from `root`. */
export function readSource(root: string, path: string): Source {
  const text = readFileSync(join(root, path), "utf8");
  const { withStrings, code } = strip(text);
  const mentions = [...withStrings.matchAll(/["'`](\.\.?\/[\w./-]+)/g)].map(([, specifier = ""]) =>
    resolveFrom(path, /\.[jt]s$/.test(specifier) ? specifier.replace(/\.js$/, ".ts") : `${specifier}.ts`),
  );
  return {
    path,
    text,
    lineCount: text.split("\n").length - 1,
    withStrings,
    code,
    imports: importsOf(withStrings),
    mentions,
  };
}

/** The room of a path in `src/`: its folder, the sub-room where the table has one, or `front` for files at the top. */
export function roomOf(path: string, roomNames: ReadonlySet<string>): string {
  const folder = dirname(path).split("/").slice(1);
  if (folder.length === 0) return "front";
  for (let length = folder.length; length > 1; length--) {
    const name = folder.slice(0, length).join("/");
    if (roomNames.has(name)) return name;
  }
  return folder[0] ?? "front";
}
