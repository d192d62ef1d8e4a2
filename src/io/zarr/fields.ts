/** Checks of single metadata fields. Pure. */
import { MetadataError } from "../../base/index.ts";
import { describe, isObject, type LooseJson, type LooseObject } from "./json.ts";

/** The error of one field. */
export function badField(place: string, path: string, value: unknown, expected: string, code = "zarr-metadata"): Error {
  return new MetadataError(
    `${place}: ${path} is ${describe(value)}, expected ${expected}`,
    { details: { object: place, path, value: describe(value) } },
    code,
  );
}

const RANK_MAX = 64;

/** A list of sizes. */
export function sizes(
  value: LooseJson | undefined,
  place: string,
  field: { readonly path: string; readonly code: string },
): number[] {
  const { path, code } = field;
  if (!Array.isArray(value) || value.length > RANK_MAX)
    throw badField(place, path, value, `at most ${RANK_MAX} sizes`, code);
  (value as readonly LooseJson[]).forEach((n, k) => {
    if (typeof n !== "number" || !Number.isInteger(n) || n < 0)
      throw badField(place, `${path}[${k}]`, n, "an integer from 0 to 2^53", code);
  });
  return [...(value as number[])]; // checked above
}

/** Check a chunk shape against the array's; an axis of size 0 may have chunks of 0, read as 1. */
export function checkChunks(
  chunks: readonly number[],
  shape: readonly number[],
  at: { readonly place: string; readonly path: string },
): number[] {
  const { place, path } = at;
  if (chunks.length !== shape.length)
    throw badField(place, path, chunks, `${shape.length} sizes, one per axis`, "zarr-chunks");
  return chunks.map((n, k) => {
    if (n >= 1) return n;
    if (shape[k] === 0) return 1;
    throw badField(place, `${path}[${k}]`, n, "at least 1", "zarr-chunks");
  });
}

/** Name and configuration of a v3 extension point, in its long or short form. */
export function namedConfiguration(
  value: LooseJson | undefined,
  place: string,
  path: string,
): { readonly name: string; readonly configuration: LooseObject } {
  if (typeof value === "string") return { name: value, configuration: {} };
  if (isObject(value) && typeof value["name"] === "string") {
    const configuration = value["configuration"] ?? {};
    if (isObject(configuration)) return { name: value["name"], configuration };
  }
  throw badField(place, path, value, "a name, or an object of name and configuration");
}
