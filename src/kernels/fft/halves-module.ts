/**
 * Modules over rows of tiles (see `stage-module.ts`): products with a factor for each row, and both ways between the
 * transform of n/2 pairs and half the spectrum of n real values. Bytes an element: read and written once.
 */
import { i32, type Local, scalar2 } from "../wasm/builder.ts";
import { GROUP_BYTES, TileCode } from "./stage-module.ts";

type Int = Local<"i32">;

/**
 * Every row times c + i·s of its own. Words: real and imaginary parts read, and written, rows, groups, factors; the
 * parts may change places.
 */
export function emitTimes(): Uint8Array<ArrayBuffer> {
  const c = new TileCode();
  const [re, im, toRe, toIm, rows, row, factors] = [0, 1, 2, 3, 4, 5, 6].map((k) => c.word(k)) as [
    Int,
    Int,
    Int,
    Int,
    Int,
    Int,
    Int,
  ]; // as many
  c.repeat(rows, () => {
    const [cos, sin] = [c.splat(factors, 0), c.splat(factors, 8)];
    c.repeat(row, () => {
      const [x, y] = c.times([c.load(re), c.load(im)], [cos, sin]);
      c.f.storeVector(c.at(toRe), x);
      c.f.storeVector(c.at(toIm), y);
      for (const p of [re, im, toRe, toIm]) c.bump(p, GROUP_BYTES);
    });
    c.bump(factors, 16);
  });
  return c.finish();
}

/** Words: row 0, where results go, half, groups, cos and sin of 2π k / n. */
interface Halves {
  readonly c: TileCode;
  /** Rows k and half − k, and where the results of k go. */
  readonly low: Int;
  readonly high: Int;
  readonly to: Int;
  readonly row: Int;
  readonly turns: Int;
}

/** Runs `body` for every k; the two rows are there from k = 0 on. */
function eachHalf(rowsMore: number, body: (halves: Halves) => void): Uint8Array<ArrayBuffer> {
  const c = new TileCode();
  const [low, to, half, row, turns] = [0, 1, 2, 3, 4].map((k) => c.word(k)) as [Int, Int, Int, Int, Int]; // as many
  const rowBytes = c.product(row, GROUP_BYTES);
  const high = c.sum(low, scalar2("i32.mul", rowBytes, half));
  c.repeat(c.sum(half, i32(rowsMore)), () => {
    body({ c, low, high, to, row, turns });
    c.bump(high, scalar2("i32.mul", rowBytes, i32(-2)));
    c.bump(turns, 16);
  });
  return c.finish();
}

/**
 * X[k] = (Z[k] + conj Z[h−k])/2 − i·w^k·(Z[k] − conj Z[h−k])/2 for k ≤ h = n/2, w = exp(−2πi/n); row h is a copy of
 * row 0.
 */
export function emitUnfold(): Uint8Array<ArrayBuffer> {
  return eachHalf(1, ({ c, low, high, to, row, turns }) => {
    const [cos, sin] = [c.splat(turns, 0), c.splat(turns, 8)];
    const half = c.f.constant(new Uint8Array(Float64Array.of(0.5, 0.5).buffer));
    c.repeat(row, () => {
      const [[ar, ai], [br, bi]] = [c.complex(low), c.complex(high)];
      const [er, ei] = [c.mul(half, c.add(ar, br)), c.mul(half, c.sub(ai, bi))];
      const [dr, di] = [c.mul(half, c.sub(ar, br)), c.mul(half, c.add(ai, bi))];
      // −i·(c − i·s)·(dr + i·di)
      c.store(to, [c.sub(c.add(er, c.mul(cos, di)), c.mul(sin, dr)), c.sub(c.sub(ei, c.mul(cos, dr)), c.mul(sin, di))]);
      for (const p of [low, high, to]) c.bump(p, GROUP_BYTES);
    });
  });
}

/** Z[k] = (X[k] + conj X[h−k]) + i·w^−k·(X[k] − conj X[h−k]) for k < h, its parts exchanged. */
export function emitFold(): Uint8Array<ArrayBuffer> {
  return eachHalf(0, ({ c, low, high, to, row, turns }) => {
    const [cos, sin] = [c.splat(turns, 0), c.splat(turns, 8)];
    c.repeat(row, () => {
      const [[ar, ai], [br, bi]] = [c.complex(low), c.complex(high)];
      const [er, ei] = [c.add(ar, br), c.sub(ai, bi)];
      const [dr, di] = [c.sub(ar, br), c.add(ai, bi)];
      // i·(c + i·s)·(dr + i·di)
      const re = c.sub(c.sub(er, c.mul(cos, di)), c.mul(sin, dr));
      const im = c.sub(c.add(ei, c.mul(cos, dr)), c.mul(sin, di));
      c.store(to, [im, re]);
      for (const p of [low, high, to]) c.bump(p, GROUP_BYTES);
    });
  });
}
