import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { keyOfValue, showKey } from "../../src/graph/index.ts";
import {
  deserialize,
  exceptionOf,
  keyOfPy,
  Pickled,
  PyBuffer,
  PyCall,
  PyCode,
  PyFloat,
  PyGlobal,
  PySet,
  PyTuple,
  type PyValue,
  plainOf,
  pyException,
  pyGlobal,
  pyGraph,
  pyKey,
  pyNativeTask,
  pyTask,
  pyTaskRef,
  pyTypeName,
  readPickle,
  readRunSpec,
  serialize,
  serializeTaskSpec,
  taskOf,
  valueOfPickle,
  writePickle,
} from "../../src/protocol/index.ts";

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

const TREE: fc.Arbitrary<PyValue> = fc.letrec<{ tree: PyValue }>((tie) => ({
  tree: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom(null, true, false),
    fc.integer(),
    fc.bigInt({ min: -(2n ** 200n), max: 2n ** 200n }).map((n) => (Number.isSafeInteger(Number(n)) ? Number(n) : n)),
    fc.double({ noInteger: true, noNaN: true }),
    fc.string({ unit: "grapheme" }),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie("tree"), { maxLength: 4 }),
    fc.array(tie("tree"), { maxLength: 5 }).map((items) => new PyTuple(...items)),
    fc.array(tie("tree"), { maxLength: 3 }).map((items) => new PySet(items, items.length % 2 === 0)),
    fc.array(fc.tuple(fc.string(), tie("tree")), { maxLength: 3 }).map((entries) => new Map<PyValue, PyValue>(entries)),
    fc.constantFrom(pyGlobal("operator.add"), pyGlobal("numpy.sum")),
    fc.array(tie("tree"), { maxLength: 3 }).map((args) => new PyCall(pyGlobal("builtins.complex"), args)),
    fc.array(tie("tree"), { maxLength: 2 }).map((args) => {
      const call = new PyCall(pyGlobal("x.Y"), args, "new", new Map<PyValue, PyValue>([["k", 1]]));
      call.state = new PyTuple(1, "s");
      call.listItems.push(1, 2);
      call.dictItems.push(["a", null]);
      return call;
    }),
  ),
})).tree;

test("trees survive writing and reading", () => {
  fc.assert(
    fc.property(TREE, (tree) => {
      expect(readPickle(writePickle(tree))).toEqual(tree);
    }),
    { numRuns: 500 },
  );
});

test("minus zero keeps its sign: it is no integer of Python's", () => {
  // pickletools.dis(pickle.dumps([-0.0], 4)): BINFLOAT -0.0, opcode G and eight bytes, sign first.
  expect(Buffer.from(writePickle([-0])).toString("latin1")).toContain("G\x80\0\0\0\0\0\0\0");
  expect(pyTypeName(-0)).toBe("builtins.float");
});

test("integers at every edge of their encodings", () => {
  for (const n of [
    0,
    255,
    256,
    65535,
    65536,
    2 ** 31 - 1,
    2 ** 31,
    -1,
    -128,
    -129,
    -(2 ** 31),
    -(2 ** 31) - 1,
    2 ** 53 - 1,
  ])
    expect(readPickle(writePickle(n))).toBe(n);
  for (const n of [2n ** 63n, -(2n ** 63n), 2n ** 64n - 1n, 2n ** 1000n]) expect(readPickle(writePickle(n))).toBe(n);
  expect(readPickle(writePickle(new PyFloat(2)))).toBe(2);
  // 1.0 in Python's own bytes: BINFLOAT, not BININT1.
  expect(Array.from(writePickle(new PyFloat(1)))).toEqual([0x80, 5, 0x47, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0x2e]);
});

