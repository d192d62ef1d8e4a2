"""Writes src/kernels/random/ziggurat-edges.ts: the right edges of NumPy's ziggurat layers, found from what NumPy draws.

A draw that is accepted at once is `bits * edge`, rounded; several draws of one layer leave one float64 for the edge.
Run with NumPy 2.4: python test/kernels/make_ziggurat.py
"""
import base64
import math
import os
import sys

import numpy as np

LAYERS = 256


def draws(draw, shift, width):
    """Per layer, pairs (bits, value) of draws that took one word, or two."""
    found = [[] for _ in range(LAYERS)]
    seed = 0
    while min(map(len, found)) < 12:
        seed += 1
        words = np.random.PCG64(seed).random_raw(3)
        stream = np.random.PCG64(seed)
        value = draw(np.random.Generator(stream))
        used = 1 if stream.random_raw() == words[1] else 2
        stream = np.random.PCG64(seed)
        draw(np.random.Generator(stream))
        if used == 2 and stream.random_raw() != words[2]:
            continue
        word = int(words[0])
        layer = (word >> (shift - (9 if width == 52 else 8))) & 0xFF
        bits = (word >> shift) & ((1 << width) - 1)
        if bits:
            found[layer].append((bits, abs(float(value))))
    return found


def edges(found, exception):
    out = []
    for layer, pairs in enumerate(found):
        pairs = [p for p in pairs if not exception(layer, p)]
        guess = pairs[0][1] / pairs[0][0]
        for k in range(3):
            near = {guess}
            for _ in range(k + 2):
                near |= {math.nextafter(g, 0) for g in near} | {math.nextafter(g, 1) for g in near}
            good = [g for g in near if all(bits * g == value for bits, value in pairs)]
            if good:
                break
        assert len(good) == 1, (layer, good, pairs)
        out.append(good[0])
    return out


def main():
    # layer 0 is also the tail, whose draws are no products
    normal = draws(lambda g: g.standard_normal(), 9, 52)
    tail = 3.654152885361009
    normal_edges = edges(normal, lambda layer, p: layer == 0 and p[1] >= tail)
    exponential = draws(lambda g: g.standard_exponential(), 11, 53)
    exp_tail = 7.69711747013105
    exponential_edges = edges(exponential, lambda layer, p: layer == 0 and p[1] >= exp_tail)

    def text(values):
        return base64.b64encode(np.array(values, "<f8").tobytes()).decode()

    out = os.path.join(os.path.dirname(__file__), "..", "..", "src", "kernels", "random", "ziggurat-edges.ts")
    lines = [
        "/** Right edges of the ziggurat's layers, per bit: float64, little-endian, base64. Written by test/kernels/make_ziggurat.py from NumPy's draws. */",
        "export const NORMAL_EDGES: string =",
        f'  "{text(normal_edges)}";',
        "export const EXPONENTIAL_EDGES: string =",
        f'  "{text(exponential_edges)}";',
        "",
    ]
    with open(out, "w") as f:
        f.write("\n".join(lines))
    print(f"numpy {np.__version__}: {normal_edges[255] * 2**52!r}, {exponential_edges[255] * 2**53!r}", file=sys.stderr)


main()
