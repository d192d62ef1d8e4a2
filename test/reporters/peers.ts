/**
 * Closing lines of a test run: each peer with its version and how many tests it took part in, or how to get it.
 * With `CI=true`, a whole run (no file or name filter) in which some peer took part in no test fails.
 * `RSDAT_TEST_SUMMARY=FILE` appends one JSON line `{ passed, failed, skipped, failures, late }` for the continuous
 * integration: `failures` and `late` (passed at the second attempt) name tests with their first error.
 */
import { appendFileSync } from "node:fs";
import type { Reporter, TestCase, TestModule, Vitest } from "vitest/node";
import { findPeers, PEER_HINTS, type PeerName } from "../find-peers.ts";

const BRACKET = /\[peers: ([^\]]+)\]/g;

/** The projects that between them use every peer. */
const WHOLE_RUN = ["unit", "interop", "e2e", "slurm"];

/** Tests of one run that may need a second attempt: more are no accident of the machine. */
const MOST_LATE = 3;

/** File, name and the first line of the first error. */
function said(test: TestCase): string {
  const error = test.result().errors?.[0]?.message.split("\n")[0] ?? "no error told";
  return `${test.module.relativeModuleId} > ${test.fullName}: ${error}`;
}

export default class PeersReporter implements Reporter {
  #vitest: Vitest | undefined;

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const byPeer = new Map<string, number>();
    const failures = modules.flatMap((module) =>
      module.errors().map((e) => `${module.relativeModuleId}: ${e.message}`),
    );
    const counts = { passed: 0, failed: failures.length, skipped: 0 };
    const late: string[] = [];
    for (const test of modules.flatMap((module) => [...module.children.allTests()])) {
      const { state } = test.result();
      counts[state === "passed" || state === "failed" ? state : "skipped"]++;
      if (state === "failed") failures.push(said(test));
      if (test.diagnostic()?.flaky) late.push(said(test));
      for (const [, names = ""] of test.fullName.matchAll(BRACKET)) {
        for (const name of names.split(" ")) {
          byPeer.set(name, (byPeer.get(name) ?? 0) + (state === "passed" || state === "failed" ? 1 : 0));
        }
      }
    }
    const summary = process.env["RSDAT_TEST_SUMMARY"];
    if (summary) appendFileSync(summary, `${JSON.stringify({ ...counts, failures, late })}\n`);
    for (const line of late) console.log(`passed at the second attempt: ${line}`);
    if (late.length > MOST_LATE) {
      console.error(`${late.length} tests passed at the second attempt only: more than ${MOST_LATE} are a failure`);
      process.exitCode = 1;
    }
    this.#printPeers(byPeer);
  }

  #printPeers(byPeer: ReadonlyMap<string, number>): void {
    const whole = this.#isWholeRun();
    const found = this.#vitest?.getRootProject().getProvidedContext().peers ?? findPeers();
    for (const [name, hint] of Object.entries(PEER_HINTS)) {
      const ran = byPeer.get(name);
      if (ran === undefined && !whole) continue; // a filtered run says nothing of peers it does not touch
      const version = found[name as PeerName]; // keys of PEER_HINTS are the peer names
      console.log(
        version === null ? `peer ${name}: absent, skipped (${hint})` : `peer ${name} ${version}: ${ran ?? 0} tests`,
      );
      if (whole && process.env["CI"] && !ran) {
        console.error(`peer ${name} took part in no test: with CI=true that is a failure`);
        process.exitCode = 1;
      }
    }
  }

  #isWholeRun(): boolean {
    const vitest = this.#vitest;
    const isFiltered = process.argv.slice(3).some((argument) => !argument.startsWith("-"));
    if (!vitest || isFiltered || vitest.config.testNamePattern) return false;
    const projects = new Set(vitest.projects.map((project) => project.name));
    return WHOLE_RUN.every((name) => projects.has(name));
  }
}
