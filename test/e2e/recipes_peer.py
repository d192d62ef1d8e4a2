"""What NumPy makes of the recipes in examples/arrays: prints one JSON object of the numbers that they print."""

import json
import sys

import numpy as np
import rasterio

with rasterio.open(sys.argv[1]) as file:
    bands = file.read()

red, nir = (bands[k].astype("f4") for k in (2, 3))
ndvi = (nir - red) / (nir + red)

date = np.arange(12)[:, None, None]
row = np.arange(bands.shape[1])[None, :, None]
column = np.arange(bands.shape[2])[None, None, :]
cloudy = (row * 7 + column * 13 + date * 29) % 10 < 3
clear = np.where(~cloudy, bands[3][None] + date * 3, np.nan)

padded = np.pad(bands[3].astype("f8"), 1, mode="symmetric")
windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).reshape(*bands[3].shape, 9)

swir = bands[5]
low, high = np.percentile(swir, [2, 98])
stretched = np.round(np.clip((swir - low) * (255 / (high - low)), 0, 255)).astype("u1")

day = np.arange(96, dtype="f4")[:, None, None]
spread = 0.0
for start in range(0, 2048, 128):  # a band of rows at a time: the whole does not fit everywhere
    y = np.arange(start, start + 128, dtype="f4")[None, :, None]
    x = np.arange(2048, dtype="f4")[None, None, :]
    t = (day * np.float32(0.5) + y * np.float32(0.01) - x * np.float32(0.02) + (day * x) % np.float32(7)).astype("f8")
    spread += float(t.std(0).mean()) * 128 / 2048

print(json.dumps({
    "corner": float(ndvi[:10, :10].astype("f8").mean()),
    "mean": float(np.nanmean(ndvi.astype("f8"))),
    "green": int((ndvi > np.float32(0.2)).sum()),
    "median": float(np.nanmedian(clear, 0).mean()),
    "bright": float(np.nanquantile(clear, 0.9, 0).mean()),
    "seen": int((~cloudy).sum(0).min()),
    "texture": float(windows.std(-1).mean()),
    "low": float(low),
    "high": float(high),
    "histogram": np.histogram(swir, 16, (0, 256))[0].tolist(),
    "byte": float(stretched.mean()),
    "spread": spread,
}))
