/** How the text of an error names what a caller gave. */

/** Most characters of it. */
const LENGTH_MAX = 60;

/** A value on one line, at most 60 characters, whatever it is: texts in quotes, lists as JSON, objects by what they say of themselves. */
export function shownValue(value: unknown): string {
  const line = textOf(value).split("\n", 1)[0] ?? "";
  return line.length > LENGTH_MAX ? `${line.slice(0, LENGTH_MAX - 3)}...` : line;
}

function textOf(value: unknown): string {
  try {
    if (typeof value === "bigint") return `${value}n`;
    if (typeof value === "string" || Array.isArray(value)) return JSON.stringify(value);
    if (ArrayBuffer.isView(value)) return value.constructor.name; // not all of its elements
    if (value instanceof Promise) return "a Promise (await it first)";
    const text = String(value);
    return text === "[object Object]" ? (JSON.stringify(value) ?? text) : text;
  } catch {
    return Array.isArray(value) ? "a list" : "an object"; // it has no text, or big integers or itself in it
  }
}

/** What kind of value a caller gave, with its article: `a Date`, `an Array`, `a function`. */
export function shownKind(value: unknown): string {
  const kind = value === null ? "null" : typeof value === "object" ? (className(value) ?? "object") : typeof value;
  return kind === "null" || kind === "undefined" ? kind : `${/^[aeio]/i.test(kind) ? "an" : "a"} ${kind}`;
}

function className(value: object): string | null {
  try {
    const { name } = value.constructor;
    return typeof name === "string" && name !== "" ? name : null;
  } catch {
    return null; // one without a prototype has no constructor
  }
}
