"""The Python side of bench/kernels: answers questions, one JSON object a line, with milliseconds.

Usage: peer.py FOLDER THREADS wall|cpu. The folder holds the inputs as raw little-endian files beside their dtype and shape.
A question {"row", "peer", "view", "repeats"} runs a row's function for one peer; with "save" its result is written to
FOLDER/result. One-ufunc rows write into memory that was touched before (out=), expression rows are written as the
peer's users write them. "best layout": the same numbers with the reduced axis where the peer likes it best.
"""
import functools
import importlib
import json
import os
import sys
import time
import warnings

folder, threads = sys.argv[1], int(sys.argv[2])
clock = time.thread_time if sys.argv[3] == "cpu" else time.perf_counter
for name in ("OPENBLAS", "OMP", "NUMEXPR", "NUMBA", "MKL"):
    os.environ[f"{name}_NUM_THREADS"] = str(threads)
import numpy as np

warnings.simplefilter("ignore")
np.seterr(all="ignore")


class Late:
    """A module that is imported when first used."""

    def __init__(self, name):
        self.name = name

    def __getattr__(self, attribute):
        return getattr(importlib.import_module(self.name), attribute)


ne, bn, ndi = Late("numexpr"), Late("bottleneck"), Late("scipy.ndimage")


@functools.cache
def whole(name):
    with open(os.path.join(folder, f"{name}.json")) as file:
        facts = json.load(file)
    return np.fromfile(os.path.join(folder, name), dtype=facts["dtype"]).reshape(facts["shape"])


def seen(x, view, first):
    if view == "whole":
        return x
    if view == "odd":
        return x[:37, :61]
    if view == "strided":
        return x[1:202:3, 2:302:5]
    if view == "reversed":
        return x[100::-1, 60::-1]
    return x[:41, :53] if first else np.broadcast_to(x[0, :53], (41, 53))


class Inputs:
    """Inputs by name, as a view sees them; the first one asked for is the first operand."""

    def __init__(self, view):
        self.view, self.first = view, None

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        if self.first is None:
            self.first = name
        return seen(whole(name), self.view, name == self.first)


@functools.cache
def touched(dtype, shape):
    return np.zeros(shape, dtype)


def out(dtype, x):
    return touched(dtype, x.shape)


def copied(x, dtype):
    to = out(dtype, x)
    np.copyto(to, x, casting="unsafe")
    return to


@functools.cache
def jitted(name):
    """Loops as numba's users write them."""
    import numba as nb

    def masked(n, r, o):
        for i in range(n.shape[0]):
            for j in range(n.shape[1]):
                x, y = np.float32(n[i, j]), np.float32(r[i, j])
                o[i, j] = np.float32(np.nan) if n[i, j] == 0 or r[i, j] == 0 else (x - y) / (x + y)

    def ndvi(n, r, o):
        for i in nb.prange(n.shape[0]):
            for j in range(n.shape[1]):
                o[i, j] = (n[i, j] - r[i, j]) / (n[i, j] + r[i, j])

    def chain(a, b, o):
        for i in range(a.shape[0]):
            for j in range(a.shape[1]):
                x, y = a[i, j], b[i, j]
                o[i, j] = max(np.sqrt(abs(np.float32(2.5) * x - y)) / np.float32(2) + x * y, np.float32(0.75))

    def explog(a, b, o):
        for i in nb.prange(a.shape[0]):
            for j in range(a.shape[1]):
                o[i, j] = np.sqrt(np.exp(-a[i, j])) + np.log(b[i, j])

    def correlate(x, w, o):
        for i in range(o.shape[0]):
            for j in range(o.shape[1]):
                s = np.float32(0)
                for u in range(3):
                    for v in range(3):
                        s += w[u, v] * x[i + u, j + v]
                o[i, j] = s

    functions = {"masked": masked, "ndvi": ndvi, "chain": chain, "explog": explog, "correlate": correlate}
    return nb.njit(parallel=threads > 1, error_model="numpy")(functions[name])


def looped(name, *operands, dtype=None):
    to = out(dtype or operands[0].dtype.str, operands[0])
    jitted(name)(*operands, to)
    return to


def ndvi(x, y):
    return (x - y) / (x + y)


def masked_ndvi(nir, red):
    value = ndvi(nir.astype("f4"), red.astype("f4"))
    return np.where((nir == 0) | (red == 0), np.float32(np.nan), value)


def masked_ne(nir, red):
    n, r, zero, nan = nir, red, np.uint16(0), np.float32(np.nan)
    n4, r4 = n.astype("f4"), r.astype("f4")
    return ne.evaluate("where((n == zero) | (r == zero), nan, (n4 - r4) / (n4 + r4))")


