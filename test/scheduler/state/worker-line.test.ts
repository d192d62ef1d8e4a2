/** Numbers in the order in which they came, as a Set keeps them. */
import { expect, test } from "vitest";
import { seededRandom } from "../../../src/base/index.ts";
import { IndexLine } from "../../../src/scheduler/state/worker-line.ts";

function membersOf(line: IndexLine): number[] {
  const members: number[] = [];
  for (let index = line.first; index >= 0; index = line.after(index)) members.push(index);
  return members;
}

test("a line of numbers has the members of a Set, in its order, whatever comes and goes", () => {
  const random = seededRandom(7);
  const line = new IndexLine();
  const set = new Set<number>();
  for (let step = 0; step < 2000; step++) {
    const index = random.below(40);
    if (random.below(2) === 0) {
      line.add(index);
      set.add(index);
    } else expect(line.delete(index)).toBe(set.delete(index));
    expect(line.has(index)).toBe(set.has(index));
    expect(line.size).toBe(set.size);
    if (step % 10 === 0) expect(membersOf(line)).toEqual([...set]);
  }
});

test("numbers that were never heard of are not in a line", () => {
  const line = new IndexLine();
  expect(line.has(1000)).toBe(false);
  expect(line.delete(1000)).toBe(false);
  line.add(1000);
  expect(membersOf(line)).toEqual([1000]);
});
