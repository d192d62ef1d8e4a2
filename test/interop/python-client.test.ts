/** Interop proof (a): a real Python Client on our scheduler with a real Dask worker (dask-protocol §12c). */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { silentLogger } from "../../src/base/index.ts";
import { config } from "../../src/config/index.ts";
import { type SchedulerServer, startScheduler } from "../../src/scheduler/index.ts";
import { describePeer, PYTHON, ROOT, runPython } from "../peers.ts";

describePeer("a Python Client on our scheduler with Dask workers", ["dask", "distributed", "numpy"], () => {
  let scheduler: SchedulerServer;
  let workers: ChildProcess[] = [];

  beforeAll(async () => {
    scheduler = await startScheduler({ port: 0, logger: silentLogger });
    workers = [1, 2].map((n) => {
      const options = ["--no-nanny", "--nthreads", "1", "--no-dashboard", "--name", `dask-${n}`];
      return spawn(PYTHON, ["-m", "distributed.cli.dask_worker", scheduler.address, ...options], {
        cwd: ROOT,
        stdio: "ignore",
      });
    });
  });

  afterAll(async () => {
    await scheduler?.close();
    for (const worker of workers) worker.kill("SIGKILL");
  });

  // Every value is what the same script prints against a real Dask scheduler, save for counts of workers.
  test("submit, map, arrays, errors, scatter, persist, publish, cancel", async () => {
    const script = join("test", "interop", "python_client.py");
    const printed = await runPython([script, scheduler.address], { timeoutMs: 240_000 });
    expect(JSON.parse(printed)).toEqual({
      submit: 42,
      map: 9900,
      dependent: 9900,
      array_sum: 5000050000,
      array_std: 817.652738025135,
      rechunk: 27.5,
      error: "no luck",
      inherited_error: "no chain",
      scatter: 45,
      scatter_direct: 55,
      scatter_list: [1, 2, 3],
      persist: 99999,
      delayed: 4,
      ncores: expect.any(Number),
      who_has: true,
      has_what: true,
      info_workers: expect.any(Number),
      run: [7],
      datasets: ["numbers"],
      published: 0,
      cancelled: true,
      options: 1,
    });
    await expect
      .poll(() => scheduler.views.counts().tasks, { timeout: 60_000 })
      .toMatchObject({ memory: 0, processing: 0, waiting: 0, erred: 0 });
  });

  test("rebalance moves results between Python workers until they hold the same", async () => {
    using _set = config.set({
      "distributed.worker.memory.rebalance": { measure: "managed", "sender-min": 0, "sender-recipient-gap": 0 },
    });
    const code = `
import sys, numpy as np
from dask.distributed import Client
with Client(sys.argv[1]) as client:
    client.wait_for_workers(2, timeout=200)
    full, empty = client.ncores()
    futures = client.scatter([np.full(1000, i) for i in range(6)], workers=[full], hash=False)
    def count(): return [len(client.has_what()[w]) for w in (full, empty)]
    before = count()
    client.rebalance(futures[:1])
    one = count()
    client.rebalance()
    print(before, one, count(), [int(x[0]) for x in client.gather(futures)])
`;
    expect(await runPython(["-c", code, scheduler.address], { timeoutMs: 240_000 })).toBe(
      "[6, 0] [5, 1] [3, 3] [0, 1, 2, 3, 4, 5]\n",
    );
  });

  test("a killed worker's results are computed again", async () => {
    const code = `
import os, signal, sys, time
from dask.distributed import Client, wait
with Client(sys.argv[1]) as client:
    client.wait_for_workers(2, timeout=200)
    futures = client.map(lambda x: (os.getpid(), x * x), range(40), pure=False)
    wait(futures)
    holders = client.who_has(futures)
    victim = [w for ws in holders.values() for w in ws][0]
    only_there = sum(ws == (victim,) for ws in map(tuple, holders.values()))
    pid = client.run(os.getpid, workers=[victim])[victim]
    os.kill(pid, signal.SIGKILL)
    deadline = time.time() + 120
    while len(client.ncores()) > 1 and time.time() < deadline: time.sleep(0.05)
    print(only_there > 0, sum(x for _, x in client.gather(futures)), all(p != pid for p, _ in client.gather(futures)))
`;
    expect(await runPython(["-c", code, scheduler.address], { timeoutMs: 240_000 })).toBe(
      `True ${(39 * 40 * 79) / 6} True\n`,
    );
    expect(scheduler.views.counts().recomputed).toBeGreaterThan(0);
  });

  test("without a Python worker a graph of a Python client fails with an error that says so", async () => {
    await using lonely = await startScheduler({ port: 0, logger: silentLogger, pythonWaitMs: 100 });
    const code = `
import sys
from dask.distributed import Client
with Client(sys.argv[1]) as client:
    try: client.submit(lambda: 1).result(timeout=120)
    except Exception as error: print(error)
`;
    expect(await runPython(["-c", code, lonely.address])).toMatch(
      /NoWorkersError: no Python worker joined within 0.1 s/,
    );
  });
});
