import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openZarrGroup, readZarrArray } from "../../../src/io/zarr/index.ts";
import { describePeer, peerVersion } from "../../peers.ts";

interface Truth {
  readonly v2?: string;
  readonly v3?: string;
  readonly arrays: Readonly<
    Record<string, { readonly shape: number[]; readonly dtype: string; readonly sha256_raw: string }>
  >;
}

describePeer("real stores read to the recorded bytes", "test-data", () => {
  const root = peerVersion("test-data") ?? "";

  test.each(["zarr/s2_ndvi", "zarr/eraint", "zarr/sic"])("%s, v2 and v3, consolidated and not", async (name) => {
    const truth = (JSON.parse(readFileSync(join(root, "truth", "ops.json"), "utf8")) as Record<string, Truth>)[name]!;
    const stores = [truth.v2, truth.v3].filter((s) => s !== undefined);
    for (const store of stores) {
      for (const options of [{}, { consolidated: false }]) {
        const group = await openZarrGroup(join(root, store), options);
        expect([...group.unreadable]).toEqual([]);
        for (const [array, want] of Object.entries(truth.arrays)) {
          const got = await readZarrArray({ source: group.source(array) });
          const bytes = new Uint8Array(got.data.buffer, got.data.byteOffset, got.data.byteLength);
          const sha256 = createHash("sha256").update(bytes).digest("hex");
          expect([store, array, got.dtype, got.shape, sha256]).toEqual([
            store,
            array,
            want.dtype,
            want.shape,
            want.sha256_raw,
          ]);
        }
      }
    }
    expect(stores.length).toBeGreaterThan(0);
  });
});
