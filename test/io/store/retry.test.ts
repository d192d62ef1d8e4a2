/** The rules of waiting, and the limit of requests in flight, by hand-computed numbers. */
import { describe, expect, test } from "vitest";
import { Origin } from "../../../src/io/store/origin.ts";
import { isRetryableStatus, retryAfterMs, retryDelayMs } from "../../../src/io/store/retry.ts";

test("delays double from 0.2 s to 20 s, with full jitter", () => {
  expect([0, 1, 2, 6, 7, 20].map((attempt) => retryDelayMs(attempt, 1))).toEqual([
    200, 400, 800, 12_800, 20_000, 20_000,
  ]);
  expect(retryDelayMs(3, 0)).toBe(0);
  expect(retryDelayMs(3, 0.25)).toBe(400);
});

test("what is worth another try", () => {
  expect([408, 425, 429, 500, 502, 503, 504].every(isRetryableStatus)).toBe(true);
  expect([200, 206, 400, 401, 403, 404, 405, 409, 410, 412, 416, 501].some(isRetryableStatus)).toBe(false);
});

test("Retry-After in seconds or as a date against the answer's own clock, at most two minutes", () => {
  expect(retryAfterMs("7", undefined)).toBe(7000);
  expect(retryAfterMs("Wed, 21 Oct 2015 07:28:10 GMT", "Wed, 21 Oct 2015 07:28:00 GMT")).toBe(10_000);
  expect(retryAfterMs("Wed, 21 Oct 2015 07:27:00 GMT", "Wed, 21 Oct 2015 07:28:00 GMT")).toBe(0);
  expect(retryAfterMs("3600", undefined)).toBe(120_000);
  expect(retryAfterMs("soon", undefined)).toBeNull();
  expect(retryAfterMs("Wed, 21 Oct 2015 07:28:10 GMT", undefined)).toBeNull();
  expect(retryAfterMs(undefined, undefined)).toBeNull();
});

describe("requests in flight", () => {
  const made = (): { origin: Origin; at: (ms: number) => void } => {
    let now = 0;
    const origin = new Origin("http://unit", { now: () => now, wall: () => 0 });
    return {
      origin,
      at: (ms) => {
        now = ms;
      },
    };
  };

  test("start at 16, grow by one per 16 clean answers, to 64", () => {
    const { origin } = made();
    expect(origin.concurrency).toBe(16);
    for (let i = 0; i < 32; i++) origin.succeeded(1, 1, 10);
    expect(origin.concurrency).toBe(18);
    for (let i = 0; i < 16 * 100; i++) origin.succeeded(1, 1, 10);
    expect(origin.concurrency).toBe(64);
  });

  test("are halved once a second at most, to one", () => {
    const { origin, at } = made();
    const seen = [0, 500, 999, 1000, 2000, 3000, 4000, 5000].map((ms) => {
      at(ms);
      origin.overloaded(0);
      return origin.concurrency;
    });
    expect(seen).toEqual([8, 8, 8, 4, 2, 1, 1, 1]);
  });

  test("pause for the longest Retry-After", () => {
    const { origin, at } = made();
    origin.overloaded(5000);
    at(1000);
    origin.overloaded(1000);
    expect(origin.pauseMs).toBe(4000);
    at(6000);
    expect(origin.pauseMs).toBe(0);
  });

  test("never exceed the limit", async () => {
    const { origin } = made();
    let [running, most] = [0, 0];
    await Promise.all(
      Array.from({ length: 100 }, () =>
        origin.run(async () => {
          most = Math.max(most, ++running);
          await new Promise((resolve) => setImmediate(resolve));
          running--;
        }, undefined),
      ),
    );
    expect(most).toBe(16);
  });

  test("learn time to first byte and rate as moving averages", () => {
    const { origin } = made();
    origin.succeeded(100, 10, 1_000_000);
    origin.succeeded(50, 10, 500_000);
    origin.succeeded(90, 1, 10); // too small to tell a rate
    expect(origin.link.ttfbMs).toBeCloseTo(0.8 * 90 + 0.2 * 90);
    expect(origin.link.bytesPerMs).toBeCloseTo(90_000);
  });
});