def chain(a, b):
    return np.maximum(np.sqrt(np.abs(np.float32(2.5) * a - b)) / np.float32(2) + a * b, np.float32(0.75))


def chain_ne(a, b):
    c, h, m = np.float32(2.5), np.float32(2), np.float32(0.75)
    return ne.evaluate("where(sqrt(abs(c*a - b))/h + a*b > m, sqrt(abs(c*a - b))/h + a*b, m)")


def evi(nir, red, blue):
    f = np.float32
    n, r, b = (x.astype("f4") * f(1e-4) - f(0.1) for x in (nir, red, blue))
    value = f(2.5) * (n - r) / (n + f(6) * r - f(7.5) * b + f(1))
    whole = np.clip(np.round(value * f(1e4)), f(-32767), f(32767))
    missing = (nir == 0) | (red == 0) | (blue == 0)
    return np.where(missing, np.int16(-32768), np.where(missing, f(0), whole).astype("i2"))


def explog(a, b):
    return np.sqrt(np.exp(-a)) + np.log(b)


@functools.cache
def layout(name, axis):
    """The plane or cube with `axis` last, in C order."""
    return np.ascontiguousarray(np.moveaxis(whole(name), axis, -1))


@functools.cache
def first_axis(name, axis):
    return np.ascontiguousarray(np.moveaxis(whole(name), axis, 0))


def best(f, name, axis):
    """The faster of both layouts is found once; then that one is timed."""
    return chosen(f, name, axis)()


@functools.cache
def chosen(f, name, axis):
    ways = [lambda: f(layout(name, axis), axis=-1), lambda: f(first_axis(name, axis), axis=0)]
    times = []
    for way in ways:
        way()
        start = clock()
        way()
        times.append(clock() - start)
    return ways[times.index(min(times))]


def missing_u16(x):
    return np.where(x == 0, np.float32(np.nan), x.astype("f4"))


def weights(k):
    i = np.arange(k * k)
    return ((i * 7 % 11) / 11 + 0.25).astype("f4").reshape(k, k)


@functools.cache
def padded(k):
    n = whole("wide").shape[0] - 8 + k - 1
    return np.ascontiguousarray(whole("wide")[:n, :n])


def inner(x, k):
    h = k // 2
    return x[h : x.shape[0] - h, h : x.shape[1] - h]


def correlate(k):
    return inner(ndi.correlate(padded(k), weights(k), mode="nearest"), k)


def correlate_nb(k):
    to = touched("f4", tuple(n - k + 1 for n in padded(k).shape))
    jitted("correlate")(padded(k), weights(k), to)
    return to


AFFINE = [0.9, 0.05, 1.3, 0.05, 0.9, 1.6]


@functools.cache
def points():
    a, b, c, d, e, f = AFFINE
    i, j = np.mgrid[tuple(slice(0, n) for n in whole("warped").shape)].astype("f8")
    return np.stack([f + e * i + d * j, c + b * i + a * j])


def gdal():
    warp, crs, affine = (importlib.import_module(m) for m in ("rasterio.warp", "rasterio.crs", "affine"))
    x = whole("warped")
    to = out("f4", x)
    to[:] = np.nan
    where = crs.CRS.from_epsg(3857)
    grid = lambda s: affine.Affine(1, 0, s, 0, 1, s)
    bilinear = warp.Resampling.bilinear
    warp.reproject(x, to, grid(0), src_crs=where, dst_transform=grid(0.25), dst_crs=where, resampling=bilinear, num_threads=threads)
    return to


def copy_halves(v):
    return copied(v.huge, "f4")


