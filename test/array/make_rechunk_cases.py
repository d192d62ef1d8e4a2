"""Cuts that dask.array chooses: steps of rechunks, automatic sizes after those that are there, balanced sizes, and the
blocks of shuffles. Writes rechunk-cases.json beside itself.

Run: .venv/bin/python test/array/make_rechunk_cases.py [--check]   (dask 2026.8.0)
"""

import json
import pathlib
import random
import sys
import warnings

import dask
import dask.array as da
import numpy as np
from dask.array._shuffle import shuffle
from dask.array.core import normalize_chunks
from dask.array.rechunk import plan_rechunk

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "oracle"))
from committed import committed  # noqa: E402

ITEMSIZES = {"uint8": 1, "int16": 2, "float32": 4, "float64": 8}


def cuts(rng, n, most):
    """Sizes along an axis: regular, even, or any, at most `most` of them."""
    kind = rng.random()
    if kind < 0.2 or n == 1:
        return [n]
    if kind < 0.65:
        size = rng.randint(max(1, -(-n // most)), n)
        return [size] * (n // size) + ([n % size] if n % size else [])
    blocks = rng.randint(2, max(2, min(n, most)))
    edges = sorted(rng.sample(range(1, n), blocks - 1))
    return [b - a for a, b in zip([0, *edges], [*edges, n])]


def lists(chunks):
    return [[int(size) for size in sizes] for sizes in chunks]


def plan(rng):
    shape = [rng.choice([rng.randint(1, 12), rng.randint(10, 80), 60, 64]) for _ in range(rng.randint(1, 4))]
    chunks = [[cuts(rng, n, 24) for n in shape] for _ in range(2)]
    itemsize = rng.choice(list(ITEMSIZES.values()))
    threshold = rng.choice([1, 1, 2, 3, 4])
    limit = int(np.prod(shape) * itemsize * rng.choice([0.002, 0.01, 0.1, 1])) + 1
    old, new = (tuple(map(tuple, c)) for c in chunks)
    steps = plan_rechunk(old, new, itemsize, threshold, limit)
    return {"from": chunks[0], "to": chunks[1], "itemsize": itemsize, "threshold": threshold, "limit": limit,
            "steps": [lists(step) for step in steps]}  # fmt: skip


def automatic(rng):
    shape = [rng.choice([rng.randint(1, 20), rng.randint(10, 400), 366, 10980]) for _ in range(rng.randint(1, 4))]
    previous = [cuts(rng, n, 12) for n in shape]
    dtype = rng.choice(list(ITEMSIZES))
    spec = [rng.choice(["auto", "auto", "auto", -1, None, rng.randint(1, 2 * n)]) for n in shape]
    nbytes = int(np.prod([float(n) for n in shape]) * ITEMSIZES[dtype])
    limit = max(1, int(nbytes / rng.choice([0.5, 1, 2, 5, 30, 200])))
    tolerance = rng.choice([1.25, 1.25, 1, 1.05, 2, 4])
    written = tuple(tuple(previous[k]) if s is None else s for k, s in enumerate(spec))
    with dask.config.set({"array.chunk-size": limit, "array.chunk-size-tolerance": tolerance}):
        chunks = normalize_chunks(written, tuple(shape), dtype=np.dtype(dtype),
                                  previous_chunks=tuple(map(tuple, previous)))  # fmt: skip
    if sum(map(len, chunks)) > 60:
        return None
    return {"shape": shape, "previous": previous, "dtype": dtype, "spec": spec, "limit": limit, "tolerance": tolerance,
            "chunks": lists(chunks)}  # fmt: skip


def balance(rng):
    n = rng.randint(1, 300)
    size = rng.randint(max(1, n // 20), n)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        chunks = da.empty(n, chunks=n).rechunk(size, balance=True).chunks
    return {"n": n, "size": size, "chunks": list(chunks[0]), "warns": len(heard) > 0}


def shuffled(rng):
    shape = [rng.randint(2, 40) for _ in range(rng.randint(1, 3))]
    chunks = [cuts(rng, n, 8) for n in shape]
    axis = rng.randrange(len(shape))
    order = [rng.randrange(shape[axis]) for _ in range(rng.randint(1, 2 * shape[axis]))]
    groups = []
    while order:
        count = rng.randint(1, rng.choice([2, 5, 60]))
        groups.append(order[:count])
        order = order[count:]
    tolerance = rng.choice([1.25, 1.25, 1, 2])
    with dask.config.set({"array.chunk-size-tolerance": tolerance}):
        out = shuffle(da.empty(tuple(shape), chunks=tuple(map(tuple, chunks))), groups, axis).chunks
    return {"chunks": chunks, "groups": groups, "axis": axis, "tolerance": tolerance, "shuffled": lists(out)}


def cases(make, count, seed):
    rng = random.Random(seed)
    out = []
    while len(out) < count:
        case = make(rng)
        if case is not None:
            out.append(case)
    return out


def steps(rng):
    """Plans of more than one step, with others among them."""
    case = plan(rng)
    return case if len(case["steps"]) > 1 or rng.random() < 0.1 else None


def main(scale=1):
    return {"plans": cases(steps, 120 * scale, 1), "automatic": cases(automatic, 160 * scale, 2),
            "balanced": cases(balance, 60 * scale, 3), "shuffled": cases(shuffled, 60 * scale, 4)}  # fmt: skip


if __name__ == "__main__":
    committed(pathlib.Path(__file__).with_name("rechunk-cases.json"), json.dumps(main(), separators=(",", ":")))
