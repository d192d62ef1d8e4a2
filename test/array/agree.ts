/** One lazy result against what NumPy gives: dtype, shape and every value, bit for bit. */
import type { ChunkedArray, UnknownArray } from "../../src/array/index.ts";
import { isRsdatError } from "../../src/base/index.ts";
import type { DType } from "../../src/dtype/index.ts";
import { ascontiguous, type NDArray } from "../../src/ndarray/index.ts";
import { type NumpyLive, type PythonArgument, PythonError, type PythonResult } from "../oracle/numpy-live.ts";
import { values } from "./values.ts";

/** What a function under test gives. */
export type Made = ChunkedArray | UnknownArray | readonly (ChunkedArray | UnknownArray)[];

/** A case: what we make, and NumPy's expression of the same with the same arguments. */
export interface Case {
  readonly make: () => Made;
  /** A lambda; its arguments are `args`. */
  readonly python: string;
  readonly args: readonly PythonArgument[];
}

/** What differs, or null. An error of ours agrees with an error of NumPy's. */
export async function disagreement(numpy: NumpyLive, { make, python, args }: Case): Promise<string | null> {
  const want = await numpy.ask(python, args).catch((error: unknown) => {
    if (error instanceof PythonError) return error;
    throw error;
  });
  let got: NDArray[];
  try {
    const made = make();
    const list = Array.isArray(made) ? (made as readonly ChunkedArray[]) : [made as ChunkedArray];
    got = [];
    for (const lazy of list) {
      const block = await lazy.compute();
      const told = lazy.shape.join();
      if (!lazy.shape.includes(null as never) && told !== block.shape.join())
        return `said ${told}, gave ${block.shape}`;
      got.push(block);
    }
  } catch (error) {
    if (want instanceof PythonError && isRsdatError(error)) return null;
    return `threw ${String(error)}; NumPy: ${want instanceof PythonError ? want.message : "a value"}`;
  }
  if (want instanceof PythonError) return `gave (${got.map((g) => g.shape)}); NumPy: ${want.message}`;
  const wanted = (Array.isArray(want) ? (want as readonly PythonResult[]) : [want]) as readonly NDArray[];
  if (wanted.length !== got.length) return `${got.length} arrays, NumPy ${wanted.length}`;
  return got.map((g, i) => difference(g, wanted[i] as NDArray)).find((d) => d !== null) ?? null;
}

function difference(got: NDArray, want: NDArray): string | null {
  if (got.dtype !== want.dtype) return `dtype ${got.dtype}, NumPy ${want.dtype}`;
  if (got.shape.join() !== want.shape.join()) return `shape (${got.shape}), NumPy (${want.shape})`;
  const [a, b] = [bits(got), bits(want)];
  return a === b ? null : `values ${show(got)}, NumPy ${show(want)}`;
}

function bits(block: NDArray): string {
  const { data } = ascontiguous(block);
  const copy = data.slice();
  if (copy instanceof Float32Array || copy instanceof Float64Array || copy instanceof Float16Array)
    copy.forEach((v, i) => {
      if (Number.isNaN(v)) copy[i] = Number.NaN;
    });
  return Buffer.from(copy.buffer as ArrayBuffer, copy.byteOffset, copy.byteLength).toString("base64");
}

function show(block: NDArray): string {
  const text = JSON.stringify(block.toArray(), (_, v: unknown) =>
    typeof v === "bigint" ? Number(v) : typeof v === "number" && !Number.isFinite(v) ? String(v) : v,
  );
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

/** All cases that disagree, named. */
export async function disagreements(numpy: NumpyLive, cases: Readonly<Record<string, Case>>): Promise<string[]> {
  const found = await Promise.all(
    Object.entries(cases).map(async ([name, one]) => {
      const wrong = await disagreement(numpy, one);
      return wrong === null ? [] : [`${name}: ${wrong}`];
    }),
  );
  return found.flat();
}

/** Values of make_cases.py in a shape, with every value different where the dtype can. */
export function block(shape: readonly number[], dtype: DType = "int32", salt = 0): NDArray {
  return values(dtype, shape, salt);
}
