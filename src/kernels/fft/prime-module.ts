/**
 * Module of one stage of any odd radix by its definition: sums and differences of the pairs k and radix − k once, then
 * two pairs of results at a time in eight running sums, which is as many operations a cycle as a machine has.
 */
import { i32, type Local, scalar2, scalarCompare, select, type Vector, vector2 } from "../wasm/builder.ts";
import { circle } from "./plan.ts";
import { GROUP_BYTES, TileCode } from "./stage-module.ts";

/** cos and sin for results `j` and `j + 1` of each two that are made together, `[pair][k](cos, sin, cos, sin)`. */
export function primeTable(radix: number): Float64Array {
  const half = (radix - 1) / 2;
  const starts = pairStarts(half);
  const table = new Float64Array(starts.length * half * 4);
  starts.forEach((start, pair) => {
    for (let k = 1; k <= half; k++) {
      const two = [start, start + 1].flatMap((j) => circle(j * k, radix));
      table.set(two, 4 * (pair * half + k - 1));
    }
  });
  return table;
}

/** First results of the pairs; the last pair of an odd number takes one again. */
function pairStarts(half: number): number[] {
  return Array.from({ length: Math.ceil(half / 2) }, (_, k) => Math.min(2 * k, half - 2) + 1);
}

/** The module; its words are {@link StageWords}. For radices of at least 5. */
export function emitPrime(): Uint8Array<ArrayBuffer> {
  const c = new TileCode();
  const { f } = c;
  const [from, to, m, row, twiddles, half, table, area] = [0, 1, 2, 3, 4, 5, 6, 7].map((k) => c.word(k)) as [
    Local<"i32">,
    Local<"i32">,
    Local<"i32">,
    Local<"i32">,
    Local<"i32">,
    Local<"i32">,
    Local<"i32">,
    Local<"i32">,
  ]; // as many
  const rowBytes = c.product(row, GROUP_BYTES);
  const gap = c.product(rowBytes, m);
  const radix = c.sum(c.sum(half, half), i32(1));
  const span = c.product(gap, radix); // bytes past the last input of a butterfly
  const ends = c.product(rowBytes, radix);
  const last = c.difference(half, i32(1));
  const accumulate = (sum: Local<"v128">, x: Vector, y: Vector): void =>
    f.set(sum, vector2("f64x2.add", sum, vector2("f64x2.mul", x, y)));
  c.repeat(m, () => {
    c.repeat(row, () => {
      const first = c.complex(from);
      const total = [f.let(first[0]), f.let(first[1])] as const;
      const [low, high, pair] = [f.let(from), c.sum(from, span), f.let(area)];
      c.repeat(half, () => {
        c.bump(low, gap);
        f.set(high, scalar2("i32.sub", high, gap));
        const [x, y] = [c.complex(low), c.complex(high)];
        const sum = c.plus(x, y);
        c.store(pair, sum);
        c.store(c.sum(pair, i32(32)), c.minus(x, y));
        f.set(total[0], vector2("f64x2.add", total[0], sum[0]));
        f.set(total[1], vector2("f64x2.add", total[1], sum[1]));
        c.bump(pair, 64);
      });
      c.store(to, total);
      const [j, cell] = [f.let(i32(1)), f.let(table)];
      c.repeat(scalar2("i32.shr_u", c.sum(half, i32(1)), i32(1)), () => {
        const start = f.let(select(scalarCompare("i32.gt_u", j, last), last, j));
        const zero = f.constant(new Uint8Array(16));
        const sums = [0, 1].map(() => [f.let(first[0]), f.let(first[1]), f.let(zero), f.let(zero)] as const);
        f.set(pair, area);
        c.repeat(half, () => {
          const [s, d] = [c.complex(pair), c.complex(pair, 32)];
          sums.forEach(([ar, ai, br, bi], k) => {
            const cos = c.splat(cell, 16 * k);
            accumulate(ar, s[0], cos);
            accumulate(ai, s[1], cos);
            const sin = c.splat(cell, 16 * k + 8);
            accumulate(br, d[1], sin);
            accumulate(bi, d[0], sin);
          });
          c.bump(pair, 64);
          c.bump(cell, 32);
        });
        sums.forEach(([ar, ai, br, bi], k) => {
          const at = f.let(scalar2("i32.add", start, i32(k)));
          const opposite = c.difference(radix, at);
          const put = (index: Local<"i32">, re: Local<"v128">, im: Local<"v128">): void => {
            const factor = c.sum(twiddles, scalar2("i32.shl", index, i32(4)));
            const place = c.sum(to, scalar2("i32.mul", rowBytes, index));
            c.store(place, c.times([re, im], [c.splat(factor, 0), c.splat(factor, 8)]));
          };
          put(at, c.add(ar, br), c.sub(ai, bi));
          put(opposite, c.sub(ar, br), c.add(ai, bi));
        });
        c.bump(j, 2);
      });
      c.bump(from, GROUP_BYTES);
      c.bump(to, GROUP_BYTES);
    });
    c.bump(to, scalar2("i32.sub", ends, rowBytes));
    c.bump(twiddles, scalar2("i32.shl", radix, i32(4)));
  });
  return c.finish();
}
