/** The end-to-end tests once more with everything said in pure Dask: a run of their own, with `RSDAT_DIALECT=0`. */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../peers.ts";

/** Of Vitest's JSON report, what is looked at. */
interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
    }[];
  }[];
}

/** As a shell starts it: without what the run around this one says to its own processes. */
const env = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("VITEST"))),
  RSDAT_DIALECT: "0",
};

/** Far more than it takes: half an hour where six others share two cores. */
const TIMEOUT_MS = 5_400_000;

test("end to end without the dialect", { timeout: TIMEOUT_MS }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "rsdat-pure-dask-"));
  const file = join(folder, "report.json");
  const vitest = join(ROOT, "node_modules", "vitest", "vitest.mjs");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
  const child = spawn(process.execPath, [vitest, "run", "--project", "e2e", ...reporters], {
    cwd: ROOT,
    env,
    stdio: ["ignore", "inherit", "inherit"],
  });
  try {
    await new Promise((resolve) => child.once("exit", resolve));
    const report = JSON.parse(readFileSync(file, "utf8")) as Report; // Vitest's own
    const tests = report.testResults.flatMap(({ assertionResults }) => assertionResults);
    const named = (status: string): string[] => tests.filter((t) => t.status === status).map((t) => t.fullName);
    console.log(`pure Dask: ${named("passed").length} passed, ${named("failed").length} failed of ${tests.length}`);
    expect(named("failed")).toEqual([]);
    expect(named("passed").length).toBeGreaterThan(100);
    // Every file was there, and none of them failed outside its tests.
    const files = readdirSync(join(ROOT, "test", "e2e")).filter((name) => name.endsWith(".test.ts"));
    expect(report.testResults.map(({ name }) => basename(name)).sort()).toEqual(files.sort());
    expect(report.testResults.filter((t) => t.assertionResults.length === 0)).toEqual([]);
    // What only the dialect can do says so, and is left out: so the dialect was off.
    expect(named("skipped").concat(named("pending")).join("\n")).toMatch(/with a journal/);
  } finally {
    child.kill();
    rmSync(folder, { recursive: true, force: true });
  }
});
