"""Are two outputs of bench/ndvi the same? NDVI bits in both formats, overviews within rounding.

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
    with rasterio.open(ours / "ndvi.tif") as f, rasterio.open(peer / "ndvi.tif") as g:
        for what in ("shape", "count", "dtypes", "crs", "transform", "block_shapes"):
            if getattr(f, what) != getattr(g, what):
                out.append(f"tif {what}: {getattr(f, what)} and {getattr(g, what)}")
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
                p, q = x.read(1), y.read(1)
                if p.shape != q.shape or np.nanmax(np.abs(p - q), initial=0) > 1e-5 * (level + 1):
                    out.append(f"overview {level}: {p.shape} and {q.shape}, largest difference {np.nanmax(np.abs(p - q), initial=0)}")
    return out


print(json.dumps({"differ": differences(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))}))
