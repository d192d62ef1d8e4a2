/** `distributed.admin.pdb-on-err`: a process whose state is broken waits for a debugger, and goes on when that says so. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";

const ROOT = new URL("../../", import.meta.url).href;
/** The shell of a scheduler whose machine breaks; lines on stdout are what it logs, and that it went on. */
const SCHEDULER = `
import { config } from "${ROOT}src/config/index.ts";
import { Hub } from "${ROOT}src/scheduler/hub.ts";
config.set({ "distributed.admin.pdb-on-err": process.argv[1] === "true" });
const say = (line) => console.log(line);
const logger = { debug() {}, info() {}, warning: say, error: say };
const hub = new Hub({ clock: { now: () => 0, wall: () => 0 }, logger, rpc: {}, machine: {}, onFatal: () => say("it goes on") });
hub.machine.handleAll = () => { throw new Error("broken"); };
hub.feed({ type: "tick" });
`;

/** A worker, with its scheduler, whose machine breaks at the first word. */
const WORKER = `
import { config } from "${ROOT}src/config/index.ts";
import { InvariantError } from "${ROOT}src/base/index.ts";
import { startScheduler } from "${ROOT}src/scheduler/index.ts";
import { Worker } from "${ROOT}src/worker/index.ts";
import { Core } from "${ROOT}src/worker/state/core.ts";
config.set({ "distributed.admin.pdb-on-err": process.argv[1] === "true", "rsdat.kernels.huge-pages": false });
const say = (line) => console.log(line);
const quiet = { debug() {}, info() {}, warning() {}, error() {} };
const scheduler = await startScheduler({ port: 0, logger: quiet });
Core.prototype.send = () => { throw new InvariantError("broken"); };
const ends = () => { say("it goes on"); process.exit(0); };
process.on("uncaughtException", ends);
await Worker.start({
  scheduler: scheduler.address, nthreads: 1, memoryLimitBytes: 2 ** 29, logger: { ...quiet, warning: say },
}).catch(ends);
`;

function child(code: string, isSet: boolean) {
  const process_ = spawn(process.execPath, ["--input-type=module", "--eval", code, String(isSet)], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const lines: string[] = [];
  createInterface(process_.stdout).on("line", (line) => lines.push(line));
  const ended = once(process_, "exit");
  return { lines, ended, kill: () => process_.kill("SIGKILL") };
}

const heard = (socket: WebSocket, type: "open" | "message"): Promise<Event> =>
  new Promise((resolve) => socket.addEventListener(type, resolve, { once: true }));

const BROKEN = "the scheduler's state is broken, it stops: broken";

test("without it nobody is waited for", async () => {
  const { lines, ended } = child(SCHEDULER, false);
  expect(await ended).toEqual([0, null]);
  expect(lines).toEqual([BROKEN, "it goes on"]);
});

test.each([
  ["scheduler", SCHEDULER, [BROKEN]],
  ["worker", WORKER, []],
])("with it a %s stands still until a debugger on the loopback interface lets it go", async (_what, code, before) => {
  const { lines, ended, kill } = child(code, true);
  try {
    const told = /^an internal error: this process waits for a debugger at (ws:\/\/127\.0\.0\.1:\d+\/\S+)$/;
    await expect.poll(() => lines.some((line) => told.test(line)), { timeout: 60_000 }).toBe(true);
    const socket = new WebSocket(told.exec(lines[before.length] ?? "")?.[1] ?? "");
    await heard(socket, "open");
    const ask = async (id: number, method: string, params = {}): Promise<unknown> => {
      socket.send(JSON.stringify({ id, method, params }));
      for (;;) {
        const { data } = (await heard(socket, "message")) as MessageEvent;
        const answer = JSON.parse(String(data)) as { readonly id?: number; readonly result?: unknown };
        if (answer.id === id) return answer.result;
      }
    };
    // It answers, and has not gone on.
    expect(await ask(1, "Runtime.evaluate", { expression: "process.argv[1]" })).toMatchObject({
      result: { value: "true" },
    });
    expect(lines).toHaveLength(before.length + 1);
    await ask(2, "Runtime.runIfWaitingForDebugger");
    await expect.poll(() => lines.at(-1), { timeout: 60_000 }).toBe("it goes on");
    expect(lines.slice(0, before.length)).toEqual(before);
    socket.close();
    expect(await ended).toEqual([0, null]);
  } finally {
    kill();
  }
});
