/** Local files as a store: exact reads, atomic writes, pinned versions, keys that stay inside. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import {
  closeFiles,
  ioCounters,
  isSyncStore,
  locate,
  openStore,
  type SyncStore,
  toUrl,
} from "../../../src/io/index.ts";

const root = mkdtempSync(join(tmpdir(), "rsdat-store-"));
afterAll(() => {
  closeFiles();
  rmSync(root, { recursive: true, force: true });
});

function opened(url: string): SyncStore {
  const store = openStore(url);
  if (!isSyncStore(store)) throw new Error(`${url} should be synchronous`);
  return store;
}

const text = (s: string): Uint8Array => new TextEncoder().encode(s);

describe.each([
  ["files", join(root, "a")],
  ["memory", "memory://unit/a/"],
])("%s", (_, url) => {
  const store = opened(url);

  test("what was written is read, by both faces", async () => {
    const version = await store.write("x/y.bin", [text("hello "), new Uint8Array(0), text("world")]);
    expect(version.size).toBe(11);
    expect(store.readSync("x/y.bin", { maxBytes: 11 })).toEqual({ bytes: text("hello world"), version });
    const into = new Uint8Array(new SharedArrayBuffer(5));
    expect(store.readIntoSync("x/y.bin", 6, into, { expect: version })).toEqual(version);
    expect(Buffer.from(into).toString()).toBe("world");
    expect(await store.readInto("x/y.bin", 0, into)).toEqual(version);
    expect(Buffer.from(into).toString()).toBe("hello");
    expect(await store.readStart("x/y.bin", { maxBytes: 4 })).toEqual({ bytes: text("hell"), size: 11, version });
    expect(await store.head("x/y.bin")).toEqual({ size: 11, version });
    expect(await Array.fromAsync(store.list("x"))).toEqual([{ key: "x/y.bin", size: 11 }]);
  });

  test("absence is null where it may be, an error where it may not", async () => {
    expect(await store.read("none", { maxBytes: 1 })).toBeNull();
    expect(await store.head("x")).toBeNull();
    expect(await store.readStart("none", { maxBytes: 1 })).toBeNull();
    expect(() => store.readIntoSync("none", 0, new Uint8Array(1))).toThrow(/none.* does not exist/);
    expect(await Array.fromAsync(store.list("nowhere"))).toEqual([]);
    await store.delete("none");
  });

  test("a short read, a large object, a changed one", async () => {
    const version = await store.write("s", [text("abc")]);
    expect(() => store.readIntoSync("s", 1, new Uint8Array(5))).toThrow(
      expect.objectContaining({ code: "short", message: expect.stringMatching(/bytes 1-5: got 2 bytes, expected 5/) }),
    );
    await expect(store.read("s", { maxBytes: 2 })).rejects.toMatchObject({ code: "too-large" });
    await store.write("s", [text("abcd")]);
    expect(() => store.readIntoSync("s", 0, new Uint8Array(1), { expect: version })).toThrow(
      expect.objectContaining({ code: "source-changed" }),
    );
    const into = new Uint8Array(4);
    store.readIntoSync("s", 0, into);
    expect(Buffer.from(into).toString()).toBe("abcd");
  });

  test("ifAbsent never replaces", async () => {
    await store.write("once", [text("1")], { ifAbsent: true });
    await expect(store.write("once", [text("2")], { ifAbsent: true })).rejects.toMatchObject({ code: "exists" });
    expect(store.readSync("once", { maxBytes: 9 })?.bytes).toEqual(text("1"));
    store.deleteSync("once");
    expect(store.headSync("once")).toBeNull();
  });

  test.each(["../up", "/etc/passwd", "a//b", "a/../../b", "", "a\0b", "."])("key %j stays outside", (key) => {
    expect(() => store.headSync(key)).toThrow(expect.objectContaining({ code: "argument" }));
  });
});

test("a percent sign in a key is a percent sign", async () => {
  const store = opened(join(root, "b"));
  await store.write("50%25.bin", [text("x")]);
  expect(readFileSync(join(root, "b", "50%25.bin"), "utf8")).toBe("x");
  expect(locate(join(root, "b", "50%25.bin")).key).toBe("50%25.bin");
});

test("a file renamed over an open one is seen; a failed write leaves the old file and no other", () => {
  const store = opened(join(root, "c"));
  store.writeSync("f", [text("old")], { fsync: true });
  const into = new Uint8Array(3);
  const version = store.readIntoSync("f", 0, into);
  writeFileSync(join(root, "c", "other"), "new");
  renameSync(join(root, "c", "other"), join(root, "c", "f"));
  store.readIntoSync("f", 0, into);
  expect(Buffer.from(into).toString()).toBe("new");
  expect(() => store.readIntoSync("f", 0, into, { expect: version })).toThrow(/changed while it was being read/);
  mkdirSync(join(root, "c", "folder", "full"), { recursive: true });
  expect(() => store.writeSync("folder", [text("x")])).toThrow(expect.objectContaining({ name: "WriteError" }));
  expect(readdirSync(join(root, "c"))).toEqual(["f", "folder"]);
});

test("300 files stay readable with 256 handles", () => {
  const store = opened(join(root, "d"));
  for (let i = 0; i < 300; i++) store.writeSync(`f${i}`, [Uint8Array.of(i & 255)]);
  const into = new Uint8Array(1);
  for (let pass = 0; pass < 2; pass++) {
    for (let i = 0; i < 300; i++) {
      store.readIntoSync(`f${i}`, 0, into);
      expect(into[0]).toBe(i & 255);
    }
  }
  expect(readdirSync("/proc/self/fd").length).toBeLessThan(256 + 100);
});

test("traffic is counted", () => {
  const before = ioCounters();
  const store = opened("memory://counted/");
  store.writeSync("a", [new Uint8Array(100)]);
  store.readIntoSync("a", 0, new Uint8Array(40));
  const after = ioCounters();
  expect([
    after.bytesRead - before.bytesRead,
    after.bytesWritten - before.bytesWritten,
    after.requests - before.requests,
  ]).toEqual([40, 100, 2]);
});

test("an unknown scheme is refused by name", () => {
  expect(() => openStore("ftp://host/a")).toThrow(
    expect.objectContaining({ code: "unsupported", message: expect.stringMatching(/ftp:/) }),
  );
});

test("what is neither a path nor a URL is said to be that", () => {
  for (const [given, shown] of [
    [undefined, "undefined"],
    [5, "5"],
    ["", '""'],
    [Promise.resolve("a"), "a Promise (await it first)"],
  ] as const)
    expect(() => toUrl(given as never)).toThrow(
      expect.objectContaining({ code: "argument", message: `${shown} is no path and no URL` }),
    );
  expect(() => toUrl("https://user:secret@[bad")).toThrow(
    expect.objectContaining({ code: "argument", message: expect.not.stringContaining("secret") }),
  );
});
