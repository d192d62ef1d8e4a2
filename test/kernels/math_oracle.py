"""Errors of elementary functions against extended precision.

`points DIR` writes a.float32, b.float32, a.float64, b.float64: random bits, ranges of use, powers of two and ten and
their neighbours, multiples of pi/2, subnormal numbers, infinities, NaN. `check DIR` reads DIR/<op>.<dtype>, which another
program has computed of them, and prints {"<op>.<dtype>": {"ulp", "at", "wrong"}}: the largest error in units of the last
place of the rounded truth, where it is, and how many results have a wrong class (NaN, infinity, sign, zero).
"""
import json
import sys
from pathlib import Path

import numpy as np

np.seterr(all="ignore")
rng = np.random.default_rng(20261126)
N = 120_000
WIDE = {"float32": np.float64, "float64": np.longdouble}
NAMES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh",
         "atan2": "arctan2", "pow": "power"}
TWO = {"atan2", "pow", "hypot"}


def points(name):
    dt = np.dtype(name).type
    f = np.finfo(dt)
    powers = np.ldexp(dt(1), np.arange(f.minexp - 20, f.maxexp)).astype(dt)
    half_pi = (np.arange(-2000, 2000) * np.pi / 2).astype(dt)
    special = [0, -0.0, np.inf, -np.inf, np.nan, 1, -1, f.max, -f.max, f.tiny, f.smallest_subnormal, 0.5, -0.5, 87, 88, 89, -87,
               -88, -103, -104, 708, 709, 709.7, 710, -708, -745, -746, 127, 128, 1022, 1023, 1024, -1074, -1075, -1022, -149, -150]
    bits = rng.integers(0, 2 ** (8 * f.dtype.itemsize), N // 4, dtype=np.uint64).astype(f"u{f.dtype.itemsize}").view(dt)
    parts = [bits, powers, np.nextafter(powers, dt(0)), np.nextafter(powers, dt(np.inf)), -powers, special, half_pi,
             np.nextafter(half_pi, dt(1e9)), rng.uniform(-1, 1, N // 5), rng.uniform(-10, 10, N // 5), rng.uniform(-100, 100, N // 8),
             rng.uniform(-1000, 1000, N // 8), np.exp(rng.uniform(-30, 30, N // 8)), rng.uniform(0.5, 2, N // 8),
             rng.uniform(-1e6, 1e6, N // 10), 10.0 ** np.arange(-30, 30), np.arange(-1100, 1100), np.arange(-1100, 1100) + 0.5,
             1 + rng.uniform(-1e-3, 1e-3, N // 20)]
    a = np.concatenate([np.asarray(p).astype(dt) for p in parts])
    b = np.concatenate([a[: len(a) // 2], rng.uniform(-8, 8, len(a) - len(a) // 2).astype(dt)])
    return a, rng.permutation(b)


def error(op, dtype, folder):
    dt = np.dtype(dtype).type
    a, b, got = (np.fromfile(folder / f"{name}.{dtype}", dt) for name in ("a", "b", op))
    wide = WIDE[dtype]
    f = getattr(np, NAMES.get(op, op))
    truth = f(a.astype(wide), b.astype(wide)) if op in TWO else f(a.astype(wide))
    want = truth.astype(dt)
    wrong = (np.isnan(got) != np.isnan(want)) | (np.isinf(got) != np.isinf(want))
    wrong |= ~np.isnan(want) & (np.signbit(got) != np.signbit(want))
    wrong |= (want == 0) & (np.abs(got) > np.finfo(dt).smallest_subnormal)
    finite = np.isfinite(want) & np.isfinite(got)
    unit = np.maximum(np.spacing(np.abs(want[finite])), np.finfo(dt).smallest_subnormal).astype(wide)
    ulp = np.abs(got[finite].astype(wide) - truth[finite]) / unit
    k = int(np.argmax(ulp))
    at = [float(a[finite][k])] + ([float(b[finite][k])] if op in TWO else [])
    first = [float(x) for x in a[wrong][:3]] + ([float(x) for x in b[wrong][:3]] if op in TWO else [])
    return {"ulp": float(ulp[k]), "at": at, "wrong": int(wrong.sum()), "points": len(a), "first": [repr(x) for x in first]}


def main():
    folder = Path(sys.argv[2])
    if sys.argv[1] == "points":
        for dtype in WIDE:
            for name, values in zip("ab", points(dtype)):
                values.tofile(folder / f"{name}.{dtype}")
        return
    results = sorted(p.name for p in folder.iterdir() if p.name[0:2] not in ("a.", "b."))
    json.dump({name: error(*name.split("."), folder) for name in results}, sys.stdout)


main()
