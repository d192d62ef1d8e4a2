/** Specifications, as Dask's clusters hand them to `dask spec`. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readSpecs, schedulerOptions, workerSpecOptions } from "../../src/cli/spec.ts";

const folder = mkdtempSync(join(tmpdir(), "rsdat-spec-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("one server or several by name, as JSON or in a YAML file", () => {
  const one = { cls: "dask.distributed.Worker", opts: { nthreads: 2, name: "w" } };
  expect(readSpecs({ spec: JSON.stringify(one) })).toEqual(new Map([["w", one]]));
  const file = join(folder, "spec.yaml");
  writeFileSync(file, "a: {cls: distributed.Scheduler, opts: {port: 0}}\nb: {cls: dask.distributed.Nanny}\n");
  expect(readSpecs({ specFile: file })).toEqual(
    new Map([
      ["a", { cls: "distributed.Scheduler", opts: { port: 0 } }],
      ["b", { cls: "dask.distributed.Nanny", opts: {} }],
    ]),
  );
  expect(() => readSpecs({})).toThrow(/exactly one of --spec and --spec-file/);
  expect(() => readSpecs({ spec: "[1]" })).toThrow(/no mapping/);
  expect(() => readSpecs({ spec: '{"a": 1}' })).toThrow(/a: expected \{"cls"/);
  expect(() => readSpecs({ spec: "{" })).toThrow(/cannot be read/);
});

test("keyword arguments of Dask's become options of ours; unknown ones are named", () => {
  expect(
    workerSpecOptions(
      { name: 3, nthreads: 2, memory_limit: "1 GiB", resources: { GPU: 1 }, death_timeout: "30s", dashboard: false },
      "tcp://h:1",
    ),
  ).toEqual({
    scheduler: "tcp://h:1",
    name: "3",
    nthreads: 2,
    memoryLimitBytes: 2 ** 30,
    resources: new Map([["GPU", 1]]),
    deathTimeoutMs: 30_000,
  });
  expect(workerSpecOptions({ memory_limit: "auto", host: null }, "tcp://h:1")).toEqual({ scheduler: "tcp://h:1" });
  expect(schedulerOptions({ port: 0, dashboard_address: ":8787", protocol: "tls://", idle_timeout: 5 })).toEqual({
    port: 0,
    httpPort: 8787,
    protocol: "tls",
    idleTimeoutMs: 5_000,
  });
  expect(() => workerSpecOptions({ preload_nanny: 1 }, "tcp://h:1")).toThrow(
    /preload_nanny is unknown; there are name/,
  );
  expect(() => workerSpecOptions({ nthreads: "two" }, "tcp://h:1")).toThrow(
    /nthreads is "two"; expected a whole number/,
  );
  expect(() => workerSpecOptions({}, undefined)).toThrow(/needs the scheduler's address/);
});
