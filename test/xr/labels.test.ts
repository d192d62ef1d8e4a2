/** Names, selection by position and label, alignment, joining. Expected values are counted by hand. */
import { describe, expect, test } from "vitest";
import { arange, array } from "../../src/array/index.ts";
import { onWarning } from "../../src/base/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { concat, type DataArray, dataArray, dataset, expr, slice, where } from "../../src/xr/index.ts";
import { useInlineRunner } from "../run-inline.ts";

const runner = useInlineRunner();
const GRID = { crs: 32631, transform: [10, 0, 1000, 0, -10, 2000] } as const;

/** 4 rows of 5: element (r, c) is 10 r + c. */
function board(more: object = {}): DataArray<"y" | "x"> {
  const rows = Array.from({ length: 4 }, (_, r) => Array.from({ length: 5 }, (_, c) => 10 * r + c));
  return dataArray(array(rows, { dtype: "int16", chunks: [2, 3] }), { dims: ["y", "x"], ...GRID, ...more });
}

async function read(x: DataArray<string>): Promise<unknown> {
  return (await x.compute()).values.toArray({ bigint: false });
}

const times = ["2024-01-31", "2024-02-10T12:00:00Z", "2024-02-20", "2025-01-01"];
const series = concat([board(), board().add(100), board().add(200), board().add(300)], "time", { values: times });

describe("selection by position", () => {
  test("numbers drop dimensions, slices are half-open, lists pick", async () => {
    expect(await read(board().isel({ y: 1, x: -1 }))).toBe(14);
    expect(await read(board().isel({ y: slice(1, 3), x: slice(null, null, 2) }))).toEqual([
      [10, 12, 14],
      [20, 22, 24],
    ]);
    expect(
      await read(
        board()
          .isel({ x: [4, 0, 1, 2] })
          .isel({ y: slice(null, null, -3) }),
      ),
    ).toEqual([
      [34, 30, 31, 32],
      [4, 0, 1, 2],
    ]);
    expect(board().isel({ x: slice(2, 2) }).shape).toEqual([4, 0]);
  });

  test("the grid follows: coordinates stay those of the pixels kept", () => {
    const thin = board().isel({ y: slice(1, null, 2), x: slice(null, null, -1) });
    expect(thin.coord("y").values.toArray()).toEqual([1985, 1965]);
    expect(thin.coord("x").values.toArray()).toEqual([1045, 1035, 1025, 1015, 1005]);
    expect(board().isel({ y: slice(1, 3) }).rio.bounds).toEqual([1000, 1970, 1050, 1990]);
    const row = board().isel({ y: 2 });
    expect(row.coord("y").values.item()).toBe(1975);
    expect(row.coord("x").values.toArray()).toEqual([1005, 1015, 1025, 1035, 1045]);
    expect(
      board()
        .isel({ x: [0, 3] })
        .coord("x")
        .values.toArray(),
    ).toEqual([1005, 1035]);
    expect(
      board()
        .isel({ x: [0, 1, 3] })
        .coord("x")
        .values.toArray(),
    ).toEqual([1005, 1015, 1035]);
    expect(() => board().isel({ x: [0, 1, 3] }).rio.geobox).toThrow(/no grid/);
  });

  test.each([
    ["a position outside", () => board().isel({ x: 5 }), /5.*x of 5/],
    ["a listed position outside", () => board().isel({ x: [0, -6] }), /-6.*x of 5/],
    ["a dimension that is not there", () => board().isel({ z: 0 } as never), /"z".*y, x/],
    ["a label", () => board().isel({ y: slice("2024", null) as never }), /2024.*sel/],
  ])("refuses %s", (_, make, message) => {
    expect(make).toThrow(expect.objectContaining({ code: "selection", message: expect.stringMatching(message) }));
  });
});

