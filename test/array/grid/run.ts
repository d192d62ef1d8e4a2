/** Runs rows: every call on the chosen inputs, ours beside NumPy's. */
import * as namespace from "../../../src/array/index.ts";
import { isRsdatError } from "../../../src/base/index.ts";
import { type DType, dtypeInfo } from "../../../src/dtype/index.ts";
import { NDArray } from "../../../src/ndarray/index.ts";
import type { NumpyLive, PythonResult } from "../../oracle/numpy-live.ts";
import { PythonError } from "../../oracle/numpy-live.ts";
import { type Case, lookUp } from "./cases.ts";
import { difference, type Measure } from "./compare.ts";
import type { Given, Namespace } from "./row.ts";
import { type Cutting, cut, type Profile, values } from "./values.ts";

const call: Namespace = (name, ...args) => {
  const found = lookUp(name);
  if (!found) throw new TypeError(`the namespace has no ${name}`);
  return found(...args) as namespace.ChunkedArray; // rows say what a function gives
};

/** The lazy array of a profile, and its values in memory. */
function make(dtype: DType, profile: Profile, { cutting, salt = 0 }: { cutting: Cutting; salt?: number }) {
  const { shape, pattern, strided } = profile;
  if (!strided) {
    const block = values(dtype, shape, pattern, salt);
    return { block, lazy: namespace.fromArray(block, { chunks: shape.map((n) => cut(n, cutting)) }) };
  }
  // Every axis holds twice the elements; the last runs backwards.
  const large = values(
    dtype,
    shape.map((n) => n * 2),
    pattern,
    salt,
  );
  const lazy = namespace
    .fromArray(large, { chunks: large.shape.map((n) => cut(n, cutting)) })
    .slice(...shape.map((_, k) => (k === shape.length - 1 ? "::-2" : "1::2")));
  const { components } = dtypeInfo(dtype);
  const block = values(dtype, shape, pattern, salt);
  const last = shape.at(-1) as number; // strided profiles are planes
  const rows = block.size / last;
  for (let r = 0; r < rows; r++) {
    for (let k = 0; k < last; k++) {
      const from = (r * 2 + 1) * last * 2 + (last * 2 - 1 - 2 * k);
      for (let c = 0; c < components; c++)
        block.data[(r * last + k) * components + c] = large.data[from * components + c] as never; // same class
    }
  }
  return { block, lazy };
}

function plainly({ name, shape, pattern }: Profile): Profile {
  return { name, shape, pattern };
}

function broadcastable(shape: readonly number[]): readonly number[] {
  return shape.length < 2 ? [] : shape.length === 2 ? shape.slice(1) : [...shape.slice(1, -1), 1];
}

/** What differs in a case, in words; null when nothing does. */
export async function check(numpy: NumpyLive, one: Case): Promise<string | null> {
  const { row, call: c, dtypes, profile, cutting } = one;
  const title = `${row.name} ${c.id} (${dtypes.join(", ")}; ${profile.name}, ${cutting})`;
  const x = make(dtypes[0] as DType, profile, { cutting });
  const y = c.other
    ? make(
        dtypes[1] as DType,
        c.other === "same" ? profile : { ...plainly(profile), shape: broadcastable(profile.shape) },
        { cutting: cutting === "whole" ? "thirds" : cutting, salt: 5 },
      )
    : x;
  const asked = numpy.attempt(c.numpy, c.other ? [x.block, y.block] : [x.block]);
  const [want, got] = await Promise.all([asked, attempt(() => c.ours(call, x.lazy, y.lazy))]);
  if (got instanceof Error) {
    const typed = isRsdatError(got);
    if (want instanceof PythonError) return typed ? null : `${title}: untyped ${got.stack?.slice(0, 400)}`;
    return `${title}: we refuse (${typed ? got.message : (got.stack ?? "").slice(0, 400)})`;
  }
  if (want instanceof PythonError) return `${title}: NumPy refuses (${want.message}), we give ${describe(got)}`;
  const isCut = cutting !== "whole" && profile.shape.some((n) => n > 1);
  const measure = (isCut ? c.cutMeasure : undefined) ?? c.measure ?? "bits";
  const wrong = compare(got, want, measure);
  return wrong === null ? null : `${title}: ${wrong}`;
}

type Computed = NDArray | readonly Computed[] | string | number | boolean | null;

async function attempt(make: () => Given | Promise<Given>): Promise<Computed | Error> {
  try {
    return await settle(await make());
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

async function settle(given: Given): Promise<Computed> {
  if (given instanceof NDArray || typeof given !== "object" || given === null) return given;
  if (namespace.isChunkedArray(given)) {
    const block = await given.compute();
    // what the lazy array promised is what comes; unknown sizes are null
    if (given.dtype !== block.dtype) throw new Error(`promised ${given.dtype}, came ${block.dtype}`);
    const shape: readonly (number | null)[] = given.shape;
    if (block.shape.length !== shape.length || shape.some((n, k) => n !== null && n !== block.shape[k]))
      throw new Error(`promised shape (${shape}), came (${block.shape})`);
    return block;
  }
  return Promise.all((given as readonly Given[]).map(settle)); // the only object left
}

function compare(got: Computed, want: PythonResult, measure: Measure): string | null {
  if (got instanceof NDArray && want instanceof NDArray) return difference(got, want, measure);
  if (Array.isArray(want)) {
    if (!Array.isArray(got) || got.length !== want.length)
      return `${describe(got)}, NumPy gives ${want.length} results`;
    for (const [k, w] of want.entries()) {
      const wrong = compare(got[k] as Computed, w, measure);
      if (wrong !== null) return `result ${k}: ${wrong}`;
    }
    return null;
  }
  const plain = want instanceof NDArray && want.size === 1 ? want.item() : want;
  const same = typeof plain === "bigint" ? Number(plain) === Number(got) : Object.is(plain, got);
  return same ? null : `${describe(got)}, NumPy ${describe(want as Computed)}`;
}

function describe(value: Computed | PythonResult): string {
  return value instanceof NDArray ? `${value.dtype} (${value.shape})` : JSON.stringify(value).slice(0, 80);
}
