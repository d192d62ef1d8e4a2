/** The house itself: every source is read once and held against `tidy/rooms.ts`. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readDoors } from "../scripts/doors.ts";
import { ROOMS, roomsPage } from "./tidy/rooms.ts";
import * as rules from "./tidy/rules.ts";
import { readSource, type Source, strip } from "./tidy/source.ts";

const ROOT = join(import.meta.dirname, "..");

function read(...patterns: string[]): Source[] {
  return globSync(patterns, { cwd: ROOT }).map((path) => readSource(ROOT, path.replaceAll("\\", "/")));
}

const src = read("src/**/*.ts");
const tests = read("test/**/*.ts");
const others = read("bench/**/*.ts", "examples/**/*.ts", "scripts/**/*.ts");
const everything = [...src, ...tests, ...others];

/** Sources that the files in `bin/` load: the doors and the command line. */
function entryPoints(): string[] {
  return ["register", "cli/index", ...Object.values(readDoors())].map((module) => `src/${module}.ts`);
}

test("every folder of src is a room, and the table reads from the ground up", () => {
  expect(rules.unknownRooms(src)).toEqual([]);
  const order = ROOMS.map(({ name }) => name);
  const upward = ROOMS.flatMap((room) =>
    [...room.imports, ...(room.types ?? [])]
      .filter((name) => order.indexOf(name) < 0 || order.indexOf(name) >= order.indexOf(room.name))
      .map((name) => `${room.name} imports ${name}`),
  );
  expect(upward).toEqual([]);
});

test("imports follow the table, through the index", () => {
  expect(src.flatMap(rules.layering)).toEqual([]);
});

test("rooms touch only their powers", () => {
  expect(src.flatMap(rules.powers)).toEqual([]);
});

test("pure rooms are pure", () => {
  expect(src.flatMap(rules.bannedWords)).toEqual([]);
});

test("each room has its sign on the door", () => {
  expect(rules.roomHeaders(src)).toEqual([]);
});

test("files are short", () => {
  expect(everything.flatMap(rules.fileLength)).toEqual([]);
});

test("no test is alone, no wish lacks an issue", () => {
  const exceptTidy = everything.filter(({ path }) => !path.startsWith("test/tidy"));
  expect(exceptTidy.flatMap(rules.focusedTests)).toEqual([]);
  expect(exceptTidy.flatMap(rules.todos)).toEqual([]);
});

test("codes, markers and opcodes stay at home", () => {
  expect(src.flatMap(rules.homes)).toEqual([]);
});

test("every source is reached from an entry point", () => {
  expect(rules.unreachable(src, entryPoints())).toEqual([]);
});

test("examples import the package as a user would", () => {
  expect(others.filter(({ path }) => path.startsWith("examples/")).flatMap(rules.exampleImports)).toEqual([]);
});

test("docs/rooms.md is what the table says (npm run docs:rooms)", () => {
  expect(readFileSync(join(ROOT, "docs", "rooms.md"), "utf8")).toBe(roomsPage());
});

test("every number of docs/spec has a test, and every number in a test is in docs/spec", () => {
  const numbers = (texts: readonly string[]) =>
    [...new Set(texts.flatMap((text) => [...text.matchAll(/\b[SWC]-[A-Z]\d+\b/g)].map(([number]) => number)))].sort();
  const specs = globSync("docs/spec/*.md", { cwd: ROOT }).map((path) => readFileSync(join(ROOT, path), "utf8"));
  expect(numbers(tests.map(({ text }) => text))).toEqual(numbers(specs));
  // One number, one rule: a second one under the same number would need no test.
  const rules = specs.flatMap((text) =>
    [...text.matchAll(/^- \*\*([SWC]-[A-Z]\d+)\*\*/gm)].map(([, number]) => number),
  );
  expect(rules.filter((number, i) => rules.indexOf(number) !== i)).toEqual([]);
});

test("the scanner tells code from comments, strings, templates and regular expressions", () => {
  const { code, withStrings } = strip(
    'a("x//y"); // console\nb(`p${c({ d: "}" })}q`, /["\'`]console/g) / e; /* f */ g',
  );
  expect(withStrings).toBe('a("x//y");           \nb(`p${c({ d: "}" })}q`, /["\'`]console/g) / e;         g');
  expect(code.replace(/\s+/g, " ")).toBe("a( ); b( c({ d: }) , ) / e; g");
});

test("each rule catches what it is there to catch", () => {
  const fake = (path: string, text: string): Source => ({
    ...strip(text),
    path,
    text,
    lineCount: text.split("\n").length - 1,
    imports: [...text.matchAll(/^import (type )?.*"(.*)";$/gm)].map(([, type, specifier = ""]) => ({
      specifier,
      isType: type !== undefined,
      line: 1,
    })),
    mentions: [],
  });
  const caught = (path: string, text: string, rule: (source: Source) => string[]) => rule(fake(path, text)).length;
  expect(caught("src/dtype/a.ts", 'import { x } from "../graph/index.ts";', rules.layering)).toBe(1);
  expect(caught("src/array/a.ts", 'import { x } from "../graph/index.ts";', rules.layering)).toBe(0);
  expect(caught("src/array/a.ts", 'import { x } from "../graph/order.ts";', rules.layering)).toBe(1);
  expect(caught("src/array/a.ts", 'import { x } from "./index.ts";', rules.layering)).toBe(1);
  expect(caught("src/array/a.ts", 'import { x } from "../index.ts";', rules.layering)).toBe(1);
  expect(caught("src/worker/state/a.ts", 'import { x } from "../../protocol/index.ts";', rules.layering)).toBe(1);
  expect(caught("src/worker/state/a.ts", 'import type { X } from "../../protocol/index.ts";', rules.layering)).toBe(0);
  expect(caught("src/graph/a.ts", 'import { x } from "node:fs";', rules.powers)).toBe(1);
  expect(caught("src/graph/a.ts", "const now = Date.now() + Math.random();", rules.powers)).toBe(2);
  expect(caught("src/comm/a.ts", 'import ws from "ws"; setTimeout(f, 1);', rules.powers)).toBe(0);
  expect(caught("src/geo/a.ts", 'import ws from "ws";', rules.powers)).toBe(1);
  expect(caught("src/worker/state/a.ts", "async function f() {}", rules.bannedWords)).toBe(1);
  expect(caught("src/worker/state/a.ts", "/** async */ const s = 'await';", rules.bannedWords)).toBe(0);
  expect(caught("src/io/a.ts", 'const code = "<f4";', rules.homes)).toBe(1);
  expect(caught("src/io/a.ts", "// TODO later", rules.todos)).toBe(1);
  expect(caught("src/io/a.ts", "\n".repeat(601), rules.fileLength)).toBe(1);
  expect(caught("test/a.test.ts", "test.only('x', f)", rules.focusedTests)).toBe(1);
  expect(rules.unreachable([fake("src/io/lost.ts", "")], ["src/index.ts"])).toHaveLength(1);
  expect(rules.roomHeaders([fake("src/io/index.ts", "/** Room: io. */")])).toHaveLength(1);
  expect(rules.unknownRooms([fake("src/utils/index.ts", "")])).toHaveLength(1);
});