ROWS = {
    "ndvi-u16-nodata": {
        "NumPy": lambda v: masked_ndvi(v.nir, v.red),
        "numexpr": lambda v: masked_ne(v.nir, v.red),
        "numba": lambda v: looped("masked", v.nir, v.red, dtype="f4"),
    },
    "ndvi-f32": {
        "NumPy": lambda v: ndvi(v.a, v.b),
        "numexpr": lambda v: ne.evaluate("(a - b) / (a + b)", {"a": v.a, "b": v.b}),
        "numba": lambda v: looped("ndvi", v.a, v.b),
    },
    "ndvi-f64": {
        "NumPy": lambda v: ndvi(v.da, v.db),
        "numexpr": lambda v: ne.evaluate("(a - b) / (a + b)", {"a": v.da, "b": v.db}),
        "numba": lambda v: looped("ndvi", v.da, v.db),
    },
    "ndvi-f32-16M": {"NumPy": lambda v: ndvi(v.la, v.lb)},
    "ndvi-f32-16M-cores": {
        "numexpr": lambda v: ne.evaluate("(a - b) / (a + b)", {"a": v.la, "b": v.lb}, out=out("f4", v.la)),
        "numba": lambda v: looped("ndvi", v.la, v.lb),
    },
    "explog-f32-16M-cores": {
        "numexpr": lambda v: ne.evaluate("sqrt(exp(-a)) + log(b)", {"a": v.la, "b": v.lb}, out=out("f4", v.la)),
        "numba": lambda v: looped("explog", v.la, v.lb),
    },
    "chain-f32": {
        "NumPy": lambda v: chain(v.a, v.b),
        "numexpr": lambda v: chain_ne(v.a, v.b),
        "numba": lambda v: looped("chain", v.a, v.b),
    },
    "evi-u16-i16": {"NumPy": lambda v: evi(v.nir, v.red, v.blue)},
    "explog-f32": {
        "NumPy": lambda v: explog(v.a, v.b),
        "numexpr": lambda v: ne.evaluate("sqrt(exp(-a)) + log(b)", {"a": v.a, "b": v.b}),
    },
    "explog-f64": {
        "NumPy": lambda v: explog(v.da, v.db),
        "numexpr": lambda v: ne.evaluate("sqrt(exp(-a)) + log(b)", {"a": v.da, "b": v.db}),
    },
    "log10-f32": {"NumPy": lambda v: np.float32(10) * np.log10(v.b)},
    "isin-u8": {"NumPy": lambda v: np.isin(v.scl, np.array([4, 5, 6, 7, 11], "u1"))},
    "bit-u16": {"NumPy": lambda v: (v.qa & np.uint16(0b101000)) != 0},
    "where-f32": {"NumPy": lambda v: (lambda a, b: np.where((a > np.float32(0.5)) & (b <= np.float32(0.5)), a, b))(v.a, v.b)},
    "cast-u16-f32": {"NumPy": lambda v: copied(v.nir, "f4")},
    "cast-f32-f64": {"NumPy": lambda v: copied(v.a, "f8")},
    "cast-f32-i16": {"NumPy": lambda v: copied(v.signed, "i2")},
    "cast-f64-u8": {"NumPy": lambda v: copied(v.byte, "u1")},
    "add-f32": {"NumPy": lambda v: (lambda a: np.add(a, v.b, out=out("f4", a)))(v.a)},
    "add-i64": {"NumPy": lambda v: np.add(v.big, v.big, out=out("i8", v.big))},
    "copy-f32": {"NumPy": lambda v: copied(v.a, "f4")},
    "copy-f32-large": {"NumPy": copy_halves},
    "reversed-f32": {"NumPy": lambda v: copied(v.a[:, ::-1], "f4")},
    "transpose-f32": {"NumPy": lambda v: copied(v.a.T, "f4")},
    "sum-f32": {"NumPy": lambda v: v.a.sum()},
    "sum-f32-axis0": {"NumPy": lambda v: v.a.sum(axis=0), "NumPy best layout": lambda v: best(np.sum, "a", 0)},
    "sum-f32-axis1": {"NumPy": lambda v: v.a.sum(axis=1), "NumPy best layout": lambda v: best(np.sum, "a", 1)},
    "sum-f64": {"NumPy": lambda v: v.da.sum()},
    "sum-u16": {"NumPy": lambda v: v.nir.sum()},
    "mean-ndvi-f32": {"NumPy": lambda v: ndvi(v.a, v.b).mean()},
    "nanmean-f32-all": {"NumPy": lambda v: np.nanmean(v.holes), "bottleneck": lambda v: bn.nanmean(v.holes)},
    "nanstd-f32": {"NumPy": lambda v: np.nanstd(v.holes), "bottleneck": lambda v: bn.nanstd(v.holes)},
    "max-f32": {"NumPy": lambda v: v.a.max()},
    "nanmax-f32": {"NumPy": lambda v: np.nanmax(v.holes), "bottleneck": lambda v: bn.nanmax(v.holes)},
    "argmin-f32": {"NumPy": lambda v: v.a.argmin()},
    "argmin-f32-axis0": {"NumPy": lambda v: v.a.argmin(axis=0), "NumPy best layout": lambda v: best(np.argmin, "a", 0)},
    "std-f32": {"NumPy": lambda v: v.a.std()},
    "cumsum-f32-axis1": {"NumPy": lambda v: np.cumsum(v.a, axis=1, out=out("f4", v.a))},
    "cumsum-f32-axis0": {"NumPy": lambda v: np.cumsum(v.a, axis=0, out=out("f4", v.a))},
    "bincount-u16": {"NumPy": lambda v: np.bincount(v.qa.ravel(), minlength=65536)},
    "histogram-f32-256": {"NumPy": lambda v: np.histogram(v.a, 256, (0, 1))[0]},
    "sort-f32-rows": {"NumPy": lambda v: np.sort(v.a, axis=1)},
    "nanmedian-u16-nodata-24": {"NumPy": lambda v: np.nanmedian(missing_u16(v.nir24), axis=0)},
    "nanquantile-f32-24": {"NumPy": lambda v: np.nanquantile(v.t24, 0.9, axis=0)},
    "nanquantile-f32-120": {"NumPy": lambda v: np.nanquantile(v.t120, 0.9, axis=0)},
    "quantile-f32-24": {"NumPy": lambda v: np.quantile(v.full24, 0.9, axis=0)},
    "quantile-f32-120": {"NumPy": lambda v: np.quantile(v.full120, 0.9, axis=0)},
    "ndvi-nanmedian-24": {
        "NumPy": lambda v: np.nanmedian(masked_ndvi(v.nir24, v.red24), axis=0),
        "bottleneck": lambda v: bn.nanmedian(masked_ndvi(v.nir24, v.red24), axis=0),
    },
    "correlate-3x3": {"scipy": lambda v: correlate(3), "numba": lambda v: correlate_nb(3)},
    "correlate-9x9": {"scipy": lambda v: correlate(9)},
    "box-9x9": {"scipy": lambda v: inner(ndi.uniform_filter(padded(9), 9, mode="nearest"), 9)},
    "max-3x3": {"scipy": lambda v: inner(ndi.maximum_filter(padded(3), 3, mode="nearest"), 3)},
    "median-3x3": {"scipy": lambda v: inner(ndi.median_filter(padded(3), 3, mode="nearest"), 3)},
    "warp-bilinear": {"scipy": lambda v: ndi.map_coordinates(whole("warped"), points(), order=1, mode="nearest")},
    "warp-bilinear-shift": {"GDAL": lambda v: gdal()},
    "matmul-f32": {"NumPy": lambda v: np.matmul(v.ma, v.mb, out=out("f4", v.ma))},
    "matmul-f64": {"NumPy": lambda v: np.matmul(v.mda, v.mdb, out=out("f8", v.mda))},
}
for axis in (0, 1):
    ROWS[f"nanmean-f32-axis{axis}"] = {
        "NumPy": lambda v, axis=axis: np.nanmean(v.holes, axis=axis),
        "bottleneck": lambda v, axis=axis: bn.nanmean(v.holes, axis=axis),
        "NumPy best layout": lambda v, axis=axis: best(np.nanmean, "holes", axis),
        "bottleneck best layout": lambda v, axis=axis: best(bn.nanmean, "holes", axis),
    }
