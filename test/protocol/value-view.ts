/** Our decoded values in the JSON form that record.py's `show` gives the same values in Python. */
import { DTYPES } from "../../src/dtype/index.ts";
import { ascontiguous, NDArray } from "../../src/ndarray/index.ts";
import { MaskedBlock, PyArray } from "../../src/protocol/index.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** The JSON form of a value. */
export function show(value: unknown): unknown {
  if (value instanceof NDArray) return arrayView(value);
  if (value instanceof PyArray) {
    const [first] = value.items;
    const isRecord = typeof first === "object" && first !== null && !(first instanceof Uint8Array);
    const items = value.items.map((item) => show(isRecord ? Object.values(item as object) : item));
    return {
      $items: { dtype: value.dtype, shape: [...value.shape], items, names: isRecord ? Object.keys(first) : null },
    };
  }
  if (value instanceof MaskedBlock) {
    return { $masked: { data: show(value.data), mask: show(value.mask), fill: value.fillValue } };
  }
  if (typeof value === "bigint") return { $int: String(value) };
  if (value instanceof Uint8Array) return { $bytes: hex(value) };
  if (value instanceof Set) return { $set: Array.from(value, show) };
  if (value instanceof Map) return { $map: Array.from(value, ([k, v]) => [show(k), show(v)]) };
  if (Array.isArray(value)) return value.map(show);
  return value;
}

function arrayView(block: NDArray): unknown {
  const plain = ascontiguous(block);
  const bytes = new Uint8Array(plain.data.buffer, plain.data.byteOffset, plain.nbytes);
  return { $array: { dtype: DTYPES[block.dtype].numpy, shape: [...block.shape], hex: hex(bytes) } };
}
