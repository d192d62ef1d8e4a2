/** Bands of one pixel-interleaved file in one task: its tiles are fetched and decoded once, whatever the walk. */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, expect, test } from "vitest";
import { createExecutor, runTaskSync } from "../../src/executor/index.ts";
import type { AxisWalk, Interval, Plain, Step, TaskSpec } from "../../src/graph/index.ts";
import { openTiff, planRead, type SourceSpec } from "../../src/io/index.ts";
import type { NDArray } from "../../src/ndarray/index.ts";
import { ROOT } from "../find-peers.ts";
import { keyOf, specOf } from "./specs.ts";

const info = await openTiff(pathToFileURL(join(ROOT, "examples", "data", "L7_ETMs.tif")));
const executor = createExecutor({ threads: 1, budgetBytes: 64 * 2 ** 20 });
afterAll(() => executor[Symbol.asyncDispose]());

interface Box {
  readonly region: readonly Interval[];
  readonly walk: readonly AxisWalk[];
  readonly shape: readonly [number, number];
}
const along = (axis: number, start = 0, step = 1): AxisWalk => ({ axis, start, step });
const box = (rows: number, cols: number): readonly Interval[] => [
  { start: 10, stop: 10 + rows },
  { start: 20, stop: 20 + cols },
];

function readOf(source: SourceSpec, { region, walk, shape }: Box): Step {
  return { do: "read", dtype: "uint8", shape, source: source as unknown as Plain, region, walk }; // made by io
}

/** All bands read in one task, one after the other, and put into one block of (band, y, x). */
function stackOf(sources: readonly SourceSpec[], boxes: readonly Box[]): TaskSpec {
  const { shape } = boxes[0] as Box;
  const pieces = sources.map((_, k) => ({ from: k, walk: [along(1), along(2)], at: [k, 0, 0], count: [1, ...shape] }));
  const steps: Step[] = [
    ...sources.map((source, k) => readOf(source, boxes[k % boxes.length] as Box)),
    { do: "gather", dtype: "uint8", shape: [sources.length, ...shape], pieces },
  ];
  return specOf(0, steps, planRead(sources[0] as SourceSpec, (boxes[0] as Box).region).workspaceBytes);
}

const single = (source: SourceSpec, at: Box): unknown =>
  (runTaskSync(specOf(0, [readOf(source, at)], 2 ** 20), []) as NDArray).toArray();

async function traffic(spec: TaskSpec): Promise<{ readonly values: unknown; readonly bytesRead: number }> {
  const outcome = await executor.run({ key: keyOf("t", 0), spec, inputs: [] });
  if (outcome.status !== "ok") throw new Error(JSON.stringify(outcome));
  const { data, shape } = executor.view(outcome.output);
  const cells = shape.reduce((n, extent) => n * extent, 1) / (shape[0] as number);
  const values = Array.from({ length: shape[0] as number }, (_, b) => [...data.slice(b * cells, (b + 1) * cells)]);
  executor.release(outcome.output);
  return { values, bytesRead: outcome.bytesRead };
}

const BOXES: readonly (readonly [what: string, box: Box])[] = [
  ["a region", { region: box(40, 60), walk: [along(0), along(1)], shape: [40, 60] }],
  ["a transposed region", { region: box(40, 60), walk: [along(1), along(0)], shape: [60, 40] }],
  ["every third column", { region: box(40, 60), walk: [along(0), along(1, 1, 3)], shape: [40, 20] }],
  ["rows backwards", { region: box(40, 60), walk: [along(0, 39, -1), along(1)], shape: [40, 60] }],
];

test.each(BOXES)("%s", async (_, at) => {
  const sources = [2, 3, 0].map((band) => info.source(band));
  const expected = sources.map((source) => single(source, at));
  const spec = stackOf(sources, [at]);
  expect((runTaskSync(spec, []) as NDArray).toArray()).toEqual(expected);
  const { values, bytesRead } = await traffic(spec);
  expect(values).toEqual(expected.map((rows) => (rows as number[][]).flat()));
  expect(bytesRead).toBe(planRead(sources[0] as SourceSpec, at.region).bytes);
});

test("another region is read by itself", async () => {
  const a = BOXES[0]?.[1] as Box;
  const moved: Box = { ...a, region: [{ start: 11, stop: 51 }, a.region[1] as Interval] };
  const [red, nir] = [info.source(2), info.source(3)];
  const { values, bytesRead } = await traffic(stackOf([red, nir], [a, moved]));
  expect(values).toEqual([single(red, a), single(nir, moved)].map((rows) => (rows as number[][]).flat()));
  expect(bytesRead).toBe(planRead(red, a.region).bytes + planRead(nir, moved.region).bytes);
});
