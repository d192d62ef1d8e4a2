import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inflateSync } from "node:zlib";
import { expect, test } from "vitest";
import { NDArray } from "../../src/ndarray/index.ts";
import { colorTable, encodePng, quicklook } from "../../src/plot/index.ts";
import { describePeer, runPython } from "../peers.ts";

/** Pixels of a PNG made by us: undoes filter 2. */
function pixels(png: Uint8Array): { width: number; height: number; data: Uint8Array } {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  let at = 8;
  let raw = new Uint8Array();
  while (at < png.length) {
    const length = view.getUint32(at);
    if (Buffer.from(png.subarray(at + 4, at + 8)).toString() === "IDAT")
      raw = new Uint8Array(inflateSync(png.subarray(at + 8, at + 8 + length)));
    at += length + 12;
  }
  const data = new Uint8Array(width * height * 4);
  for (let y = 0; y < height; y++) {
    for (let i = 0; i < width * 4; i++)
      data[y * width * 4 + i] =
        (raw[y * (width * 4 + 1) + 1 + i] as number) + (y > 0 ? (data[(y - 1) * width * 4 + i] as number) : 0);
  }
  return { width, height, data };
}

test("values go through the colour map, missing pixels are transparent", () => {
  const block = NDArray.of(new Float32Array([0, 1, Number.NaN, 0.5]), [2, 2]);
  const { data } = pixels(quicklook(block, { range: [0, 1], colors: "gray" }));
  expect([...data]).toEqual([0, 0, 0, 255, 255, 255, 255, 255, 0, 0, 0, 0, 128, 128, 128, 255]);
});

test("a large block is thinned, keeping every k-th pixel", () => {
  const block = NDArray.of(
    Uint16Array.from({ length: 50 * 30 }, (_, i) => i),
    [50, 30],
  );
  const { width, height, data } = pixels(quicklook(block, { maxSize: 10, range: [0, 255], colors: "gray" }));
  expect([width, height]).toEqual([6, 10]);
  expect(data[4]).toBe(5);
});

test("an all-missing block gives a picture, an empty one an error", () => {
  const { data } = pixels(quicklook(NDArray.of(new Int16Array([7, 7]), [1, 2]), { nodata: 7 }));
  expect([...data]).toEqual(new Array(8).fill(0));
  expect(() => quicklook(NDArray.zeros("uint8", [0, 3]))).toThrow(expect.objectContaining({ code: "shape" }));
  expect(() => colorTable("jet" as "gray")).toThrow(/"jet" is unknown/);
});

describePeer("a foreign reader sees our PNG", "rasterio", () => {
  test("GDAL reads the same pixels and text", async () => {
    const data = Uint8Array.from({ length: 17 * 9 * 4 }, (_, i) => (i * 37) % 256);
    const png = Buffer.from(encodePng({ width: 17, height: 9, data }, { CRS: "EPSG:32631" }));
    const folder = mkdtempSync(join(tmpdir(), "rsdat-plot-"));
    const file = join(folder, "quicklook.png");
    writeFileSync(file, png);
    const script =
      "import sys,json,rasterio;d=rasterio.open(sys.argv[1]);print(json.dumps([d.read().transpose(1,2,0).ravel().tolist(), d.tags().get('CRS')]))";
    const seen = JSON.parse(await runPython(["-W", "ignore", "-c", script, file]));
    rmSync(folder, { recursive: true });
    expect(seen).toEqual([[...data], "EPSG:32631"]);
  });
});
