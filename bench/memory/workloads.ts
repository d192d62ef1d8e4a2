/**
 * The workloads of coiled/benchmarks at laptop size, as a user writes them: inputs several times the memory, results small.
 * `peer.py` says the same to dask.array; random values are the same on both sides, so results are compared.
 */
import type { array as arrays } from "rsdat";

type Lazy = arrays.ChunkedArray;

/** Elements of a chunk: 8 MiB of float64. */
const CHUNK = 2 ** 20;
const SIDE = 1024;

/** Inputs of a workload: `bytes` in all, shared by as many arrays as it has. */
export interface Workload {
  readonly about: string;
  /** Lazy, small results. */
  build(xp: typeof arrays, bytes: number): readonly Lazy[];
}

type Array2 = (seed: number, shape: readonly number[], chunks: readonly number[]) => Lazy;

function generator(xp: typeof arrays): Array2 {
  return (seed, shape, chunks) => xp.random.defaultRng(seed).random(shape, { chunks: [...chunks] });
}

/** Side of a square of `bytes` of float64, in whole chunks. */
export function sideOf(bytes: number): number {
  return Math.max(2, Math.round(Math.sqrt(bytes / 8) / SIDE)) * SIDE;
}

/** Rows of `CHUNK` elements that are `bytes` of float64: a multiple of 64. */
export function rowsOf(bytes: number): number {
  return Math.max(1, Math.round(bytes / 8 / CHUNK / 64)) * 64;
}

function wrapped(xp: typeof arrays, x: Lazy, axis: 1 | 2): Lazy {
  const first = x.slice(axis === 1 ? ":, :1" : ":, :, :1");
  return xp.diff(xp.concatenate([x, first], axis), 1, axis);
}

/** By name. */
export const WORKLOADS: Readonly<Record<string, Workload>> = {
  "tree-sum": {
    about: "sum of all",
    build: (xp, bytes) => {
      const n = sideOf(bytes);
      return [generator(xp)(1, [n, n], [SIDE, SIDE]).sum()];
    },
  },
  "anomaly-mean": {
    about: "mean of the differences from a climatology of 16 years",
    build: (xp, bytes) => {
      const rows = rowsOf(bytes);
      const x = generator(xp)(1, [16, rows / 16, CHUNK], [1, 1, CHUNK]);
      return [x.sub(x.mean(0)).mean([0, 1]).sum()];
    },
  },
  "climatic-mean": {
    about: "mean of each day over 64 years",
    build: (xp, bytes) => {
      const rows = rowsOf(bytes);
      return [
        generator(xp)(1, [64, rows / 64, CHUNK], [1, 1, CHUNK])
          .mean(0)
          .max(),
      ];
    },
  },
  vorticity: {
    about: "difference of gradients of two fields of 2048² by levels",
    build: (xp, bytes) => {
      const levels = Math.max(1, Math.round(bytes / 2 / 8 / (4 * CHUNK)));
      const [u, v] = [1, 2].map((seed) => generator(xp)(seed, [levels, 2 * SIDE, 2 * SIDE], [1, SIDE, SIDE])) as [
        Lazy,
        Lazy,
      ];
      return [xp.square(wrapped(xp, v, 2).sub(wrapped(xp, u, 1))).mean()];
    },
  },
  "double-diff": {
    about: "two arrays, shifted against each other by one",
    build: (xp, bytes) => {
      const n = sideOf(bytes / 2);
      const [a, b] = [1, 2].map((seed) => generator(xp)(seed, [n, n], [SIDE, SIDE])) as [Lazy, Lazy];
      return [a.slice("1:, 1:").sub(b.slice(":-1, :-1")).abs().sum()];
    },
  },
  "dot-product": {
    about: "a matrix of 512 rows times its transpose",
    build: (xp, bytes) => {
      const columns = Math.round(bytes / 8 / 512 / 4096) * 4096;
      const a = generator(xp)(1, [512, columns], [256, 4096]);
      return [xp.matmul(a, a.transpose()).sum()];
    },
  },
  "map-overlap-sample": {
    about: "a few elements of a function with halos",
    build: (xp, bytes) => {
      const n = sideOf(bytes);
      const x = generator(xp)(1, [n, n], [SIDE, SIDE]);
      return [
        x
          .mapOverlap((block) => block, { depth: 1, boundary: "none", dtype: "float64" })
          .slice("500:510, 500:518")
          .sum(),
      ];
    },
  },
  "quadratic-mean": {
    about: "means of u², v² and u·v over time",
    build: (xp, bytes) => {
      const rows = rowsOf(bytes / 2);
      const [u, v] = [1, 2].map((seed) => generator(xp)(seed, [rows, CHUNK], [1, CHUNK])) as [Lazy, Lazy];
      return [xp.square(u).mean(0).sum(), xp.square(v).mean(0).sum(), u.mul(v).mean(0).sum()];
    },
  },
  "rechunk-rows-to-columns": {
    about: "chunks of whole rows to chunks of whole columns; their maxima",
    build: (xp, bytes) => {
      const n = sideOf(bytes);
      const rows = CHUNK / 2 ** Math.ceil(Math.log2(n));
      const x = generator(xp)(1, [n, n], [rows, n]).rechunk([n, rows]);
      return [x.max(0).sum()];
    },
  },
  "rechunk-columns-to-rows": {
    about: "chunks of whole columns to chunks of whole rows; their maxima",
    build: (xp, bytes) => {
      const n = sideOf(bytes);
      const columns = CHUNK / 2 ** Math.ceil(Math.log2(n));
      const x = generator(xp)(1, [n, n], [n, columns]).rechunk([columns, n]);
      return [x.max(1).sum()];
    },
  },
  "filter-then-average": {
    about: "mean of the elements above a half",
    build: (xp, bytes) => {
      const n = sideOf(bytes);
      const x = generator(xp)(1, [n, n], [SIDE, SIDE]);
      return [x.slice(x.gt(0.5)).mean()];
    },
  },
};
