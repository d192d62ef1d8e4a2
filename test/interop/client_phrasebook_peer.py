"""Python's column of docs/guide/client.md: expressions as a JSON list on stdin, outcomes as one on stdout."""

import json
import sys
import tempfile
from pathlib import Path

import dask
import dask.array as da
import numpy as np
from dask.distributed import (
    Client,
    Event,
    Future,
    Lock,
    Nanny,
    Queue,
    Scheduler,
    Semaphore,
    Variable,
    as_completed,
    fire_and_forget,
    futures_of,
    wait,
)
from distributed.deploy.spec import SpecCluster


def add(a, b=1):
    return a + b


def fail(what):
    raise ValueError(f"no {what}")


def plain(value):
    if isinstance(value, Client):
        value.close()
        return "client"
    if isinstance(value, Future):
        wait([value])
        return ["future", value.status]
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.generic):
        return value.item()
    return value


def main():
    options = {"nthreads": 1, "dashboard": False, "silence_logs": 50}
    cluster = SpecCluster(
        scheduler={"cls": Scheduler, "options": {"dashboard": False, "port": 0, "host": "127.0.0.1"}},
        workers={
            "alpha": {"cls": Nanny, "options": options},
            "beta": {"cls": Nanny, "options": {**options, "resources": {"GPU": 1}}},
        },
        silence_logs=50,
    )
    out = []
    with cluster, Client(cluster) as client:
        client.wait_for_workers(2)
        address = cluster.scheduler_address
        path = str(Path(tempfile.mkdtemp()) / "scheduler.json")
        client.write_scheduler_file(path)
        names = {
            **globals(),
            "client": client,
            "address": address,
            "path": path,
            "f": client.submit(add, 1, 2),
            "fs": client.map(add, [1, 2, 3]),
            "bad": client.submit(fail, "luck"),
            "x": da.arange(8, chunks=2),
        }
        wait([names["f"], names["bad"], *names["fs"]])
        for text in json.load(sys.stdin):
            out.append(plain(eval(text, names)))
    print("\n" + json.dumps(out))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
