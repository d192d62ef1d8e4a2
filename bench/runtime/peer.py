"""Dask's side of bench/runtime: the rows of our table, measured on a LocalCluster of two one-thread worker processes.

`peer.py ROW [--samples N] [--saturation S] [--n N]` prints one JSON object with the samples of a row. `peer.py session`
reads one JSON object a line, {"row": ..., "n": ..., "saturation": ...}, and answers each with one sample, {"value": ...},
so that the two sides can take turns. Units are those of ROWS. Clusters live until another saturation is asked for.
"""

import argparse
import json
import logging
import os
import random
import signal
import statistics
import sys
import time

import dask
import dask.array as da
import numpy as np
from dask.distributed import Client, LocalCluster, wait

CHAIN = 100
FRAME_BYTES = 64_000_000
FRAMES = 4


def inc(x):
    return x + 1


def nothing(*values):
    return len(values)


def block(i, nbytes):
    return np.full(nbytes // 8, i, dtype="f8")


def nap(i, seconds):
    time.sleep(seconds)
    return i


def known_tasks(dask_scheduler=None):
    return len(dask_scheduler.tasks)


class Session:
    """One cluster at a time, of a kind: (worker-saturation, workers)."""

    def __init__(self):
        self.kind = None
        self.cluster = self.client = None
        self.calls = 0

    def open(self, saturation, workers=2):
        kind = (saturation, workers)
        if self.kind == kind:
            return self.client
        self.close()
        if saturation is not None:
            dask.config.set({"distributed.scheduler.worker-saturation": saturation})
        self.cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            memory_limit="2GiB",
            silence_logs=logging.CRITICAL,
        )
        self.client = Client(self.cluster)
        if workers:
            self.client.wait_for_workers(workers)
        self.kind = kind
        return self.client

    def close(self):
        if self.client is not None:
            self.client.close()
            self.cluster.close()
        self.client = self.cluster = self.kind = None

    def fresh(self):
        """A number that no call had: results must not come from an earlier one."""
        self.calls += 1
        return self.calls * 10_000_000


def trivial_map(s, client, n):
    """us per task: client.map of a trivial function, results gathered."""
    start = s.fresh()
    began = time.perf_counter()
    futures = client.map(inc, range(start, start + n), batch_size=None)
    values = client.gather(futures)
    seconds = time.perf_counter() - began
    assert values[-1] == start + n
    return seconds / n * 1e6


def trivial_array(s, client, n):
    """us per task: an array of n blocks of one element, held."""
    start = s.fresh()
    lazy = da.full(n, start, chunks=1) + 1
    began = time.perf_counter()
    held = client.persist(lazy)
    wait(held)
    seconds = time.perf_counter() - began
    assert int(held[n - 1].compute()) == start + 1
    return seconds / n * 1e6


def submit(s, client, n):
    """ms: p50 from submit to result on an idle cluster."""
    times = []
    for i in range(n):
        start = s.fresh()
        began = time.perf_counter()
        value = client.submit(inc, start).result()
        times.append(time.perf_counter() - began)
        assert value == start + 1
    return statistics.median(times) * 1e3


def chains(s, client, width, length):
    starts = [s.fresh() for _ in range(width)]
    began = time.perf_counter()
    lasts, keep = [], []
    for start in starts:
        x = client.submit(inc, start)
        keep.append(x)
        for _ in range(length - 1):
            x = client.submit(inc, x)
            keep.append(x)
        lasts.append(x)
    values = client.gather(lasts)
    seconds = time.perf_counter() - began
    assert values == [start + length for start in starts]
    return seconds / (width * length) * 1e3


def chain(s, client, n):
    """ms per link: one chain of n links, built up front."""
    return chains(s, client, 1, n)


def ten_chains(s, client, n):
    """ms per task: ten chains of n links, built up front."""
    return chains(s, client, 10, n)


def two_workers(client):
    return sorted(client.scheduler_info(n_workers=-1)["workers"])


def transfer(s, client, n):
    """GB per second: n arrays of 64 MB from one worker process to the other."""
    first, second = two_workers(client)
    start = s.fresh()
    arrays = [client.submit(block, start + i, FRAME_BYTES, workers=[first]) for i in range(n)]
    wait(arrays)
    began = time.perf_counter()
    got = client.submit(nothing, *arrays, workers=[second], pure=False).result()
    seconds = time.perf_counter() - began
    assert got == n
    return n * FRAME_BYTES / seconds / 1e9


