"""Expected dtypes, shapes and value hashes of array operations, by NumPy. Writes cases.json beside itself
(`--check`: fails when it differs).

Values: `values(dtype)` below is repeated in cases.ts. A hash is SHA-256 over the C-order little-endian bytes, NaN made
canonical, and for minima and maxima -0.0 made 0.0: they may return either zero.
"""
import base64
import hashlib
import json
import sys
import warnings
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1] / "oracle"))
from committed import committed  # noqa: E402

DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64"]
BINARY = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.true_divide, "floordiv": np.floor_divide, "mod": np.remainder,
    "maximum": np.maximum, "minimum": np.minimum, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    "eq": np.equal, "ne": np.not_equal, "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
}
REDUCE = ["sum", "mean", "min", "max", "std", "var", "any", "all", "nansum", "nanmean", "nanmin", "nanmax"]
EITHER_ZERO = {"maximum", "minimum", "min", "max", "nanmin", "nanmax"}
SHAPE = (7, 11)


def values(dtype, shape=SHAPE, salt=0):
    n = int(np.prod(shape))
    i = np.arange(n, dtype=np.int64) + salt
    mixed = (i * 7919 + 13) % 257 - 128
    if dtype == "bool":
        return (mixed % 3 == 0).reshape(shape)
    if dtype.startswith("uint"):
        return np.abs(mixed).astype(dtype).reshape(shape)
    if dtype.startswith("int"):
        return np.clip(mixed, -128, 127).astype(dtype).reshape(shape)
    out = (mixed / 8).astype(dtype)
    out[i % 19 == 3] = np.nan
    out[i % 23 == 5] = np.inf
    return out.reshape(shape)


def record(a, op):
    a = np.asarray(a)
    if a.dtype.kind == "f":
        if op in EITHER_ZERO:
            a = a + a.dtype.type(0)
        a = np.where(np.isnan(a), a.dtype.type("nan"), a).astype(a.dtype)
    data = np.ascontiguousarray(a)
    small = {"b64": base64.b64encode(data.tobytes()).decode()} if data.nbytes <= 32 else {}
    return {"dtype": a.dtype.name, "shape": list(a.shape), "sha": hashlib.sha256(data.tobytes()).hexdigest()[:16], **small}


def attempt(op, f):
    with np.errstate(all="ignore"):
        try:
            return record(f(), op)
        except TypeError:
            return None


def main():
    warnings.simplefilter("ignore")
    cases = {}
    for x in DTYPES:
        for y in DTYPES:
            for op, f in BINARY.items():
                cases[f"{op}/{x}/{y}"] = attempt(op, lambda: f(values(x), values(y, SHAPE[1:], 5)))
        for op, f in BINARY.items():
            for scalar in (2, 1.5):
                cases[f"{op}/{x}/{scalar}"] = attempt(op, lambda: f(values(x), scalar))
        for axis in (None, 0, 1):
            for name in REDUCE:
                cases[f"{name}/{x}/{axis}"] = attempt(name, lambda: getattr(np, name)(values(x), axis=axis))
    out = {"numpy": np.__version__, "cases": cases}
    committed(Path(__file__).with_name("cases.json"), json.dumps(out, separators=(",", ":")).replace('},"', '},\n"') + "\n")


main()
