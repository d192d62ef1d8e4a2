"""Files as the Python stack writes them: python test/xr/make_foreign.py FOLDER; prints what it reads back from them."""

import json
import sys
from pathlib import Path

import numpy as np
import rasterio
import xarray as xr

out = Path(sys.argv[1])
rng = np.random.default_rng(7)
grid = {"crs": "EPSG:32631", "transform": rasterio.Affine(10, 0, 600000, 0, -10, 5800000), "width": 70, "height": 60}
dn = rng.integers(1, 255, (1, 60, 70), dtype="u1")
mask = (rng.random((60, 70)) > 0.3).astype("u1") * 255
truth = {}

with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
    with rasterio.open(out / "mask.tif", "w", driver="GTiff", count=1, dtype="uint8", tiled=True, blockxsize=32, blockysize=32, **grid) as w:
        w.write(dn)
        w.write_mask(mask)
with rasterio.open(out / "alpha.tif", "w", driver="GTiff", count=2, dtype="uint8", photometric="MINISBLACK", alpha="YES", **grid) as w:
    w.write(dn[0], 1)
    w.write(mask, 2)
valid = dn[0][mask > 0].astype("f8")
truth["masked"] = {"count": int(valid.size), "sum": float(valid.sum())}

with rasterio.open(out / "bands.tif", "w", driver="GTiff", count=2, dtype="int16", nodata=-1, **grid) as w:
    bands = rng.integers(-1, 5, (2, 60, 70)).astype("i2")
    w.write(bands)
    w.scales, w.offsets, w.descriptions, w.units = (0.5, 0.25), (1, -2), ("blue", "red"), ("K", "K")
physical = np.where(bands == -1, np.nan, bands * np.array([0.5, 0.25]).reshape(2, 1, 1) + np.array([1, -2]).reshape(2, 1, 1))
truth["bands"] = {"sum": float(np.nansum(physical)), "count": int(np.isfinite(physical).sum())}

ds = xr.Dataset(
    {
        "t2m": (("time", "latitude", "longitude"), rng.normal(280, 10, (4, 9, 12)), {"units": "K"}),
        "flag": (("latitude", "longitude"), rng.integers(0, 4, (9, 12)).astype("i4")),
    },
    coords={
        "time": np.array(["2000-02-28", "2000-02-29", "2000-03-01", "1969-12-31"], "M8[ns]"),
        "latitude": np.linspace(52, 50, 9),
        "longitude": np.linspace(3, 5.75, 12),
        "level": 850,
    },
    attrs={"title": "foreign"},
)
ds["t2m"][1, 2, 3] = np.nan
packed = {"t2m": {"dtype": "int16", "scale_factor": 0.01, "add_offset": 280.0, "_FillValue": -32768, "chunks": (2, 5, 12)}, "time": {"units": "hours since 1900-01-01", "calendar": "standard"}}
for version in (2, 3):
    store = out / f"era{version}.zarr"
    ds.to_zarr(store, zarr_format=version, encoding=packed, consolidated=True)
    back = xr.open_zarr(store)
    raw = xr.open_zarr(store, mask_and_scale=False)
    truth[f"era{version}"] = {
        "count": int(back.t2m.count()),
        "sum": float(back.t2m.astype("f8").sum()),
        "raw": int(raw.t2m.astype("i8").sum()),
        "flag": int(raw.flag.sum()),
        "time": back.time.values.astype("M8[ns]").astype("i8").tolist(),
        "latitude": back.latitude.values.tolist(),
    }
print(json.dumps(truth))
