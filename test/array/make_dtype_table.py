"""dtypes of all results, by NumPy: function x dtype, function x dtype x dtype, and with weak scalars. Writes
dtypes.json beside itself (`--check`: fails when it differs). A dtype is the letter of its place in `dtypes`, a row of
letters is one result per second operand; "-" where NumPy raises TypeError. Functions with two results: "name.0", "name.1".
"""
import json
import sys
import warnings
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1] / "oracle"))
from committed import committed  # noqa: E402

DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64",
          "complex64", "complex128"]
UNARY = """abs absolute fabs negative positive sign signbit spacing sqrt square cbrt reciprocal exp exp2 expm1 log log2
log10 log1p sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh deg2rad radians rad2deg degrees sinc i0
isnan isinf isfinite isposinf isneginf iscomplex isreal nan_to_num round around rint fix floor ceil trunc frexp modf real
imag conj angle logical_not invert bitwise_not""".split()
BINARY = """add subtract multiply divide true_divide floor_divide mod remainder fmod power float_power copysign nextafter
logaddexp logaddexp2 arctan2 hypot maximum minimum fmax fmin greater greater_equal less less_equal equal not_equal logical_and
logical_or logical_xor bitwise_and bitwise_or bitwise_xor left_shift right_shift isclose ldexp divmod""".split()
REDUCE = """sum prod mean std var min max any all argmin argmax nansum nanprod nanmean nanstd nanvar nanmin nanmax nanargmin
nanargmax count_nonzero median nanmedian cumsum cumprod ptp""".split()
SCALARS = [2, 1.5, True]


LETTER = {d: "abcdefghijklmn"[k] for k, d in enumerate(DTYPES)}
PAIRS = {"frexp", "modf", "divmod"}


def answer(f):
    try:
        out = f()
    except TypeError:
        return None
    return [LETTER[str(np.asarray(o).dtype)] for o in (out if isinstance(out, tuple) else (out,))]


def table(names, rows):
    """name -> list of rows, each a list of thunks of the function."""
    out = {}
    for name in names:
        answers = [[answer(thunk) for thunk in row] for row in rows(getattr(np, name))]
        for k in range(2 if name in PAIRS else 1):
            key = f"{name}.{k}" if name in PAIRS else name
            out[key] = ["".join("-" if a is None else a[k] for a in row) for row in answers]
    return out


def main():
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    one = {d: np.ones(3, d) for d in DTYPES}

    def single(f):
        return [[lambda d=d: f(one[d]) for d in DTYPES]]

    def pairs(f):
        return [[lambda d=d, e=e: f(one[d], one[e]) for e in DTYPES] for d in DTYPES]

    def scalars(f):
        return [[lambda d=d, v=v: f(one[d], v) for d in DTYPES] for v in SCALARS]

    out = {"numpy": np.__version__, "dtypes": DTYPES, "scalars": SCALARS, "unary": table(UNARY, single),
           "binary": table(BINARY, pairs), "scalar": table(BINARY, scalars), "reduction": table(REDUCE, single)}
    text = json.dumps(out, separators=(",", ":"))
    committed(Path(__file__).with_name("dtypes.json"), text.replace('],"', '],\n"') + "\n")


main()
