"""NumPy's side of bench/residence: nanoseconds per element of each row, by size, as JSON. Usage: peer.py SIZE..."""
import json
import sys
import time

import numpy as np

ROUNDS = 40


def best(f, repeats):
    least = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(repeats):
            f()
        least = min(least, (time.perf_counter() - start) / repeats)
    return least


def rows(n):
    rng = np.random.default_rng(1)
    a, b = ((rng.random(n) * 200).astype("f4") for _ in range(2))
    d, u, m = rng.random(n) * 200, rng.integers(0, 10000, n).astype("u2"), rng.random(n) < 0.5
    f4, i2, u1 = np.empty(n, "f4"), np.empty(n, "i2"), np.empty(n, "u1")
    return {
        "max float32": lambda: a.max(),
        "nanmax float32": lambda: np.nanmax(a),
        "argmin float32": lambda: a.argmin(),
        "sum float32": lambda: a.sum(),
        "sum float64": lambda: d.sum(),
        "sum uint16": lambda: u.sum(),
        "copy float32": lambda: np.copyto(f4, a),
        "add float32": lambda: np.add(a, b, out=f4),
        "where float32": lambda: np.where(m, a, b),
        "uint16 to float32": lambda: np.copyto(f4, u),
        "float32 to int16": lambda: np.copyto(i2, a, casting="unsafe"),
        "float64 to uint8": lambda: np.copyto(u1, d, casting="unsafe"),
        "ndvi float32": lambda: (a - b) / (a + b),
    }


answer = {}
for n in map(int, sys.argv[1:]):
    for name, f in rows(n).items():
        f()
        answer.setdefault(name, []).append(best(f, max(1, (4 << 20) // n)) / n * 1e9)
print(json.dumps(answer))
