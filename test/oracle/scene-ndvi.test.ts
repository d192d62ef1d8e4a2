/** The committed truth of the scene is what NumPy and GDAL compute today. */
import { expect, test } from "vitest";
import { describePeer, runPython } from "../peers.ts";

describePeer("the scene's truth", ["numpy", "rasterio"], () => {
  test("scene_ndvi.json is what scene_ndvi.py computes", async () => {
    expect(await runPython(["test/oracle/scene_ndvi.py", "--check"])).toBe("");
  });
});
