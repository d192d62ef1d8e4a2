"""Are two outputs of bench/ndvi the same? How they are stored, NDVI bits in both formats, overviews within rounding.

Overviews: GDAL's averages are missing where any of the four pixels is (its copy does not skip a NaN nodata), ours only where
all are, so values are compared where GDAL has one. Odd sizes are rounded down by GDAL's driver and up by ours.


    compare.py OURS PEER     prints {"differ": [...]}
"""
import json
import pathlib
import sys

import numpy as np
import rasterio
import zarr


def differences(ours: pathlib.Path, peer: pathlib.Path) -> list[str]:
    out = []
    a, b = (zarr.open(p / "ndvi.zarr", mode="r")["ndvi"] for p in (ours, peer))
    shape = lambda x: x.shape if len(x.shape) == 3 else (1, *x.shape)
    if shape(a) != shape(b) or a.dtype != b.dtype:
        return [f"zarr: {a.shape} {a.dtype} and {b.shape} {b.dtype}"]
    def codec(z: zarr.Array) -> list:
        # blosc names its element size and block size only where the writer cared to.
        named = [c.to_dict() for c in z.metadata.codecs]
        return [(c["name"], {k: v for k, v in c.get("configuration", {}).items() if k not in ("typesize", "blocksize")}) for c in named]

    square = lambda c: tuple(c)[-2:]
    if codec(a) != codec(b) or square(a.chunks) != square(b.chunks):
        out.append(f"zarr stored as {codec(a)} in {a.chunks} and {codec(b)} in {b.chunks}")
    with rasterio.open(ours / "ndvi.tif") as f, rasterio.open(peer / "ndvi.tif") as g:
        for what in ("shape", "count", "dtypes", "crs", "transform", "block_shapes"):
            if getattr(f, what) != getattr(g, what):
                out.append(f"tif {what}: {getattr(f, what)} and {getattr(g, what)}")
        structure = [{k: v for k, v in x.tags(ns="IMAGE_STRUCTURE").items() if k in ("COMPRESSION", "PREDICTOR")} for x in (f, g)]
        if structure[0] != structure[1]:
            out.append(f"tif stored as {structure[0]} and {structure[1]}")
        if f.overviews(1) != g.overviews(1):
            out.append(f"overviews {f.overviews(1)} and {g.overviews(1)}")
        rows = 1024
        for t in range(shape(a)[0]):
            for y in range(0, shape(a)[1], rows):
                pick = lambda x: x[t, y : y + rows] if len(x.shape) == 3 else x[y : y + rows]
                p, q = pick(a), pick(b)
                window = rasterio.windows.Window(0, y, f.width, p.shape[0])
                r, s = f.read(t + 1, window=window), g.read(t + 1, window=window)
                if not all(np.array_equal(p, x, equal_nan=True) for x in (q, r, s)):
                    out.append(f"date {t}, rows from {y}: values differ")
        for level in range(len(f.overviews(1))):
            with rasterio.open(ours / "ndvi.tif", overview_level=level) as x, rasterio.open(peer / "ndvi.tif", overview_level=level) as y:
                if any(not 0 <= m - n <= 1 for m, n in zip(x.shape, y.shape)):
                    out.append(f"overview {level}: {x.shape} and {y.shape}")
                    continue
                if x.shape != y.shape:
                    continue
                for band in range(1, f.count + 1):
                    p, q = x.read(band), y.read(band)
                    seen = ~np.isnan(q)
                    worst = np.abs(p[seen] - q[seen]).max(initial=0)
                    if not worst <= 1e-5 or seen[np.isnan(p)].any():
                        out.append(f"overview {level}, band {band}: largest difference {worst}")
    return out


print(json.dumps({"differ": differences(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))}))
