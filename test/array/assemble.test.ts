import { expect, test } from "vitest";
import type { ChunkedArray } from "../../src/array/index.ts";
import * as array from "../../src/array/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { describeNumpy } from "../oracle/numpy-live.ts";
import { useInlineRunner } from "../run-inline.ts";

useInlineRunner();

const block = new NDArray(
  "int16",
  Int16Array.from({ length: 24 }, (_, k) => 3 * k - 7),
  [4, 6],
);

type Joins = readonly [name: string, make: (x: ChunkedArray) => ChunkedArray, numpy: string, tasks: number];

/** With x in blocks of 3 x 4, which are four; `tasks` of a result that is asked for in one piece. */
const JOINS: readonly Joins[] = [
  ["concatenate", (x) => array.concatenate([x, x.mul(2)]), "np.concatenate([x, x * 2])", 8],
  ["the same array twice", (x) => array.concatenate([x, x], 1), "np.concatenate([x, x], 1)", 4],
  ["an empty part", (x) => array.concatenate([x, x.slice("0:0")]), "np.concatenate([x, x[:0]])", 4],
  ["stack in the middle", (x) => array.stack([x, x.neg()], 1), "np.stack([x, -x], 1)", 8],
  ["stack at the end", (x) => array.stack([x, x.neg()], -1), "np.stack([x, -x], -1)", 8],
  [
    "a block of blocks",
    (x) =>
      array.block([
        [x, x.neg()],
        [x.add(1), x],
      ]),
    "np.block([[x, -x], [x + 1, x]])",
    12,
  ],
  ["tile", (x) => array.tile(x, [2, 3]), "np.tile(x, (2, 3))", 4],
  ["append in flat order", (x) => array.append(x, x), "np.append(x, x)", 2],
  [
    "a stack of flat ones",
    (x) => array.stack([array.ravel(x), array.ravel(x.neg())], 1),
    "np.stack([x.ravel(), -x.ravel()], 1)",
    -1,
  ],
  [
    "slices beside each other",
    (x) => array.concatenate([x.slice("1:", "::-1"), x.slice(":2")]),
    "np.concatenate([x[1:, ::-1], x[:2]])",
    -1,
  ],
  [
    "reshapes by blocks, whose elements are in the order of blocks",
    (x) => array.concatenate([array.reshapeBlockwise(x, [24]), array.reshapeBlockwise(x.neg(), [24])]),
    "np.concatenate([s * x[i:i + 3, j:j + 4].ravel() for s in (1, -1) for i in (0, 3) for j in (0, 4)])",
    -1,
  ],
  [
    "rows, columns and planes that repeat",
    (x) =>
      array.concatenate([
        array.stack([
          array.broadcastTo(x.slice("1:2"), [4, 6]),
          array.broadcastTo(x.slice(":", "2:3"), [4, 6]),
          array.broadcastTo(x.slice(3, 4), [4, 6]),
        ]),
        array.broadcastTo(x, [2, 4, 6]),
        array.indices([4, 6]).astype("int16"),
      ]),
    "np.concatenate([np.stack([np.broadcast_to(v, (4, 6)) for v in (x[1:2], x[:, 2:3], x[3, 4])]), np.broadcast_to(x, (2, 4, 6)), np.indices((4, 6)).astype('int16')])",
    -1,
  ],
  ["indices", () => array.indices([4, 6, 2], { chunks: 3, dtype: "int32" }), "np.indices((4, 6, 2), 'int32')", -1],
  ["roll", (x) => array.roll(x, 2, 1), "np.roll(x, 2, 1)", -1],
];

describeNumpy("arrays that only put others side by side", (numpy) => {
  test.each(JOINS)("%s", async (_, make, python, tasks) => {
    const [want] = (await numpy.ask(`lambda x: [${python}]`, [block])) as NDArray[];
    const joined = make(array.array(block, { chunks: [3, 4] }));
    const got = await joined.compute();
    expect(got.shape).toEqual(want?.shape);
    expect(got.toArray()).toEqual(want?.toArray());
    if (tasks >= 0) expect((await joined.explain()).tasks).toBe(tasks);
    // Blocks that somebody needs are made as ever.
    expect((await joined.astype("float64").compute()).toArray()).toEqual(want?.toArray());
  });
});
