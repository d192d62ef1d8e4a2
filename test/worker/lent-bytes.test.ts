/** Memory that blocks from the disk are sent from. */
import { expect, test } from "vitest";
import { LentBytes } from "../../src/worker/lent-bytes.ts";

const MIB = 2 ** 20;

test("what came back is lent again, to blocks of about its size", () => {
  const lent = new LentBytes();
  const [a, b] = [lent.take(4 * MIB), lent.take(MIB)];
  expect([a.byteLength, b.byteLength]).toEqual([4 * MIB, MIB]);
  expect(b).not.toBe(a);
  lent.give(a);
  lent.give(b);
  expect(lent.take(3 * MIB)).toBe(a);
  expect(lent.take(MIB / 2 - 1)).not.toBe(b);
  expect(lent.take(MIB)).toBe(b);
  expect(lent.take(MIB)).not.toBe(b);
});

test("no more than 16 MiB wait, the oldest go first", () => {
  const lent = new LentBytes();
  const all = Array.from({ length: 5 }, () => lent.take(4 * MIB));
  for (const each of all) lent.give(each);
  const again = Array.from({ length: 5 }, () => lent.take(4 * MIB));
  expect(again.slice(0, 4)).toEqual([all[4], all[3], all[2], all[1]]);
  expect(all).not.toContain(again[4]);
  lent.give(new ArrayBuffer(17 * MIB));
  expect(lent.take(17 * MIB).byteLength).toBe(17 * MIB);
});
