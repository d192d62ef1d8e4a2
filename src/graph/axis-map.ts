/**
 * How the place of a block along one axis of a layer determines places along one axis of an input: by arithmetic where
 * it can be said so, by tables otherwise.
 */

/** One axis of an input, seen from the layer that reads it. Places are in the input's grid. */
export type AxisMap =
  /** The place along the layer's axis `axis`. */
  | { readonly kind: "same"; readonly axis: number }
  /** `size` neighbours for each place along `axis`, of `count` in all. */
  | { readonly kind: "group"; readonly axis: number; readonly size: number; readonly count: number }
  /** Whatever the place: `[from, from + count)`. */
  | { readonly kind: "range"; readonly from: number; readonly count: number }
  /** `items[start[p] … start[p + 1])` for place `p` along `axis`; -1: for every place the only row. */
  | { readonly kind: "table"; readonly axis: number; readonly start: Uint32Array; readonly items: Uint32Array };

/** A table from its rows. */
export function tableOf(axis: number, rows: readonly (readonly number[])[]): AxisMap {
  const start = new Uint32Array(rows.length + 1);
  rows.forEach((row, p) => {
    start[p + 1] = (start[p] as number) + row.length;
  });
  return { kind: "table", axis, start, items: Uint32Array.from(rows.flat()) };
}

/** Places for place `p` of the axis that the map follows. */
export function placesOf(map: AxisMap, p: number): number[] {
  switch (map.kind) {
    case "same":
      return [p];
    case "group":
      return Array.from({ length: Math.min(map.size, map.count - p * map.size) }, (_, i) => p * map.size + i);
    case "range":
      return Array.from({ length: map.count }, (_, i) => map.from + i);
    case "table":
      return Array.from(map.items.subarray(map.start[map.axis < 0 ? 0 : p], map.start[(map.axis < 0 ? 0 : p) + 1]));
  }
}

/** True when some place has more than one. */
export function isMany(map: AxisMap): boolean {
  if (map.kind === "same") return false;
  if (map.kind === "range") return map.count > 1;
  if (map.kind === "group") return map.size > 1;
  return map.start.some((at, p) => p > 0 && at - (map.start[p - 1] as number) > 1);
}

/**
 * `inner` maps places along an axis of an intermediate layer, which `outer` gives for places of the layer itself.
 * `count`: places along the layer's own axis that `outer` follows.
 */
export function composeMaps(outer: AxisMap, inner: AxisMap, count: number): AxisMap {
  if (inner.kind === "range" || (inner.kind === "table" && inner.axis < 0)) return inner;
  if (inner.kind === "same") return outer;
  if (outer.kind === "same") return { ...inner, axis: outer.axis };
  const rowsFor = (p: number): number[] =>
    Array.from(new Set(placesOf(outer, p).flatMap((place) => placesOf(inner, place))));
  if (outer.kind === "range" || (outer.kind === "table" && outer.axis < 0)) return tableOf(-1, [rowsFor(0)]);
  return tableOf(
    outer.axis,
    Array.from({ length: count }, (_, p) => rowsFor(p)),
  );
}

/** Where one place of the input is used: places along the axis that the map follows, ascending. */
export interface Inverse {
  readonly start: Uint32Array;
  readonly items: Uint32Array;
}

/** The other way round for a table; `count`: places along the input's axis. */
export function invertTable(map: Extract<AxisMap, { readonly kind: "table" }>, count: number): Inverse {
  const start = new Uint32Array(count + 1);
  for (const item of map.items) start[item + 1] = (start[item + 1] as number) + 1;
  for (let q = 0; q < count; q++) start[q + 1] = (start[q + 1] as number) + (start[q] as number);
  const items = new Uint32Array(map.items.length);
  const fill = start.slice();
  for (let p = 0; p + 1 < map.start.length; p++) {
    for (let e = map.start[p] as number; e < (map.start[p + 1] as number); e++) {
      const item = map.items[e] as number; // within the table
      items[fill[item] as number] = p;
      fill[item] = (fill[item] as number) + 1;
    }
  }
  return { start, items };
}
