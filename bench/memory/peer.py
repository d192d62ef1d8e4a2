"""The same workload on dask.array: on a LocalCluster of processes with the same limit each, or (for values) on threads.

    peer.py WORKLOAD BYTES LIMIT WORKERS TIMEOUT      WORKERS 0: threads of this process, without a limit

Prints one JSON line: results, seconds, peak resident bytes by worker, most bytes spilled at once, or how it ended.
"""

import json
import math
import sys
import threading
import time

import dask
import dask.array as da

CHUNK = 2**20
SIDE = 1024


def rng(seed):
    return da.random.default_rng(seed)


def side_of(nbytes):
    return max(2, math.floor(math.sqrt(nbytes / 8) / SIDE + 0.5)) * SIDE


def rows_of(nbytes):
    return max(1, math.floor(nbytes / 8 / CHUNK / 64 + 0.5)) * 64


def wrapped(x, axis):
    first = x[:, :1] if axis == 1 else x[:, :, :1]
    # As coiled's benchmark does: the slice at the end is merged into the last chunk.
    long = da.concatenate([x, first], axis)
    cuts = list(x.chunks)
    cuts[axis] = (*cuts[axis][:-1], cuts[axis][-1] + 1)
    return da.diff(long.rechunk(tuple(cuts)), axis=axis)


def build(name, nbytes):
    n = side_of(nbytes)
    if name == "tree-sum":
        return [rng(1).random((n, n), chunks=(SIDE, SIDE)).sum()]
    if name == "anomaly-mean":
        x = rng(1).random((16, rows_of(nbytes) // 16, CHUNK), chunks=(1, 1, CHUNK))
        return [(x - x.mean(0)).mean((0, 1)).sum()]
    if name == "climatic-mean":
        return [rng(1).random((64, rows_of(nbytes) // 64, CHUNK), chunks=(1, 1, CHUNK)).mean(0).max()]
    if name == "vorticity":
        levels = max(1, math.floor(nbytes / 2 / 8 / (4 * CHUNK) + 0.5))
        u, v = (rng(s).random((levels, 2 * SIDE, 2 * SIDE), chunks=(1, SIDE, SIDE)) for s in (1, 2))
        return [da.square(wrapped(v, 2) - wrapped(u, 1)).mean()]
    if name == "double-diff":
        n = side_of(nbytes / 2)
        a, b = (rng(s).random((n, n), chunks=(SIDE, SIDE)) for s in (1, 2))
        return [abs(a[1:, 1:] - b[:-1, :-1]).sum()]
    if name == "dot-product":
        columns = math.floor(nbytes / 8 / 512 / 4096 + 0.5) * 4096
        a = rng(1).random((512, columns), chunks=(256, 4096))
        return [(a @ a.T).sum()]
    if name == "map-overlap-sample":
        x = rng(1).random((n, n), chunks=(SIDE, SIDE))
        y = da.map_overlap(lambda block: block, x, depth=1, boundary="none", dtype="float64")
        return [y[500:510, 500:518].sum()]
    if name == "quadratic-mean":
        rows = rows_of(nbytes / 2)
        u, v = (rng(s).random((rows, CHUNK), chunks=(1, CHUNK)) for s in (1, 2))
        return [da.square(u).mean(0).sum(), da.square(v).mean(0).sum(), (u * v).mean(0).sum()]
    if name in ("rechunk-rows-to-columns", "rechunk-columns-to-rows"):
        thin = CHUNK // 2 ** math.ceil(math.log2(n))
        rows, columns = (thin, n), (n, thin)
        if name == "rechunk-rows-to-columns":
            return [rng(1).random((n, n), chunks=rows).rechunk(columns).max(0).sum()]
        return [rng(1).random((n, n), chunks=columns).rechunk(rows).max(1).sum()]
    if name == "filter-then-average":
        x = rng(1).random((n, n), chunks=(SIDE, SIDE))
        return [x[x > 0.5].mean()]
    raise SystemExit(f"no workload {name}")


def peak_of(pid):
    try:
        with open(f"/proc/{pid}/status") as status:
            return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return 0


def on_cluster(work, limit, workers, timeout):
    from distributed import Client, LocalCluster

    dask.config.set({"distributed.worker.daemon": True})
    cluster = LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, memory_limit=limit, dashboard_address=None
    )
    peaks, spilled, pids, restarts = {}, 0, {}, 0
    with cluster, Client(cluster) as client:
        stop = threading.Event()

        def watch():
            nonlocal spilled, restarts
            while not stop.wait(0.1):
                total = 0
                for name, worker in list(cluster.workers.items()):
                    pid = worker.pid
                    if pid and pids.setdefault(name, pid) != pid:
                        restarts += 1
                        pids[name] = pid
                    if pid:
                        peaks[f"{name}/{pid}"] = max(peaks.get(f"{name}/{pid}", 0), peak_of(pid))
                for state in list(cluster.scheduler.workers.values()):
                    total += state.metrics.get("spilled_bytes", {}).get("disk", 0)
                spilled = max(spilled, total)

        thread = threading.Thread(target=watch)
        thread.start()
        started = time.perf_counter()
        try:
            futures = client.compute(work)
            results = [float(f.result(timeout=timeout)) for f in futures]
            outcome = {"results": results}
        except TimeoutError:
            outcome = {"error": f"did not end in {timeout:.0f} s"}
        except Exception as error:  # what ended it is the answer
            outcome = {"error": f"{type(error).__name__}: {str(error)[:200]}"}
        seconds = time.perf_counter() - started
        stop.set()
        thread.join()
    return {**outcome, "seconds": seconds, "peaks": peaks, "spilledBytes": spilled, "restarts": restarts}


def main():
    name, nbytes, limit, workers, timeout = sys.argv[1], *(float(x) for x in sys.argv[2:6])
    work = build(name, nbytes)
    if workers == 0:
        started = time.perf_counter()
        results = [float(r) for r in dask.compute(*work, scheduler="threads", num_workers=2)]
        print(json.dumps({"results": results, "seconds": time.perf_counter() - started}))
        return
    print(json.dumps(on_cluster(work, int(limit), int(workers), timeout)))


if __name__ == "__main__":
    main()
