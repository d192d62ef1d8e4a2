/** Flags of the commands, without starting anything. */
import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Command } from "commander";
import { expect, test } from "vitest";
import { addressInFile, dashboardPort, wholeNumber } from "../../src/cli/flags.ts";
import { main } from "../../src/cli/index.ts";
import { schedulerCommand } from "../../src/cli/scheduler.ts";
import { workerCommand, workerOptions } from "../../src/cli/worker.ts";
import { hostOfInterface } from "../../src/comm/index.ts";
import { allottedMemoryBytes } from "../../src/config/index.ts";
import { describePeer, PYTHON, run } from "../peers.ts";

const folder = mkdtempSync(join(tmpdir(), "rsdat-flags-"));

test("flags of a worker become its options", () => {
  const local = join(folder, "scratch", "deep");
  expect(
    workerOptions("tcp://10.0.0.1:8786", {
      nanny: false,
      name: "w-3",
      nthreads: "3",
      memoryLimit: "2GiB",
      resources: "GPU=2 mem=1e9",
      host: "127.0.0.1",
      workerPort: "4000",
      deathTimeout: "90",
      lifetime: "1h",
      contactAddress: "tcp://1.2.3.4:5",
      localDirectory: local,
    }),
  ).toMatchObject({
    scheduler: "tcp://10.0.0.1:8786",
    name: "w-3",
    nthreads: 3,
    memoryLimitBytes: 2 ** 31,
    host: "127.0.0.1",
    port: 4000,
    deathTimeoutMs: 90_000,
    lifetimeMs: 3_600_000,
    contactAddress: "tcp://1.2.3.4:5",
    localDirectory: local,
    resources: new Map([
      ["GPU", 2],
      ["mem", 1e9],
    ]),
    allowInsecure: false,
    token: null,
  });
  expect(existsSync(local)).toBe(true);
});

test("a memory limit can be a fraction of what was allotted", () => {
  const { memoryLimitBytes } = workerOptions("tcp://h:1", { nanny: false, memoryLimit: "0.25" });
  expect(memoryLimitBytes).toBeGreaterThan(0);
  expect(memoryLimitBytes).toBeLessThan(0.3 * allottedMemoryBytes().value);
});

test("a lifetime is spread by its stagger, and no further", () => {
  const { lifetimeMs } = workerOptions("tcp://h:1", { nanny: false, lifetime: "100s", lifetimeStagger: "10s" });
  expect(lifetimeMs).toBeGreaterThanOrEqual(90_000);
  expect(lifetimeMs).toBeLessThanOrEqual(110_000);
});

test.each([
  ["--nthreads", { nthreads: "two" }],
  ["--worker-port", { workerPort: "-1" }],
  ["--resources", { resources: "GPU" }],
  ["--memory-limit", { memoryLimit: "much" }],
  ["--death-timeout", { deathTimeout: "soon" }],
  ["rsdat-no-such", { interface: "rsdat-no-such" }],
])("%s with nonsense is an error that names it", (named, flags) => {
  expect(() => workerOptions("tcp://h:1", { nanny: false, ...flags })).toThrow(
    expect.objectContaining({ code: "argument", message: expect.stringContaining(named) }),
  );
});

test("several workers in one process are refused, with what to do", () => {
  expect(() => workerOptions("tcp://h:1", { nanny: false, nworkers: "4" })).toThrow(
    expect.objectContaining({ code: "unsupported", message: expect.stringContaining("--nthreads") }),
  );
});

test("the scheduler's address comes from a file, or is missed", () => {
  const file = join(folder, "scheduler.json");
  writeFileSync(file, JSON.stringify({ type: "Scheduler", address: "tcp://10.1.1.1:8786" }));
  expect(workerOptions(undefined, { nanny: false, schedulerFile: file }).scheduler).toBe("tcp://10.1.1.1:8786");
  expect(() => workerOptions(undefined, { nanny: false })).toThrow(expect.objectContaining({ code: "argument" }));
  writeFileSync(file, "{}");
  expect(() => addressInFile(file)).toThrow(
    expect.objectContaining({ message: expect.stringContaining("names no address") }),
  );
  expect(() => addressInFile(join(folder, "none"))).toThrow(
    expect.objectContaining({ message: expect.stringContaining("cannot be read") }),
  );
});

