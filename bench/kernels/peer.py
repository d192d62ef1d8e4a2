"""NumPy's side of bench/kernels: answers "ROW REPEATS" lines with milliseconds, and leaves each row's result in a file.

Usage: peer.py FOLDER SIDE. The folder holds the inputs as raw little-endian files. One-ufunc rows write into memory
that was touched before (out=), expression rows are written as NumPy's users write them.
"""
import json
import os
import sys
import time
import warnings

import numpy as np

warnings.simplefilter("ignore")
np.seterr(all="ignore")
folder, n = sys.argv[1], int(sys.argv[2])


def load(name, dtype):
    return np.fromfile(os.path.join(folder, name), dtype=dtype).reshape(n, n)


nir, red, scl = load("nir", "u2"), load("red", "u2"), load("scl", "u1")
a, b, holes = load("a", "f4"), load("b", "f4"), load("holes", "f4")
da, db, big = load("da", "f8"), load("db", "f8"), load("big", "i8")
out4, out8, outi = np.zeros((n, n), "f4"), np.zeros((n, n), "f8"), np.zeros((n, n), "i8")
keep = np.array([4, 5, 6, 7, 11], "u1")


def copy(x, out):
    np.copyto(out, x)
    return out


def ndvi(x, y):
    return (x - y) / (x + y)


ROWS = {
    "ndvi-u16-nodata": lambda: np.where((nir == 0) | (red == 0), np.float32(np.nan), ndvi(nir.astype("f4"), red.astype("f4"))),
    "ndvi-f32": lambda: ndvi(a, b),
    "ndvi-f64": lambda: ndvi(da, db),
    "chain-f32": lambda: np.maximum(np.sqrt(np.abs(np.float32(2.5) * a - b)) / np.float32(2) + a * b, np.float32(0.75)),
    "where-f32": lambda: np.where((a > np.float32(0.5)) & (b <= np.float32(0.5)), a, b),
    "isin-u8": lambda: np.isin(scl, keep),
    "cast-u16-f32": lambda: copy(nir, out4),
    "cast-f32-f64": lambda: copy(a, out8),
    "add-f32": lambda: np.add(a, b, out=out4),
    "add-i64": lambda: np.add(big, big, out=outi),
    "copy-f32": lambda: copy(a, out4),
    "reversed-f32": lambda: copy(a[:, ::-1], out4),
    "transpose-f32": lambda: copy(a.T, out4),
    "sum-f32": lambda: a.sum(),
    "sum-f32-axis0": lambda: a.sum(axis=0),
    "sum-f32-axis1": lambda: a.sum(axis=1),
    "sum-f64": lambda: da.sum(),
    "sum-u16": lambda: nir.sum(),
    "max-f32": lambda: a.max(),
    "nanmax-f32": lambda: np.nanmax(holes),
    "std-f32": lambda: a.std(),
    "mean-ndvi-f32": lambda: ndvi(a, b).mean(),
    "nanmean-f32": lambda: np.nanmean(holes),
    "nanmean-f32-axis0": lambda: np.nanmean(holes, axis=0),
    "nanmean-f32-axis1": lambda: np.nanmean(holes, axis=1),
    "nanmean-ndvi-u16": lambda: np.nanmean(np.where((nir == 0) | (red == 0), np.float32(np.nan), ndvi(nir.astype("f4"), red.astype("f4")))),
}

print(json.dumps({"numpy": np.__version__, "rows": list(ROWS)}), flush=True)
for line in sys.stdin:
    name, repeats = line.split()
    f = ROWS[name]
    np.ascontiguousarray(f()).tofile(os.path.join(folder, f"{name}.numpy"))
    samples = []
    for _ in range(int(repeats)):
        start = time.perf_counter()
        f()
        samples.append((time.perf_counter() - start) * 1e3)
    print(json.dumps(sorted(samples)[len(samples) // 2]), flush=True)
