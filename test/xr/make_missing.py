"""Expected results of the missing-value rules, by NumPy and Xarray: writes fixtures/missing.json.

    .venv/bin/python test/xr/make_missing.py [--check]

Integers with nodata are given to Xarray as it would hold them: float32 (8 and 16 bits) or float64 with NaN for nodata.
Where rsdat keeps an integer dtype, NaN is written back as nodata before the comparison, by the rules of the header of
src/xr/values.ts; the dtype named here is the one that rsdat must give.
"""

import json
import sys
from pathlib import Path

import numpy as np
import xarray as xr

sys.path.append(str(Path(__file__).resolve().parents[1] / "oracle"))
from committed import committed  # noqa: E402

U16 = np.array([[0, 1, 2, 7], [65535, 3, 0, 4]], "u2")  # nodata 0
V16 = np.array([[5, 0, 2, 3], [1, 3, 0, 9]], "u2")  # nodata 0
I32 = np.array([[-9, 1, 2, 7], [100000, -3, -9, 4]], "i4")  # nodata -9
F32 = np.array([[1.5, np.nan, -2, 7], [0, 3, np.nan, 4]], "f4")
PLAIN = np.array([[0, 1, 2, 7], [255, 3, 0, 4]], "u1")  # no nodata
COND = np.array([[1, 1, 0, 0], [1, 0, 1, 1]], bool)


def masked(a, nodata, dtype):
    return xr.DataArray(np.where(a == nodata, np.nan, a).astype(dtype), dims=("y", "x"))


a, b = masked(U16, 0, "f4"), masked(V16, 0, "f4")
i, f = masked(I32, -9, "f8"), xr.DataArray(F32, dims=("y", "x"))
p, c = xr.DataArray(PLAIN, dims=("y", "x")), xr.DataArray(COND, dims=("y", "x"))


def stored(x, nodata, dtype):
    return xr.where(x.isnull(), nodata, x).astype(dtype)


np.seterr(all="ignore")
cases = {
    # arithmetic: 8- and 16-bit integers with nodata compute in float32, wider ones in float64
    "add": a + b,
    "sub": a - b,
    "mul": a * b,
    "div": a / b,
    "sub-scalar": a - 1,
    "div-scalar": a / 3,
    "floordiv": a // 2,
    "mod": a % 2,
    "pow": a**2,
    "neg": -a,
    "abs-int32": abs(i),
    "add-int32": i + 1,
    "add-mixed": a + f,
    "add-plain": a + p.astype("f4"),
    "sub-plain-wraps": p - np.uint8(1),
    # comparisons: missing is false except under ne
    "gt": a > 1,
    "le": a <= b,
    "eq": a == b,
    "ne": a != b,
    "ne-scalar": a != 1,
    "eq-float": f == 7,
    # membership and missing
    "isin": a.isin([0, 1, 7]),
    "isin-plain": p.isin([0, 7]),
    "isnull": a.isnull(),
    "notnull": a.notnull(),
    "isnull-float": f.isnull(),
    "isnull-plain": p.isnull(),
    # where
    "where": stored(a.where(c), 0, "u2"),
    "where-plain": p.where(c),
    "where-int32-plain": xr.DataArray(I32, dims=("y", "x")).where(c),
    "where-float": f.where(c),
    "where-other-int": stored(a.where(c, 9), 0, "u2"),
    "where-other-float": a.where(c, 0.5),
    "where-other-array": stored(a.where(c, b), 0, "u2"),
    "where-bool": xr.DataArray(COND, dims=("y", "x")).astype("f4").where(a.notnull()),
    # fillna, clip, astype
    "fillna": stored(a.fillna(9), 0, "u2"),
    "fillna-float": a.fillna(0.5),
    "clip": stored(a.clip(2, 100), 0, "u2"),
    "clip-float": f.clip(max=3.5),
    "astype-float64": a.astype("f8"),
    "astype-int32": stored(a, 0, "i4"),
    # reductions skip missing; an all-missing cell is missing
    "mean": masked(U16, 0, "f8").mean(),
    "mean-y": masked(U16, 0, "f8").mean("y"),
    "sum-y": masked(U16, 0, "f8").sum("y").astype("u8"),
    "sum-minCount": masked(U16, 0, "f8").sum("y", min_count=2),
    "min-y": stored(masked(U16, 0, "f8").min("y"), 0, "u2"),
    "max": stored(masked(U16, 0, "f8").max(), 0, "u2"),
    "count": a.count().astype("i8"),
    "count-y": a.count("y").astype("i8"),
    "std-y": masked(U16, 0, "f8").std("y"),
    "var-ddof": masked(U16, 0, "f8").var("x", ddof=1),
    "mean-strict": masked(U16, 0, "f8").mean("y", skipna=False),
    "max-strict": stored(masked(U16, 0, "f8").max("y", skipna=False), 0, "u2"),
    "mean-float": f.astype("f8").mean("y").astype("f4"),
    "max-float": f.max("x"),
    "sum-float": f.sum("y"),
    "any": (a > 3).any("y"),
    "all": (a > 0).all("x"),
    # expr agrees with the methods
    "expr-ndvi": (a - b) / (a + b),
    "expr-bits": (xr.DataArray(U16, dims=("y", "x")) & 2) == 0,
    "expr-choose": xr.where(a > 1, a, np.float32(np.nan)),
    "expr-min": np.minimum(a, b),
}


def plain(x):
    v = x.values
    text = np.where(np.isnan(v), None, v) if v.dtype.kind == "f" else v
    return {"dtype": str(v.dtype), "dims": list(x.dims), "values": text.tolist()}


out = Path(__file__).parent / "fixtures" / "missing.json"
inputs = {"U16": U16, "V16": V16, "I32": I32, "F32": F32, "PLAIN": PLAIN, "COND": COND}
text = {
    "inputs": {k: plain(xr.DataArray(v)) for k, v in inputs.items()},
    "cases": {k: plain(v) for k, v in cases.items()},
}
committed(out, json.dumps(text, indent=1) + "\n")
