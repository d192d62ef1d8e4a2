/** The number of threads does not matter: the same bytes from one and from two. */
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { registerRunner } from "../../src/graph/index.ts";
import { LocalRunner } from "../../src/local/index.ts";
import { build, bytesOf, programs } from "./programs.ts";

const one = new LocalRunner({ threads: 1 });
const two = new LocalRunner({ threads: 2 });
afterAll(async () => {
  await one[Symbol.asyncDispose]();
  await two[Symbol.asyncDispose]();
});

test("programs give the same bytes on one thread and on two, twice", async () => {
  await fc.assert(
    fc.asyncProperty(programs, async (program) => {
      const found = new Set<string>();
      for (const runner of [one, two, two]) {
        registerRunner(() => Promise.resolve(runner));
        found.add(bytesOf(await (await build(program)).compute()));
      }
      expect([...found].length).toBe(1);
    }),
    { numRuns: 15 },
  );
}, 240_000);
