"""What the main job must give for the committed scene, by NumPy and GDAL (rasterio).

    .venv/bin/python test/oracle/scene_ndvi.py            writes test/oracle/scene_ndvi.json
    .venv/bin/python test/oracle/scene_ndvi.py --check    fails when the file differs

Red is the file's band 3, near-infrared its band 4. A pixel is missing where either is 0 or 255 (saturated), or where
their sum is 0. NDVI is (nir - red) / (nir + red) in float32; NaN is missing. Statistics are over the pixels that are
not missing, accumulated in float64; `unmasked_mean`, of the README's script, is over all whose sum is not 0. `sha256` is over the little-endian float32 values in row-major order with every
NaN written as 0x7fc00000; `mask_sha256` over one byte a pixel, 1 where missing.
"""

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import rasterio
from committed import committed

HERE = Path(__file__).parent
SCENE = HERE.parent.parent / "examples" / "data" / "L7_ETMs.tif"
OUT = HERE / "scene_ndvi.json"


def sha256(data: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(data).tobytes()).hexdigest()


def truth() -> dict:
    with rasterio.open(SCENE) as scene:
        red, nir = scene.read(3), scene.read(4)
        transform, crs = list(scene.transform)[:6], scene.crs.to_epsg()
    r, n = red.astype("<f4"), nir.astype("<f4")
    missing = (red == 0) | (red == 255) | (nir == 0) | (nir == 255) | (n + r == 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        ndvi = (n - r) / (n + r)
    assert ndvi.dtype == np.float32
    ndvi[missing] = np.float32(np.nan)
    bits = ndvi.view("<u4").copy()
    bits[missing] = 0x7FC00000
    valid = ndvi[~missing].astype(np.float64)
    sums = n + r != 0
    unmasked = ((n[sums] - r[sums]) / (n[sums] + r[sums])).astype(np.float64)
    return {
        "red": {"band": 3, "sha256": sha256(red)},
        "nir": {"band": 4, "sha256": sha256(nir)},
        "shape": list(red.shape),
        "transform": transform,
        "epsg": crs,
        "valid": int(valid.size),
        "missing": int(missing.sum()),
        "min": float(valid.min()),
        "max": float(valid.max()),
        "mean": math.fsum(valid) / valid.size,
        "unmasked_mean": math.fsum(unmasked) / unmasked.size,
        "sha256": sha256(bits),
        "mask_sha256": sha256(missing.astype(np.uint8)),
        "row0": [float(value) for value in ndvi[0, :8]],
    }


if __name__ == "__main__":
    committed(OUT, json.dumps(truth(), indent=2) + "\n")
