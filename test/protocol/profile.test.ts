/** Trees of profiles: what `distributed.profile.merge` makes of them (`make_profile_cases.py`), and what is refused. */
import { expect, test } from "vitest";
import { RemoteProtocolError } from "../../src/base/index.ts";
import { emptyProfile, mergeProfiles, PROFILE, PROFILE_TREE, pack, unpack } from "../../src/protocol/index.ts";
import cases from "./profile-cases.json" with { type: "json" };

/** A tree as it comes from the wire. */
const wired = (tree: unknown): unknown => unpack(pack(tree));
/** As JSON has it. */
const plain = (tree: unknown): unknown =>
  JSON.parse(JSON.stringify(tree, (_, value) => (value instanceof Map ? Object.fromEntries(value) : value)));

test.each(cases.merges.map((each) => [each.trees.length, each] as const))("%d trees", (_, { trees, merged }) => {
  const read = trees.map((tree) => PROFILE_TREE.read(wired(tree), "tree"));
  expect(read.map((tree) => plain(PROFILE_TREE.write(tree)))).toEqual(trees);
  expect(plain(PROFILE.answer(mergeProfiles(read)))).toEqual(merged);
});

interface Made {
  identifier: unknown;
  description: Record<string, unknown>;
  count: unknown;
  children: Map<string, Made>;
}

function node(identifier: string, children: readonly Made[] = []): Made {
  const description = { filename: "f.py", name: identifier, line_number: 1, line: "" };
  return {
    identifier,
    description,
    count: 1,
    children: new Map(children.map((each) => [String(each.identifier), each])),
  };
}

/** `depth` nodes from the root down. */
function chain(depth: number): Made {
  let at = node("root");
  for (let k = 1; k < depth; k++)
    at = node(k === depth - 1 ? "root" : `f${k}`, [at.identifier === "root" ? node("end") : at]);
  return at;
}

test("stacks of 100 functions pass, as Dask cuts them; deeper and larger ones are refused", () => {
  const read = (tree: Made): unknown => PROFILE.parseAnswer(wired(tree));
  expect(read(chain(102))).toMatchObject({ identifier: "root" });
  expect(() => read(chain(111))).toThrow(/at most 100000 nodes, 110 deep/);
  const wide = (n: number): Made =>
    node(
      "root",
      Array.from({ length: n - 1 }, (_, k) => node(`f${k}`)),
    );
  expect(read(wide(100_000))).toMatchObject({ count: 1 });
  expect(() => read(wide(100_001))).toThrow(RemoteProtocolError);
});

test("what is no tree is refused, with its place", () => {
  const bad = (change: Partial<Made>): (() => unknown) => {
    const tree = { ...node("root", [{ ...node("f"), ...change }]) };
    return () => PROFILE.parseAnswer(wired(tree));
  };
  expect(bad({})).not.toThrow();
  expect(bad({ count: "many" })).toThrow(/children\.count: expected a number/);
  expect(bad({ description: { filename: "f" } })).toThrow(/description\.name/);
  expect(bad({ children: 3 as unknown as Map<string, Made> })).toThrow(/children: expected a map/);
  expect(() => PROFILE.parseAnswer(wired({ ...node("root"), children: new Map([["g", node("f")]]) }))).toThrow(
    /"f" under another name/,
  );
  expect(() => PROFILE.parseAnswer(wired(node("f")))).toThrow(/topmost node is no root/);
});

test("nodes beyond the bound of a merged tree are left out, and counted above", () => {
  const one = PROFILE_TREE.read(wired(node("root", [node("a", [node("b")]), node("c")])), "tree");
  const two = PROFILE_TREE.read(wired(node("root", [node("d")])), "tree");
  const merged = mergeProfiles([one, two], 4);
  expect(plain(merged)).toMatchObject({
    count: 2,
    children: { a: { children: { b: { count: 1 } } }, c: { count: 1 } },
  });
  expect(Array.from(merged.children.keys())).toEqual(["a", "c"]);
  expect(mergeProfiles([])).toEqual(emptyProfile());
});