test("a token file that others can read is refused", () => {
  const file = join(folder, "token");
  writeFileSync(file, "secret", { mode: 0o644 });
  expect(() => workerOptions("tcp://h:1", { nanny: false, tokenFile: file })).toThrow(
    expect.objectContaining({ code: "config", message: expect.stringContaining("644") }),
  );
  const own = join(folder, "own");
  writeFileSync(own, "secret\n", { mode: 0o600 });
  expect(workerOptions("tcp://h:1", { nanny: false, tokenFile: own }).token).toBe("secret");
});

test("a listen address says host and port, and nothing else may", () => {
  expect(workerOptions("tcp://h:1", { nanny: false, listenAddress: "tcp://0.0.0.0:9000" })).toMatchObject({
    host: "0.0.0.0",
    port: 9000,
  });
  expect(workerOptions("tcp://h:1", { nanny: false, listenAddress: "tcp://:9000" })).toMatchObject({ host: "0.0.0.0" });
  expect(() => workerOptions("tcp://h:1", { nanny: false, listenAddress: "tcp://:1", workerPort: "2" })).toThrow(
    /leave out --host, --interface and --worker-port/,
  );
});

test("flags of Dask's that cannot be honoured are refused with what to do instead", async () => {
  for (const [args, hint] of [
    [["worker", "tcp://h:1", "--worker-class", "x.Y"], "--worker-class: there is one kind of worker here"],
    [["worker", "tcp://h:1", "--nanny-port", "3000"], "--nanny-port: the nanny listens on no port"],
    [["scheduler", "--jupyter"], "--jupyter: a scheduler in Node cannot host a Jupyter server"],
  ] as const) {
    const said: string[] = [];
    const write = process.stderr.write;
    process.stderr.write = (text) => said.push(String(text)) > 0;
    await main(args);
    process.stderr.write = write;
    expect(said.join("")).toMatch(new RegExp(`^rsdat: ${hint}`));
    expect(process.exitCode).toBe(1);
    process.exitCode = undefined;
  }
});

/** What a command knows, by the name of each flag; hidden ones too. */
function flagsOf(command: Command): Set<string> {
  return new Set(command.options.flatMap(({ long }) => (long ? [long] : [])));
}

describePeer("beside dask's own commands", ["dask", "distributed"], () => {
  test.each([
    ["scheduler", schedulerCommand],
    ["worker", workerCommand],
  ] as const)("every flag of dask %s is known here", async (name, make) => {
    const help = await run(join(dirname(PYTHON), "dask"), [name, "--help"]);
    const theirs = new Set(help.match(/--[a-z][a-z-]+/g));
    const known = flagsOf(make());
    // A name that ends in a dash is one that a line of the help breaks.
    const asked = [...theirs].filter((flag) => !["--version", "--help"].includes(flag) && !flag.endsWith("-"));
    expect(asked.length).toBeGreaterThan(15);
    expect(asked.filter((flag) => !known.has(flag))).toEqual([]);
  });
});

test("an address to call has a port, and so has that of the pages", () => {
  expect(() => workerOptions("somewhere", { nanny: false })).toThrow(
    'address "somewhere" is unreadable: it lacks a host or a port',
  );
  expect([dashboardPort(undefined), dashboardPort(":8787"), dashboardPort("0.0.0.0:0"), dashboardPort("80")]).toEqual([
    undefined,
    8787,
    0,
    80,
  ]);
  for (const text of ["foo", ":", ":99999"])
    expect(() => dashboardPort(text)).toThrow(`--dashboard-address "${text}" names no port; expected e.g. ":8787"`);
});

test("interfaces by name; whole numbers", () => {
  expect(hostOfInterface("lo")).toBe("127.0.0.1");
  expect(() => hostOfInterface("ib7")).toThrow('no network interface "ib7" with an address; there are lo');
  expect([wholeNumber("7", "--n"), wholeNumber(undefined, "--n")]).toEqual([7, undefined]);
  expect(() => wholeNumber("", "--n")).toThrow(expect.objectContaining({ code: "argument" }));
});
