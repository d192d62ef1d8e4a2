/** S-C29: how many sources are sent ahead, by what they leave. */
import { expect, test } from "vitest";
import { blockwiseNode, type Graph, sourceNode } from "../../../src/graph/index.ts";
import { graphOf, sumCall } from "../../sim/random-graph.ts";
import { Driver } from "./drive.ts";
import { submit } from "./layers.ts";

const MIB = 2 ** 20;
const BLOCKS = 60;

/** Blocks of 1 MiB and, in tasks of their own, one number of each: the source is wanted nowhere else. */
function sums(): Graph {
  const source = sourceNode({
    source: "s",
    dtype: "float32",
    chunks: [new Array<number>(BLOCKS).fill(MIB / 4)],
    scratchBytes: 0,
  });
  const ones = [new Array<number>(BLOCKS).fill(1)];
  return graphOf([blockwiseNode("one", sumCall(1), [{ layer: source, axes: [0] }], ones)]);
}

interface Most {
  /** Blocks of the source that are there, or under way. */
  readonly blocks: number;
  readonly ran: number;
}

/** Workers run what they were sent in the order of its ranks: a source takes 10 ms, what reads it a hundredth of one. */
function mostBlocks(
  threads: number,
  config: { sendAheadBytes?: number; saturation?: number | null },
  workers = 1,
): Most {
  const driver = new Driver(config);
  for (let k = 0; k < workers; k++) driver.worker(`w${k}`, { nthreads: threads, isColumnar: true });
  submit(driver, sums());
  let [blocks, ran, there] = [0, 0, 0];
  for (;;) {
    const isSource = ({ column }: (typeof driver.orders)[number]): boolean => (column?.task ?? 0) < BLOCKS;
    blocks = Math.max(blocks, there + driver.orders.filter(isSource).length);
    // What was sent first: sources run on while what reads them is under way.
    const order = driver.orders.shift();
    if (!order) return { blocks, ran };
    ran++;
    there += isSource(order) ? 1 : -1;
    driver.answer(order, isSource(order) ? MIB : 4, isSource(order) ? 0.01 : 0.00001);
  }
}

test("S-C29 S-I11: of sources that leave much one goes ahead for every two threads, however short tasks are on average", () => {
  for (const threads of [1, 2, 3, 4, 8]) {
    const { blocks, ran } = mostBlocks(threads, { sendAheadBytes: MIB });
    expect(ran).toBe(2 * BLOCKS);
    expect(blocks, `${threads} threads`).toBeLessThanOrEqual(threads + Math.max(1, threads >> 1));
  }
  expect(mostBlocks(2, { sendAheadBytes: MIB }, 3).blocks).toBeLessThanOrEqual(3 * 3);
});

test("S-C29: of others as many as their time asks for; and all that a saturation allows", () => {
  expect(mostBlocks(2, {}).blocks).toBeGreaterThan(5);
  expect(mostBlocks(2, { sendAheadBytes: MIB, saturation: 10 }).blocks).toBe(20);
});
