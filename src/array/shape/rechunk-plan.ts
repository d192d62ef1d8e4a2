/**
 * Ways of a rechunk: cuts between those that an array has and those that are wanted, so that few blocks are cut from many.
 * The choice is dask.array's (`plan_rechunk`): in turn, blocks are split towards the target and merged towards it, as far as
 * a block's size allows. Pure arithmetic on cuts.
 */
import { Heap } from "../../base/index.ts";
import { type Chunks, largestBlock, sameChunks } from "../../graph/index.ts";
import { sizeOf } from "../../ndarray/index.ts";

/** What bounds the steps. */
export interface StepLimits {
  /** How many times the blocks of both ends a rechunk may cut them into before a step is worth it. */
  readonly threshold: number;
  /** Elements of a step's largest block, where neither end has a larger one. */
  readonly elements: number;
}

/** Passes after which a way ends as it is; each is to bring it nearer. */
const PASSES_MAX = 1000;

/** Cuts one after another, the wanted ones last. dask.array `plan_rechunk`. */
export function planRechunk(from: Chunks, to: Chunks, limits: StepLimits): Chunks[] {
  if (to.length <= 1 || to.some((sizes) => sizes.length === 0)) return [to];
  const { threshold } = limits;
  const elements = Math.max(limits.elements, largestBlock(from), largestBlock(to));
  const pieces = threshold * (blocksOf(from) + blocksOf(to));
  const steps: Chunks[] = [];
  let current = from;
  for (let pass = 0; pass < PASSES_MAX; pass++) {
    const count = piecesBetween(current, to);
    if (count < pieces) break;
    // Where merging had no room left: smaller blocks, for the next merge to have some.
    const split = pass === 0 ? current : splitTowards(current, to, count * threshold);
    const { chunks, isFull } = mergeTowards(split, to, elements);
    const stays = sameChunks(chunks, current);
    if ((stays && pass > 0) || sameChunks(chunks, to)) break;
    if (!stays) steps.push(chunks);
    current = chunks;
    if (!isFull) break;
  }
  return [...steps, to];
}

function blocksOf(chunks: Chunks): number {
  return sizeOf(chunks.map((sizes) => sizes.length));
}

/** About how many pieces blocks are cut into from one to the other. */
function piecesBetween(from: Chunks, to: Chunks): number {
  return sizeOf(
    from.map((sizes, k) => {
      const wanted = to[k] as readonly number[]; // as many axes
      return same(sizes, wanted) ? sizes.length : sizes.length + wanted.length - 1;
    }),
  );
}

function same(a: readonly number[], b: readonly number[]): boolean {
  return sameChunks([a], [b]);
}

function widest(sizes: readonly number[]): number {
  return sizes.reduce((a, b) => Math.max(a, b), 0);
}

/** Blocks merged along axes that want fewer of them, those first that save most for the room they take. */
function mergeTowards(
  from: Chunks,
  to: Chunks,
  elements: number,
): { readonly chunks: Chunks; readonly isFull: boolean } {
  const axes = from.map((sizes, axis) => {
    const wanted = to[axis] as readonly number[]; // as many axes
    const fewer = wanted.length / sizes.length;
    const [old, width] = [widest(sizes), widest(wanted)];
    const larger = width / (old || 1);
    return { axis, sizes, wanted, old, width, fewer, rank: mergeRank(fewer, larger) };
  });
  const chunks = [...from];
  let largest = largestBlock(from);
  let isFull = false;
  for (const { axis, sizes, wanted, old, width } of axes
    .filter(({ fewer }) => fewer <= 1)
    .sort((a, b) => a.rank - b.rank)) {
    const others = largest / (old || 1); // exact: `old` is a factor of it
    if (others * width <= elements) {
      chunks[axis] = wanted;
      largest = others * width;
      continue;
    }
    isFull = true;
    const pieces = dividedTo(wanted, Math.trunc((elements * old) / largest));
    if (pieces.length > sizes.length) continue;
    chunks[axis] = pieces;
    largest = others * widest(pieces);
  }
  return { chunks, isFull };
}

/** Fewer blocks for the room that they take. Rounded: the last bits of logarithms, which machines differ in, decide nothing. */
function mergeRank(fewer: number, larger: number): number {
  if (larger <= 0) return 0;
  return Number((Math.log(fewer) / Math.log(larger === 1 ? 1 + 1e-9 : larger)).toPrecision(13));
}

/** Every size in as few nearly equal parts as are no larger than `most`. */
function dividedTo(sizes: readonly number[], most: number): number[] {
  return sizes.flatMap((size) => {
    const parts = Math.ceil(size / most);
    let left = size;
    return Array.from({ length: parts }, (_, i) => {
      const part = Math.floor(left / (parts - i));
      left -= part;
      return part;
    });
  });
}

/** Blocks split along axes that want more of them, while there are at most `pieces` between the result and `to`. */
function splitTowards(from: Chunks, to: Chunks, pieces: number): Chunks {
  const chunks = [...from];
  for (const [axis, sizes] of from.entries()) {
    const count = piecesBetween(chunks, to);
    if (count > pieces) break;
    const wanted = to[axis] as readonly number[]; // as many axes
    if (sizes.length > wanted.length) continue;
    const fewer = mergedTo(wanted, Math.trunc((sizes.length * pieces) / count));
    if (fewer.length >= sizes.length && widest(fewer) <= widest(sizes)) chunks[axis] = fewer;
  }
  return chunks;
}

/** Neighbours merged until there are at most `most`, the narrowest pair first. */
function mergedTo(sizes: readonly number[], most: number): readonly number[] {
  if (sizes.length <= most) return sizes;
  const [first] = sizes as readonly [number]; // there are more than `most`
  if (sizes.every((size) => size === first)) {
    const total = sizes.length * first;
    const width = first * Math.floor(Math.floor(total / most) / first);
    const wider = Math.floor((total - most * width) / first);
    return Array.from({ length: most }, (_, i) => (i < wider ? width + first : width));
  }
  const out = [...sizes];
  const pairs = new Heap<Pair>((a, b) => a.width < b.width || (a.width === b.width && a.at < b.at));
  for (let at = 0; at + 1 < out.length; at++) pairs.push(pairOf(out, at, at + 1));
  for (let left = sizes.length - most; left > 0; ) {
    const pair = pairs.pop();
    if (pair === undefined) break;
    const { at, width } = pair;
    let next = pair.next;
    while (next < out.length && out[next] === 0) next++;
    if (next === out.length) continue;
    if (next !== pair.next || (out[at] as number) + (out[next] as number) !== width) {
      pairs.push(pairOf(out, at, next));
      continue;
    }
    out[at] = 0; // merged into the next
    out[next] = width;
    left--;
  }
  return out.filter((size) => size > 0);
}

/** Two neighbours and their width together, as it was when they were looked at. */
interface Pair {
  readonly at: number;
  readonly next: number;
  readonly width: number;
}

function pairOf(sizes: readonly number[], at: number, next: number): Pair {
  return { at, next, width: (sizes[at] as number) + (sizes[next] as number) };
}
