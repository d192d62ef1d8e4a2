/** Numbers in the order in which they came, as a Set keeps them. */
import { expect, test } from "vitest";
import { seededRandom } from "../../../src/base/index.ts";
import { IndexLine, WorkerLine } from "../../../src/scheduler/state/worker-line.ts";
import type { WorkerState } from "../../../src/scheduler/state/workers.ts";

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

/** Indices of the workers that a look meets, while `during` takes some away or puts some in. */
function met(during: (line: WorkerLine, at: WorkerState) => void): number[] {
  const workers = Array.from({ length: 6 }, (_, index) => ({ index }) as WorkerState); // a line reads nothing else
  const line = new WorkerLine(workers);
  for (const worker of workers.slice(0, 4)) line.add(worker);
  const indices: number[] = [];
  for (const worker of line) {
    indices.push(worker.index);
    during(line, worker);
  }
  return indices;
}

const [one, two, five] = [1, 2, 5].map((index) => ({ index }) as WorkerState) as [
  WorkerState,
  WorkerState,
  WorkerState,
];

test("workers may come and go while a line is looked at", () => {
  expect(met(() => undefined)).toEqual([0, 1, 2, 3]);
  expect(met((line, worker) => line.delete(worker))).toEqual([0, 1, 2, 3]);
  expect(met((line, { index }) => index === 0 && line.delete(one))).toEqual([0, 2, 3]);
  expect(met((line, { index }) => index === 3 && line.add(five))).toEqual([0, 1, 2, 3, 5]);
  const both = met((line, worker) => {
    if (worker.index !== 1) return;
    line.delete(worker);
    line.delete(two);
  });
  expect(both).toEqual([0, 1]);
});
