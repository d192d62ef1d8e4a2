import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";

const ROOT = new URL("../../", import.meta.url).href;
const SETTING = "/sys/kernel/mm/transparent_hugepage/enabled";
const MIB = 2 ** 20;
const TOUCHED_MIB = 64;

/** A process that has no package of that name, whatever is installed. */
const WITHOUT_KOFFI = `
  import { registerHooks } from "node:module";
  registerHooks({ resolve(name, context, next) {
    if (name === "koffi") throw Object.assign(new Error("Cannot find module 'koffi'"), { code: "MODULE_NOT_FOUND" });
    return next(name, context);
  } });`;

interface Touched {
  readonly huge: number;
  readonly resident: number;
  /** Bytes in huge pages of a result. */
  readonly result: number;
  /** Why there are none. */
  readonly reasons: readonly string[];
}

/** What a process gains when a segment of 1 GiB is touched in part, and then a result of as many bytes. */
async function touched(options: string, first = ""): Promise<Touched> {
  const script = `${first}
    import { readFileSync } from "node:fs";
    const { createExecutor } = await import("${ROOT}src/executor/index.ts");
    const { createSegment, unsetBlock } = await import("${ROOT}src/kernels/index.ts");
    const count = (name) => Number(new RegExp(name + ":\\\\s+(\\\\d+) kB").exec(readFileSync("/proc/self/smaps_rollup", "utf8"))[1]) * 1024;
    const reasons = [];
    const silent = () => {};
    const logger = { debug: (_, { reason }) => reasons.push(reason), info: silent, warning: silent, error: silent };
    await using executor = createExecutor({ threads: 1, budgetBytes: ${MIB}, logger, ${options} });
    const before = { huge: count("AnonHugePages"), resident: count("Rss") };
    const bytes = new Uint8Array(createSegment(${2 ** 30}).buffer);
    bytes.fill(1, 0, ${TOUCHED_MIB * MIB});
    const after = { huge: count("AnonHugePages"), resident: count("Rss") };
    unsetBlock("uint8", [${TOUCHED_MIB * MIB}]).data.fill(1);
    const result = count("AnonHugePages") - after.huge;
    console.log(JSON.stringify({ huge: after.huge - before.huge, resident: after.resident - before.resident, result, reasons }));`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", script]);
  return JSON.parse(stdout);
}

const isOnRequest = existsSync(SETTING) && readFileSync(SETTING, "utf8").includes("[madvise]");

describe.skipIf(!isOnRequest)("where huge pages are given on request", () => {
  test("a segment lies in them as far as it is touched, and so do large results", { timeout: 240_000 }, async () => {
    const { huge, resident, result, reasons } = await touched("");
    expect(reasons).toEqual([]);
    expect(huge).toBeGreaterThan((TOUCHED_MIB / 2) * MIB);
    expect(result).toBeGreaterThan((TOUCHED_MIB / 2) * MIB);
    expect(resident).toBeLessThan((TOUCHED_MIB + 16) * MIB);
  });

  test("but not where they are not allowed", { timeout: 240_000 }, async () => {
    expect((await touched("hugePages: false")).huge).toBeLessThan(4 * MIB);
  });

  test("without the optional package blocks lie in small pages, and a line for debugging says so", {
    timeout: 240_000,
  }, async () => {
    const { huge, resident, result, reasons } = await touched("", WITHOUT_KOFFI);
    expect(reasons).toEqual(["Cannot find module 'koffi'"]);
    expect(Math.max(huge, result)).toBeLessThan(4 * MIB);
    expect(resident).toBeGreaterThan((TOUCHED_MIB - 1) * MIB);
  });
});
