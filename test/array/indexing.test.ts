import { expect, test } from "vitest";
import type { ChunkedArray } from "../../src/array/index.ts";
import * as array from "../../src/array/index.ts";
import { isRsdatError } from "../../src/base/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { describeNumpy, type PythonArgument } from "../oracle/numpy-live.ts";
import { useInlineRunner } from "../run-inline.ts";
import { block, type Case, disagreements, type Made } from "./agree.ts";

useInlineRunner();

const CUTS = [-1, [2, 3, 2], [1, 4, 3], [[3, 1, 2], [4], [2, 1, 2]]] as const;
const VALUES = block([6, 4, 5], "int32");
const FLAGS = (n: number, every = 2): NDArray =>
  NDArray.of(
    Uint8Array.from({ length: n }, (_, i) => (i % every === 0 ? 1 : 0)),
    [n],
    "bool",
  );
const ints = (...v: number[]): NDArray => NDArray.of(Int32Array.from(v));

type Row = readonly [make: (x: ChunkedArray) => Made, python: string, ...args: PythonArgument[]];

function rowsOf(rows: readonly Row[]): Record<string, Case> {
  return Object.fromEntries(
    rows.flatMap(([make, python, ...args]) =>
      CUTS.map((chunks) => [
        `${python} cut ${JSON.stringify(chunks)}`,
        {
          make: () => make(array.array(VALUES, { chunks: chunks as ChunkedArray["chunks"] | -1 })),
          python,
          args: [VALUES, ...args],
        },
      ]),
    ),
  );
}