def small_inputs(s, client, n):
    """us per task: each depends on 1 KB that the other worker process holds."""
    first, second = two_workers(client)
    start = s.fresh()
    arrays = client.map(block, range(start, start + n), [1024] * n, workers=[first], batch_size=None)
    wait(arrays)
    began = time.perf_counter()
    values = client.gather(client.map(nothing, arrays, workers=[second], pure=False, batch_size=None))
    seconds = time.perf_counter() - began
    assert values == [1] * n
    return seconds / n * 1e6


def killed(s, client, n):
    """s: n naps of 20 ms on two workers, one of which is killed half-way (its nanny replaces it)."""
    nap_s = 0.02
    start = s.fresh()
    victim = next(iter(client.run(os.getpid).values()))
    began = time.perf_counter()
    futures = client.map(nap, range(start, start + n), [nap_s] * n, batch_size=None)
    time.sleep(n * nap_s / 4)
    os.kill(victim, signal.SIGKILL)
    client.gather(futures)
    seconds = time.perf_counter() - began
    s.close()  # the next one finds two whole workers again
    return seconds


def until_known(client, count, began):
    while client.run_on_scheduler(known_tasks) < count:
        time.sleep(0.001)
    return time.perf_counter() - began


def submit_array(s, client, n):
    """ms: from persist of an array graph of about n tasks until the scheduler has them; it has no workers."""
    start = s.fresh()
    side = max(1, int((n / 2) ** 0.5))
    lazy = (da.full((side, side), start, chunks=(1, 1)) + 1).sum()
    began = time.perf_counter()
    held = client.persist(lazy)
    seconds = until_known(client, side * side, began)
    del held
    client.restart(wait_for_workers=False)
    return seconds * 1e3


def random_graph(n, start):
    rng = random.Random(0)
    graph = {}
    for i in range(n):
        inputs = [(f"g{start}", rng.randrange(i)) for _ in range(2)] if i else []
        graph[(f"g{start}", i)] = (nothing, *inputs)
    return graph


def submit_graph(s, client, n):
    """us per task: from a dict of n tasks with two inputs each until the scheduler has them; it has no workers."""
    start = s.fresh()
    graph = random_graph(n, start)
    keys = [(f"g{start}", i) for i in range(n)]
    began = time.perf_counter()
    futures = client.get(graph, keys, sync=False)
    seconds = until_known(client, n, began)
    del futures
    client.restart(wait_for_workers=False)
    return seconds / n * 1e6


# Row: function, usual n, workers.
ROWS = {
    "trivial-map": (trivial_map, 10_000, 2),
    "trivial-array": (trivial_array, 10_000, 2),
    "submit": (submit, 50, 2),
    "chain": (chain, CHAIN, 2),
    "ten-chains": (ten_chains, CHAIN, 2),
    "transfer": (transfer, FRAMES, 2),
    "small-inputs": (small_inputs, 1_000, 2),
    "killed": (killed, 400, 2),
    "submit-array": (submit_array, 100_000, 0),
    "submit-graph": (submit_graph, 10_000, 0),
}


def sample(session, row, n=None, saturation=None):
    function, usual, workers = ROWS[row]
    client = session.open(saturation, workers)
    return function(session, client, usual if n is None else n)


def saturation_of(text):
    return None if text in (None, "default") else float(text)


def serve(session):
    for line in sys.stdin:
        request = json.loads(line)
        value = sample(session, request["row"], request.get("n"), saturation_of(request.get("saturation")))
        print(json.dumps({"value": value}), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("row", choices=[*ROWS, "session"])
    parser.add_argument("--samples", type=int, default=5)
    parser.add_argument("--n", type=int)
    parser.add_argument("--saturation", default="default", help="worker-saturation: default, inf or a number")
    options = parser.parse_args()
    session = Session()
    try:
        if options.row == "session":
            serve(session)
            return
        saturation = saturation_of(options.saturation)
        samples = [sample(session, options.row, options.n, saturation) for _ in range(options.samples)]
        text = (ROWS[options.row][0].__doc__ or "").strip()
        print(json.dumps({"row": options.row, "what": text, "median": statistics.median(samples), "samples": samples}))
    finally:
        session.close()


if __name__ == "__main__":
    main()