describe("selection by label", () => {
  test("numbers: exact, nearest, slices in either order, on a descending axis too", async () => {
    expect(await read(board().sel({ y: 1985, x: 1045 }))).toBe(14);
    expect(await read(board().sel({ y: 1981, x: 1033 }, { method: "nearest" }))).toBe(13);
    for (const [from, to] of [
      [1965, 1985],
      [1985, 1965],
    ] as const)
      expect(await read(board().sel({ y: slice(from, to), x: [1015, 1005] }))).toEqual([
        [11, 10],
        [21, 20],
        [31, 30],
      ]);
    expect(board().sel({ x: slice(1020, null) }).shape).toEqual([4, 3]);
  });

  test("times: texts take all they cover, slices include their ends", () => {
    const picked = (label: unknown): readonly number[] => series.sel({ time: label } as never).shape;
    expect(picked("2024-02")).toEqual([2, 4, 5]);
    expect(picked("2024-02-10T12:00:00Z")).toEqual([4, 5]);
    expect(picked(new Date("2024-02-20T00:00:00Z"))).toEqual([4, 5]);
    expect(picked("2024-01-31")).toEqual([4, 5]);
    expect(picked("2024-02-10")).toEqual([1, 4, 5]);
    expect(picked(slice("2024", "2024-02-10"))).toEqual([2, 4, 5]);
    expect(picked(slice(null, "2024"))).toEqual([3, 4, 5]);
    expect(picked(slice("2024-02-11", null))).toEqual([2, 4, 5]);
  });

  test.each([
    ["a label that is not there", () => board().sel({ x: 1001 }), /1001.*x.*5 labels, 1005 to 1045.*nearest/],
    ["a nearest one too far away", () => board().sel({ x: 900 }, { method: "nearest", tolerance: 50 }), /900/],
    ["a date that is not there", () => series.sel({ time: "2023" }), /2023.*2024-01-31/],
    ["a dimension without labels", () => dataArray([1, 2], { dims: ["i"] }).sel({ i: 1 }), /i has no labels.*isel/],
  ])("refuses %s", (_, make, message) => {
    expect(make).toThrow(expect.objectContaining({ code: "selection", message: expect.stringMatching(message) }));
  });
});

describe("alignment", () => {
  test("axes are matched by name, whatever their order", async () => {
    const flipped = board().transpose("x", "y").chunk({ x: 2, y: -1 });
    expect(await read(board().sub(flipped))).toEqual(new Array(4).fill(new Array(5).fill(0)));
    const column = dataArray(array([1, 2, 3, 4], { dtype: "int16" }), { dims: ["y"] });
    expect((await read(column.mul(board()))) as number[][]).toEqual(
      [0, 1, 2, 3].map((r) => [0, 1, 2, 3, 4].map((c) => (r + 1) * (10 * r + c))),
    );
    const outer = column.add(dataArray(array([10, 20], { dtype: "int16" }), { dims: ["time"] }));
    expect(outer.dims).toEqual(["y", "time"]);
    expect(await read(outer)).toEqual([
      [11, 21],
      [12, 22],
      [13, 23],
      [14, 24],
    ]);
  });

  test("a tiny shift of the grid is noise, a real one is an error with its size", () => {
    const noise = board({ transform: [10, 0, 1000 + 1e-6, 0, -10, 2000] });
    expect(board().add(noise).shape).toEqual([4, 5]);
    const shifted = board({ transform: [10, 0, 1005, 0, -10, 2000] });
    expect(() => board().add(shifted)).toThrow(
      expect.objectContaining({
        code: "grid-mismatch",
        message: expect.stringMatching(/0\.5 pixels to the right.*cut both to the pixels that they share/),
      }),
    );
    expect(() => expr`${board()} + ${shifted}`).toThrow(expect.objectContaining({ code: "grid-mismatch" }));
    expect(() => board().where(shifted.gt(0))).toThrow(expect.objectContaining({ code: "grid-mismatch" }));
    expect(() => board().add(board().isel({ x: slice(1, null) }))).toThrow(/sizes 4 × 5 and 4 × 4/);
  });

  test("different coordinate systems, sizes and labels are errors", () => {
    expect(() => board().add(board({ crs: 32632 }))).toThrow(
      expect.objectContaining({ code: "crs-mismatch", message: expect.stringMatching(/EPSG:32631 and EPSG:32632/) }),
    );
    expect(() => series.isel({ time: slice(0, 2) }).add(series.isel({ time: slice(1, 3) }))).toThrow(
      expect.objectContaining({ code: "labels", message: expect.stringMatching(/time.*element 0/) }),
    );
    expect(() => series.add(series.isel({ time: slice(1, 3) }))).toThrow(
      expect.objectContaining({ code: "shape", message: expect.stringMatching(/time.*4.*2/) }),
    );
    expect(() => dataset({ a: board(), b: board({ crs: 4326 }) })).toThrow(
      expect.objectContaining({ code: "crs-mismatch" }),
    );
  });

  test("what differs between operands is dropped, what they share is kept", () => {
    const [a, b] = [
      board({ name: "a", attrs: { units: "1", sensor: "X", day: 1 } }),
      board({ name: "b", attrs: { units: "1", sensor: "X", day: 2 } }),
    ];
    expect([a.add(b).attrs, a.add(b).name, a.add(1).name]).toEqual([{ sensor: "X" }, null, "a"]);
    expect(a.where(b.gt(1)).attrs).toEqual(a.attrs);
    expect([a.mean("y").attrs["units"], a.count().attrs["units"], a.mean({ keepAttrs: false }).attrs]).toEqual([
      "1",
      undefined,
      {},
    ]);
  });
});