describeNumpy("indexing", (numpy) => {
  test("lists and masks among slices", async () => {
    expect(
      await disagreements(
        numpy,
        rowsOf([
          [(x) => x.slice(ints(4, 0, 0, -1)), "lambda x: x[[4, 0, 0, -1]]"],
          [(x) => x.slice(":", Int32Array.of(3, 1)), "lambda x: x[:, [3, 1]]"],
          [(x) => x.slice("1:5, ::-1", ints(0, 2, 4)), "lambda x: x[1:5, ::-1, [0, 2, 4]]"],
          [(x) => x.slice("...", ints(4, 4, 1)), "lambda x: x[..., [4, 4, 1]]"],
          [(x) => x.slice(ints(2, 1), 0), "lambda x: x[[2, 1], 0]"],
          [(x) => x.slice(0, ints(2, 1)), "lambda x: x[0, [2, 1]]"],
          [(x) => x.slice(0, ":", ints(2, 1)), "lambda x: x[0, :, [2, 1]]"],
          [(x) => x.slice(ints(2, 1), ":", 0), "lambda x: x[[2, 1], :, 0]"],
          [(x) => x.slice(":", 1, ints(2, 1)), "lambda x: x[:, 1, [2, 1]]"],
          [(x) => x.slice(null, ints(2, 1)), "lambda x: x[None, [2, 1]]"],
          [(x) => x.slice(ints(2, 1), null), "lambda x: x[[2, 1], None]"],
          [(x) => x.slice(0, null, ints(2, 1)), "lambda x: x[0, None, [2, 1]]"],
          [(x) => x.slice(ints()), "lambda x: x[np.array([], int)]"],
          [(x) => x.slice(ints(6)), "lambda x: x[[6]]"],
          [(x) => x.slice(ints(-7)), "lambda x: x[[-7]]"],
          [(x) => x.slice(FLAGS(6)), "lambda x: x[[True, False] * 3]"],
          [(x) => x.slice("...", FLAGS(5, 3)), "lambda x: x[..., [True, False, False, True, False]]"],
          [(x) => x.slice(0, ":", FLAGS(5, 3)), "lambda x: x[0, :, [True, False, False, True, False]]"],
          [(x) => x.slice(FLAGS(5)), "lambda x: x[[True, False, True, False, True]]"],
          [(x) => x.slice(x.gt(0)), "lambda x: x[x > 0]"],
          [(x) => x.slice(x.slice("...", 0).gt(0)), "lambda x: x[x[..., 0] > 0]"],
          [(x) => x.slice(":", x.slice(0).gt(0)), "lambda x: x[:, x[0] > 0]"],
          [(x) => x.slice("2:", x.slice(0, "...", 0).gt(0)), "lambda x: x[2:, x[0, :, 0] > 0]"],
          [(x) => x.slice(array.array(ints(4, 0, 5), { chunks: 2 })), "lambda x: x[[4, 0, 5]]"],
          [(x) => x.slice(":", array.array(ints(-4, 0), { chunks: 1 })), "lambda x: x[:, [-4, 0]]"],
          [(x) => x.slice(array.array(ints(4, 6))), "lambda x: x[[4, 6]]"],
        ]),
      ),
    ).toEqual([]);
  });

  test("take, takeAlongAxis, compress, extract", async () => {
    const order = block([6, 4, 5], "int64", 3);
    const along = NDArray.of(
      BigInt64Array.from({ length: 6 * 4 * 5 }, (_, i) => BigInt((i * 7) % 5)),
      [6, 4, 5],
    );
    const first = NDArray.of(
      Int32Array.from({ length: 2 * 4 * 1 }, (_, i) => (i % 2 === 0 ? i % 6 : -1)),
      [2, 4, 1],
    );
    expect(
      await disagreements(
        numpy,
        rowsOf([
          [(x) => array.take(x, [5, 0, 0], { axis: 0 }), "lambda x: np.take(x, [5, 0, 0], 0)"],
          [(x) => array.take(x, [119, 0, -1]), "lambda x: np.take(x, [119, 0, -1])"],
          [(x) => array.take(x, 2, 1), "lambda x: np.take(x, 2, 1)"],
          [
            (x) => array.take(x, NDArray.of(Int16Array.of(0, 1, 2, 3), [2, 2]), -1),
            "lambda x: np.take(x, [[0, 1], [2, 3]], -1)",
          ],
          [
            (x) =>
              x.take(
                array.array(
                  [
                    [1, 0],
                    [3, 2],
                  ],
                  { chunks: 1 },
                ),
                1,
              ),
            "lambda x: np.take(x, [[1, 0], [3, 2]], 1)",
          ],
          [(x) => array.take(x, [4], 1), "lambda x: np.take(x, [4], 1)"],
          [
            (x) => array.takeAlongAxis(x, array.array(along, { chunks: 3 }), -1),
            "lambda x, i: np.take_along_axis(x, i, -1)",
            along,
          ],
          [
            (x) => array.takeAlongAxis(x, array.ravel(along), null),
            "lambda x, i: np.take_along_axis(x, i.ravel(), None)",
            along,
          ],
          [(x) => array.takeAlongAxis(x, first, { axis: 0 }), "lambda x, i: np.take_along_axis(x, i, 0)", first],
          [(x) => array.takeAlongAxis(x, array.array(order), 0), "lambda x, i: np.take_along_axis(x, i, 0)", order],
          [(x) => array.compress([true, false, true], x, 0), "lambda x: np.compress([True, False, True], x, 0)"],
          [(x) => array.compress(FLAGS(4), x, { axis: 1 }), "lambda x: np.compress([True, False, True, False], x, 1)"],
          [(x) => array.compress([true, false, true], x), "lambda x: np.compress([True, False, True], x)"],
          [(x) => array.compress(x.slice(":", 0, 0).gt(0), x, 0), "lambda x: np.compress(x[:, 0, 0] > 0, x, 0)"],
          [(x) => array.compress(x.slice(":", 0, 0), x, 0), "lambda x: np.compress(x[:, 0, 0], x, 0)"],
          [(x) => array.extract(x.mod(3).eq(0), x), "lambda x: np.extract(x % 3 == 0, x)"],
          [(x) => array.nonzero(x.gt(5)) as never, "lambda x: np.nonzero(x > 5)"],
          [(x) => array.argwhere(x.gt(5)), "lambda x: np.argwhere(x > 5)"],
          [(x) => array.flatnonzero(x.gt(5)), "lambda x: np.flatnonzero(x > 5)"],
        ]),
      ),
    ).toEqual([]);
  });

  test("insert, delete, append", async () => {
    const add = NDArray.of(
      Float32Array.from({ length: 40 }, (_, i) => i * 1.75 - 20),
      [2, 4, 5],
    );
    expect(
      await disagreements(
        numpy,
        rowsOf([
          [(x) => array.delete(x, 2, { axis: 0 }), "lambda x: np.delete(x, 2, 0)"],
          [(x) => array.delete(x, -1, 2), "lambda x: np.delete(x, -1, 2)"],
          [(x) => array.delete(x, [1, 3, 1], 1), "lambda x: np.delete(x, [1, 3, 1], 1)"],
          [(x) => array.delete(x, "::2", 0), "lambda x: np.delete(x, slice(None, None, 2), 0)"],
          [(x) => array.delete(x, FLAGS(6), 0), "lambda x: np.delete(x, np.array([True, False] * 3), 0)"],
          [
            (x) =>
              array.delete(
                x,
                Array.from({ length: 40 }, (_, i) => i * 3),
              ),
            "lambda x: np.delete(x, range(0, 120, 3))",
          ],
          [(x) => array.delete(x, 6, 0), "lambda x: np.delete(x, 6, 0)"],
          [(x) => array.delete(x, [], 0), "lambda x: np.delete(x, [], 0)"],
          [(x) => array.insert(x, 2, 7, { axis: 1 }), "lambda x: np.insert(x, 2, 7, 1)"],
          [(x) => array.insert(x, [1, 1, 6], 7, 0), "lambda x: np.insert(x, [1, 1, 6], 7, 0)"],
          [(x) => array.insert(x, [4, 0], add, 0), "lambda x, a: np.insert(x, [4, 0], a, 0)", add],
          [(x) => array.insert(x, 1, array.array(add).slice(0), 0), "lambda x, a: np.insert(x, 1, a[0], 0)", add],
          [(x) => array.insert(x, [1], add, 0), "lambda x, a: np.insert(x, [1], a, 0)", add],
          [(x) => array.insert(x, -1, [1, 2, 3, 4, 5], 1), "lambda x: np.insert(x, -1, [1, 2, 3, 4, 5], 1)"],
          [(x) => array.insert(x, [0, 120, 7], [1, 2, 3]), "lambda x: np.insert(x, [0, 120, 7], [1, 2, 3])"],
          [(x) => array.insert(x, "1:4", 0, 0), "lambda x: np.insert(x, slice(1, 4), 0, 0)"],
          [(x) => array.insert(x, 8, 0, 0), "lambda x: np.insert(x, 8, 0, 0)"],
          [(x) => array.append(x, add, 0), "lambda x, a: np.append(x, a, 0)", add],
        ]),
      ),
    ).toEqual([]);
  });

  test("setitem gives a new array", async () => {
    const row = NDArray.of(Float64Array.of(-1.5, 2.25, 1e9, 0, -7.75));
    const plane = block([4, 5], "uint8", 8);
    expect(
      await disagreements(
        numpy,
        rowsOf([
          [(x) => x.setitem("1:3", 9), "lambda x: (x.__setitem__(slice(1, 3), 9), x)[1]"],
          [
            (x) => x.setitem("2, 1:, ::-1", array.array(plane).slice("1:")),
            "lambda x, p: (x.__setitem__((2, slice(1, None), slice(None, None, -1)), p[1:]), x)[1]",
            plane,
          ],
          [(x) => x.setitem("..., 0", -3), "lambda x: (x.__setitem__((..., 0), -3), x)[1]"],
          [(x) => x.setitem("-1, -1, -1", 5), "lambda x: (x.__setitem__((-1, -1, -1), 5), x)[1]"],
          [
            (x) => x.setitem("::2, 1::2, ::3", 1),
            "lambda x: (x.__setitem__((slice(None, None, 2), slice(1, None, 2), slice(None, None, 3)), 1), x)[1]",
          ],
          [
            (x) => x.setitem("5:0:-2", array.array(plane)),
            "lambda x, p: (x.__setitem__(slice(5, 0, -2), p), x)[1]",
            plane,
          ],
          [(x) => x.setitem(":", plane), "lambda x, p: (x.__setitem__(slice(None), p), x)[1]", plane],
          [(x) => x.setitem([ints(4, 1)], 0), "lambda x: (x.__setitem__([4, 1], 0), x)[1]"],
          [
            (x) =>
              x.setitem([":", ":", ints(3, 0, 3)], [1, 2, 3].length === 3 ? NDArray.of(Int32Array.of(1, 2, 3)) : 0),
            "lambda x: (x.__setitem__((slice(None), slice(None), [3, 0, 3]), [1, 2, 3]), x)[1]",
          ],
          [
            (x) => x.setitem(["...", FLAGS(5)], 4),
            "lambda x: (x.__setitem__((..., np.array([True, False, True, False, True])), 4), x)[1]",
          ],
          [(x) => x.setitem(x.gt(3), 0), "lambda x: (x.__setitem__(x > 3, 0), x)[1]"],
          [(x) => x.setitem(x.slice("...", 0).gt(3), -1), "lambda x: (x.__setitem__(x[..., 0] > 3, -1), x)[1]"],
          [(x) => x.setitem("1:1", 3), "lambda x: (x.__setitem__(slice(1, 1), 3), x)[1]"],
          [(x) => x.setitem("0:2", row), "lambda x, r: (x.__setitem__(slice(0, 2), r), x)[1]", row],
          [
            (x) => x.setitem("0:2", NDArray.of(Int32Array.of(1, 2, 3))),
            "lambda x: (x.__setitem__(slice(0, 2), [1, 2, 3]), x)[1]",
          ],
          [(x) => x.setitem("7", 1), "lambda x: (x.__setitem__(7, 1), x)[1]"],
        ]),
      ),
    ).toEqual([]);
    const x = array.array(VALUES);
    const y = x.setitem(0, 1);
    expect((await x.compute()).toArray()).toEqual(VALUES.toArray());
    expect(y.chunks).toEqual(x.chunks);
  });

  test("points", async () => {
    const many = Array.from({ length: 50 }, (_, i) => (i * 7) % 6);
    const other = Array.from({ length: 50 }, (_, i) => (i * 5) % 4);
    expect(
      await disagreements(
        numpy,
        rowsOf([
          [(x) => x.vindex([0, 5, 2], [1, 3, -1], [0, 0, 4]), "lambda x: x[[0, 5, 2], [1, 3, -1], [0, 0, 4]]"],
          [(x) => x.vindex([0, 5, 2], [1, 3, -1]), "lambda x: x[[0, 5, 2], [1, 3, -1]]"],
          [(x) => x.vindex([0, 5, 2], ":", [1, 3, -1]), "lambda x: x[[0, 5, 2], :, [1, 3, -1]]"],
          [(x) => x.vindex(":", [3, 1], "::-2"), "lambda x: np.moveaxis(x[:, [3, 1], ::-2], 1, 0)"],
          [(x) => x.vindex(many, other), "lambda x, a, b: x[a, b]", many, other],
          [(x) => x.vindex(":", other, [2]), "lambda x, b: np.moveaxis(x[:, b, 2], 1, 0)", other],
          [(x) => x.vindex(NDArray.of(Int32Array.of(0, 1), [2, 1]), [1, 2, 3]), "lambda x: x[[[0], [1]], [1, 2, 3]]"],
          [(x) => x.vindex([6], [0]), "lambda x: x[[6], [0]]"],
          [(x) => x.vindex([0, 1], [0, 1, 2]), "lambda x: x[[0, 1], [0, 1, 2]]"],
          [(x) => x.vindex([], []), "lambda x: x[np.array([], int), np.array([], int)]"],
        ]),
      ),
    ).toEqual([]);
  });

  test("flat indices and coordinates", async () => {
    const flat = NDArray.of(Int32Array.of(0, 17, 119, 60), [2, 2]);
    expect(
      await disagreements(numpy, {
        unravel: {
          make: () => array.unravelIndex(array.array(flat, { chunks: 1 }), [6, 4, 5]),
          python: "lambda f: np.unravel_index(f, (6, 4, 5))",
          args: [flat],
        },
        one: { make: () => array.unravelIndex(7, 10), python: "lambda: np.unravel_index(7, 10)", args: [] },
        outside: {
          make: () => array.unravelIndex([120], [6, 4, 5]),
          python: "lambda: np.unravel_index([120], (6, 4, 5))",
          args: [],
        },
        ravel: {
          make: () =>
            array.ravelMultiIndex(
              [
                [1, 2],
                [3, 0],
              ],
              [4, 5],
            ),
          python: "lambda: np.ravel_multi_index(([1, 2], [3, 0]), (4, 5))",
          args: [],
        },
        clip: {
          make: () =>
            array.ravelMultiIndex(
              [
                [-1, 9],
                [3, 7],
              ],
              [4, 5],
              { mode: ["clip", "wrap"] },
            ),
          python: "lambda: np.ravel_multi_index(([-1, 9], [3, 7]), (4, 5), mode=('clip', 'wrap'))",
          args: [],
        },
        bad: {
          make: () => array.ravelMultiIndex([[4], [0]], [4, 5]),
          python: "lambda: np.ravel_multi_index(([4], [0]), (4, 5))",
          args: [],
        },
        broadcast: {
          make: () => array.ravelMultiIndex([2, [0, 1]], [4, 5]),
          python: "lambda: np.ravel_multi_index((2, [0, 1]), (4, 5))",
          args: [],
        },
      }),
    ).toEqual([]);
  });
});

