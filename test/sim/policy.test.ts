/** Policy gates: figures of placement and order are exact, and may not get worse than those of docs/policy.json. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ROOT } from "../peers.ts";
import { CASES, figuresOf, type PolicyCase, type PolicyFigures } from "./policy.ts";

/** Workers of the largest clusters that are simulated here; the long run has more. */
const WORKERS_MAX = Number(process.env["RSDAT_POLICY_WORKERS"] ?? 10);
const TABLE = JSON.parse(readFileSync(join(ROOT, "docs", "policy.json"), "utf8")) as readonly (PolicyCase &
  PolicyFigures)[];

/** What a change may cost. */
const SLACK = 1.03;

describe("policy", () => {
  test("the table has a row for each case (node scripts/policy.ts)", () => {
    const nameOf = ({ workload, workers, isFused }: PolicyCase): string => `${workload} ${workers} ${isFused}`;
    expect(TABLE.map(nameOf)).toEqual(CASES.map(nameOf));
  });

  test.each(TABLE.filter(({ workers }) => workers <= WORKERS_MAX))(
    "$workload on $workers workers, fused: $isFused",
    { timeout: 480_000 },
    (row) => {
      const now = figuresOf(row);
      expect({ tasks: now.tasks, boundMs: now.boundMs }).toEqual({ tasks: row.tasks, boundMs: row.boundMs });
      expect(now.makespanMs, "makespan").toBeGreaterThanOrEqual(now.boundMs);
      for (const figure of ["makespanMs", "movedMiB", "peakMiB"] as const)
        expect(now[figure], `${figure}; if it must be so: node scripts/policy.ts`).toBeLessThanOrEqual(
          row[figure] * SLACK,
        );
      expect(now.steals, "steals; if it must be so: node scripts/policy.ts").toBeLessThanOrEqual(
        row.steals * SLACK + 2,
      );
    },
  );
});
