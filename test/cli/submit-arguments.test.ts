import { describe, expect, test } from "vitest";
import { parseSubmit } from "../../src/cli/submit-arguments.ts";

const parse = (line: string): unknown => {
  const { script, scriptArgs, sbatch, wait, follow, dryRun } = parseSubmit(line.split(" ").filter(Boolean));
  return { script, scriptArgs, sbatch, own: [wait && "wait", follow && "follow", dryRun && "dry"].filter(Boolean) };
};

describe("rsdat submit", () => {
  test.each([
    ["a.js", { script: "a.js", scriptArgs: [], sbatch: [], own: [] }],
    [
      "--time 5 -p rome a.js 1 --wait",
      { script: "a.js", scriptArgs: ["1", "--wait"], sbatch: ["--time", "5", "-p", "rome"], own: [] },
    ],
    [
      "--time=5 -N2 --wait --follow a.js",
      { script: "a.js", scriptArgs: [], sbatch: ["--time=5", "-N2"], own: ["wait", "follow"] },
    ],
    [
      "--exclusive --no-requeue -H -vv --dry-run a.js",
      { script: "a.js", scriptArgs: [], sbatch: ["--exclusive", "--no-requeue", "-H", "-vv"], own: ["dry"] },
    ],
    [
      "--exclusive=user --mem 4G -W -- a.js -x",
      { script: "a.js", scriptArgs: ["-x"], sbatch: ["--exclusive=user", "--mem", "4G"], own: ["wait"] },
    ],
    [
      "--some-option-of-2030 7 a.js",
      { script: "a.js", scriptArgs: [], sbatch: ["--some-option-of-2030", "7"], own: [] },
    ],
    ["-p rome --help", { script: null, scriptArgs: [], sbatch: ["-p", "rome"], own: [] }],
  ])("%s", (line, expected) => {
    expect(parse(line)).toEqual(expected);
  });

  test.each([
    ["", "no script"],
    ["--time", "--time needs a value"],
    ["--time 5", "no script"],
    ["--", "no script"],
    ["--wrap=x", "--wrap"],
    ["--wrap x", "--wrap"],
  ])("%j is refused", (line, text) => {
    expect(() => parse(line)).toThrow(
      expect.objectContaining({ code: "argument", message: expect.stringContaining(text) }),
    );
  });
});
