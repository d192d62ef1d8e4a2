/** Whole lives of clusters in which everything goes wrong: S-P1 to S-P6 at once. */
import { expect, test } from "vitest";
import { FAULTS, type Life, live } from "./life.ts";

const GIVEN = process.env["RSDAT_SIM_SEED"];
const RUNS = Number(process.env["RSDAT_SIM_RUNS"] ?? 300);
const FIXED = 100;

/** A hundred that are always the same, the rest from a base that is printed; or those that are asked for. */
function seeds(): number[] {
  if (GIVEN !== undefined) return Array.from({ length: RUNS }, (_, i) => Number(GIVEN) + i);
  const base = 1_000 + Math.floor(Math.random() * 1_000_000_000);
  console.log(`simulated lives: seeds 1 to ${FIXED}, and ${RUNS - FIXED} from ${base}`);
  return Array.from({ length: RUNS }, (_, i) => (i < FIXED ? i + 1 : base + i - FIXED));
}

/** A failure names the one command that replays it. */
function replayable(seed: number, options: { readonly chains?: boolean } = {}): Life {
  try {
    return live(seed, options);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`seed ${seed}: npm run test:sim -- --seed ${seed} --runs 1 life\n${why}`, { cause: error });
  }
}

test("S-P1 S-P2 S-P3 S-P4 S-P5: whatever goes wrong, every wanted result arrives once, within the budget, and nothing is left", {
  timeout: 240_000 + RUNS * 1_000,
}, () => {
  const all = seeds().map((seed) => replayable(seed));
  if (all.length < FIXED) return;
  for (const fault of FAULTS)
    expect(
      all.reduce((sum, life) => sum + life.faults[fault], 0),
      fault,
    ).toBeGreaterThan(0);
  expect(
    all.reduce((sum, life) => sum + life.recomputed, 0),
    "recomputed",
  ).toBeGreaterThan(0);
  expect(
    all.reduce((sum, life) => sum + life.stolen, 0),
    "stolen",
  ).toBeGreaterThan(0);
});

test("S-P1 S-P4 S-P5: the same of chains of short calls, which go ahead of their inputs", {
  timeout: 240_000 + RUNS * 300,
}, () => {
  const all = seeds()
    .filter((_, i) => i % 15 === 0)
    .map((seed) => replayable(seed, { chains: true }));
  if (all.length < FIXED / 15) return;
  expect(all.filter(({ ahead }) => ahead > 0).length, "lives in which calls went ahead").toBeGreaterThan(
    all.length / 2,
  );
});

test("S-P6: the same seed gives the same life, another seed another one", () => {
  expect(live(7)).toEqual(live(7));
  expect(live(7).digest).not.toBe(live(8).digest);
});
