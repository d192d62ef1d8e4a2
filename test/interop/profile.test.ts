/** Profiles across languages: both clients, on both schedulers, with a worker of each language. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { silentLogger } from "../../src/base/index.ts";
import { Client, type ProfileNode, type ProfileOptions, py } from "../../src/client/index.ts";
import { type SchedulerServer, startScheduler } from "../../src/scheduler/index.ts";
import { describePeer, runPython } from "../peers.ts";
import { type Running, startDaskScheduler, startDaskWorker, startRsdat } from "../processes.ts";

const folder = mkdtempSync(join(tmpdir(), "rsdat-profile-"));
const tokenFile = join(folder, "token");

/** What Python's client says of one cluster: plain trees, and what its own functions make of ours. */
const ASK = `
import json, sys
from distributed import Client, profile

def names(tree):
    return sorted({tree["description"]["name"]} | {n for c in tree["children"].values() for n in names(c)})

with Client(sys.argv[1]) as client:
    both, ours = client.profile(), client.profile(key="busy")
    each = client.profile(merge_workers=False)
    # Dask's own scheduler has it for its pages only.
    metadata = client.sync(client.scheduler.profile_metadata) if sys.argv[3] == "rsdat" else None
    print(json.dumps({
        "both": names(both),
        "ours": ours,
        "plotted": profile.plot_data(ours)["name"],
        "merged": profile.merge(both, ours)["count"] == both["count"] + ours["count"],
        "of": {address: names(tree) for address, tree in each.items()},
        "one": names(client.profile(workers=sys.argv[2])),
        "none": client.profile(key="nothing")["count"],
        "later": client.profile(start=4e9)["count"],
        "server": names(client.profile(server=True, workers=[sys.argv[2]])),
        "counted": metadata and sum(count for _, count in metadata["counts"]) >= ours["count"],
        "keys": metadata and sorted(metadata["keys"]),
    }))
`;

function names({ description, children }: ProfileNode): string[] {
  return [description.name, ...Array.from(children.values()).flatMap(names)];
}

function depth({ children }: ProfileNode): number {
  return 1 + Math.max(0, ...Array.from(children.values(), depth));
}

describePeer("profiles", ["distributed"], () => {
  describe.each(["rsdat", "dask"])("on a %s scheduler", (kind) => {
    const running: Running[] = [];
    let own: SchedulerServer | undefined;
    let client: Client;
    let address: string;
    let js: string;
    let python: string;

    beforeAll(async () => {
      writeFileSync(tokenFile, "secret of this test", { mode: 0o600 });
      if (kind === "rsdat") {
        own = await startScheduler({ port: 0, logger: silentLogger });
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
      const workers = Array.from((await client.schedulerInfo()).workers ?? []);
      const of = (isOurs: boolean): string =>
        workers.find(([, { language }]) => (language === "rsdat") === isOurs)?.[0] ?? "";
      [js, python] = [of(true), of(false)];
      await work();
    }, 240_000);
    afterAll(async () => {
      await client?.close();
      for (const process of running) await process[Symbol.asyncDispose]();
      await own?.close();
    });

    /** Both workers run a function for a while; Python's has 80 calls above it. */
    async function work(): Promise<void> {
      const path = join(folder, `calls_${kind}.py`);
      writeFileSync(
        path,
        "import time\n\ndef spin(s):\n    end = time.time() + s\n    while time.time() < end:\n        pass\n\ndef deep(n):\n    return deep(n - 1) if n else spin(2.5)\n",
      );
      await client.uploadFile(path);
      await using calls = await client.submit(py(`calls_${kind}:deep`), [80], { workers: [python] });
      function busy(ms: number): number {
        const until = performance.now() + ms;
        let n = 0;
        while (performance.now() < until) n++;
        return n;
      }
      await using ours = await client.submit(busy, [600], { workers: [js] });
      await Promise.all([calls.result(), ours.result()]);
    }

    test("our client: both languages in one tree, by worker and by key", async () => {
      const seen = async (options?: ProfileOptions): Promise<ReadonlySet<string>> =>
        new Set(names(await client.profile(options)));
      const all = await client.profile();
      expect(names(all)).toEqual(expect.arrayContaining(["busy", "deep", "spin"]));
      expect(depth(all)).toBeGreaterThan(80);
      expect(await seen({ workers: js })).toEqual(new Set(["", "busy"]));
      const ofPython = await seen({ workers: [python] });
      expect([ofPython.has("spin"), ofPython.has("busy")]).toEqual([true, false]);
      expect(await seen({ key: "busy" })).toEqual(new Set(["", "busy"]));
      expect((await seen({ key: "deep" })).has("spin")).toBe(true);
      // A Python worker counts what it has not closed yet to any part, as long as it has closed one at the most.
      expect((await client.profile({ stop: 1, workers: js })).count).toBe(0);
    });

    test("Python's client gets the same, and can plot and merge it", async () => {
      const said = JSON.parse(await runPython(["-c", ASK, address, js, kind], { timeoutMs: 120_000 })) as Record<
        string,
        unknown
      >;
      const { count } = await client.profile({ key: "busy" });
      const task = (name: string, filename: string, line: number, text: string, children: unknown) => ({
        [`${name};${filename};${line}`]: {
          identifier: `${name};${filename};${line}`,
          description: { filename, name, line_number: line, line: text },
          count,
          children,
        },
      });
      const busy = task("busy", "<function>", 1, "function busy(ms) {", {});
      expect(said).toEqual({
        both: expect.arrayContaining(["busy", "deep", "spin"]),
        ours: {
          identifier: "root",
          description: { filename: "", name: "", line_number: 0, line: "" },
          count,
          children: task("busy", "<task>", 0, "", busy),
        },
        plotted: ["", "busy", "busy"],
        merged: true,
        of: { [js]: ["", "busy"], [python]: expect.arrayContaining(["deep", "spin"]) },
        one: ["", "busy"],
        none: 0,
        later: 0,
        server: [""],
        counted: kind === "rsdat" ? true : null,
        keys: kind === "rsdat" ? expect.arrayContaining(["busy", "deep"]) : null,
      });
    });
  });
});
