/** Turns rows into tests: one per function, whose failure names up to twenty cases. */
import { expect, test } from "vitest";
import { describeNumpy } from "../../oracle/numpy-live.ts";
import { useInlineRunner } from "../../run-inline.ts";
import { casesOf, type Extent, lookUp } from "./cases.ts";
import type { Row } from "./row.ts";
import { check } from "./run.ts";

/** So many questions wait for NumPy at once. */
const AT_ONCE = 32;

/** Tests of all rows whose function the namespace has. */
export function gridTests(title: string, rows: readonly Row[], extent: Extent): void {
  describeNumpy(title, (numpy) => {
    useInlineRunner();
    for (const row of rows.filter(({ name }) => lookUp(name))) {
      test(row.name, async () => {
        const cases = casesOf(row, extent);
        const wrong: string[] = [];
        for (let i = 0; i < cases.length; i += AT_ONCE) {
          const answers = await Promise.all(cases.slice(i, i + AT_ONCE).map((one) => check(numpy, one)));
          wrong.push(...answers.filter((a) => a !== null));
        }
        expect(wrong.length > 40 ? [`${wrong.length} cases differ`, ...wrong.slice(0, 40)] : wrong).toEqual([]);
      });
    }
  });
}
