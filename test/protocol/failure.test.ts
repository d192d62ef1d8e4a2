import { expect, test } from "vitest";
import { CodecError, RsdatError, shownValue } from "../../src/base/index.ts";
import {
  checkReply,
  decodeMessage,
  encodeMessage,
  errorReply,
  failureOf,
  type PyValue,
  pyException,
  remoteError,
  serializeBytes,
  serializePickle,
  writePickle,
} from "../../src/protocol/index.ts";

test("an error of ours comes back whole: code, details, cause and place", () => {
  const cause = new RangeError("inner");
  const failure = failureOf(new CodecError("bad chunk", { cause, details: { chunk: [0, 1] } }), {
    worker: "tcp://w:1",
  });
  expect(failure.exceptionText).toBe("CodecError: bad chunk");
  const error = remoteError(failure.exception, { key: "k" });
  expect(error.message).toBe("task k on tcp://w:1: CodecError: bad chunk");
  expect(error.cause).toMatchObject({
    code: "codec",
    message: "bad chunk",
    details: { chunk: [0, 1] },
    cause: { message: "inner" },
  });
  expect(error.details).toMatchObject({ key: "k", worker: "tcp://w:1" });
});

test("the task that failed is named, its layer and block, also where another is wanted", () => {
  const task = { key: "('slope-1', 2, 0)", layer: "slope-1", position: [2, 0] };
  const failure = failureOf(new CodecError("bad chunk", { details: task }), { worker: "tcp://w:1" });
  const error = remoteError(failure.exception, { key: "('sum-2', 0)" });
  expect(error.message).toBe("task ('slope-1', 2, 0) on tcp://w:1: CodecError: bad chunk");
  expect(error.details).toMatchObject({ ...task, worker: "tcp://w:1", wanted: "('sum-2', 0)" });
  for (const forged of [{ key: 7, layer: "x" }, { key: "k".repeat(2000), layer: "x" }, { key: "k" }]) {
    const { exception } = failureOf(new CodecError("no", { details: forged }));
    expect(remoteError(exception, { key: "wanted" }).details).toEqual(
      expect.not.objectContaining({ layer: "x", wanted: expect.anything() }),
    );
    expect(remoteError(exception, { key: "wanted" }).details["key"]).toBe("wanted");
  }
  const odd = failureOf(new CodecError("no", { details: { key: "k", layer: "k", position: ["x"] } }));
  expect(remoteError(odd.exception).details).toEqual(expect.not.objectContaining({ position: expect.anything() }));
});

test("an error reply raises, others pass", () => {
  const reply = decodeMessage(encodeMessage(errorReply(new Error("no"))).frames);
  expect(() => checkReply(reply)).toThrow(expect.objectContaining({ code: "remote", message: "Error: no" }));
  for (const fine of [null, "OK", new Map([["status", "OK"]]), new Map([["status", "error"]])]) checkReply(fine);
});

test.each([
  "no json",
  "[]",
  "null",
  '{"record":5}',
  '{"record":{"name":"X","code":"x","message":"m","cause":null,"details":7,"stack":1}}',
  '{"worker":3,"record":{"name":1}}',
])("a forged record %s is data, not a crash", (json) => {
  const exception = pyException("text");
  exception.state = new Map<PyValue, PyValue>([["rsdat", json]]);
  const error = remoteError(serializeBytes(writePickle(exception)));
  expect(error).toBeInstanceOf(RsdatError);
  expect(error.message).toMatch(/^(RuntimeError: text|X: m)$/);
});

test("an unreadable exception still says what the texts say", () => {
  const bad = serializeBytes(Uint8Array.of(1, 2, 3));
  expect(remoteError(bad, { exceptionText: "ValueError('x')" }).details).toMatchObject({ type: "ValueError" });
  expect(remoteError(bad).message).toBe("the peer's error could not be read");
  expect(remoteError(serializePickle(writePickle(pyException("p")))).message).toBe("RuntimeError: p");
});

test("a long text is cut", () => {
  expect(failureOf(new Error("x".repeat(50_000))).exceptionText.length).toBeLessThan(10_010);
});

test("an error whose details JSON cannot say is told with those that it can", () => {
  const own: unknown[] = [];
  own.push(own);
  let deep: unknown = 1;
  for (let i = 0; i < 100_000; i++) deep = [deep];
  const details = { own, deep, size: 10n, key: "k", layer: "l" };
  const error = remoteError(failureOf(new RsdatError("odd", "no", { details })).exception);
  expect(error).toMatchObject({ details: { key: "k" }, cause: { code: "odd", message: "no" } });
  expect((error.cause as RsdatError).details).toEqual({
    own: "a list",
    deep: "a list",
    size: "10",
    key: "k",
    layer: "l",
  });
});

test.each([null, 5, ["a line"], { toString: 1 }])("an error that has %o in the place of its texts is told", (odd) => {
  const error = Object.assign(new Error("no"), { name: odd, message: odd, stack: odd });
  const { exceptionText, tracebackText } = failureOf(error);
  expect(exceptionText).toBe(`${shownValue(odd)}: ${shownValue(odd)}`);
  expect(tracebackText).toBe("");
});
