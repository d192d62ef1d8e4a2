import { createHmac } from "node:crypto";
import { expect, test } from "vitest";
import { seededRandom } from "../../src/base/index.ts";
import { hmacSha256 } from "../../src/graph/hmac.ts";

const random = seededRandom(7);
const bytes = (n: number): Uint8Array => Uint8Array.from({ length: n }, () => random.below(256));

test.each(["", "k", "a cluster's token", "ü".repeat(31), "x".repeat(64), "x".repeat(65), "y".repeat(1000)])(
  "gives what Node's keyed hash gives, under key %#",
  (key) => {
    for (const sizes of [[], [0], [1], [55, 9], [64, 64, 1], [3, 0, 70_000], [65_472], [65_473], [200_000]]) {
      const parts = sizes.map(bytes);
      const whole = createHmac("sha256", key);
      for (const part of parts) whole.update(part);
      expect(hmacSha256(key, parts), `${key.length}: ${sizes}`).toBe(whole.digest("hex"));
    }
  },
);
