import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  CLIENT_TO_SCHEDULER,
  DIALECT,
  decodeMessage,
  encodeMessage,
  formatAddress,
  GATHER,
  handshakeMessage,
  normalizeAddress,
  Pickled,
  pack,
  parseAddress,
  parseHandshake,
  SCHEDULER_TO_WORKER,
  Serialized,
  unpack,
  WireEnum,
  WORKER_TO_SCHEDULER,
} from "../../src/protocol/index.ts";

const hex = (data: Uint8Array): string => Buffer.from(data).toString("hex");
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));

describe("plain values", () => {
  // Expected bytes by the msgpack specification.
  test.each([
    [null, "c0"],
    [true, "c3"],
    [5, "05"],
    [-1, "ff"],
    [200, "ccc8"],
    [65535, "cdffff"],
    [4294967295, "ceffffffff"],
    [-2147483648, "d280000000"],
    [4294967296, "d30000000100000000"],
    [-2147483649, "d3ffffffff7fffffff"],
    [2n ** 64n - 1n, "cfffffffffffffffff"],
    [1.5, "cb3ff8000000000000"],
    ["a", "a161"],
    [Uint8Array.of(1), "c40101"],
    [[1, [2]], "920191" + "02"],
    [{ a: undefined, b: 1 }, "81a16201"],
    [new Map([[["k", 1], 2]]), "8192a16b0102"],
  ])("%s", (value, expected) => {
    expect(hex(pack(value))).toBe(expected);
  });
  test("integers beyond 2^53 become bigint, safe ones numbers", () => {
    expect(unpack(bytes("d30000000100000000"))).toBe(4294967296);
    expect(unpack(bytes("cfffffffffffffffff"))).toBe(2n ** 64n - 1n);
  });
  test("round trip", () => {
    const VALUE: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: "small" },
        fc.constantFrom(null, true, false),
        fc.maxSafeInteger(),
        fc.double({ noNaN: true }).filter((x) => !Object.is(x, -0)),
        fc.string({ unit: "grapheme" }),
        fc.uint8Array(),
        fc.array(tie("value"), { maxLength: 4 }),
        fc.array(fc.tuple(fc.string(), tie("value")), { maxLength: 4 }).map((entries) => new Map(entries)),
      ),
    })).value as fc.Arbitrary<unknown>;
    fc.assert(
      fc.property(VALUE, (value) => {
        expect(unpack(pack(value))).toEqual(value);
      }),
      { numRuns: 300 },
    );
  });
  test.each([
    ["cut short", "92" + "01"],
    ["trailing bytes", "0101"],
    ["a count of 2^32", "dd" + "ffffffff"],
    ["a map of 2^32", "df" + "ffffffff"],
    ["text of 2^31", "db" + "7fffffff"],
    ["an extension", "d40100"],
    ["a JavaScript date", "d6ff00000000"],
    ["a record", "d47240" + "91a161"],
    ["a reserved byte", "c1"],
    ["nesting", `${"91".repeat(257)}01`],
    ["nothing", ""],
  ])("C-I4 refuses %s", (_, text) => {
    expect(() => unpack(bytes(text))).toThrow(expect.objectContaining({ code: "remote-protocol" }));
  });
  test("values the wire does not know are refused before anything is sent", () => {
    for (const bad of [new Date(0), /x/, () => 1, Symbol("x"), 2n ** 64n, new (class Foo {})(), new Float32Array(2)]) {
      expect(() => encodeMessage({ bad })).toThrow(expect.objectContaining({ code: "local-protocol" }));
    }
    expect(() => pack(new Pickled(new Uint8Array(1)))).toThrow(expect.objectContaining({ code: "local-protocol" }));
  });
});

describe("placeholders", () => {
  test("opaque objects, sets and enums survive, and array frames stay behind the first block", () => {
    const value = new Serialized(pack({ serializer: "x", "num-sub-frames": 2 }), [Uint8Array.of(1), Uint8Array.of(2)]);
    const pickled = new Pickled(Uint8Array.of(0x4e, 0x2e), [Uint8Array.of(9)], [null]);
    const encoded = encodeMessage({
      pickled,
      value,
      again: value,
      keys: new Set(["a"]),
      status: new WireEnum("distributed.core", "Status", "running"),
    });
    expect(encoded.frames.length).toBe(1 + 2 + 3 + 3);
    expect(encoded.blockFrames).toBe(4);
    const back = decodeMessage(encoded.frames) as Map<string, unknown>;
    expect(back.get("keys")).toEqual(new Set(["a"]));
    expect(back.get("status")).toEqual(new WireEnum("distributed.core", "Status", "running"));
    expect((back.get("again") as Serialized).frames.map(hex)).toEqual(["01", "02"]);
    expect((back.get("pickled") as Pickled).plainBuffers().map(hex)).toEqual(["09"]);
    expect(encodeMessage(back).frames.map(hex)).toEqual(encoded.frames.map(hex));
  });
  test("the nested form", () => {
    const message = pack({
      x: { __Serialized__: true, data: [{ serializer: "pickle", "num-sub-frames": 1 }, [Uint8Array.of(7)]] },
    });
    const value = (decodeMessage([message]) as Map<string, Serialized>).get("x")!;
    expect([value.fields.get("serializer"), hex(value.frames[0]!)]).toEqual(["pickle", "07"]);
  });
  test.each([
    ["points outside", [pack({ __Serialized__: 3 })]],
    ["claims more frames than there are", [pack({ __Serialized__: 1 }), pack({ "num-sub-frames": 5 })]],
    ["claims a negative count", [pack({ __Serialized__: 1 }), pack({ "num-sub-frames": -1 })]],
    ["has a header that is no map", [pack({ __Pickled__: 1 }), pack([1])]],
    ["has no pickle", [pack({ __Pickled__: 1 }), pack({ "num-sub-frames": 0 })]],
  ])("one that %s is refused", (_, frames) => {
    expect(() => decodeMessage(frames)).toThrow(expect.objectContaining({ code: "remote-protocol" }));
  });
});

