"""What the Python stack reads from files that rsdat wrote: prints one JSON object per file given.

    .venv/bin/python test/xr/read_back.py FILE…      a Zarr store (xarray, rioxarray) or a COG (rasterio, rio-cogeo)
"""

import hashlib
import json
import sys

import numpy as np
import rasterio
import rioxarray  # noqa: F401  (registers .rio)
import xarray as xr
from rio_cogeo.cogeo import cog_validate


def sha(a):
    a = np.ascontiguousarray(a)
    if a.dtype.kind == "f":
        a = a.copy()
        a[np.isnan(a)] = np.nan
    return hashlib.sha256(a.tobytes()).hexdigest()


def number(v):
    return None if v is None else "NaN" if v != v else float(v)


def read_zarr(url):
    ds = xr.open_zarr(url, decode_coords="all")
    raw = xr.open_zarr(url, mask_and_scale=False, decode_coords="all")
    out = {"vars": {}, "coords": sorted(map(str, ds.coords)), "attrs": ds.attrs}
    for name, v in ds.data_vars.items():
        crs = v.rio.crs
        out["vars"][name] = {
            "dims": list(v.dims),
            "dtype": str(raw[name].dtype),
            "decoded": str(v.dtype),
            "chunks": list(v.encoding["chunks"]),
            "sha": sha(raw[name].values),
            "missing": int(v.isnull().sum()),
            "mean": number(v.astype("f8").mean().values),
            "epsg": crs and crs.to_epsg(),
            "transform": list(v.rio.transform())[:6],
            "nodata": number(v.rio.encoded_nodata),
            "attrs": {k: a for k, a in v.attrs.items()},
        }
        if "time" in v.coords:
            out["vars"][name]["time"] = np.atleast_1d(v.time.values.astype("M8[ns]").astype("i8")).tolist()
    if "x" in ds.coords:
        out["x"] = [float(ds.x[0]), float(ds.x[-1])]
        out["y"] = [float(ds.y[0]), float(ds.y[-1])]
    return out


def halved(a, nodata):
    """Mean of the valid pixels of each 2 x 2 cell, in float64; integers round half away from zero."""
    h, w = (a.shape[1] + 1) // 2, (a.shape[2] + 1) // 2
    v = np.full((a.shape[0], 2 * h, 2 * w), np.nan)
    x = a.astype("f8")
    x[(a == nodata) | (a != a)] = np.nan
    v[:, : a.shape[1], : a.shape[2]] = x
    cells = [v[:, r::2, c::2] for r in (0, 1) for c in (0, 1)]
    total, n = np.zeros(cells[0].shape), np.zeros(cells[0].shape)
    for c in cells:
        total, n = total + np.nan_to_num(c), n + ~np.isnan(c)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / n
    if a.dtype.kind == "f":
        return np.where(n == 0, np.nan if nodata is None or nodata != nodata else nodata, mean).astype(a.dtype)
    rounded = np.sign(mean) * np.floor(np.abs(mean) + 0.5)
    if nodata is not None:
        rounded = np.where(rounded == nodata, nodata + 1, rounded)
    return np.where(n == 0, nodata, rounded).astype(a.dtype)


def read_cog(path):
    ok, errors, warnings = cog_validate(path, quiet=True, strict=True)
    with rasterio.open(path) as r:
        a = r.read()
        out = {
            "valid": ok,
            "complaints": [*errors, *warnings],
            "dtype": r.dtypes[0],
            "shape": list(a.shape),
            "sha": sha(a),
            "epsg": r.crs and r.crs.to_epsg(),
            "transform": list(r.transform)[:6],
            "nodata": number(r.nodata),
            "scales": list(r.scales),
            "offsets": list(r.offsets),
            "descriptions": list(r.descriptions),
            "compression": r.compression.value,
            "blocks": list(r.block_shapes[0]),
            "overviews": r.overviews(1),
            "missing": int((r.read_masks() == 0).sum()),
        }
        nodata = r.nodata
    expected = a
    same = []
    for k in range(len(out["overviews"])):
        expected = halved(expected, nodata)
        with rasterio.open(path, overview_level=k) as o:
            same.append(bool(np.array_equal(o.read(), expected, equal_nan=a.dtype.kind == "f")))
    out["overviewsAreMeans"] = same
    return out


print(json.dumps({f: read_cog(f) if f.endswith(".tif") else read_zarr(f) for f in sys.argv[1:]}))