describe("C-I5 hostile pickles", () => {
  test.each([
    ["nothing", bytes()],
    ["no end", bytes(0x80, 5, 0x4e)],
    ["a stack that is empty", bytes(0x80, 5, 0x2e)],
    ["text beyond the end", bytes(0x80, 5, 0x8c, 200, 65)],
    ["bytes of 2^60", bytes(0x80, 5, 0x8e, 0, 0, 0, 0, 0, 0, 0, 0x10)],
    ["a memo that was never set", bytes(0x80, 5, 0x68, 9, 0x2e)],
    ["state for a number", bytes(0x80, 5, 0x4b, 1, 0x4e, 0x62, 0x2e)],
    ["a call without a tuple", bytes(0x80, 5, 0x4e, 0x4e, 0x52, 0x2e)],
    ["items without a mark", bytes(0x80, 5, 0x5d, 0x65, 0x2e)],
    ["a dict key without a value", bytes(0x80, 5, 0x7d, 0x28, 0x4e, 0x75, 0x2e)],
    ["a name that is a number", bytes(0x80, 5, 0x4b, 1, 0x4b, 2, 0x93, 0x2e)],
    ["an integer of 2 kB", bytes(0x80, 5, 0x8b, 0, 8, 0, 0)],
  ])("%s", (_, pickle) => {
    expect(() => readPickle(pickle)).toThrow(expect.objectContaining({ code: "remote-protocol" }));
  });
  test.each([
    ["protocol 6", bytes(0x80, 6, 0x4e, 0x2e), /protocol 6/],
    ["a persistent id", bytes(0x80, 5, 0x4e, 0x51, 0x2e), /opcode 0x51/],
    ["text opcodes of protocol 0", bytes(0x49, 0x31, 0x0a, 0x2e), /opcode 0x49/],
  ])("%s is unsupported, by name", (_, pickle, says) => {
    expect(() => readPickle(pickle)).toThrow(
      expect.objectContaining({ code: "unsupported", message: expect.stringMatching(says) }),
    );
  });
  test("a bound on operations", () => {
    const long = new Uint8Array(1000).fill(0x4e);
    expect(() => readPickle(long, [], { operationsMax: 100 })).toThrow(/more than 100 operations/);
  });
  test("a small pickle that names an exponential value is refused when it is expanded", () => {
    let tree: PyValue = ["x"];
    for (let i = 0; i < 40; i++) tree = [tree, tree];
    expect(() => plainOf(tree)).toThrow(expect.objectContaining({ code: "remote-protocol" }));
  });
  test("a list that contains itself is refused when it is expanded", () => {
    // EMPTY_LIST MEMOIZE BINGET 0 APPEND
    expect(() => valueOfPickle(bytes(0x80, 5, 0x5d, 0x94, 0x68, 0, 0x61, 0x2e))).toThrow(
      expect.objectContaining({ code: "remote-protocol" }),
    );
  });
  test("a value nested beyond the bound is not written", () => {
    let tree: PyValue = null;
    for (let i = 0; i < 600; i++) tree = [tree];
    expect(() => writePickle(tree)).toThrow(expect.objectContaining({ code: "local-protocol" }));
  });
  test("os.system is data", () => {
    const tree = readPickle(writePickle(new PyCall(pyGlobal("os.system"), ["echo no"])));
    expect(tree).toEqual(new PyCall(new PyGlobal("os", "system"), ["echo no"]));
    expect(() => valueOfPickle(writePickle(tree))).toThrow(
      expect.objectContaining({ code: "unsupported", message: expect.stringContaining("os.system") }),
    );
  });
});

describe("tasks", () => {
  const key = keyOfValue(["x", 0, 1]);
  test("keys keep tuples, and come back", () => {
    expect(pyKey(key)).toEqual(new PyTuple("x", 0, 1));
    expect(keyOfPy(readPickle(writePickle(pyKey(key))))).toBe(key);
    expect(() => keyOfPy(new Map())).toThrow(expect.objectContaining({ code: "remote-protocol" }));
  });
  test("what we write is read as the same task", () => {
    const tree = readPickle(
      writePickle(pyTask(key, { func: pyGlobal("numpy.add"), args: [pyTaskRef(keyOfValue("d")), 5] })),
    );
    const task = taskOf(tree)!;
    expect(showKey(task.key)).toBe("('x', 0, 1)");
    expect(task.func).toEqual(new PyGlobal("numpy", "add"));
    expect(task.args).toEqual([{ key: "d" }, 5]);
    expect(taskOf(pyGraph(new Map()))).toBeUndefined();
  });
  test("native specs are told from Python tasks, on both kinds of scheduler", () => {
    const spec = bytes(1, 2, 3);
    expect(
      readRunSpec(new Pickled(writePickle(pyNativeTask(key, spec, [keyOfValue("a"), keyOfValue(["b", 1])])))),
    ).toEqual({
      kind: "native",
      spec,
      dependencies: [keyOfValue("a"), keyOfValue(["b", 1])],
    });
    expect(readRunSpec(serializeTaskSpec(spec))).toEqual({ kind: "native", spec, dependencies: undefined });
    expect(
      readRunSpec(new Pickled(writePickle(pyTask(key, { func: pyGlobal("numpy.add"), args: [1, 2] })))),
    ).toMatchObject({ kind: "python", name: "numpy.add" });
    expect(readRunSpec(new Pickled(writePickle(5)))).toMatchObject({ kind: "python", task: undefined });
    const forged = pyTask(key, { func: pyGlobal("dask._task_spec.identity"), args: ["rsdat/1", spec, "no reference"] });
    expect(() => readRunSpec(new Pickled(writePickle(forged)))).toThrow(
      expect.objectContaining({ code: "remote-protocol" }),
    );
  });
  test("exceptions", () => {
    expect(exceptionOf(readPickle(writePickle(pyException("boom"))))).toEqual({
      type: "RuntimeError",
      module: "builtins",
      message: "boom",
    });
    expect(exceptionOf(5)).toBeUndefined();
  });
});

test("values that have no form on the other side are refused by name", () => {
  expect(() => serialize(new Date(0))).toThrow(
    expect.objectContaining({ code: "local-protocol", message: expect.stringContaining("Date") }),
  );
  expect(() => serialize(() => 1)).toThrow(expect.objectContaining({ code: "local-protocol" }));
  expect(() => writePickle(new PyBuffer(undefined))).toThrow(expect.objectContaining({ code: "local-protocol" }));
  expect(() => deserialize(new Pickled(writePickle(new PyCall(pyGlobal("pandas.DataFrame")))))).toThrow(
    expect.objectContaining({ code: "unsupported", message: expect.stringContaining("pandas.DataFrame") }),
  );
});

test("a function that travels as text names exec, getitem and its source", () => {
  const pickle = Buffer.from(writePickle(new PyCode("def f():\n    return 1\n", "f"))).toString("latin1");
  for (const part of ["operator", "getitem", "builtins", "exec", "def f():"]) expect(pickle).toContain(part);
});
