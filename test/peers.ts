/**
 * Tests against foreign programs ("peers"): a real Dask, NumPy, GDAL (in rasterio), Slurm, the team's test data.
 *
 * @example
 * ```ts
 * describePeer("rsdat client on a dask scheduler", ["distributed", "numpy"], () => {
 *   test("reads a NumPy result", async () => {
 *     expect(JSON.parse(await runPython([script, "--sum"]))).toEqual({ sum: 45 });
 *   });
 * });
 * ```
 */
import { spawn } from "node:child_process";
import { describe, inject, test } from "vitest";
import { type FoundPeers, PEER_HINTS, type PeerName, PYTHON, ROOT } from "./find-peers.ts";

export { type PeerName, PYTHON, ROOT };

declare module "vitest" {
  interface ProvidedContext {
    peers: FoundPeers;
  }
}

/** The peer's version (for `test-data` its folder), or null when it is not on this machine. */
export function peerVersion(name: PeerName): string | null {
  return inject("peers")[name];
}

/**
 * A `describe` whose tests need all of `peers`. When one is absent the body is not run: one skipped test stands for
 * it, and the run's closing lines name the peer and how to get it; with `CI=true` that one test fails instead.
 * The bracket in the title is what the reporter counts by.
 */
export function describePeer(title: string, peers: PeerName | readonly PeerName[], body: () => void): void {
  const names = typeof peers === "string" ? [peers] : peers;
  const absent = names.filter((name) => peerVersion(name) === null);
  describe(`${title} [peers: ${names.join(" ")}]`, () => {
    if (absent.length === 0) return body();
    const reason = absent.map((name) => `${name} is absent (${PEER_HINTS[name]})`).join(", ");
    if (!process.env["CI"]) return test.skip(reason);
    test(reason, () => {
      throw new Error(`${reason}; with CI=true every peer must be present`);
    });
  });
}

export interface RunOptions {
  /** Text for its standard input; nothing by default. */
  readonly input?: string;
  /** Killed after this; default 240 s: a bound, for machines that others share. */
  readonly timeoutMs?: number;
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Runs a command to its end and gives its standard output; rejects with all it said when it fails. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { input = "", timeoutMs = 240_000, env = {}, cwd = ROOT } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, timeout: timeoutMs });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    child.stdin.on("error", () => undefined); // a child that does not read its input has closed the pipe
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (code === 0) resolve(Buffer.concat(out).toString());
      else
        reject(
          new Error(`${command} ${args.join(" ")}: ${signal ?? `exit ${code}`}\n${Buffer.concat([...out, ...err])}`),
        );
    });
    child.stdin.end(input);
  });
}

/** Runs the peers' Python with these arguments; see {@link run}. */
export function runPython(args: readonly string[], options?: RunOptions): Promise<string> {
  return run(PYTHON, args, options);
}
