/** The rules of the house, each a function from sources to complaints `path:line what is wrong and what is wanted`. */
import { type Ambient, BANNED_WORDS, FRONT, HOMES, LONG_FILES, ROOMS, type Room } from "./rooms.ts";
import { resolveFrom, roomOf, type Source } from "./source.ts";

const BY_NAME: ReadonlyMap<string, Room> = new Map([...ROOMS, FRONT].map((room) => [room.name, room]));
const NAMES: ReadonlySet<string> = new Set(BY_NAME.keys());

/** Longest file, in lines; longer ones stand in `LONG_FILES` with a reason. */
export const LINES_MAX = 600;

const AMBIENT: readonly { readonly power: Ambient; readonly pattern: RegExp }[] = [
  { power: "clock", pattern: /\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\b/g },
  { power: "timers", pattern: /(?<![.\w])(?:set|clear)(?:Timeout|Interval|Immediate)\b|\bAbortSignal\.timeout\b/g },
  { power: "random", pattern: /\bMath\.random\b|(?<![.\w])crypto\.(?:randomUUID|getRandomValues)\b/g },
  { power: "env", pattern: /\bprocess\.env\b/g },
  { power: "console", pattern: /(?<![.\w])console\b/g },
  { power: "process", pattern: /(?<![.\w])process\.(?!env\b)/g },
  { power: "fetch", pattern: /(?<![.\w])fetch\(/g },
  { power: "WebAssembly", pattern: /\bWebAssembly\b/g },
];

/** Node modules that are another way to an ambient power. */
const NODE_POWERS: Readonly<Record<string, Ambient>> = { timers: "timers", perf_hooks: "clock", process: "process" };

function at(source: Source, index: number): string {
  return `${source.path}:${source.text.slice(0, index).split("\n").length}`;
}

function roomFor(source: Source): Room {
  const name = roomOf(source.path, NAMES);
  return BY_NAME.get(name) ?? { name, holds: "", imports: [] };
}

/** Every folder of `src/` is a room of the table. */
export function unknownRooms(sources: readonly Source[]): string[] {
  const names = new Set(sources.map((source) => roomOf(source.path, NAMES)));
  return [...names].filter((name) => !NAMES.has(name)).map((name) => `src/${name}: no such room in test/tidy/rooms.ts`);
}

/** Imports point down, only through an index, never to a front door or the own index. */
export function layering(source: Source): string[] {
  const room = roomFor(source);
  return source.imports.flatMap(({ specifier, isType, line }) => {
    if (!specifier.startsWith(".")) return [];
    const target = resolveFrom(source.path, specifier);
    const where = `${source.path}:${line}`;
    if (!target.startsWith("src/")) return [`${where} imports ${specifier}, which is outside src/`];
    const other = roomOf(target, NAMES);
    if (other === "front") return room.name === "front" ? [] : [`${where} imports a front door, ${target}`];
    if (other === room.name) {
      return target === `src/${room.name}/index.ts` ? [`${where} imports its own index; import the sibling`] : [];
    }
    if (!room.imports.includes(other) && !(isType && room.types?.includes(other))) {
      const how = room.types?.includes(other) ? "values (only types are allowed)" : "it, which the table forbids";
      return [`${where} room ${room.name} imports ${other}: ${how}`];
    }
    return target === `src/${other}/index.ts` ? [] : [`${where} imports past the index of ${other}: ${specifier}`];
  });
}

/** Node modules, packages and ambient powers are those of the table. */
export function powers(source: Source): string[] {
  const room = roomFor(source);
  const complaints = source.imports.flatMap(({ specifier, isType, line }) => {
    if (specifier.startsWith(".")) return [];
    const where = `${source.path}:${line} room ${room.name}`;
    if (specifier.startsWith("node:")) {
      const name = specifier.slice("node:".length).split("/")[0] ?? "";
      const power = NODE_POWERS[name];
      const isAllowed = power === undefined ? room.node?.includes(name) : room.ambient?.includes(power);
      return isType || isAllowed ? [] : [`${where} may not touch ${specifier}`];
    }
    const name = specifier
      .split("/")
      .slice(0, specifier.startsWith("@") ? 2 : 1)
      .join("/");
    return room.packages?.includes(name) ? [] : [`${where} may not use the package ${name}`];
  });
  for (const { power, pattern } of AMBIENT) {
    if (room.ambient?.includes(power)) continue;
    for (const match of source.code.matchAll(pattern)) {
      complaints.push(`${at(source, match.index)} room ${room.name} may not touch ${power}: ${match[0]}`);
    }
  }
  return complaints;
}

/** Pure rooms hold none of the words that would make them impure. */
export function bannedWords(source: Source): string[] {
  const { name, purity } = roomFor(source);
  if (!purity) return [];
  const pattern = new RegExp(`(?<![.\\w])(?:${BANNED_WORDS[purity].join("|")})\\b(?!\\s*[?]?:)`, "g");
  return [...source.code.matchAll(pattern)].map(
    (match) => `${at(source, match.index)} the pure room ${name} says ${match[0]}`,
  );
}

/** Each room's index opens with its sign, and the sign names what the room really imports. */
export function roomHeaders(sources: readonly Source[]): string[] {
  const present = new Set(sources.map((source) => roomOf(source.path, NAMES)));
  return [...present].flatMap((name) => {
    if (name === "front") return [];
    const path = `src/${name}/index.ts`;
    const index = sources.find((source) => source.path === path);
    if (!index) return [`${path} is missing`];
    const [header = ""] = /^\/\*\*[\s\S]*?\*\//.exec(index.text) ?? [];
    const wanted = [`Room: ${name}.`, "In:", "Out:", "Imports:", "@module"];
    const missing = wanted.filter((part) => !header.includes(part));
    if (missing.length > 0) return [`${path} must open with a header that has: ${missing.join(" ")}`];
    return signImports(name, header, sources).map((what) => `${path} ${what}`);
  });
}

function signImports(name: string, header: string, sources: readonly Source[]): string[] {
  const [, text = ""] = /Imports:([\s\S]*?)@module/.exec(header) ?? [];
  const used = new Set<string>();
  for (const source of sources.filter((each) => roomOf(each.path, NAMES) === name)) {
    for (const { specifier } of source.imports.filter((each) => each.specifier.startsWith("."))) {
      const other = roomOf(resolveFrom(source.path, specifier), NAMES);
      if (other !== name && other !== "front") used.add(other);
    }
  }
  const says = (room: string) =>
    /all but testing/.test(text) || new RegExp(`(?<![\\w/-])${room}(?![\\w/-])`).test(text);
  const own = (room: string) => room === `${name}/state` && /its state/.test(text);
  return [...used]
    .filter((room) => !says(room) && !own(room))
    .map((room) => `imports ${room}, but its sign does not say so`);
}

/** A file is short, or stands in the list of exceptions. */
export function fileLength(source: Source): string[] {
  if (source.lineCount <= LINES_MAX || LONG_FILES[source.path]) return [];
  return [`${source.path} has ${source.lineCount} lines; ${LINES_MAX} is the limit`];
}

/** A wish for later carries an issue number. */
export function todos(source: Source): string[] {
  return [...source.text.matchAll(/\b(?:TODO|FIXME|XXX)\b(?!\(#\d+\))/g)].map(
    (match) => `${at(source, match.index)} ${match[0]} without an issue: write TODO(#123) or nothing`,
  );
}

/** No test is alone or off. */
export function focusedTests(source: Source): string[] {
  return [...source.code.matchAll(/\b(?:describe|test|it|suite)(?:\.\w+)*\.(?:only|todo)\b/g)].map(
    (match) => `${at(source, match.index)} ${match[0]} leaves other tests out`,
  );
}

/** dtype codes, frame markers and opcodes stay at home. */
export function homes(source: Source): string[] {
  const name = roomOf(source.path, NAMES);
  return HOMES.filter(({ room }) => room !== name).flatMap(({ what, pattern, room }) =>
    [...source.withStrings.matchAll(new RegExp(pattern, "g"))].map(
      (match) => `${at(source, match.index)} ${what}, ${match[0]}, belongs to the room ${room}`,
    ),
  );
}

/** Every source is reached from an entry point, by import or as the entry of a thread or process. */
export function unreachable(sources: readonly Source[], entries: readonly string[]): string[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const queue = entries.filter((path) => byPath.has(path));
  const reached = new Set(queue);
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    const source = byPath.get(path);
    if (!source) continue;
    const next = source.imports.map(({ specifier }) => resolveFrom(source.path, specifier));
    for (const target of [...next, ...source.mentions]) {
      if (!byPath.has(target) || reached.has(target)) continue;
      reached.add(target);
      queue.push(target);
    }
  }
  return sources.filter(({ path }) => !reached.has(path)).map(({ path }) => `${path} is reached from no entry point`);
}

/** Examples are what a user would write: they import the package by name and Node's modules. */
export function exampleImports(source: Source): string[] {
  return source.imports
    .filter(({ specifier }) => !/^(node:|rsdat(\/|$))/.test(specifier))
    .map(
      ({ specifier, line }) => `${source.path}:${line} imports ${specifier}; an example imports "rsdat" and node: only`,
    );
}
