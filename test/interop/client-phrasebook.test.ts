/** docs/guide/client.md: both columns of every row are run, Python's on Dask, ours on rsdat, and come out alike. */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as rsdat from "rsdat";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { arange, delayed } from "../../src/array/index.ts";
import * as library from "../../src/client/index.ts";
import { Client, Future, wait } from "../../src/client/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { type SchedulerServer, startScheduler } from "../../src/scheduler/index.ts";
import { describePeer, ROOT, runPython } from "../peers.ts";
import { type Running, startRsdat } from "../processes.ts";

const TEXT = readFileSync(join(ROOT, "docs", "guide", "client.md"), "utf8");
const folder = mkdtempSync(join(tmpdir(), "rsdat-phrases-"));
const tokenFile = join(folder, "token");
const path = join(folder, "scheduler.json");

interface Row {
  readonly python: string;
  readonly ours: string;
}

const ROWS: Row[] = TEXT.split("\n").flatMap((line): Row[] => {
  const found = /^\| `(.+?)` \| `(.+)` \|$/.exec(line);
  return found ? [{ python: found[1] as string, ours: found[2] as string }] : []; // matched
});

test("what the rows use, the guide imports, and rsdat has what it imports", () => {
  const imported = TEXT.matchAll(/^import \{ (.+) \} from "rsdat";$/gm).flatMap(([, names = ""]) => names.split(", "));
  const known = new Set(imported);
  expect([...known].filter((name) => !(name in rsdat))).toEqual([]);
  const used = Object.keys(rsdat).filter((name) =>
    ROWS.some(({ ours }) => new RegExp(`(?<![.\\w"])${name}\\b(?!["\\w:])`).test(ours)),
  );
  expect(used).toContain("Lock");
  expect(used.filter((name) => !known.has(name))).toEqual([]);
});

/** An outcome as both languages have it. */
async function plain(value: unknown): Promise<unknown> {
  if (value instanceof Client) {
    await value.close();
    return "client";
  }
  if (value instanceof Future) {
    await wait(value);
    return ["future", value.status];
  }
  if (value instanceof NDArray) return value.toArray();
  if (Array.isArray(value)) return Promise.all(value.map(plain));
  return value ?? null;
}

describePeer("phrasebook of the client", ["distributed", "numpy"], () => {
  const running: Running[] = [];
  let scheduler: SchedulerServer;
  let client: Client;
  let expected: Promise<unknown[]>;
  let names: Record<string, unknown>;

  beforeAll(async () => {
    const input = JSON.stringify(ROWS.map(({ python }) => python));
    expected = runPython([join("test", "interop", "client_phrasebook_peer.py")], { input, timeoutMs: 300_000 }).then(
      (text) => JSON.parse(text.trim().split("\n").at(-1) ?? "") as unknown[],
    );
    expected.catch(() => undefined); // told by the first test that waits for it
    writeFileSync(tokenFile, "secret of this test", { mode: 0o600 });
    scheduler = await startScheduler({ port: 0, schedulerFile: path });
    const options = ["--nthreads", "1", "--memory-limit", "512MiB", "--token-file", tokenFile, "--no-nanny"];
    running.push(startRsdat(["worker", scheduler.address, "--name", "alpha", ...options]));
    running.push(startRsdat(["worker", scheduler.address, "--name", "beta", "--resources", "GPU=1", ...options]));
    client = await Client.connect(scheduler.address, { tokenFile });
    await client.waitForWorkers(2, { timeout: 200 });
    const add = (a: number, b = 1): number => a + b;
    const bad = await client.submit(
      (what: string) => {
        throw new RangeError(`no ${what}`);
      },
      ["luck"],
    );
    names = {
      ...library,
      array: { arange },
      delayed,
      client,
      address: scheduler.address,
      path,
      add,
      f: await client.submit(add, [1, 2]),
      fs: await client.map(add, [1, 2, 3]),
      bad,
      x: arange(8, { chunks: 2 }),
    };
    await wait(bad);
    await (names["f"] as Future).result();
  });
  afterAll(async () => {
    await client?.close();
    for (const process of running) await process[Symbol.asyncDispose]();
    await scheduler?.close();
  });

  test("the guide has rows, and Python has run them all", async () => {
    expect(ROWS.length).toBeGreaterThan(60);
    expect(await expected).toHaveLength(ROWS.length);
  });

  describe("rows", () => {
    test.each(ROWS.map((row, i): [string, number] => [row.ours, i]))("%s", async (code, i) => {
      // Text of a row; `await` is allowed in it.
      const made = new Function(...Object.keys(names), `return (async () => ${code})();`) as (
        ...given: unknown[]
      ) => Promise<unknown>;
      const outcome = await plain(await made(...Object.values(names)));
      expect(outcome).toEqual((await expected)[i]);
    });
  });
});