describe("typed messages", () => {
  test("a field that is missing or wrong is named with its op", () => {
    const bad =
      (map: Record<string, unknown>): (() => unknown) =>
      () =>
        SCHEDULER_TO_WORKER.parse(new Map(Object.entries(map)));
    expect(bad({ op: "free-keys", keys: 5, stimulus_id: "s" })).toThrow(
      "scheduler to worker free-keys.keys: expected an array, got 5",
    );
    expect(bad({ op: "steal-request", stimulus_id: "s" })).toThrow(
      "scheduler to worker steal-request.key: expected the field to be there",
    );
    expect(bad({ op: 5 })).toThrow("scheduler to worker: unknown op 5");
    expect(() => GATHER.parse(new Map([["keys", [[[]]]]]))).not.toThrow();
    expect(() => GATHER.parse(new Map([["keys", [new Map()]]]))).toThrow(/gather\.keys: expected a task key/);
  });
  test("fields a newer peer adds are ignored; arguments that Python leaves out are null", () => {
    const message = SCHEDULER_TO_WORKER.parse(
      new Map<string, unknown>([
        ["op", "free-keys"],
        ["keys", []],
        ["stimulus_id", "s"],
        ["new_field", 1],
      ]),
    );
    expect(message).toEqual({ op: "free-keys", keys: [], stimulusId: "s" });
    expect(
      CLIENT_TO_SCHEDULER.parse(
        new Map<string, unknown>([
          ["op", "cancel-keys"],
          ["keys", []],
          ["force", false],
        ]),
      ),
    ).toMatchObject({ reason: null, msg: null });
  });
  test("an outgoing message with a missing field is our own error", () => {
    expect(() => WORKER_TO_SCHEDULER.encode({ op: "reschedule", stimulusId: "s" } as never)).toThrow(
      expect.objectContaining({ code: "local-protocol" }),
    );
  });
  test("update-layers travels between rsdat peers", () => {
    const message = {
      op: "update-layers",
      layers: Uint8Array.of(1),
      wanted: [
        ["ndvi", 0, 4],
        [2, 1, 3],
      ],
      annotations: new Map(),
      client: "c",
      stimulusId: "s",
    } as const;
    const map = decodeMessage(encodeMessage(CLIENT_TO_SCHEDULER.encode(message)).frames) as Map<string, unknown>;
    expect(CLIENT_TO_SCHEDULER.parse(map)).toEqual(message);
  });
});

describe("addresses", () => {
  test.each([
    ["tcp://127.0.0.1:8786", { scheme: "tcp", host: "127.0.0.1", port: 8786 }],
    ["node1:80", { scheme: "tcp", host: "node1", port: 80 }],
    ["tls://[::1]:1", { scheme: "tls", host: "::1", port: 1 }],
    ["ws://h:5/", { scheme: "ws", host: "h", port: 5 }],
    ["tcp://:0", { scheme: "tcp", host: "", port: 0 }],
    ["inproc://a/b", { scheme: "inproc", host: "a/b", port: 0 }],
  ])("%s", (text, expected) => {
    expect(parseAddress(text)).toEqual(expected);
    expect(parseAddress(formatAddress(parseAddress(text)))).toEqual(expected);
  });
  test.each(["http://x:1", "tcp://a:b:c", "tcp://h:99999", "inproc://", "tcp://[::1", "tcp://h:1/path"])(
    "%s is refused",
    (text) => {
      expect(() => normalizeAddress(text)).toThrow(
        expect.objectContaining({ code: "argument", message: expect.stringContaining(text) }),
      );
    },
  );
});

describe("handshake", () => {
  const of = (fields: Record<string, unknown>): ReadonlyMap<unknown, unknown> => new Map(Object.entries(fields));
  test("a peer without a pickle protocol, or below 4, is refused", () => {
    expect(() => parseHandshake(of({ python: [3, 8, 0] }))).toThrow(
      expect.objectContaining({ code: "remote-protocol" }),
    );
    expect(() => parseHandshake(of({ "pickle-protocol": 3 }))).toThrow(expect.objectContaining({ code: "version" }));
    expect(() => parseHandshake("OK")).toThrow(expect.objectContaining({ code: "remote-protocol" }));
  });
  test("C-I15 the dialect needs both sides and the same number", () => {
    const theirs = unpack(pack(handshakeMessage({ version: "9" })));
    expect(parseHandshake(theirs).rsdat).toEqual({ dialect: DIALECT, version: "9" });
    expect(parseHandshake(theirs, { dialect: false }).rsdat).toBeUndefined();
    expect(parseHandshake(of({ "pickle-protocol": 5, rsdat: of({ dialect: DIALECT - 1 }) })).rsdat).toBeUndefined();
    expect(handshakeMessage({ dialect: false })).not.toHaveProperty("rsdat");
  });
});
