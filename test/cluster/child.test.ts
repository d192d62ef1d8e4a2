/** A child of a cluster whose parent gives up: what it has to say then finds nobody. */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { ChildRole } from "../../src/cluster/child.ts";
import { ROOT } from "../peers.ts";

const folder = mkdtempSync(join(tmpdir(), "rsdat-child-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("a child that answers into a channel that has just closed ends as one without a parent", async () => {
  const gate = join(folder, "closed");
  // The answer is held, with the event loop of the child, until the parent has closed the channel: the child cannot know yet.
  const held = `
    import { existsSync, writeSync } from "node:fs";
    const send = process.send;
    process.send = function (...message) {
      writeSync(1, "answers\\n");
      while (!existsSync(${JSON.stringify(gate)})) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      return send.apply(process, message);
    };`;
  const preload = `data:text/javascript,${encodeURIComponent(held)}`;
  const child = spawn(process.execPath, ["--import", preload, join(ROOT, "src", "cluster", "child.ts")], {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  let text = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  const exit = new Promise((resolve) => child.once("exit", (code, signal) => resolve(signal ?? code)));
  const temporaryFolder = mkdtempSync(join(folder, "scheduler-"));
  child.send({
    role: "scheduler",
    host: "127.0.0.1",
    port: 0,
    dialect: true,
    temporaryFolder,
    token: "t",
  } satisfies ChildRole);
  await new Promise((resolve) => child.stdout?.once("data", resolve));
  const closed = new Promise((resolve) => child.once("disconnect", resolve));
  child.disconnect();
  await closed;
  writeFileSync(gate, "");
  expect(await exit, text).toBe(0);
  expect(text).not.toContain("EPIPE");
  expect(existsSync(temporaryFolder)).toBe(false); // it has tidied up
});
