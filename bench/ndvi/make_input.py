"""Inputs of bench/ndvi: the committed scene's red and near-infrared, tiled to SIZE x SIZE, with seeded noise, as uint16 COGs.

    make_input.py OUT SIZE DATES

Per date `red-K.tif` and `nir-K.tif` (512-pixel tiles, deflate 6, predictor 2, nodata 0, as providers publish them).
A file that is already there with its size is kept.
"""
import pathlib
import sys

import numpy as np
import rasterio
from rasterio.transform import from_origin

SCENE = pathlib.Path(__file__).parents[2] / "examples" / "data" / "L7_ETMs.tif"


def main(out: pathlib.Path, size: int, dates: int) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with rasterio.open(SCENE) as scene:
        bands = {"red": scene.read(3), "nir": scene.read(4)}
        crs, transform = scene.crs, from_origin(scene.transform.c, scene.transform.f, 28.5, 28.5)
    for date in range(dates):
        for name, band in bands.items():
            path = out / f"{name}-{date}.tif"
            if path.exists():
                with rasterio.open(path) as done:
                    if done.shape == (size, size):
                        continue
            reps = -(-size // min(band.shape))
            tiled = np.tile(band.astype("uint16") * 37, (reps, reps))[:size, :size]
            rng = np.random.default_rng([date, 0 if name == "red" else 1])
            tiled = tiled + rng.integers(0, 64, tiled.shape, dtype="uint16")
            tiled[rng.random(tiled.shape, dtype="float32") < 0.01] = 0
            options = {"driver": "COG", "blocksize": 512, "compress": "deflate", "level": 6, "predictor": 2, "overviews": "auto", "num_threads": 2}
            with rasterio.open(path, "w", height=size, width=size, count=1, dtype="uint16", crs=crs, transform=transform, nodata=0, **options) as f:
                f.write(tiled, 1)


main(pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
