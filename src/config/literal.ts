/** Values of `DASK_*` variables: Python literals, as `ast.literal_eval` reads them. */

/** What configuration can hold. */
export type ConfigValue =
  | null
  | boolean
  | number
  | string
  | readonly ConfigValue[]
  | { readonly [name: string]: ConfigValue };

const WORDS: Readonly<Record<string, ConfigValue>> = { none: null, null: null, true: true, false: false };

/** `text` as a Python literal; `none null true false` in any case; any other text stands for itself. */
export function interpretValue(text: string): ConfigValue {
  try {
    return new LiteralReader(text.trim()).whole();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const word = text.toLowerCase().trim(); // not a literal: plain text is what the user meant
    return Object.hasOwn(WORDS, word) ? (WORDS[word] as ConfigValue) : text;
  }
}

const NUMBER =
  /^[+-]?\s*(?:0[xX][\da-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?)(?![\w.])/;
const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  r: "\r",
  "\\": "\\",
  "'": "'",
  '"': '"',
  "\n": "",
};

class LiteralReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): ConfigValue {
    const first = this.#value();
    const value = this.#take(",") ? [first, ...this.#items("").items] : first; // a tuple needs no brackets
    this.#space();
    if (this.#at !== this.#text.length) throw new SyntaxError("text after the literal");
    return value;
  }

  #space(): void {
    while (/\s/.test(this.#text[this.#at] ?? "")) this.#at++;
  }

  #take(wanted: string): boolean {
    this.#space();
    if (!this.#text.startsWith(wanted, this.#at)) return false;
    this.#at += wanted.length;
    return true;
  }

  #isInside(): boolean {
    this.#space();
    return this.#at < this.#text.length;
  }

  #value(): ConfigValue {
    this.#space();
    const rest = this.#text.slice(this.#at);
    const number = NUMBER.exec(rest)?.[0];
    if (number !== undefined) {
      this.#at += number.length;
      const plain = number.replace(/[_\s]/g, "");
      if (/^[+-]?0+[1-9]\d*$/.test(plain)) throw new SyntaxError("leading zeros"); // as in Python
      return plain.startsWith("-") ? -Number(plain.slice(1)) : Number(plain.replace("+", ""));
    }
    const word = /^(?:None|True|False)\b/.exec(rest)?.[0];
    if (word !== undefined) {
      this.#at += word.length;
      return WORDS[word.toLowerCase()] as ConfigValue;
    }
    if (/^[uU]?['"]/.test(rest)) return this.#string();
    if (this.#take("[")) return this.#items("]").items;
    if (this.#take("(")) {
      const { items, commas } = this.#items(")");
      return items.length === 1 && commas === 0 ? (items[0] as ConfigValue) : items;
    }
    if (this.#take("{")) return this.#braces();
    throw new SyntaxError("no literal");
  }

  #string(): string {
    if (/[uU]/.test(this.#text[this.#at] as string)) this.#at++;
    const quote = this.#text[this.#at++] as string; // the caller saw it
    let out = "";
    for (;;) {
      const c = this.#text[this.#at++];
      if (c === undefined || c === "\n") throw new SyntaxError("unterminated text");
      if (c === quote) return out;
      if (c !== "\\") out += c;
      else {
        const code = this.#text[this.#at++] ?? "";
        out += ESCAPES[code] ?? `\\${code}`;
      }
    }
  }

  #items(end: string): { items: ConfigValue[]; commas: number } {
    const items: ConfigValue[] = [];
    let commas = 0;
    while (end === "" ? this.#isInside() : !this.#take(end)) {
      if (items.length > commas) throw new SyntaxError("missing comma");
      items.push(this.#value());
      if (this.#take(",")) commas++;
    }
    return { items, commas };
  }

  /** A dict, or a set, which becomes a list. */
  #braces(): ConfigValue {
    if (this.#take("}")) return {};
    const entries: [string, ConfigValue][] = [];
    const members: ConfigValue[] = [];
    do {
      if (this.#take("}")) return entries.length > 0 ? Object.fromEntries(entries) : members;
      const first = this.#value();
      if (this.#take(":")) entries.push([String(first), this.#value()]);
      else members.push(first);
    } while (this.#take(","));
    if (!this.#take("}") || (entries.length > 0 && members.length > 0)) throw new SyntaxError("neither dict nor set");
    return entries.length > 0 ? Object.fromEntries(entries) : members;
  }
}
