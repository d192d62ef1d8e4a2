/** What a client wants, by key: as a map of what is known and a list of what is to be said. */
import { expect, test } from "vitest";
import { seededRandom } from "../../src/base/index.ts";
import type { Watch } from "../../src/client/watch.ts";
import { Watches } from "../../src/client/watches.ts";
import { type Key, KeyColumn, keyOfValue } from "../../src/graph/index.ts";

test("every key leads to its watch, by its text or by its column, while others come and go", () => {
  const random = seededRandom(11);
  const keys = Array.from({ length: 60 }, (_, i) =>
    keyOfValue(i % 4 === 0 ? `k${i}` : `f-${String(i).padStart(32, "0")}`),
  );
  const columns = [KeyColumn.of(keys), KeyColumn.of(keys.filter((_, i) => i % 4 !== 0))];
  const watches = new Watches();
  const known = new Map<Key, Watch>();
  const released = new Set<Key>();
  const look = (key: Key): (Watch | undefined)[] => [
    watches.get(key),
    ...columns.flatMap((column) => {
      const index = column.toArray().indexOf(key);
      return index < 0 ? [] : [watches.at(column, index)];
    }),
  ];
  for (let step = 0; step < 2000; step++) {
    const key = keys[Math.floor(random.next() * keys.length)] as Key;
    for (const found of look(key)) expect(found).toBe(known.get(key));
    const watch = known.get(key);
    if (!watch || random.next() < 0.1) {
      const [, own] = columns;
      const index = own?.toArray().indexOf(key) ?? -1;
      const begun = own && index >= 0 && step % 2 ? watches.beginAt(own, index) : watches.begin(key);
      if (own && index >= 0) expect(watches.want(own, index)).toBe(begun);
      expect(begun.key).toBe(key);
      if (watch) expect(watches.isCurrent(watch)).toBe(false); // it was cancelled
      known.set(key, begun);
      released.delete(key);
    } else {
      watches.release(watch);
      known.delete(key);
      released.add(key);
    }
    if (step % 7 !== 0) continue;
    expect(new Set(watches.takeReleased().map((gone) => gone.key))).toEqual(released);
    released.clear();
    expect(watches.hasReleased).toBe(false);
    expect(new Set(watches.all())).toEqual(new Set(known.values()));
    expect(new Set(watches.texts())).toEqual(new Set([...known.keys()].filter((each) => each.startsWith("k"))));
  }
});
