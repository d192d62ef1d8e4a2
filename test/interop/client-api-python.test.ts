/** What only Python workers can do for our client, and what they do for us both: named functions, files, shared data sets. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { arange, type ChunkedArray, delayed } from "../../src/array/index.ts";
import { Client, type Future, py, wait } from "../../src/client/index.ts";
import { registerArrays } from "../../src/graph/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { type SchedulerServer, startScheduler } from "../../src/scheduler/index.ts";
import { describePeer, runPython } from "../peers.ts";
import { type Running, startDaskScheduler, startDaskWorker, startRsdat } from "../processes.ts";

const folder = mkdtempSync(join(tmpdir(), "rsdat-client-python-"));
const tokenFile = join(folder, "token");

describePeer("our client with Python workers", ["distributed", "numpy"], () => {
  describe.each(["rsdat", "dask"])("on a %s scheduler", (kind) => {
    const running: Running[] = [];
    let own: SchedulerServer | undefined;
    let client: Client;
    let address: string;

    beforeAll(async () => {
      writeFileSync(tokenFile, "secret of this test", { mode: 0o600 });
      registerArrays(() => import("../../src/array/index.ts").then(({ heldArray }) => heldArray));
      if (kind === "rsdat") {
        own = await startScheduler({ port: 0 });
        address = own.address;
      } else {
        const started = await startDaskScheduler();
        running.push(started.scheduler);
        address = started.address;
      }
      const options = ["--nthreads", "1", "--memory-limit", "512MiB", "--token-file", tokenFile, "--no-nanny"];
      running.unshift(startRsdat(["worker", address, "--name", "js", ...options]));
      running.unshift(await startDaskWorker(address));
      client = await Client.connect(address, { tokenFile });
      await client.waitForWorkers(2, { timeout: 200 });
    });
    afterAll(async () => {
      await client?.close();
      for (const process of running) await process[Symbol.asyncDispose]();
      await own?.close();
    });

    /** Python tasks are kept off rsdat workers where the scheduler knows no languages. */
    async function onPython(): Promise<{ readonly workers: string[] }> {
      const { workers } = await client.schedulerInfo();
      return { workers: Array.from(workers ?? []).flatMap(([at, { language }]) => (language === "rsdat" ? [] : [at])) };
    }

    test("a Python error has its class, text and traceback", async () => {
      await using bad = await client.submit(py("math.sqrt"), [-1], await onPython());
      await wait(bad);
      const error = await bad.exception();
      expect([error?.code, error?.details["type"], bad.status]).toEqual(["remote", "ValueError", "error"]);
      // Python's own words for it, in whatever version.
      const said = await runPython(["-c", "import math\ntry: math.sqrt(-1)\nexcept ValueError as e: print(e, end='')"]);
      expect(error?.details["text"]).toBe(said);
    });

    test("a function that cannot be imported fails its task, and the worker lives", async () => {
      const where = await onPython();
      for (const [path, type, text] of [
        ["no_such_module.f", "ModuleNotFoundError", "No module named 'no_such_module'"],
        ["math.no_such_function", "AttributeError", "module 'math' has no attribute 'no_such_function'"],
      ] as const) {
        await using bad = await client.submit(py(path), [1], where);
        await wait(bad, { timeout: 60 });
        expect(await bad.exception()).toMatchObject({ details: { type, text } });
      }
      expect(await onPython()).toEqual(where);
      await using slept = await client.submit(py("asyncio.sleep"), [0, "coroutines are awaited"], where);
      expect(await slept.result()).toBe("coroutines are awaited");
    });

    test("futures in lists and objects are inputs of Python functions", async () => {
      const where = await onPython();
      await using one = await client.submit(py("operator.add"), [1, 2], where);
      await using words = await client.submit(py("builtins.sorted"), [{ b: one, a: [one] }], where);
      expect(await words.result()).toEqual(["a", "b"]);
      await using deep = await client.submit(py("operator.getitem"), [{ b: [one, 5] }, "b"], where);
      expect(await deep.result()).toEqual([3, 5]);
    });

    test("the result's class is told in Python's words", async () => {
      await using made = await client.submit(py("numpy.ones"), [3], await onPython());
      await wait(made);
      expect(made.type).toBe("numpy.ndarray");
    });

    test("a file of Python code is uploaded, and its functions run", async () => {
      const path = join(folder, `seasons_${kind}.py`);
      writeFileSync(path, "def season(month):\n    return ('DJF', 'MAM', 'JJA', 'SON')[month % 12 // 3]\n");
      const { workers } = await onPython();
      expect(await client.uploadFile(path)).toEqual(expect.arrayContaining(workers));
      await using summer = await client.submit(py(`seasons_${kind}:season`), [7], { workers });
      expect(await summer.result()).toBe("JJA");
    });

    test("what Python publishes is read here, and the other way round", async () => {
      const code = `
import json, sys
import dask.array as da
from dask.distributed import Client, wait
with Client(sys.argv[1]) as client:
    python = [w for w, info in client.scheduler_info(n_workers=-1)["workers"].items() if info.get("language") != "rsdat"]
    x = client.persist(da.arange(12, chunks=5, dtype="int32") * 2, workers=python)
    wait(x)
    client.publish_dataset(from_python={"x": x, "n": client.submit(sum, [1, 2, 3], workers=python)})
    given = client.get_dataset("from_js")
    ours = given["x"]
    print(json.dumps([str(ours.dtype), [list(c) for c in ours.chunks], client.gather([ours.dask[k] for k in ours.__dask_keys__()])[1].tolist(), given["n"].result()]))
`;
      const x = await client.persist(arange(10, { chunks: 4, dtype: "float64" }).add(0.5));
      await wait([x]);
      const n = await client.submit((a: number) => a * 2, [21]);
      await client.publishDataset({ from_js: { x, n } });
      const said = JSON.parse(await runPython(["-c", code, address], { timeoutMs: 240_000 })) as unknown;
      expect(said).toEqual(["float64", [[4, 4, 2]], [4.5, 5.5, 6.5, 7.5], 42]);
      const read = (await client.getDataset("from_python")) as { x: ChunkedArray; n: Future<number> };
      expect([read.x.dtype, read.x.chunks, await read.n.result()]).toEqual(["int32", [[5, 5, 2]], 6]);
      const blocks = await client.gather(client.futuresOf(read.x) as Future<NDArray>[]);
      expect(blocks.map((block) => block.toArray())).toEqual([
        [0, 2, 4, 6, 8],
        [10, 12, 14, 16, 18],
        [20, 22],
      ]);
      expect((await client.compute(read.x.add(1).sum())).item()).toBe(144n);
      await client.unpublishDataset(["from_python", "from_js"]);
    });

    test("delayed calls of both languages are one graph", async () => {
      const where = await onPython();
      const half = delayed((n: number) => n / 2);
      const sqrt = delayed<[number], number>(py("math.sqrt"));
      // A Python scheduler needs to be told where Python tasks can run, and that goes for all calls of one compute.
      if (kind === "rsdat") expect(await half(sqrt(half(32))).compute()).toBe(2);
      else expect(await sqrt(16).compute(where)).toBe(4);
      const total = delayed<[NDArray], unknown>(py("numpy.sum"));
      expect(await total(arange(10, { chunks: 3, dtype: "float64" })).compute(kind === "rsdat" ? {} : where)).toBe(45);
    });

    test("what cannot be is refused by name", async () => {
      await expect(client.uploadFile("kernel.js")).rejects.toMatchObject({
        code: "unsupported",
        message: expect.stringContaining("kernels("),
      });
      await expect(client.uploadFile(join(folder, "nowhere.py"))).rejects.toMatchObject({ code: "not-found" });
      await expect(client.submit(py("numpy.sum"), [1], { actor: true } as never)).rejects.toMatchObject({
        code: "unsupported",
      });
      await expect(client.submit(py("numpy.sum"), [1], { worker: "a" } as never)).rejects.toMatchObject({
        code: "argument",
        message: expect.stringContaining('no option "worker"'),
      });
      await expect(client.publishDataset({ block: NDArray.of(new Int8Array(2)) })).rejects.toMatchObject({
        code: "argument",
      });
      await expect(client.publishDataset({ lazy: arange(3) })).rejects.toMatchObject({ code: "unsupported" });
      expect(() => arange(3).mapBlocks(py("numpy.abs") as never)).toThrow(
        expect.objectContaining({ code: "unsupported" }),
      );
      const plugin = client.registerPlugin({ name: "p", setup: () => 1 });
      if (kind === "dask") await expect(plugin).rejects.toMatchObject({ code: "unsupported" });
      else expect(await plugin).toHaveLength(1);
    });
  });

  test("a Python client's files, logs and task stream work on our scheduler; its scheduler plugins are refused", async () => {
    await using scheduler = await startScheduler({ port: 0 });
    await using _worker = await startDaskWorker(scheduler.address);
    const path = join(folder, "uploaded.py");
    writeFileSync(path, "def answer():\n    return 42\n");
    const code = `
import json, sys
from dask.distributed import Client, SchedulerPlugin, fire_and_forget, wait
from distributed.diagnostics.plugin import WorkerPlugin
class Plain(SchedulerPlugin): pass
class Marked(WorkerPlugin):
    def setup(self, worker): worker.marked = 7
with Client(sys.argv[1]) as client:
    client.wait_for_workers(1)
    client.upload_file(sys.argv[2])
    def call():
        import uploaded
        return uploaded.answer()
    out = [client.submit(call).result()]
    client.register_plugin(Marked(), name="marked")
    out.append(list(client.run(lambda dask_worker: dask_worker.marked).values()))
    client.get_task_stream()
    wait(client.map(lambda x: x, range(3)))
    out.append(len(client.get_task_stream(count=3)))
    out.append(isinstance(client.get_scheduler_logs(2), (list, tuple)) and len(client.get_worker_logs()))
    client.set_metadata(["a", "b"], 1)
    out.append(client.get_metadata(["a"]))
    f = client.submit(lambda: 1, pure=False); wait(f)
    out.append(f.type.__name__)
    try: client.register_plugin(Plain(), name="plain"); out.append("taken")
    except Exception as error: out.append("refused" if "no Python process" in str(error) else str(error))
print(json.dumps(out))
`;
    const said = JSON.parse(await runPython(["-c", code, scheduler.address, path], { timeoutMs: 240_000 })) as unknown;
    expect(said).toEqual([42, [7], 3, 1, { b: 1 }, "int", "refused"]);
  });
});
