/** Tasks whose data are being read while the last thread dies. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import type { ErrorRecord } from "../../src/base/index.ts";
import { createExecutor } from "../../src/executor/index.ts";
import type { Plain, TaskSpec } from "../../src/graph/index.ts";
import { openZarrGroup, planRead } from "../../src/io/index.ts";
import { keyOf, specOf } from "./specs.ts";

let die: ((slot: number, error: ErrorRecord, isLast: boolean) => void) | undefined;
vi.mock("../../src/executor/pool.ts", async (original) => {
  const { ThreadPool } = await original<typeof import("../../src/executor/pool.ts")>();
  return {
    ThreadPool: class extends ThreadPool {
      constructor(options: ConstructorParameters<typeof ThreadPool>[0]) {
        super(options);
        die = options.onDeath;
      }
    },
  };
});

const META = {
  zarr_format: 2,
  shape: [4],
  chunks: [4],
  dtype: "<f4",
  compressor: null,
  fill_value: 0,
  order: "C",
  filters: null,
};

test.each(["answers", "has gone"])("they end once, also where the store %s later", async (how) => {
  const go = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const server = createServer(async (request, response) => {
    if (request.url?.endsWith(".zarray")) return void response.end(JSON.stringify(META));
    if (request.url?.endsWith(".zgroup")) return void response.end('{"zarr_format":2}');
    if (!request.url?.endsWith("/0")) return void response.writeHead(404).end();
    asked.resolve();
    await go.promise;
    if (how === "answers") response.end(new Uint8Array(16));
    else response.writeHead(403).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const group = await openZarrGroup(`http://127.0.0.1:${(server.address() as AddressInfo).port}/in.zarr`, {
    vars: ["a"],
  });
  const source = group.source("a");
  const region = [{ start: 0, stop: 4 }];
  const walk = [{ axis: 0, start: 0, step: 1 }];
  const step = { do: "read", dtype: "float32", shape: [4], source: source as unknown as Plain, region, walk } as const;
  const spec: TaskSpec = specOf(0, [step], planRead(source, region).workspaceBytes);
  await using executor = createExecutor({ threads: 1, budgetBytes: 2 ** 20 });
  const ends: string[] = [];
  executor.submit({ key: keyOf("t", 0), spec, inputs: [] }, ({ status }) => ends.push(status));
  await asked.promise;
  die?.(-1, { name: "TaskError", code: "thread-died", message: "it died", details: {} }, true);
  go.resolve();
  await sleep(500);
  expect(ends).toEqual(["error"]);
  expect(executor.stats()).toMatchObject({ bytesLive: 0, inFlight: 0 });
  server.closeAllConnections();
  server.close();
});
