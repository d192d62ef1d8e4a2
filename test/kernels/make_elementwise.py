"""Expected values of elementwise operations from NumPy: JSON on standard output.

{"numpy": version, "arrays": {dtype: [a, b] base64}, "results": [{"op", "dtype", "out", "bytes"}]}
Casts whose value is out of the target's range are left to the test's own rule (ToIntN).
"""
import base64
import json
import sys
import warnings

import numpy as np

warnings.simplefilter("ignore")
rng = np.random.default_rng(20240607)
N = 268
INTS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float16", "float32", "float64"]


def values(dtype, pairs):
    d = np.dtype(dtype)
    if d.kind == "b":
        return rng.integers(0, 2, N).astype(bool)
    if d.kind in "iu":
        i = np.iinfo(d)
        edges = [0, 1, 2, 3, 7, 10, i.max, i.max - 1, i.min, i.min + 1, i.max // 2] + ([-1, -2, -7] if d.kind == "i" else [])
        small = rng.integers(max(i.min, -9), 9, 60).astype(d)
        body = rng.integers(i.min, i.max, N - 60 - 2 * len(edges), dtype=d, endpoint=True)
    else:
        f = np.finfo(d)
        edges = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 0.1, 3.0, -7.0, 7.0, np.inf, -np.inf, np.nan,
                 f.max, f.min, f.tiny, f.smallest_subnormal, -f.smallest_subnormal, f.eps, 255.0, 256.7, 70000.0, 0.49999997]
        small = rng.integers(-9, 9, 60).astype(d)
        bits = rng.integers(0, 2 ** (8 * d.itemsize), N - 60 - 2 * len(edges), dtype=np.uint64)
        body = bits.astype(f"u{d.itemsize}").view(d)
        body = np.where(rng.random(len(body)) < 0.6, (rng.standard_normal(len(body)) * 100).astype(d), body)
    edges = np.array(edges, dtype=d)
    out = np.concatenate([edges, small, body, rng.permutation(edges)]).astype(d)
    return rng.permutation(out) if pairs else out


def b64(a):
    return base64.b64encode(np.ascontiguousarray(a).tobytes()).decode()


arrays, results = {}, []


def put(op, dtype, out):
    out = np.asarray(out)
    results.append({"op": op, "dtype": dtype, "out": str(out.dtype), "bytes": b64(out)})


UNARY = {"neg": np.negative, "abs": np.abs, "not": np.invert, "sqrt": np.sqrt, "square": np.square, "sign": np.sign,
         "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "round": np.rint, "isnan": np.isnan, "isinf": np.isinf,
         "isfinite": np.isfinite, "signbit": np.signbit, "deg2rad": np.deg2rad, "rad2deg": np.rad2deg}
BINARY = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "floordiv": np.floor_divide,
          "mod": np.remainder, "fmod": np.fmod, "copysign": np.copysign, "nextafter": np.nextafter, "min": np.minimum, "max": np.maximum, "and": np.bitwise_and, "or": np.bitwise_or,
          "xor": np.bitwise_xor, "shl": np.left_shift, "shr": np.right_shift, "lt": np.less, "le": np.less_equal,
          "gt": np.greater, "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal}
FLOAT_ONLY = {"sqrt", "deg2rad", "rad2deg", "div", "copysign", "nextafter"}
BITS = {"not", "and", "or", "xor", "shl", "shr"}
BOOL = {"not", "and", "or", "xor", "add", "mul", "min", "max", "lt", "le", "gt", "ge", "eq", "ne"}

for dtype in ["bool", *INTS, *FLOATS]:
    a, b = values(dtype, False), values(dtype, True)
    arrays[dtype] = [b64(a), b64(b)]
    d = np.dtype(dtype)
    for op, f in {**UNARY, **BINARY}.items():
        if (d.kind == "b" and op not in BOOL) or (d.kind in "iu" and op in FLOAT_ONLY) or (d.kind == "f" and op in BITS):
            continue
        if d.kind in "iu" and op in ("floor", "ceil", "trunc", "round"):
            put(op, dtype, a)
            continue
        with np.errstate(all="ignore"):
            put(op, dtype, f(a) if op in UNARY else f(a, b))
    if d.kind in "iu":
        e = (b.astype(np.uint64) % 5).astype(d)
        put("pow", dtype, np.power(a, e))
        arrays[dtype].append(b64(e))
    put("where", dtype, np.where(np.arange(N) % 3 == 0, a, b))
    put("in-set", dtype, np.isin(a, b[:5]))
    for to in ["bool", *INTS, *FLOATS]:
        with np.errstate(all="ignore"):
            put(f"cast-{to}", dtype, a.astype(to))

json.dump({"numpy": np.__version__, "arrays": arrays, "results": results}, sys.stdout)
