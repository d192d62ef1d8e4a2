/** Committed expected values are what NumPy, Xarray, numcodecs, GDAL and Dask compute today. */
import { expect, test } from "vitest";
import { describePeer, type PeerName, runPython } from "../peers.ts";

const SCRIPTS: readonly (readonly [script: string, peers: readonly PeerName[]])[] = [
  ["test/array/make_cases.py", ["numpy"]],
  ["test/array/make_dtype_table.py", ["numpy"]],
  ["test/array/make_rechunk_cases.py", ["dask"]],
  ["test/graph/make_key_prefixes.py", ["dask"]],
  ["test/config/make_cases.py", ["distributed"]],
  ["test/io/codecs/make_fixtures.py", ["numpy", "rasterio", "zarr"]], // zarr brings numcodecs
  ["test/oracle/scene_ndvi.py", ["numpy", "rasterio"]],
  ["test/protocol/make_compressed.py", ["numpy", "zarr"]],
  ["test/protocol/make_profile_cases.py", ["distributed"]],
  ["test/scheduler/make_durations.py", ["distributed"]],
  ["test/scheduler/state/make_adaptive.py", ["distributed"]],
  ["test/scheduler/state/make_rebalance.py", ["distributed"]],
  ["test/xr/make_missing.py", ["numpy", "xarray"]],
];

for (const [script, peers] of SCRIPTS) {
  describePeer(`values of ${script}`, peers, () => {
    test("are what it computes", async () => {
      expect(await runPython(["-W", "ignore", script, "--check"])).toBe("");
    });
  });
}
