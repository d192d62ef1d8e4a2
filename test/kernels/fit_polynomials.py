"""Coefficients of src/kernels/math: near-minimax polynomials by interpolation at Chebyshev nodes, in exact arithmetic.

Prints one line per polynomial, lowest power first. Run when a degree changes; the bounds are proven by math.test.ts.
"""
from decimal import Decimal, getcontext
from fractions import Fraction
from math import cos, pi

import numpy as np

getcontext().prec = 60
LN2 = Decimal(2).ln()


def fit(f, low, high, n):
    """Interpolates f at n Chebyshev nodes of [low, high]."""
    nodes = [Fraction((low + high) / 2 + (high - low) / 2 * cos(pi * (2 * k + 1) / (2 * n))).limit_denominator(10**9)
             for k in range(n)]
    rows = [[x**p for p in range(n)] + [Fraction(f(Decimal(x.numerator) / Decimal(x.denominator)))] for x in nodes]
    for i in range(n):
        pivot = next(r for r in range(i, n) if rows[r][i])
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for r in range(n):
            if r != i and rows[r][i]:
                factor = rows[r][i] / rows[i][i]
                rows[r] = [a - factor * b for a, b in zip(rows[r], rows[i])]
    return [float(rows[i][n] / rows[i][i]) for i in range(n)]


def show(name, coefficients):
    print(name, "[" + ", ".join(repr(c) for c in coefficients) + "]")


def tail(x):  # (e^x - 1 - x) / x²
    return (x.exp() - 1 - x) / (x * x) if x else Decimal("0.5")


def power(x):  # (2^x - 1) / x
    return ((x * LN2).exp() - 1) / x if x else LN2


def log_tail(z):  # (log((1+s)/(1-s)) - 2s) / s, z = s²
    s = z.sqrt()
    return (((1 + s) / (1 - s)).ln() - 2 * s) / s


def level(f, weight, n, low=0.0, high=1.0):
    """Least weighted squares over (low, high), the weights moved until the largest errors are level (Lawson 1961)."""
    z = (low + high) / 2 - (high - low) / 2 * np.cos(np.pi * (2 * np.arange(2000) + 1) / 4000)
    powers, y, share = np.stack([z**k for k in range(n)], 1), f(z), np.ones(z.size)
    for _ in range(100):
        scale = np.sqrt(share) * weight(z)
        c = np.linalg.lstsq(powers * scale[:, None], y * scale, rcond=None)[0]
        share *= np.abs((powers @ c - y) * weight(z))
        share /= share.sum()
    return c.tolist()


def angle_tail(z):  # (atan(t) - t) / t³, z = t²
    t = np.sqrt(z)
    return np.where(z < 1e-4, -1 / 3 + z / 5 - z * z / 7, (np.arctan(t) - t) / (t * z))


def log2_ratio(z):  # log2((1+s)/(1-s)) / s, z = s²
    s = np.sqrt(z)
    return np.where(z < 1e-6, 2 / np.log(2) * (1 + z / 3 + z * z / 5), 2 * np.arctanh(s) / (s * np.log(2)))


def power_tail(x):  # (2^x - 1) / x
    return np.where(np.abs(x) < 1e-8, np.log(2), np.expm1(x * np.log(2)) / x)


def log_rest(z):  # (log((1+s)/(1-s)) - 2s) / s³, z = s²
    s = np.sqrt(z)
    return np.where(z < 1e-3, 2 / 3 + 2 / 5 * z + 2 / 7 * z**2 + 2 / 9 * z**3, (2 * np.arctanh(s) / s - 2) / z)


half = 0.34658
show("EXP", fit(tail, -half, half, 11))
show("EXP_SHORT", fit(tail, -half, half, 5))
show("EXP2", fit(power, -0.5, 0.5, 13))
show("EXP2_SHORT", fit(power, -0.5, 0.5, 7))
show("LOG_SHORT / z", fit(lambda z: log_tail(z) / z, 1e-9, 0.02945, 4))
show("ATAN of float32", level(angle_tail, lambda z: z**1.5 / np.arctan(np.sqrt(z)), 8))
TOP = (3 - 2 * 2**0.5) ** 2  # s² at the ends of [√½, √2]
show("LOG2 of powers", level(log2_ratio, np.ones_like, 4, 0.0, TOP * 1.0001))
show("EXP2 of float32", level(power_tail, lambda x: np.abs(x) / 2**x, 6, -0.5001, 0.5001))
show("R of float32's logarithms", level(log_rest, lambda z: z, 3, 0.0, TOP * 1.0001))
