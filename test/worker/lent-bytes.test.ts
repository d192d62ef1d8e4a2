/** Memory that blocks from the disk are sent from. */
import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { type BlockHandle, createExecutor } from "../../src/executor/index.ts";
import type { Key } from "../../src/graph/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { deserialize } from "../../src/protocol/index.ts";
import { LentBytes } from "../../src/worker/lent-bytes.ts";
import { type Outgoing, Values } from "../../src/worker/values.ts";
import { keyOf } from "../executor/specs.ts";

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

test("blocks on disk are sent from it, one after the other from the same memory, two at once from two", async () => {
  const [N, order]: [number, BlockHandle[]] = [MIB / 8, []];
  await using executor = createExecutor({
    threads: 1,
    budgetBytes: 8 * MIB,
    spill: { folder: tmpdir(), limitBytes: 64 * MIB, order: () => order },
  });
  const values = new Values(executor, (key) => key);
  const names = Array.from({ length: 20 }, (_, k) => keyOf("x", k));
  for (const [k, name] of names.entries()) {
    await executor.makeRoom(MIB);
    const handle = executor.put(NDArray.of(new Float64Array(N).fill(k), [N]));
    order.push(handle);
    values.hold(name, { kind: "block", handle });
  }
  const elements = ({ serialized }: Outgoing): NDArray => deserialize(serialized) as NDArray; // a block was sent
  const memories = new Set<ArrayBufferLike>();
  let onDisk = 0;
  for (const [k, name] of names.entries()) {
    const found = values.outgoing(name);
    const sent = (await found) as Outgoing; // it is there
    const { data, offset } = elements(sent);
    expect([data[offset], data[offset + N - 1]]).toEqual([k, k]);
    if (found instanceof Promise) {
      onDisk++;
      memories.add(data.buffer);
    }
    sent.release();
  }
  expect([onDisk, memories.size]).toEqual([12, 1]);
  const both = (await Promise.all([values.outgoing(names[0] as Key), values.outgoing(names[1] as Key)])) as Outgoing[];
  expect(both.map(elements).map(({ data, offset }) => data[offset + 1])).toEqual([0, 1]);
  for (const sent of both) sent.release();
  for (const name of names) values.drop(name);
  expect(executor.stats()).toMatchObject({ blocks: 0, spill: { bytesOnDisk: 0 } });
});
