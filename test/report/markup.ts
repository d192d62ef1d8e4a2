/** A strict reader of the XML that reports are: it fails where a tag does not close, an attribute is not quoted, an entity is none. */

/** An element; its children in order, texts among them. */
export interface Element {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: (Element | string)[];
}

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"' };

function unescaped(text: string): string {
  if (/[<>]/.test(text)) throw new Error(`bare bracket in ${JSON.stringify(text.slice(0, 80))}`);
  return text.replace(/&([^;]{0,8});?/g, (all, name: string) => {
    const value = ENTITIES[name];
    if (value === undefined || !all.endsWith(";")) throw new Error(`no entity: ${all}`);
    return value;
  });
}

/** The root element of a page. */
export function parsePage(page: string): Element {
  const doctype = "<!DOCTYPE html>\n";
  if (!page.startsWith(doctype)) throw new Error("no doctype");
  const top: Element = { name: "", attributes: new Map(), children: [] };
  const open = [top];
  for (const [, text = "", tag] of page.slice(doctype.length).matchAll(/([^<]*)(<[^>]*>|$)/gy)) {
    const parent = open.at(-1) as Element;
    if (text !== "") parent.children.push(unescaped(text));
    if (!tag) break;
    const end = /^<\/(\w+)>$/.exec(tag);
    if (end) {
      if (open.pop()?.name !== end[1] || open.length === 0) throw new Error(`${tag} closes ${parent.name}`);
      continue;
    }
    const begin = /^<(\w+)((?: [\w:-]+="[^"]*")*)(\/?)>$/.exec(tag);
    if (!begin) throw new Error(`no tag: ${tag}`);
    const attributes = Array.from(begin[2]?.matchAll(/ ([\w:-]+)="([^"]*)"/g) ?? [], ([, key, value]) => [
      key as string,
      unescaped(value as string),
    ]) as [string, string][];
    const element = { name: begin[1] as string, attributes: new Map(attributes), children: [] };
    if (element.attributes.size !== attributes.length) throw new Error(`an attribute twice: ${tag}`);
    parent.children.push(element);
    if (begin[3] === "") open.push(element);
  }
  const roots = top.children.filter((child) => typeof child !== "string" || child.trim() !== "");
  const [root] = roots;
  if (open.length !== 1 || roots.length !== 1 || typeof root !== "object") throw new Error("not one root element");
  return root;
}

/** All elements of that name under one, itself included, in order. */
export function all(element: Element, name: string): Element[] {
  const inside = element.children.flatMap((child) => (typeof child === "string" ? [] : all(child, name)));
  return element.name === name || name === "*" ? [element, ...inside] : inside;
}

/** The element of that id. */
export function byId(root: Element, id: string): Element {
  const found = all(root, "*").filter(({ attributes }) => attributes.get("id") === id);
  if (found.length !== 1) throw new Error(`${found.length} elements of id ${id}`);
  return found[0] as Element;
}

/** Its text. */
export function textOf(element: Element): string {
  return element.children.map((child) => (typeof child === "string" ? child : textOf(child))).join("");
}

/** Cells of the tables under an element, without heads. */
export function rowsOf(element: Element): string[][] {
  return all(element, "tbody").flatMap((body) =>
    all(body, "tr").map((row) => all(row, "td").map((cell) => textOf(cell).trim())),
  );
}
