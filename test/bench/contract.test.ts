import { expect, test } from "vitest";
import { median, row, verdict } from "../../bench/contract.ts";
import { measure } from "../../bench/measure.ts";
import { patiently } from "../patience.ts";

test("a row pairs its samples: the ratio is the median of ratios, not the ratio of medians", () => {
  const peer = { name: "other", samples: [10, 2, 5] };
  // ratios 0.1, 1, 0.6; medians 2 and 5
  expect(row({ id: "a", metric: "wall s", ours: [1, 2, 3], peer, target: 0.5 })).toEqual({
    id: "a",
    metric: "wall s",
    ours: 2,
    peer: 5,
    peerName: "other",
    ratio: 0.6,
    target: 0.5,
    spread: 1.5,
  });
  expect(row({ id: "b", metric: "wall s", ours: [4, 2] })).toMatchObject({ ours: 3, peer: null, ratio: null });
  expect(() => row({ id: "c", metric: "wall s", ours: [1], peer })).toThrow("pairs");
  expect(() => median([])).toThrow(RangeError);
});

test("the cost of a command includes its children", async () => {
  const child = "const b = Buffer.alloc(100e6, 1); while (process.cpuUsage().user < 300_000); b.fill(2)";
  const script = `require("node:child_process").execFileSync(process.execPath, ["-e", ${JSON.stringify(child)}])`;
  // It looks every 20 ms; while it is kept from looking, a child may come and go.
  await patiently(async () => {
    const cost = await measure(process.execPath, ["-e", script], { timeoutMs: 60_000 });
    expect(cost.wallSeconds).toBeGreaterThan(0.2);
    expect(cost.cpuSeconds).toBeGreaterThan(0.2);
    expect(cost.peakBytes).toBeGreaterThan(100e6);
  });
  await expect(measure(process.execPath, ["-e", "throw 1"], { timeoutMs: 60_000 })).rejects.toThrow("exit 1");
});

test("a verdict says what a ratio, or our own number, reached", () => {
  const peer = { name: "other", samples: [10] };
  const of = (ours: number, more: object): string =>
    verdict(row({ id: "a", metric: "ms", ours: [ours], peer, ...more }));
  expect(of(5, {})).toBe("–");
  expect(of(5, { target: 0.5, aim: 0.4 })).toBe("ok");
  expect(of(4, { target: 0.5, aim: 0.4 })).toBe("aim");
  expect(of(6, { target: 0.5, aim: 0.4 })).toBe("missed");
  expect(of(6, { aim: 0.4 })).toBe("–");
  expect(verdict(row({ id: "a", metric: "µs", ours: [4], target: 5 }))).toBe("ok");
});
