"""Expected values of reductions from NumPy: JSON on standard output.

{"numpy": version, "arrays": [{"dtype", "shape", "bytes", "mask"}], "results": [{"array", "op", "axes", "masked", "out", "bytes"}]}
float32 and float16 are reduced in float64 and rounded once, as kernels.md §7.1 says; products are NumPy's own. Masked
elements are zeros for sums, ones for products, and no candidates for an index.
"""
import base64
import json
import sys
import warnings

import numpy as np

warnings.simplefilter("ignore")
rng = np.random.default_rng(7)
SHAPES = [((1,), [(0,)]), ((7,), [(0,)]), ((8,), [(0,)]), ((129,), [(0,)]), ((70000,), [(0,)]),
          ((5, 3), [(0,), (1,), (0, 1)]), ((40, 33), [(0,), (1,), (0, 1)]), ((3, 50, 70), [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]),
          ((6, 1, 300), [(0,), (1,), (2,), (0, 1)]), ((400, 5), [(0,), (1,)]), ((20, 30, 4), [(2,), (0, 2), (0, 1), (1,)]), ((0, 4), [(0,), (1,)]),
          ((300001,), [(0,)])]
LONG = {"float64", "float32", "uint16", "bool"}
DTYPES = ["bool", "uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64"]


def b64(a):
    return base64.b64encode(np.ascontiguousarray(a).tobytes()).decode()


def make(dtype, shape, k):
    d = np.dtype(dtype)
    if d.kind == "b":
        return rng.random(shape) < (0.5 if k % 2 else 0.98)
    if d.kind in "iu":
        i = np.iinfo(d)
        return rng.integers(i.min, i.max, shape, dtype=d, endpoint=True)
    a = (rng.standard_normal(shape) * 1000).astype(d)
    if k % 3 == 1:
        a[rng.random(shape) < 0.2] = np.nan
    return a


arrays, results = [], []


def flat_last(a, axes):
    """The reduced axes as one last axis."""
    moved = np.moveaxis(a, axes, tuple(range(-len(axes), 0)))
    return moved.reshape(moved.shape[: a.ndim - len(axes)] + (-1,))


def index(op, a, axes, mask):
    """argmin and its kin over several axes; masked elements are left out. None where NumPy raises."""
    if a.size == 0:
        return None
    x = flat_last(a, axes)
    skip = op.startswith("nan") and a.dtype.kind == "f"
    if mask is None:
        return None if skip and np.isnan(x).all(axis=-1).any() else getattr(np, op)(x, axis=-1).astype("i8")
    valid = flat_last(mask, axes)
    valid = valid & ~np.isnan(x) if skip else valid
    if not valid.any(axis=-1).all():
        return None
    best = getattr(np, op.removeprefix("nan"))
    out = np.empty(x.shape[:-1], "i8")
    for i in np.ndindex(*x.shape[:-1]):
        at = np.flatnonzero(valid[i])
        out[i] = at[best(x[i][at])]
    return out


def reduce(op, a, axes, mask):
    """Value of one reduction; None where NumPy has none."""
    if op.endswith(("argmin", "argmax")):
        return index(op, a, axes, mask)
    f = a.dtype.kind == "f"
    x = a.astype("f8") if f else a
    out_float = a.dtype if f else np.dtype("f8")
    valid = np.ones(a.shape, bool) if mask is None else mask
    if op.startswith("nan"):
        if f:
            valid = valid & ~np.isnan(x)
        op = op[3:]
    n = valid.sum(axis=axes)
    if op == "prod":
        return np.prod(np.where(valid, a, np.ones((), a.dtype)), axis=axes)
    if op == "count":
        return n.astype("i8")
    if op in ("any", "all"):
        return np.any(x & valid if a.dtype.kind == "b" else (x != 0) & valid, axis=axes) if op == "any" else np.all((x != 0) | ~valid, axis=axes)
    if op in ("min", "max"):
        if np.size(n) and np.min(n) == 0 and not f:
            return None
        if a.size == 0:
            return None
        i = np.iinfo(a.dtype) if a.dtype.kind in "iu" else None
        hole = {"f": np.inf if op == "min" else -np.inf, "b": op == "min"}.get(a.dtype.kind, None)
        hole = hole if i is None else (i.max if op == "min" else i.min)
        y = getattr(np, op)(np.where(valid, x, np.asarray(hole, x.dtype)), axis=axes)
        return np.where(n == 0, np.nan, y).astype(a.dtype) if f else y.astype(a.dtype)
    zeroed = np.where(valid, x, np.zeros((), x.dtype))
    if op == "sum":
        return np.sum(zeroed, axis=axes).astype(a.dtype) if f else np.sum(zeroed, axis=axes)
    total = np.sum(zeroed, axis=axes) if f else np.sum(zeroed.astype("i8" if a.dtype.itemsize < 8 else "f8"), axis=axes).astype("f8")
    mean = total / n
    if op == "mean":
        return mean.astype(out_float)
    d = np.where(valid, x - np.expand_dims(mean, axes), 0.0)
    var = np.sum(d * d, axis=axes) / np.maximum(n - 1, 0)
    return (np.sqrt(var) if op == "std" else var).astype(out_float)


PRODUCTS = ["prod", "nanprod"]
OPS = ["sum", "mean", "min", "max", "var", "std", "any", "all", "count", "nansum", "nanmean", "nanmin", "nanmax",
       *PRODUCTS, "nanvar", "nanstd", "argmin", "argmax", "nanargmin", "nanargmax"]


def emit(a, mask, axess, ops):
    arrays.append({"dtype": str(a.dtype), "shape": a.shape, "bytes": b64(a), "mask": b64(mask)})
    for axes in axess:
        for op in ops:
            for masked in (False, True):
                with np.errstate(all="ignore"):
                    out = reduce(op, a, axes, mask if masked else None)
                if out is not None:
                    out = np.asarray(out)
                    results.append({"array": len(arrays) - 1, "op": op, "axes": axes, "masked": masked, "out": str(out.dtype), "bytes": b64(out)})


for k, (shape, axess) in enumerate(SHAPES):
    for j, dtype in enumerate(DTYPES):
        if shape[0] > 100000 and dtype not in LONG:
            continue
        a = make(dtype, shape, k + j)
        mask = rng.random(shape) < 0.7
        emit(a, mask, axess, OPS)
        if a.dtype.kind == "f":  # products that neither vanish nor overflow
            near = (1 + rng.standard_normal(shape) * 0.01).astype(dtype)
            near[rng.random(shape) < 0.05] = np.nan if k % 2 else 1
            emit(near, mask, axess, PRODUCTS)

json.dump({"numpy": np.__version__, "arrays": arrays, "results": results}, sys.stdout)
