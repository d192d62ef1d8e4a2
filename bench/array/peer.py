"""NumPy's side of bench/array. Usage: peer.py FOLDER; each line of its standard input is a question as JSON:

{"call": a path or a lambda of x (and y), "dtype": of the inputs, "shape", "two": bool, "repeats": n}. The inputs lie in
the folder as x-DTYPE and y-DTYPE. The answer is {"ms": [...], "results": [{"dtype", "shape"}]} or {"error": text}; the
results of the first call lie in the folder as result-0, result-1 … when "keep" is true.
"""
import json
import math
import operator
import os
import sys
import time
import warnings

import numpy as np

warnings.simplefilter("ignore")
np.seterr(all="ignore")
folder = sys.argv[1]
# The tables of the tests ask for truth in wider types; here NumPy does what its users write.
SCOPE = {
    "np": np,
    "math": math,
    "operator": operator,
    "precise": lambda f, *args: f(*args),
    "wider": lambda f, x: f(x),
}
inputs = {}


def load(name, dtype, shape):
    key = (name, dtype, tuple(shape))
    if key not in inputs:
        inputs[key] = np.fromfile(os.path.join(folder, f"{name}-{dtype}"), dtype=dtype).reshape(shape)
    return inputs[key]


def own(result):
    """A result of its own memory: ours is a block, so a view (a transpose, a slice, a broadcast) is copied."""
    if isinstance(result, (tuple, list)):
        return [own(r) for r in result]
    is_view = isinstance(result, np.ndarray) and any(np.may_share_memory(result, x) for x in inputs.values())
    return result.copy() if is_view else result


def answer(question):
    call = eval(question["call"], SCOPE)

    def f(*args):
        return own(call(*args))

    args = [load(n, question["dtype"], question["shape"]) for n in ("x", "y")[: 2 if question["two"] else 1]]
    result = f(*args)
    results = list(result) if isinstance(result, (tuple, list)) else [result]
    described = []
    for k, r in enumerate(results):
        r = np.ascontiguousarray(r).reshape(np.shape(r))
        described.append({"dtype": r.dtype.name, "shape": r.shape})
        if question["keep"]:
            r.tofile(os.path.join(folder, f"result-{k}"))
    del result, results
    samples = []
    clock = time.process_time if question["cpu"] else time.perf_counter
    for _ in range(question["repeats"]):
        start = clock()
        f(*args)
        samples.append((clock() - start) * 1e3)
    return {"ms": samples, "results": described}


print(json.dumps({"numpy": np.__version__}), flush=True)
for line in sys.stdin:
    try:
        print(json.dumps(answer(json.loads(line))), flush=True)
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"[:300]}), flush=True)
