import { expect, test } from "vitest";
import { barText, processPeakBytes, progressBar } from "../../src/report/index.ts";

const at = (done: number): { done: number; total: number; bytesRead: number; bytesWritten: number } => ({
  done,
  total: 8,
  bytesRead: 2 ** 20,
  bytesWritten: 0,
});

test("outside a terminal: a line a minute and one at the end", () => {
  const said: string[] = [];
  let time = 0;
  const bar = progressBar({ label: "ndvi", stream: { write: (text) => said.push(text) }, now: () => time });
  bar.update(at(1));
  time = 61_000;
  bar.update(at(4));
  time = 62_000;
  bar.update(at(5));
  bar.close();
  expect(said).toEqual([
    "ndvi: 4/8 tasks (50 %), read 1.00 MiB, wrote 0 B, 1m 01s\n",
    "ndvi: 5/8 tasks (62 %), read 1.00 MiB, wrote 0 B, 1m 02s\n",
  ]);
});

test("the bar fills with the share of tasks, tells what is left and fits the terminal", () => {
  expect(barText("x", at(4), 1000, 120)).toBe(
    `x ${"█".repeat(20)}${"░".repeat(20)} 4/8  read 1.00 MiB  wrote 0 B  1.0 s, 1.0 s left`,
  );
  expect(barText("x", at(8), 1000, 60).length).toBeLessThan(60);
});

test("peak memory is at least what the process holds now", () => {
  expect(processPeakBytes()).toBeGreaterThan(20 * 2 ** 20);
});