describe("joining", () => {
  test("a new dimension with labels", async () => {
    expect(series.dims).toEqual(["time", "y", "x"]);
    expect(series.chunks[0]).toEqual([1, 1, 1, 1]);
    expect(await read(series.isel({ y: 0, x: 0 }))).toEqual([0, 100, 200, 300]);
    expect(series.coord("time").values.toArray()).toEqual([
      1706659200000000000n,
      1707566400000000000n,
      1708387200000000000n,
      1735689600000000000n,
    ]);
    expect(series.rio.crs).toBe("EPSG:32631");
  });

  test("an existing dimension; along x the grid grows", async () => {
    const [left, right] = [board().isel({ x: slice(0, 2) }), board().isel({ x: slice(2, null) })];
    const whole = concat([left, right], "x");
    expect(await read(whole)).toEqual(await read(board()));
    expect(whole.rio.transform).toEqual(board().rio.transform);
    const twice = concat([series, series], "time");
    expect([twice.shape, twice.coord("time").values.size]).toEqual([[8, 4, 5], 8]);
  });

  test("nodata stays where all agree, and becomes NaN where they do not", async () => {
    const [a, b] = [board({ nodata: 11 }), board({ nodata: 12 })];
    expect([concat([a, a], "n").dtype, concat([a, a], "n").rio.nodata]).toEqual(["int16", 11]);
    const mixed = concat([a, b], "n");
    expect(mixed.dtype).toBe("float32");
    expect(await read(mixed.isel({ y: 1, x: slice(0, 3) }))).toEqual([
      [10, Number.NaN, 12],
      [10, 11, Number.NaN],
    ]);
  });

  test.each([
    ["nothing", () => concat([], "t"), "argument", /at least one/],
    ["a wrong number of labels", () => concat([board()], "t", { values: [1, 2] }), "argument", /2 labels for 1/],
    ["other dimensions", () => concat([board(), board().isel({ y: 0 })], "t"), "shape", /\(y, x\) and \(x\)/],
    ["a dimension that only some have", () => concat([series, board()], "time"), "shape", /1 of 2/],
    [
      "other grids",
      () => concat([board(), board({ transform: [10, 0, 0, 0, -10, 0] })], "t"),
      "grid-mismatch",
      /pixels/,
    ],
  ])("refuses %s", (_, make, code, message) => {
    expect(make).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
  });
});

