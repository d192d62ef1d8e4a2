import { expect, test } from "vitest";
import { seededRandom } from "../../src/base/index.ts";
import { BlockPages } from "../../src/worker/block-pages.ts";

test("values by rising numbers are those of a map, with their names, and an emptied one has none", () => {
  const random = seededRandom(7);
  const pages = new BlockPages<{ readonly at: number }, string>();
  const model = new Map<number, { readonly at: number }>();
  let next = 1;
  for (let step = 0; step < 5000; step++) {
    const refs = Array.from(model.keys());
    const ref = refs[random.below(Math.max(1, refs.length))];
    if (ref !== undefined && random.below(5) < 2) {
      expect(pages.delete(ref)).toBe(model.get(ref));
      model.delete(ref);
      expect([pages.get(ref), pages.name(ref), pages.delete(ref)]).toEqual([undefined, undefined, undefined]);
    } else {
      const value = { at: step };
      pages.set(next, value, { owner: `graph ${next % 3}`, task: 2 * next });
      model.set(next, value);
      expect(pages.name(next)).toEqual({ owner: `graph ${next % 3}`, task: 2 * next });
      next += 1 + random.below(3);
    }
  }
  expect(Array.from(pages)).toEqual(Array.from(model));
  for (const ref of model.keys()) pages.delete(ref);
  expect(Array.from(pages)).toEqual([]);
});
