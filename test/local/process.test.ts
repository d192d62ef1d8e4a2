/** Whole processes: how a script that uses the embedded runner ends. */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { patiently } from "../patience.ts";

const LIMIT_MS = 120_000;

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
  /** From the last line on stdout to the end. */
  readonly lingerMs: number;
}

function start(script: string): {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  readonly said: (text: string) => Promise<void>;
} {
  const child = spawn(process.execPath, [join(import.meta.dirname, "scripts", `${script}.ts`)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [out, err, lastMs] = ["", "", performance.now()];
  const listeners: (() => void)[] = [];
  child.stdout.on("data", (data: Buffer) => {
    out += data.toString();
    lastMs = performance.now();
    for (const listener of listeners) listener();
  });
  child.stderr.on("data", (data: Buffer) => {
    err += data.toString();
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  const ended = new Promise<Ended>((resolve) => {
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, out, err, lingerMs: performance.now() - lastMs });
    });
  });
  const said = (text: string): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => void (out.includes(text) && resolve());
      listeners.push(look);
      look();
    });
  return { child, ended, said };
}

describe("a process with the embedded runner", () => {
  it.each(["ends", "closes"])(
    "that %s by itself: exit code 0 right after the last await",
    async (script) => {
      await patiently(async () => {
        const { code, out, err, lingerMs } = await start(script).ended;
        expect({ code, out, err }).toEqual({ code: 0, out: "sum 499500\n", err: "" });
        // What any process needs to end on this machine now, and a second: no timer or thread must hold it.
        const trivial = await start("trivial").ended;
        expect(lingerMs).toBeLessThan(trivial.lingerMs + 1000);
      });
    },
    4 * LIMIT_MS,
  );

  it(
    "stays alive while it computes (exit code 13 would say that nothing held it)",
    async () => {
      const { code, out } = await start("only-computes").ended;
      expect({ code, out }).toEqual({ code: 0, out: "sum 199999990000000\nexit 0\n" });
    },
    LIMIT_MS,
  );

  it(
    "that fails by an error of its own: non-zero, without waiting for the run",
    async () => {
      const { code, err } = await start("throws").ended;
      expect(code).toBe(1);
      expect(err).toContain("the script's own");
    },
    LIMIT_MS,
  );

  it(
    "that is interrupted: gone, and it had no child processes that could stay behind",
    async () => {
      const { child, ended, said } = start("endless");
      await said("running");
      // Once it is gone they would have another parent.
      expect(childrenOf(child.pid as number)).toEqual([]);
      expect(childrenOf(process.pid)).toContain(String(child.pid));
      child.kill("SIGINT");
      const { code, signal } = await ended;
      expect({ code, signal }).toEqual({ code: null, signal: "SIGINT" });
    },
    LIMIT_MS,
  );
});

/** Processes whose parent is `pid`. */
function childrenOf(pid: number): string[] {
  return readdirSync("/proc").filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const fields = readFileSync(`/proc/${name}/stat`, "utf8")
        .replace(/^.*\) /, "")
        .split(" ");
      return Number(fields[1]) === pid; // parent
    } catch {
      return false; // it ended meanwhile
    }
  });
}
