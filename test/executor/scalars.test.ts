import { afterAll, expect, test, vi } from "vitest";
import { BriefWait } from "../../src/executor/brief-wait.ts";
import { createExecutor } from "../../src/executor/index.ts";
import { Ring } from "../../src/executor/ring.ts";
import { callSpec, KeyRef, keyOfValue } from "../../src/graph/index.ts";

const executor = createExecutor({ threads: 1, budgetBytes: 8 * 2 ** 20 });
afterAll(() => executor[Symbol.asyncDispose]());

/** What `text` gives for plain inputs. */
async function call(text: string, values: readonly unknown[]): Promise<unknown> {
  const refs = values.map((_, i) => new KeyRef(keyOfValue(`input-${i}`)));
  const { spec } = callSpec(text, refs, (value) => (value instanceof KeyRef ? value.key : null));
  const inputs = values.map((value) => ({ value }));
  const outcome = await executor.run({ key: keyOfValue("call"), spec, inputs, trusted: true });
  if (outcome.status !== "value") throw new Error(JSON.stringify(outcome));
  return outcome.value;
}

test.each([1.5, Number.NaN, -0, Number.POSITIVE_INFINITY, 2 ** 53 - 1, true, false, null, undefined])(
  "%o comes and goes as it is",
  async (value) => {
    expect(await call("(x) => x", [value])).toBe(value);
    expect(await call("(...xs) => xs.map((x) => [x, typeof x])", [value])).toEqual([[value, typeof value]]);
  },
);

test("beside texts, big integers and objects", async () => {
  const given = [1, "text", 2n, { a: [1] }, false];
  expect(await call("(...xs) => xs", given)).toEqual(given);
  expect(await call("(a, b) => a + b", ["x", 1])).toBe("x1");
  expect(await call("(a) => a * a", [3n])).toBe(9n);
});

test("many tasks at once, each with its own", async () => {
  const values = Array.from({ length: 3000 }, (_, i) => i / 7);
  expect(await Promise.all(values.map((value) => call("(x) => x", [value])))).toEqual(values);
});

test("short tasks that follow each other each have the result of the one before", async () => {
  let x: unknown = 0;
  for (let k = 0; k < 200; k++) x = await call("(x) => x + 1", [x]);
  expect(x).toBe(200);
});

test("short tasks are waited for eight times in one turn of the event loop at most, long ones never", async () => {
  let waits = 0;
  const brief = new BriefWait({ waitEndedHere: () => void waits++ });
  const ask = (): void => {
    for (let k = 0; k < 20; k++) brief.waitFor(0);
  };
  ask(); // nothing is known yet
  brief.lastMs = 5;
  ask();
  expect(waits).toBe(0);
  brief.lastMs = 0.01;
  ask();
  expect(waits).toBe(8);
  await new Promise((resolve) => setImmediate(resolve));
  ask();
  expect(waits).toBe(16);
});

test("a chain of tasks that end before one can sleep leaves the event loop a turn for each sixteen of them", async () => {
  let x: unknown = await call("(x) => x + 1", [-1]);
  // As if every task had ended by then.
  vi.spyOn(Ring.prototype, "waitEnded").mockImplementation(function (this: Ring, seen) {
    this.waitEndedHere(seen, 1000);
    return null;
  });
  let [turns, isOver] = [0, false];
  const count = (): void => {
    turns++;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  try {
    while (x !== 320) x = await call("(x) => x + 1", [x]);
  } finally {
    isOver = true;
    vi.restoreAllMocks();
  }
  expect(turns).toBeGreaterThanOrEqual(320 / 16 - 2); // each look sees the end of one task at most
});
