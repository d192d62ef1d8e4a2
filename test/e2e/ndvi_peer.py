"""Inputs for the main job, and what NumPy and GDAL make of them.

    python ndvi_peer.py make DIR                 writes the rasters that the tests name
    python ndvi_peer.py expect JSON              JSON: {"red": [FILE:BAND…], "nir": […], "mask": […], "keep": […]};
                                                 prints statistics, sha256 of the pixels and the grid
    python ndvi_peer.py read OUT                 what rasterio, xarray and zarr-python read from OUT/ndvi.*

sha256 is over little-endian float32 values in C order, every NaN as 0x7fc00000.
"""

import hashlib
import json
import math
import sys
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

ROWS, COLS = 301, 457
GRID = {"crs": "EPSG:32631", "transform": from_origin(600000, 5800000, 10, 10)}


def sha256(a):
    a = np.ascontiguousarray(a, dtype="<f4").copy()
    a[np.isnan(a)] = np.nan
    return hashlib.sha256(a.tobytes()).hexdigest()


def write(path, bands, *, scale=None, offset=None, **profile):
    bands = np.atleast_3d(bands) if bands.ndim == 3 else bands[None]
    profile = {"driver": "GTiff", "count": bands.shape[0], "height": bands.shape[1], "width": bands.shape[2],
               "dtype": bands.dtype, **GRID, **profile}
    with rasterio.open(path, "w", **profile) as file:
        file.write(bands)
        if scale is not None:
            file.scales = [scale] * bands.shape[0]
            file.offsets = [offset] * bands.shape[0]


def make(folder):
    rng = np.random.default_rng(20240601)
    shape = (ROWS, COLS)
    tiled = {"tiled": True, "blockxsize": 128, "blockysize": 128}
    for date in range(3):
        for name in ("red", "nir"):
            dn = rng.integers(1, 9000, shape, dtype="u2")
            dn[rng.random(shape) < 0.1] = 0
            write(folder / f"u16_{name}{date}.tif", dn, nodata=0, compress="deflate", predictor=2, **tiled)
            signed = rng.integers(-500, 9000, shape, dtype="i2")
            signed[rng.random(shape) < 0.1] = -32768
            write(folder / f"i16_{name}{date}.tif", signed, nodata=-32768, scale=0.0001, offset=-0.1, compress="lzw")
    # Some sums are 0: 0/0 and x/0 are both missing.
    red, nir = rng.integers(0, 3, shape, dtype="u1"), rng.integers(0, 3, shape, dtype="u1")
    write(folder / "u8_red.tif", red)
    write(folder / "u8_nir.tif", nir)
    refl = rng.normal(0.2, 0.3, (2, *shape)).astype("f4")
    refl[rng.random(refl.shape) < 0.1] = np.nan
    refl[1, 5:9] = -refl[0, 5:9]
    write(folder / "f32.tif", refl, nodata=np.nan, compress="zstd", interleave="pixel", **tiled)
    classes = rng.integers(0, 12, shape, dtype="u1")
    write(folder / "scl.tif", classes, nodata=0, compress="packbits")
    write(folder / "cloud.tif", np.full(shape, 9, "u1"), nodata=0)
    # Mismatches.
    dn = rng.integers(1, 9000, shape, dtype="u2")
    write(folder / "shifted.tif", dn, transform=from_origin(600005, 5800000, 10, 10))
    write(folder / "other_crs.tif", dn, crs="EPSG:32632")
    write(folder / "smaller.tif", dn[:-1])


def read_band(text, decode):
    file, _, band = text.rpartition(":")
    with rasterio.open(file) as source:
        k = int(band)
        raw = source.read(k)
        nodata, scale, offset = source.nodata, source.scales[k - 1], source.offsets[k - 1]
    if not decode:
        return raw, None
    missing = np.isnan(raw) if raw.dtype.kind == "f" else np.zeros(raw.shape, bool)
    if nodata is not None:
        missing |= raw == nodata
    value = raw.astype("f4") if (scale, offset) == (1, 0) else (raw.astype("f8") * scale + offset).astype("f4")
    return value, missing


def expect(job):
    dates = []
    for k, (red, nir) in enumerate(zip(job["red"], job["nir"], strict=True)):
        (r, r_missing), (n, n_missing) = read_band(red, True), read_band(nir, True)
        with np.errstate(invalid="ignore", divide="ignore"):
            total = n + r
            ndvi = (n - r) / total
        assert ndvi.dtype == np.float32
        missing = r_missing | n_missing | (total == 0)
        if job["mask"]:
            classes, _ = read_band(job["mask"][min(k, len(job["mask"]) - 1)], False)
            missing |= ~np.isin(classes, job["keep"])
        ndvi[missing] = np.nan
        dates.append(ndvi)
    cube = np.stack(dates)
    valid = cube[~np.isnan(cube)].astype("f8")
    some = valid.size > 0
    return {
        "shape": list(cube.shape),
        "sha256": sha256(cube),
        "valid": int(valid.size),
        "missing": int(cube.size - valid.size),
        "mean": math.fsum(valid) / valid.size if some else None,
        "min": float(valid.min()) if some else None,
        "max": float(valid.max()) if some else None,
        "firstMissing": int(np.isnan(cube[0]).sum()),
    }


def read(out):
    import rioxarray  # noqa: F401  (registers .rio)
    import xarray as xr
    import zarr
    from rio_cogeo.cogeo import cog_validate

    valid, errors, warnings = cog_validate(str(out / "ndvi.tif"), strict=True, quiet=True)
    with rasterio.open(out / "ndvi.tif") as tif:
        pixels, transform = tif.read(), tif.transform
        cog = {
            "valid": valid, "complaints": [*errors, *warnings], "shape": list(pixels.shape), "dtype": str(pixels.dtype),
            "sha256": sha256(pixels), "nodata": str(tif.nodata), "epsg": tif.crs.to_epsg(), "transform": list(transform)[:6],
            "overviews": tif.overviews(1), "masked": int((tif.read_masks() == 0).sum()),
        }  # fmt: skip
    with rasterio.open(out / "ndvi.png") as png:
        picture = {"shape": [png.count, *png.shape], "transparent": int((png.read(png.count) == 0).sum())}
    stored = zarr.open_group(out / "ndvi.zarr", mode="r")
    data = xr.open_zarr(out / "ndvi.zarr", decode_coords="all")
    ndvi = data["ndvi"]
    rows, cols = pixels.shape[-2:]
    centres = {
        "x": transform.c + transform.a * (np.arange(cols) + 0.5),
        "y": transform.f + transform.e * (np.arange(rows) + 0.5),
    }
    return {
        "cog": cog,
        "png": picture,
        "zarr": {
            "format": stored.metadata.zarr_format,
            "names": sorted(data.data_vars),
            "dims": list(ndvi.dims),
            "dtype": str(stored["ndvi"].dtype),
            "storedSha256": sha256(stored["ndvi"][:]),
            "sha256": sha256(ndvi.values),
            "missing": int(ndvi.isnull().sum()),
            "fillIsNaN": bool(np.isnan(ndvi.encoding["_FillValue"])),
            "epsg": ndvi.rio.crs.to_epsg(),
            "transform": list(ndvi.rio.transform())[:6],
            # Within a millionth of a pixel.
            "centres": {k: bool(np.abs(data[k].values - v).max() < 1e-6 * abs(transform.a)) for k, v in centres.items()},
        },
    }


command, argument = sys.argv[1:]
if command == "make":
    make(Path(argument))
else:
    print(json.dumps(expect(json.loads(argument)) if command == "expect" else read(Path(argument))))
