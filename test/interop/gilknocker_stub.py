"""Stands in for the one class of gilknocker where that is not installed: Dask's monitor then has all of its quantities."""

import sys
import types


class KnockKnock:
    contention_metric = 0.5

    def __init__(self, polling_interval_micros):
        pass

    def start(self):
        pass

    def stop(self):
        pass

    def reset_contention_metric(self):
        pass


try:
    import gilknocker  # noqa: F401
except ModuleNotFoundError:
    stub = types.ModuleType("gilknocker")
    stub.KnockKnock = KnockKnock
    sys.modules["gilknocker"] = stub