describe("the object itself", () => {
  test("operators refuse, with the way to write it", () => {
    const [a, b] = [board(), board()];
    for (const use of [
      () => (a as never) - (b as never),
      () => `${+(a as never)}`,
      () => (dataset({ a }) as never) * (2 as never),
    ])
      expect(use).toThrow(expect.objectContaining({ code: "operator", message: expect.stringMatching(/expr|sub/) }));
    expect(String(a)).toContain("(y: 4, x: 5)> int16");
  });

  test("computed and loaded arrays hold their values and compute on", async () => {
    const lazy = board().add(1);
    expect("values" in lazy).toBe(false);
    const done = await lazy.compute();
    expect(done.values.item(3, 4)).toBe(35);
    const runs = runner.plans.length;
    expect((await done.compute()).values).toBe(done.values);
    expect(runner.plans.length).toBe(runs);
    expect(await read(done.isel({ y: 3 }).mul(2))).toEqual([62, 64, 66, 68, 70]);
    const loaded = await lazy.load();
    expect(loaded).toBe(lazy);
    expect(lazy.coord("x").values.item(0)).toBe(1005);
  });

  test("datasets: variables, expressions by name, one graph", async () => {
    const ds = dataset({ nir: board().add(50), red: board() }, { source: "hand" });
    const ndvi = ds.expr`(nir - red) / (nir + red)`;
    expect(await read(ndvi.isel({ y: 1, x: 2 }))).toBe(50 / 74);
    expect(await read(ds.expr`nir > ${60} && red != 13 ? red : 0`.isel({ y: 1 }))).toEqual([0, 11, 12, 0, 14]);
    const done = await ds.assign({ ndvi }).isel({ y: 0 }).compute();
    expect(Object.keys(done.vars)).toEqual(["nir", "red", "ndvi"]);
    expect(done.vars.red.values.toArray()).toEqual([0, 1, 2, 3, 4]);
    expect(() => ds.expr`nir - blue`).toThrow(
      expect.objectContaining({ code: "expr-syntax", message: expect.stringMatching(/blue/) }),
    );
    expect(() => ds.get("blue" as never)).toThrow(
      expect.objectContaining({ code: "selection", message: expect.stringMatching(/nir, red/) }),
    );
  });

  test("where and expr give chunked arrays when nothing is labelled", async () => {
    const x = arange(5);
    expect((await where(x.gt(2), x, -1).compute()).toArray({ bigint: false })).toEqual([-1, -1, -1, 3, 4]);
    expect((await expr`${x} * 2`.compute()).toArray({ bigint: false })).toEqual([0, 2, 4, 6, 8]);
    const labelled = where(board().gt(20), board(), NDArray.of(Int16Array.of(0, 0, 0, 0, -5)));
    expect(await read(labelled.isel({ y: 1 }))).toEqual([0, 0, 0, 0, -5]);
  });

  test("unsigned wrap warns once per place", () => {
    const heard: string[] = [];
    const before = onWarning((name, message) => heard.push(`${name}: ${message}`));
    const x = dataArray(array([1, 2], { dtype: "uint16" }), { dims: ["i"] });
    for (let i = 0; i < 3; i++) x.sub(2);
    x.neg();
    x.rio.writeNodata(0).sub(2);
    x.astype("int32").sub(2);
    onWarning(before);
    expect(heard).toHaveLength(2);
    expect(heard[0]).toMatch(/^UnsignedWrapWarning: sub of uint16 wraps.*65535.*astype.*labels\.test\.ts/);
  });

  test("places without a grid or CRS say what is missing", () => {
    const bare = dataArray([[1]], { dims: ["y", "x"] });
    expect(() => bare.rio.crs).toThrow(
      expect.objectContaining({ code: "missing-crs", message: expect.stringMatching(/writeCrs/) }),
    );
    expect(() => bare.rio.geobox).toThrow(expect.objectContaining({ code: "no-grid" }));
    expect(bare.rio.writeCrs(4326).rio.writeTransform([1, 0, 0, 0, -1, 0]).rio.geobox).toMatchObject({
      crs: "EPSG:4326",
      bbox: [0, -1, 1, 0],
    });
  });

  test.each([
    ["dims that do not fit", () => dataArray([[1]], { dims: ["y"] }), "shape", /\(y\).*\(1, 1\)/],
    [
      "labels that do not fit",
      () => dataArray([1, 2], { dims: ["t"], coords: { t: [1] } }),
      "argument",
      /t has 1 labels.*2 elements/,
    ],
    ["nodata outside the dtype", () => board({ nodata: 70000 }), "nodata", /70000.*int16.*-32768 to 32767/],
    [
      "a cast that loses missing",
      () => board({ nodata: 3 }).mean("y").astype("int16"),
      "nodata",
      /writeNodata.*fillna/,
    ],
    ["text as operand", () => board().add("1" as never), "dtype", /"1"/],
    ["an unknown dimension of a reduction", () => board().mean("time" as never), "selection", /"time".*y, x/],
    ["chunks of an unknown dimension", () => board().chunk({ t: 1 } as never), "argument", /"t".*y, x/],
    ["an unknown coordinate", () => board().coord("z"), "selection", /"z".*y, x/],
    ["a transpose that forgets a dimension", () => series.transpose("y", "x"), "shape", /time, y, x/],
  ])("refuses %s", (_, make, code, message) => {
    expect(make).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
  });
});
