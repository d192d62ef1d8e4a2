"""NumPy (and dask.array) as a live oracle: answers framed questions on its standard input until that ends.

A frame is the length of a JSON header (4 bytes, little endian), the header, and the raw bytes of the arrays that the
header lists ({"dtype", "shape", "nbytes"}, C order). A question names what to call:
  "np.cumsum", "np.linalg.norm"   NumPy by its path          "da.cumsum"   the same of dask.array, computed
  ".astype"                       a method of the first argument
  "lambda x, q: ..."              any expression with np, da, math, operator, precise, wider at hand
Values other than plain JSON are objects with one key: {"$array": i}, {"$float": "nan"}, {"$int": "123"},
{"$complex": [re, im]}, {"$dtype": "float32"}, {"$tuple": [...]}, {"$slice": [a, b, c]}, {"$ellipsis": true}.
"""
import json
import math
import operator
import struct
import sys
import warnings

import numpy as np

warnings.simplefilter("ignore")
np.seterr(all="ignore")

KNOWN = {
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64", "complex64", "complex128", "datetime64[ns]", "timedelta64[ns]",
}  # fmt: skip


def precise(f, *args):
    """f in extended precision, rounded once to the dtype that f gives: the truth for functions with an ulp bound."""
    dtype = np.asarray(f(*args)).dtype
    wide = np.clongdouble if any(np.iscomplexobj(a) for a in args) else np.longdouble

    def widened(a):
        if not isinstance(a, (np.ndarray, np.generic)):
            return a
        # an integer is first what the function takes it for: a float64 for the large ones
        return (a.astype(dtype) if a.dtype.kind in "biu" else a).astype(wide)

    return np.asarray(f(*map(widened, args))).astype(dtype)


def wider(f, x):
    """f of float64 in place of narrower floats, rounded once: the truth for sums of them."""
    up = {"float16": np.float64, "float32": np.float64, "complex64": np.complex128}.get(x.dtype.name)
    return f(x) if up is None else np.asarray(f(x.astype(up))).astype(np.asarray(f(x)).dtype)


SCOPE = {"np": np, "math": math, "operator": operator, "precise": precise, "wider": wider}
LAMBDAS = {}


def dask():
    if "da" not in SCOPE:
        import dask
        import dask.array

        dask.config.set(scheduler="synchronous")
        SCOPE["da"] = dask.array
    return SCOPE["da"]


def read(stream, n):
    data = stream.read(n)
    if len(data) != n:
        raise EOFError
    return data


def value(v, arrays):
    if isinstance(v, list):
        return [value(w, arrays) for w in v]
    if not isinstance(v, dict):
        return v
    (kind, of), = v.items()
    if kind == "$array":
        return arrays[of]
    if kind == "$float":
        return float(of)
    if kind == "$int":
        return int(of)
    if kind == "$complex":
        return complex(float(of[0]), float(of[1]))
    if kind == "$dtype":
        return np.dtype(of)
    if kind == "$tuple":
        return tuple(value(w, arrays) for w in of)
    if kind == "$slice":
        return slice(*of)
    if kind == "$ellipsis":
        return Ellipsis
    raise ValueError(kind)


def find(name):
    if name.startswith("lambda"):
        if name not in LAMBDAS:
            if "da." in name:
                dask()
            LAMBDAS[name] = eval(name, SCOPE)
        return LAMBDAS[name]
    if name.startswith("."):
        return lambda x, *args, **kwargs: getattr(x, name[1:])(*args, **kwargs)
    root, *path = name.split(".")
    found = dask() if root == "da" else SCOPE[root]
    for part in path:
        found = getattr(found, part)
    return found


def describe(result, out):
    """Plain description of a result; arrays are appended to `out`."""
    if type(result).__module__.startswith("dask."):
        chunks = [[None if n != n else int(n) for n in axis] for axis in getattr(result, "chunks", ())]
        described = describe(result.compute(scheduler="synchronous"), out)
        return {**described, "chunks": chunks}
    if isinstance(result, np.ma.MaskedArray):
        raise TypeError("a masked array has no counterpart")
    if isinstance(result, (np.ndarray, np.generic)) or isinstance(result, (bool, int, float, complex)):
        array = np.asarray(result)
        if array.dtype.name not in KNOWN:
            raise TypeError(f"result of dtype {array.dtype} has no counterpart")
        array = np.ascontiguousarray(array).reshape(array.shape)
        out.append(array)
        return {"array": len(out) - 1}
    if isinstance(result, (tuple, list)):
        return {"list": [describe(r, out) for r in result]}
    if isinstance(result, np.dtype):
        return {"value": result.name}
    if isinstance(result, type) and issubclass(result, np.generic):
        return {"value": np.dtype(result).name}
    return {"value": result}


def answer(question, arrays):
    chunks = question.get("chunks")
    if chunks is not None:
        arrays = [a if c is None else dask().from_array(a, chunks=value(c, [])) for a, c in zip(arrays, chunks)]
    args = [value(a, arrays) for a in question["args"]]
    kwargs = {k: value(v, arrays) for k, v in question["kwargs"].items()}
    out = []
    return describe(find(question["call"])(*args, **kwargs), out), out


def main():
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while True:
        try:
            (size,) = struct.unpack("<I", read(source, 4))
        except EOFError:
            return
        question = json.loads(read(source, size))
        arrays = []
        for a in question["arrays"]:
            raw = bytearray(read(source, a["nbytes"]))
            arrays.append(np.frombuffer(raw, dtype=a["dtype"]).reshape(a["shape"]))
        out = []
        try:
            result, out = answer(question, arrays)
            header = {"result": result}
        except Exception as error:  # whatever NumPy refuses is an answer
            header = {"error": type(error).__name__, "message": str(error)[:500]}
            out = []
        header["arrays"] = [{"dtype": a.dtype.name, "shape": a.shape, "nbytes": a.nbytes} for a in out]
        text = json.dumps(header).encode()
        sink.write(struct.pack("<I", len(text)) + text)
        for a in out:
            sink.write(a.tobytes())
        sink.flush()


main()
