import { describe, expect, test } from "vitest";
import { isRsdatError, seededRandom } from "../../src/base/index.ts";
import {
  type Call,
  CallsBuilder,
  type CallsLayer,
  callSpec,
  chunksOfCalls,
  decodeGraph,
  encodeGraph,
  Graph,
  type Key,
  KeyColumn,
  KeyRef,
  keyOfValue,
  type Layer,
  taskEdges,
  taskOrder,
  verifyCalls,
} from "../../src/graph/index.ts";

const TOKEN = "of the cluster";
const key = (name: string): Key => keyOfValue(name);

/** Three results from elsewhere, and five calls: of two functions, over the results and over each other. */
function example(token: string | null = TOKEN): { readonly graph: Graph; readonly layer: CallsLayer } {
  const known = [key("a"), key("b"), keyOfValue(["c", 1])];
  const calls: Call[] = [
    { key: key("one"), text: "(x) => x + 1", args: [{ input: 0 }], inputs: [0] },
    { key: key("two"), text: "(x) => x + 1", args: [{ input: 0 }], inputs: [3] },
    { key: key("three"), text: "(...xs) => xs.length", args: [{ input: 0 }, 7n, { input: 1 }], inputs: [2, 4] },
    { key: key("four"), text: "(...xs) => xs.length", args: [], inputs: [] },
    { key: key("five"), text: "(x) => x + 1", args: [[{ input: 0 }, { y: { input: 1 } }, -0, "ü"]], inputs: [5, 6] },
  ];
  const builder = new CallsBuilder();
  for (const call of calls) builder.add(call);
  const layer = builder.build("calls-1", token);
  const held: Layer = {
    kind: "held",
    name: "known-1",
    dtype: "float64",
    chunks: chunksOfCalls(known.length),
    keys: KeyColumn.of(known),
    inline: false,
  };
  return { graph: new Graph([held, { ...layer, inline: false }], [1]), layer };
}

