/** Serialized values of real peers with bytes of their headers or frames changed: read, or refused with a typed error. */
import { expect, test } from "vitest";
import { isRsdatError, seededRandom } from "../../src/base/index.ts";
import { deserialize, Serialized } from "../../src/protocol/index.ts";
import { COUNT, GOLDENS, mutateBytes, SEED, timeoutFor } from "./mutations.ts";
import { messageOf } from "./wire-view.ts";

test(`C-I8 ${COUNT} mutated values (seed ${SEED})`, { timeout: timeoutFor(COUNT) }, () => {
  const random = seededRandom(SEED);
  // A recorded value is the only one in its reply.
  const values = GOLDENS.filter(({ name }) => name.startsWith("value-")).map(({ name, bytes }) => {
    const [value] =
      (messageOf(bytes) as ReadonlyMap<string, ReadonlyMap<string, Serialized>>).get("data")?.values() ?? [];
    if (!value) throw new Error(`${name} holds no value`);
    return { name, value };
  });
  let [refused, read] = [0, 0];
  for (let i = 0; i < COUNT; i++) {
    const { name, value } = values[random.below(values.length)] as (typeof values)[number];
    const changed =
      random.below(2) === 0
        ? new Serialized(mutateBytes(value.header, random), value.frames)
        : new Serialized(
            value.header,
            value.frames.map((frame) => mutateBytes(frame, random)),
          );
    try {
      deserialize(changed);
      read++;
    } catch (error) {
      refused++;
      expect(isRsdatError(error), `seed ${SEED}, value ${i} of ${name}: ${String(error)}`).toBe(true);
    }
  }
  expect(refused).toBeGreaterThan(COUNT / 4);
  expect(read).toBeGreaterThan(COUNT / 20);
});