for depth in (24, 120, 365):
    ROWS[f"nanmedian-f32-{depth}"] = {
        "NumPy": lambda v, d=depth: np.nanmedian(whole(f"t{d}"), axis=0),
        "bottleneck": lambda v, d=depth: bn.nanmedian(whole(f"t{d}"), axis=0),
        "NumPy best layout": lambda v, d=depth: best(np.nanmedian, f"t{d}", 0),
        "bottleneck best layout": lambda v, d=depth: best(bn.nanmedian, f"t{d}", 0),
    }


def answer(question):
    f = ROWS[question["row"]][question["peer"]]
    v = Inputs(question.get("view", "whole"))
    if question.get("save"):
        result = np.ascontiguousarray(f(v))
        if not question["peer"].startswith("NumPy"):  # others have dtype rules of their own
            result = result.astype(question["dtype"])
        result.tofile(os.path.join(folder, "result"))
        start = clock()
        f(v)
        return {"ms": (clock() - start) * 1e3, "dtype": result.dtype.name}
    samples = []
    for _ in range(question["repeats"]):
        start = clock()
        f(v)
        samples.append((clock() - start) * 1e3)
    return {"ms": sorted(samples)[len(samples) // 2]}


def version(name):
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return None


names = ("numpy", "numexpr", "numba", "bottleneck", "scipy", "rasterio")
gdal_version = None
try:
    gdal_version = importlib.import_module("rasterio").__gdal_version__
except ImportError:
    pass
print(json.dumps({"versions": {n: version(n) for n in names}, "gdal": gdal_version}), flush=True)
for line in sys.stdin:
    try:
        print(json.dumps(answer(json.loads(line))), flush=True)
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)