describe("a layer of calls", () => {
  test("is the same after the wire: keys, edges, order", () => {
    const { graph } = example();
    const back = decodeGraph(encodeGraph(graph));
    const names = Array.from({ length: 8 }, (_, task) => back.key(task));
    expect(names).toEqual([
      ...["a", "b"].map(key),
      keyOfValue(["c", 1]),
      ...["one", "two", "three", "four", "five"].map(key),
    ]);
    const { start, dependencies } = taskEdges(back);
    const rows = names.map((_, t) => Array.from(dependencies.subarray(start[t], start[t + 1])));
    expect(rows).toEqual([[], [], [], [0], [3], [2, 4], [], [5, 6]]);
    const order = taskOrder(back);
    for (const [task, inputs] of rows.entries())
      for (const input of inputs) expect(order.indexOf(input)).toBeLessThan(order.indexOf(task));
    expect(back.nbytes(3)).toBe(8);
  });

  test("expands to the programs of single calls", () => {
    const { graph } = example(null);
    const keyOf = (value: unknown): Key | null => (value instanceof KeyRef ? value.key : null);
    const single = (text: string, args: readonly unknown[]) => callSpec(text, args, keyOf).spec;
    const ref = (name: string): KeyRef => new KeyRef(key(name));
    const back = decodeGraph(encodeGraph(graph));
    expect(back.expand(4)).toEqual({ dependencies: [3], spec: single("(x) => x + 1", [ref("one")]) });
    expect(back.expand(5)).toEqual({
      dependencies: [2, 4],
      spec: single("(...xs) => xs.length", [ref("c"), 7n, ref("two")]),
    });
    expect(back.expand(6)).toEqual({ dependencies: [], spec: single("(...xs) => xs.length", []) });
    expect(back.expand(7).spec).toEqual(single("(x) => x + 1", [[ref("three"), { y: ref("four") }, -0, "ü"]]));
  });

  test("carries a mac of all that runs", () => {
    const { layer } = example();
    expect(verifyCalls(layer, TOKEN)).toBe(true);
    expect(verifyCalls(layer, "another")).toBe(false);
    expect(verifyCalls({ ...layer, mac: null }, TOKEN)).toBe(false);
    expect(verifyCalls({ ...layer, functions: ["(x) => x + 2", ...layer.functions.slice(1)] }, TOKEN)).toBe(false);
    for (const field of ["fn", "arg", "args", "argStart", "inputs", "inputStart"] as const) {
      const changed = (layer[field] as Uint8Array).slice();
      changed[0] = (changed[0] as number) ^ 1;
      expect(verifyCalls({ ...layer, [field]: changed }, TOKEN), field).toBe(false);
    }
    expect(verifyCalls(example(null).layer, TOKEN)).toBe(false);
  });

  test.each([
    ["numbers that are too few", { fn: new Uint8Array(4) }],
    ["no function", { functions: [], fn: null }],
    ["a function that there is not", { fn: new Uint8Array(5).fill(9) }],
    ["arguments that there are not", { arg: new Uint8Array(5).fill(9) }],
    ["fewer arguments than calls", { arg: null }],
    ["arguments that go on", { args: new Uint8Array(3) }],
    ["starts that go back", { argStart: new Uint8Array(new Uint32Array([0, 90, 1, 2, 3, 4]).buffer) }],
    ["an input that comes later", { inputs: new Uint8Array(new Uint32Array([0, 3, 2, 4, 5, 7]).buffer) }],
    ["an input twice", { inputs: new Uint8Array(new Uint32Array([0, 3, 2, 2, 5, 6]).buffer) }],
    ["functions that are no texts", { functions: [1, 2] }],
    ["keys for some", { keys: KeyColumn.of([key("one")]) }],
    ["keys that are no column", { keys: { toPlain: () => ["one", "two", "three", "four", "five"] } }],
    ["no columns", { inputs: null }],
  ])("refuses %s", (_, change) => {
    const { graph } = example();
    const [held, calls] = graph.layers as [Layer, Layer];
    const broken = new Graph([held, { ...calls, ...change } as Layer], [1]);
    expect(() => decodeGraph(encodeGraph(broken))).toThrow(expect.objectContaining({ code: "remote-protocol" }));
  });

  test("mutated bytes are refused, or give a graph whose every task can be asked for", () => {
    const bytes = encodeGraph(example().graph);
    const random = seededRandom(20261126);
    let refused = 0;
    for (let round = 0; round < 500; round++) {
      const mutated = bytes.slice();
      for (let k = 0; k <= round % 3; k++)
        mutated[Math.floor(random.next() * mutated.length)] = 32 + Math.floor(random.next() * 90);
      let graph: Graph;
      try {
        graph = decodeGraph(mutated);
      } catch (error) {
        expect(isRsdatError(error, "remote-protocol")).toBe(true);
        refused++;
        continue;
      }
      const { start, dependencies } = taskEdges(graph);
      for (let t = 0; t < graph.taskCount; t++)
        for (const input of dependencies.subarray(start[t], start[t + 1])) expect(input).toBeLessThan(t);
    }
    expect(refused).toBeGreaterThan(100);
  });
});

test("bytes of a graph of calls that are cut or changed are refused as a peer's mistake, or are another graph", () => {
  const random = seededRandom(5);
  const bytes = encodeGraph(example().graph);
  expect(decodeGraph(bytes).layers).toEqual(example().graph.layers);
  let refused = 0;
  for (let i = 0; i < 2000; i++) {
    const changed = random.below(4) === 0 ? bytes.slice(0, random.below(bytes.length)) : bytes.slice();
    for (let k = random.below(3); k >= 0; k--) changed[4 + random.below(bytes.length - 4)] = random.below(256);
    try {
      decodeGraph(changed);
    } catch (error) {
      if (!isRsdatError(error, "remote-protocol")) throw error;
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(1000);
});
