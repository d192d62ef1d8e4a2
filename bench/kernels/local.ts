/** Peers of bench/kernels that are JavaScript and run in this process: a plain loop, jax-js, numpy-ts. */
import * as jax from "@jax-js/jax";
import * as nts from "numpy-ts";
import type { NDArray } from "../../src/ndarray/index.ts";
import type { LocalPeer, Source } from "./row.ts";

/** One loop over typed arrays, as a careful programmer writes NDVI with nodata. */
function loop(out: Float32Array, nir: Uint16Array, red: Uint16Array): void {
  for (let i = 0; i < out.length; i++) {
    const [n, r] = [nir[i] as number, red[i] as number];
    out[i] = n === 0 || r === 0 ? Number.NaN : (n - r) / (n + r);
  }
}

export async function plainPeer(source: Source): Promise<LocalPeer> {
  const [nir, red] = ["nir", "red"].map((n) => source.get(n).data) as [Uint16Array, Uint16Array]; // their dtype
  const out = source.empty("float32", source.get("nir").shape).data as Float32Array; // its dtype
  return { run: () => loop(out, nir, red), result: async () => out };
}

/** A copy outside shared memory: these packages take no other. */
function copyOf(x: NDArray): Float32Array<ArrayBuffer> {
  return Float32Array.from(x.data as Float32Array); // or another number array
}

let isReady: Promise<unknown> | null = null;

/** jax-js on its WebAssembly backend, compiled by `jit`. */
export async function jaxPeer(what: "ndvi" | "explog" | "sum", source: Source): Promise<LocalPeer> {
  isReady ??= jax.init("wasm");
  await isReady;
  jax.defaultDevice("wasm");
  const { numpy: np, jit } = jax;
  const { shape } = source.get("a");
  const [a, b] = ["a", "b"].map((n) => np.array(copyOf(source.get(n)), { shape: [...shape] })) as [
    jax.Array,
    jax.Array,
  ]; // two names
  const functions = {
    ndvi: jit((x: jax.Array, y: jax.Array) => x.ref.sub(y.ref).div(x.add(y))),
    explog: jit((x: jax.Array, y: jax.Array) => np.sqrt(np.exp(np.negative(x))).add(np.log(y))),
    sum: jit((x: jax.Array, y: jax.Array) => {
      y.dispose();
      return np.sum(x);
    }),
  };
  const f = functions[what];
  let last: jax.Array | null = null;
  return {
    run: async () => {
      last?.dispose();
      last = f(a.ref, b.ref) as jax.Array;
      await last.blockUntilReady();
    },
    result: async () => (await last?.ref.data()) as Float32Array,
  };
}

/** numpy-ts, written as its users write it. */
export async function numpyTsPeer(what: "ndvi" | "ndvi-u16", source: Source): Promise<LocalPeer> {
  const names = what === "ndvi" ? ["a", "b"] : ["nir", "red"];
  const { shape } = source.get(names[0] as string);
  const [x, y] = names.map((n) => {
    const { data } = source.get(n);
    const copy = what === "ndvi" ? Float32Array.from(data as Float32Array) : Uint16Array.from(data as Uint16Array); // their dtypes
    return nts.array(copy as never).reshape(...shape);
  }) as [nts.NDArray, nts.NDArray]; // two names
  const nan = nts.full([...shape], Number.NaN, "float32") as nts.NDArray;
  let last: nts.NDArray | null = null;
  // its memory is bounded, so what is no longer needed is given back
  const ndvi = (u: nts.NDArray, v: nts.NDArray): nts.NDArray => {
    const [above, below] = [u.subtract(v) as nts.NDArray, u.add(v) as nts.NDArray];
    const ratio = above.divide(below) as nts.NDArray;
    for (const t of [above, below]) t.dispose();
    return ratio;
  };
  const masked = (): nts.NDArray => {
    const [p, q] = [nts.equal(x, 0), nts.equal(y, 0)] as nts.NDArray[] as [nts.NDArray, nts.NDArray]; // two
    const missing = nts.logical_or(p, q) as nts.NDArray;
    const [u, v] = [x.astype("float32"), y.astype("float32")] as nts.NDArray[] as [nts.NDArray, nts.NDArray]; // two
    const value = ndvi(u, v);
    const out = nts.where(missing, nan, value) as nts.NDArray;
    for (const t of [p, q, missing, u, v, value]) t.dispose();
    return out;
  };
  return {
    run: () => {
      last?.dispose();
      last = what === "ndvi" ? ndvi(x, y) : masked();
    },
    result: async () => (last === null ? null : (last.data as unknown as ArrayLike<number>)),
  };
}
