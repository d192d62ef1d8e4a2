/** A Zarr store that is being written, as plain data. */
import type { SourceSpec } from "../source.ts";
import type { LedgerSpec } from "./ledger.ts";

/** `w-` refuses an existing store, `w` replaces it, `r+` writes into its arrays, `a` also adds arrays. */
export type ZarrWriteMode = "w-" | "w" | "r+" | "a";

/** A store that is being written: plain data, so that it travels in plans. */
export interface ZarrTarget {
  /** Where it will be. */
  readonly url: string;
  /** Where objects go until it is finished. */
  readonly writeUrl: string;
  readonly mode: ZarrWriteMode;
  /** No object was there before. */
  readonly isFresh: boolean;
  readonly consolidated: boolean;
  /** By name: how to write (and read back) each array, at `writeUrl`. */
  readonly arrays: Readonly<Record<string, SourceSpec>>;
  /** Arrays that this write has added. */
  readonly created: readonly string[];
  /** Account of finished objects, for a write that can be resumed. */
  readonly ledger?: LedgerSpec;
}
