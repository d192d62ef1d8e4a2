"""Compressed frames as Dask's compressors make them: `python test/protocol/make_compressed.py [--check]`.

numcodecs' LZ4 writes what python-lz4's `lz4.block.compress` writes: u32 little-endian size, then one raw block.
"""

import json
import sys
import zlib
from pathlib import Path

import numcodecs
import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1] / "oracle"))
from committed import committed  # noqa: E402

rng = np.random.default_rng(3)
inputs = {
    "empty-ish": b"x",
    "runs": b"a" * 1000 + b"b" * 3,
    "period-3": b"abc" * 200,
    "ramp": np.arange(600, dtype="<i4").tobytes(),
    "noise": rng.integers(0, 256, 300, dtype="u1").tobytes(),
    "mixed": rng.integers(0, 4, 2000, dtype="u1").tobytes(),
}
codecs = {"lz4": numcodecs.LZ4().encode, "zlib": zlib.compress, "zstd": numcodecs.Zstd(3).encode}
rows = [{"name": n, "plain": d.hex(), **{c: bytes(f(d)).hex() for c, f in codecs.items()}} for n, d in inputs.items()]
committed(Path(__file__).with_name("compressed.json"), json.dumps(rows, indent=1) + "\n")
