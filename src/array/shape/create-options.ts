/** What functions that create arrays take beside a shape. */
import type { OptionNames } from "../../base/index.ts";
import type { DType } from "../../dtype/index.ts";
import type { ChunkSpec } from "../../graph/index.ts";

/** dtype and chunks of a new array. */
export interface CreateOptions {
  readonly dtype?: DType;
  readonly chunks?: ChunkSpec;
}

/** All of {@link CreateOptions}. */
export const CREATE_OPTIONS: OptionNames<CreateOptions> = { dtype: true, chunks: true };
