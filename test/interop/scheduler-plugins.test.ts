/** Hooks of a scheduler plugin: the same calls in the same order as a real Dask scheduler makes in the same scenario. */
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { silentLogger } from "../../src/base/index.ts";
import { Client } from "../../src/client/index.ts";
import { Rpc } from "../../src/comm/index.ts";
import { type SchedulerHooks, type SchedulerServer, startScheduler } from "../../src/scheduler/index.ts";
import { Worker } from "../../src/worker/index.ts";
import { describePeer, PYTHON, ROOT, runPython } from "../peers.ts";
import { start } from "../processes.ts";

type Call = readonly unknown[];

/** Writes down what it is told. */
function recorder(calls: Call[]): SchedulerHooks {
  const note =
    (hook: string, hasScheduler: boolean, count: number) =>
    (...args: readonly unknown[]): void =>
      void calls.push([hook, ...args.slice(hasScheduler ? 1 : 0).slice(0, count)]);
  return {
    name: "recorder",
    start: note("start", true, 0),
    beforeClose: note("beforeClose", false, 0),
    close: note("close", false, 0),
    updateGraph: (_scheduler, { client, keys }) => void calls.push(["updateGraph", client, keys.toSorted()]),
    restart: note("restart", true, 0),
    transition: note("transition", false, 3),
    addWorker: note("addWorker", true, 1),
    removeWorker: note("removeWorker", true, 1),
    addClient: note("addClient", true, 1),
    removeClient: note("removeClient", true, 1),
    logEvent: note("logEvent", false, 2),
  };
}

async function until(reached: () => boolean, calls: readonly Call[]): Promise<void> {
  for (let k = 0; k < 3000; k++) {
    if (reached()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`it did not come to that: ${JSON.stringify(calls)}`);
}

const startWorker = (scheduler: SchedulerServer, name: string): Promise<Worker> =>
  Worker.start({
    scheduler: scheduler.address,
    name,
    nthreads: 1,
    memoryLimitBytes: 2 ** 29,
    allowInsecure: true,
    logger: silentLogger,
  });

/** The scenario of scheduler_plugin_peer.py, step by step. */
async function scenario(): Promise<unknown> {
  const calls: Call[] = [];
  const names = new Map<unknown, string>();
  const seen = (...call: Call): Promise<void> =>
    until(() => calls.some((each) => JSON.stringify(each) === JSON.stringify(call)), calls);
  const scheduler = await startScheduler({ port: 0, logger: silentLogger });
  const first = await Client.connect(scheduler.address, { setAsDefault: false });
  names.set(scheduler.views.clients()[0], "first");
  await scheduler.addPlugin(recorder(calls));

  const worker = await startWorker(scheduler, "left");
  names.set(worker.address, "left");
  const second = await Client.connect(scheduler.address, { setAsDefault: false });
  const secondId = scheduler.views.clients()[1];
  names.set(secondId, "second");

  const inc = (x: number): number => x + 1;
  const one = await first.submit(inc, [1], { key: "one" });
  await one.result();
  const two = await first.submit(inc, [one], { key: "two" });
  await two.result();
  const fail = (x: number): number => {
    throw new RangeError(String(x));
  };
  const bad = await first.submit(fail, [1], { key: "bad" });
  await expect(bad.result()).rejects.toThrow();
  bad.release();
  await seen("transition", "bad", "released", "forgotten");
  two.release();
  await seen("transition", "two", "memory", "forgotten");
  one.release();
  await seen("transition", "one", "memory", "forgotten");

  await using rpc = new Rpc();
  await rpc.call(scheduler.address, { op: "log_event", topic: "greetings", msg: { n: 5 } });
  await second.close();
  await seen("removeClient", secondId);
  await worker.close("test");
  await seen("removeWorker", worker.address);

  // Without a restriction Dask queues it, and here it is without a worker, while there is none.
  const lone = await first.submit(inc, [1], { key: "lone", workers: "came" });
  await until(() => scheduler.views.stateOf(lone.key) === "no-worker", calls);
  const later = await startWorker(scheduler, "came");
  names.set(later.address, "came");
  await lone.result();
  lone.release();
  await seen("transition", "lone", "memory", "forgotten");
  await later.close("test");
  await seen("removeWorker", later.address);
  await first.restart();
  await seen("restart");
  const firstId = scheduler.views.clients()[0];
  await first.close();
  await seen("removeClient", firstId);
  await scheduler.close();
  return calls.map((call) =>
    call.map((part) => (part instanceof Map ? Object.fromEntries(part) : (names.get(part) ?? part))),
  );
}

describePeer("hooks of scheduler plugins", "distributed", () => {
  test("are called as Dask calls them", async () => {
    const [ours, dasks] = await Promise.all([
      scenario(),
      runPython([join(ROOT, "test/interop/scheduler_plugin_peer.py")]),
    ]);
    expect(ours).toEqual(JSON.parse(dasks));
  }, 120_000);

  test("of Python's are refused, and those of its nannies; its nannies join all the same", async () => {
    await using scheduler = await startScheduler({ port: 0, logger: silentLogger, plugins: true });
    await using worker = start(join(dirname(PYTHON), "dask"), [
      ...["worker", scheduler.address, "--host", "127.0.0.1", "--nthreads", "1", "--nanny", "--no-dashboard"],
    ]);
    await worker.waitFor(/Registered to:/);
    const code = `
import json, sys
from dask.distributed import Client, NannyPlugin, SchedulerPlugin
class Watch(SchedulerPlugin): name = "watch"
class Environ(NannyPlugin): name = "environ"
out = []
with Client(sys.argv[1]) as client:
    for plugin in (Watch(), Environ()):
        try: client.register_plugin(plugin); out.append("taken")
        except Exception as error: out.append(str(error))
    out.append(client.submit(lambda: 5).result())
print(json.dumps(out))
`;
    expect(JSON.parse(await runPython(["-c", code, scheduler.address]))).toEqual([
      expect.stringMatching(
        /the scheduler plugin watch is pickled Python code, and this scheduler is no Python process/,
      ),
      expect.stringMatching(
        /nanny plugins of Python are pickled code for Python nannies, which this scheduler does not keep/,
      ),
      5,
    ]);
    worker.process.kill("SIGTERM");
    await worker.exit;
  }, 240_000);
});