test("what cannot be indexed says why", () => {
  const x = array.array(VALUES);
  for (const [code, f] of [
    ["selection", () => x.slice(ints(1), ints(2))],
    ["selection", () => x.slice(NDArray.of(Float32Array.of(1)))],
    ["selection", () => x.slice(9)],
    ["selection", () => x.slice("a:b")],
    ["selection", () => x.slice([0, 1, 2, 3] as never)],
    ["selection", () => x.slice(0, 0, 0, 0)],
    ["selection", () => x.take([0.5], 0)],
    ["axis", () => x.take([0], 3)],
    ["selection", () => x.vindex(":")],
    ["unsupported", () => x.setitem(x.gt(0), array.arange(3))],
    ["selection", () => x.setitem(null, 1)],
    ["broadcast", () => x.setitem("0:2", array.zeros([2, 3]))],
    ["selection", () => x.blocks(4)],
    ["shape", () => array.takeAlongAxis(x, ints(1), 0)],
  ] as const) {
    let error: unknown = null;
    try {
      f();
    } catch (e) {
      error = e;
    }
    expect(isRsdatError(error, code), `${String(f)}: ${String(error)}`).toBe(true);
  }
});

test("blocks of lists and points stay small, slices stay slices", () => {
  const x = array.zeros([100, 40], { chunks: [10, 20] });
  expect(x.slice(ints(...Array.from({ length: 30 }, (_, i) => i * 3 + (i % 2)))).chunks[0]?.every((n) => n <= 10)).toBe(
    true,
  );
  expect(x.take([5, 6, 7], 0).node.layer.kind).toBe("gather");
  expect(x.take([50, 3, 99, 4], 0).chunks).toEqual([[4], [20, 20]]);
  expect(x.vindex([1, 99], ":").chunks).toEqual([[2], [20, 20]]);
});
