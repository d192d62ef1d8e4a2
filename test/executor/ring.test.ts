import { afterEach, describe, expect, it, vi } from "vitest";
import { packMessage, readMessage, type TaskMessage, writeMessage } from "../../src/executor/message.ts";
import { MessageStore } from "../../src/executor/message-store.ts";
import { Ring, SLOT_STATE, SLOTS } from "../../src/executor/ring.ts";

/** What the ring asks of shared memory, for the one kind of words that it has. */
interface OnWords {
  exchange(words: Int32Array, at: number, value: number): number;
  waitAsync(words: Int32Array, at: number, value: number): unknown;
}

describe("Ring", () => {
  afterEach(() => void vi.restoreAllMocks());

  it("gives slots in the order in which they were pushed, many times round", () => {
    const [owner, figures] = [
      new Ring(),
      { startMs: 1.5, stopMs: 2.5, thread: 3, bytesRead: 2 ** 40, bytesWritten: 7 },
    ];
    const thread = new Ring(owner.memory);
    for (let round = 0; round < 5; round++) {
      for (let slot = 0; slot < SLOTS; slot++) owner.push(slot, { buffer: 1, offset: slot * 64, length: round });
      for (let slot = 0; slot < SLOTS; slot++) {
        expect(thread.take(3)).toBe(slot);
        expect(owner.current(3)).toBe(slot);
        expect(thread.place(slot)).toEqual({ buffer: 1, offset: slot * 64, length: round });
        const before = owner.ended();
        thread.end(slot, SLOT_STATE.ok, figures);
        expect([owner.ended() - before, owner.state(slot), owner.current(3)]).toEqual([1, SLOT_STATE.ok, -1]);
        expect(owner.figures(slot)).toEqual(figures);
        owner.clear(slot);
      }
    }
  });

  it("tells of endings at once or later, never not at all", async () => {
    const ring = new Ring();
    const end = (): void =>
      ring.end(0, SLOT_STATE.ok, { startMs: 0, stopMs: 0, thread: 0, bytesRead: 0, bytesWritten: 0 });
    const seen = ring.ended();
    const later = ring.waitEnded(seen);
    expect(later).toBeInstanceOf(Promise);
    end();
    await later;
    expect(ring.waitEnded(seen)).toBeNull();
  });

  it("wakes its owner though a thread whose end was seen before takes the flag when the owner lies down", async () => {
    const owner = new Ring();
    const thread = new Ring(owner.memory);
    const figures = { startMs: 0, stopMs: 0, thread: 0, bytesRead: 0, bytesWritten: 0 };
    const atomics = Atomics as unknown as OnWords;
    const { exchange, waitAsync } = atomics;
    let takeFlag = (): number => -1;
    // The thread's last step, which takes the flag to see whether somebody is to be woken, is held up.
    vi.spyOn(atomics, "exchange").mockImplementationOnce((words, at, value) => {
      takeFlag = () => exchange(words, at, value);
      return 0;
    });
    thread.end(1, SLOT_STATE.ok, figures);
    expect(owner.nextEnding()).toBe(1);
    let taken = -1;
    vi.spyOn(atomics, "waitAsync").mockImplementationOnce((words, at, value) => {
      taken = takeFlag();
      return waitAsync(words, at, value);
    });
    const later = owner.waitEnded(owner.ended());
    expect(taken).toBe(1);
    thread.end(2, SLOT_STATE.ok, figures);
    await later;
    expect(owner.nextEnding()).toBe(2);
  });

  it("sleeps in place until something ended, or until its time is over, and is told of what ends afterwards", async () => {
    const ring = new Ring();
    const end = (): void =>
      ring.end(0, SLOT_STATE.ok, { startMs: 0, stopMs: 0, thread: 0, bytesRead: 0, bytesWritten: 0 });
    const seen = ring.ended();
    ring.waitEndedHere(seen, 1);
    expect(ring.ended()).toBe(seen);
    const later = ring.waitEnded(seen);
    end();
    await later;
    ring.waitEndedHere(seen, Number.POSITIVE_INFINITY); // over at once
    expect(ring.ended()).toBe(seen + 1);
  });

  it("gives nothing to a thread for which there is nothing for a while, which then sees to its event loop", () => {
    const ring = new Ring();
    expect(ring.take(0)).toBeNull();
    ring.push(5, { buffer: 0, offset: 0, length: 0 });
    expect(ring.take(0)).toBe(5);
  });

  it("keeps a cancellation until the slot is used anew", () => {
    const ring = new Ring();
    ring.push(5, { buffer: 0, offset: 0, length: 0 });
    ring.cancel(5);
    expect(ring.isCancelled(ring.take(0) ?? -1)).toBe(true);
    ring.push(5, { buffer: 0, offset: 0, length: 0 });
    expect(ring.isCancelled(5)).toBe(false);
  });
});

describe("messages", () => {
  const message: TaskMessage = {
    inputs: [
      { segment: 2, offset: 2 ** 32 + 64, dtype: "datetime64[ns]", shape: [3, 0, 5] },
      null,
      { segment: 0, offset: 0, dtype: "bool", shape: [] },
    ],
    output: { segment: 1, offset: 128 },
    work: { segment: 3, offset: 192, length: 4096 },
    fetched: [{ step: 4, segment: 5, offset: 64, length: 1000 }],
    trusted: true,
    spec: new Uint8Array([1, 2, 3, 255]),
  };

  it("read as they were written, wherever they lie", () => {
    const buffers: SharedArrayBuffer[] = [];
    const store = new MessageStore((id, buffer) => (buffers[id] = buffer));
    const plain: TaskMessage = {
      ...message,
      inputs: [],
      fetched: [],
      trusted: false,
      spec: new Uint8Array(3_000_000).fill(9),
    };
    const places = [message, plain, message].map((m) => {
      const packed = packMessage(m);
      return store.put(packed.nbytes, (buffer, offset) => writeMessage(packed, buffer, offset));
    });
    const back = places.map(({ buffer, offset }) => readMessage(buffers[buffer] as SharedArrayBuffer, offset));
    const rest = (m: TaskMessage): unknown => ({ ...m, spec: null });
    expect(back.map(rest)).toEqual([message, plain, message].map(rest));
    // Three megabytes one element at a time would take the matcher half a minute.
    expect(back.map((m, i) => Buffer.compare(m.spec, [message, plain, message][i]?.spec as Uint8Array))).toEqual([
      0, 0, 0,
    ]);
    for (const place of places) store.free(place);
    expect(store.put(64, () => undefined)).toMatchObject({ buffer: 0, offset: 0 }); // all of it is free again
  });
});
