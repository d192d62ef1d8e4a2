/**
 * Lanes of a block, in and out of a tile's parts `[j][lane]`. Lanes that run along memory are copied one after another;
 * others element by element, all lanes at once, so that each cache line is read once either way.
 */
import type { Parts } from "./plan.ts";

/** Some lanes of a block along one axis. */
export interface Lines {
  readonly data: Float64Array;
  /** Entries of an element: 2 of complex blocks. */
  readonly components: 1 | 2;
  /** First element of each lane. */
  readonly offsets: Float64Array;
  readonly lanes: number;
  /** Elements along the axis, and from one to the next. */
  readonly count: number;
  readonly step: number;
}

/** True for lanes that run along memory. */
function runsAlong({ step }: Lines): boolean {
  return Math.abs(step) === 1;
}

/** The first `rows` values of each lane. */
export function loadLines(lines: Lines, parts: Parts, rows: number): void {
  const isAlong = runsAlong(lines);
  const outer = isAlong ? lines.lanes : rows;
  for (let k = 0; k < outer; k++) {
    if (isAlong) loadLine(lines, parts, k, rows);
    else loadRow(lines, parts, k);
  }
}

function loadLine(
  { data, components, offsets, lanes, step }: Lines,
  { re, im }: Parts,
  lane: number,
  rows: number,
): void {
  let at = (offsets[lane] as number) * components;
  for (let j = 0, to = lane; j < rows; j++, to += lanes, at += step * components) {
    re[to] = data[at] as number;
    im[to] = components === 2 ? (data[at + 1] as number) : 0;
  }
}

function loadRow({ data, components, offsets, lanes, step }: Lines, { re, im }: Parts, row: number): void {
  for (let lane = 0, to = row * lanes; lane < lanes; lane++, to++) {
    const at = ((offsets[lane] as number) + row * step) * components;
    re[to] = data[at] as number;
    im[to] = components === 2 ? (data[at + 1] as number) : 0;
  }
}

/** All values of each lane, times `scale`; real blocks take the real parts. */
export function storeLines(lines: Lines, parts: Parts, scale: number): void {
  const isAlong = runsAlong(lines);
  const outer = isAlong ? lines.lanes : lines.count;
  for (let k = 0; k < outer; k++) {
    if (isAlong) storeLine(lines, parts, k, scale);
    else storeRow(lines, parts, k, scale);
  }
}

function storeLine(
  { data, components, offsets, lanes, step, count }: Lines,
  { re, im }: Parts,
  lane: number,
  scale: number,
): void {
  let at = (offsets[lane] as number) * components;
  for (let j = 0, from = lane; j < count; j++, from += lanes, at += step * components) {
    data[at] = (re[from] as number) * scale;
    if (components === 2) data[at + 1] = (im[from] as number) * scale;
  }
}

function storeRow(
  { data, components, offsets, lanes, step }: Lines,
  { re, im }: Parts,
  row: number,
  scale: number,
): void {
  for (let lane = 0, from = row * lanes; lane < lanes; lane++, from++) {
    const at = ((offsets[lane] as number) + row * step) * components;
    data[at] = (re[from] as number) * scale;
    if (components === 2) data[at + 1] = (im[from] as number) * scale;
  }
}

/** Which pairs of a lane are given, and how many there are. */
interface Pairs {
  readonly given: number;
  readonly half: number;
}

/** Value 2j of each lane as real, value 2j + 1 as imaginary part of row j < `half`; 0 from `given` on. */
export function loadPairs(lines: Lines, parts: Parts, pairs: Pairs): void {
  const isAlong = runsAlong(lines);
  const outer = isAlong ? lines.lanes : pairs.half;
  for (let k = 0; k < outer; k++) {
    if (isAlong) pairLine(lines, parts, k, pairs);
    else pairRow(lines, parts, k, pairs);
  }
}

function pairLine(
  { data, offsets, lanes, step }: Lines,
  { re, im }: Parts,
  lane: number,
  { given, half }: Pairs,
): void {
  let at = offsets[lane] as number;
  for (let j = 0, to = lane; j < half; j++, to += lanes, at += 2 * step) {
    re[to] = 2 * j < given ? (data[at] as number) : 0;
    im[to] = 2 * j + 1 < given ? (data[at + step] as number) : 0;
  }
}

function pairRow({ data, offsets, lanes, step }: Lines, { re, im }: Parts, row: number, { given }: Pairs): void {
  for (let lane = 0, to = row * lanes; lane < lanes; lane++, to++) {
    const at = (offsets[lane] as number) + 2 * row * step;
    re[to] = 2 * row < given ? (data[at] as number) : 0;
    im[to] = 2 * row + 1 < given ? (data[at + step] as number) : 0;
  }
}

/** The inverse of {@link loadPairs}, times `scale`. */
export function storePairs(lines: Lines, parts: Parts, scale: number): void {
  const { data, offsets, lanes, step, count } = lines;
  const { re, im } = parts;
  if (!runsAlong(lines)) {
    for (let j = 0; j < count >> 1; j++) unpairRow(lines, parts, j, scale);
    return;
  }
  for (let lane = 0; lane < lanes; lane++) {
    let at = offsets[lane] as number;
    for (let j = 0, from = lane; j < count >> 1; j++, from += lanes, at += 2 * step) {
      data[at] = (re[from] as number) * scale;
      data[at + step] = (im[from] as number) * scale;
    }
  }
}

function unpairRow({ data, offsets, lanes, step }: Lines, { re, im }: Parts, row: number, scale: number): void {
  for (let lane = 0, from = row * lanes; lane < lanes; lane++, from++) {
    const at = (offsets[lane] as number) + 2 * row * step;
    data[at] = (re[from] as number) * scale;
    data[at + step] = (im[from] as number) * scale;
  }
}
