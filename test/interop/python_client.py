"""A real Dask client on the scheduler whose address is the first argument; prints what it saw as one JSON object."""

import json
import sys

import dask
import dask.array as da
import numpy as np
from dask.distributed import Client, wait


def double(x):
    return 2 * x


def fail(x):
    raise ValueError(f"no {x}")


def main(address):
    out = {}
    with Client(address, timeout="120s") as client:
        client.wait_for_workers(1, timeout=200)
        out["submit"] = client.submit(double, 21).result(timeout=200)
        futures = client.map(double, range(100))
        out["map"] = sum(client.gather(futures))
        total = client.submit(sum, futures)
        out["dependent"] = total.result(timeout=200)
        x = da.arange(100_000, chunks=10_000)
        out["array_sum"] = int((x + 1).sum().compute())
        rng = da.from_array(np.arange(64.0).reshape(8, 8), chunks=(3, 5))
        out["array_std"] = float((rng.T @ rng).std().compute())
        with dask.config.set({"array.rechunk.method": "tasks"}):
            out["rechunk"] = float(rng.rechunk((8, 1))[::2].mean().compute())
        try:
            client.submit(fail, "luck").result(timeout=200)
        except ValueError as error:
            out["error"] = str(error)
        bad = client.submit(fail, "chain")
        try:
            client.submit(double, bad).result(timeout=200)
        except ValueError as error:
            out["inherited_error"] = str(error)
        scattered = client.scatter(np.arange(10))
        out["scatter"] = int(client.submit(np.sum, scattered).result(timeout=200))
        direct = client.scatter(np.arange(11), direct=True)
        out["scatter_direct"] = int(client.submit(np.sum, direct).result(timeout=200))
        listed = client.scatter([1, 2, 3])
        out["scatter_list"] = client.gather(listed)
        persisted = x.persist()
        wait(persisted)
        out["persist"] = int(persisted.max().compute())
        out["delayed"] = dask.delayed(double)(dask.delayed(double)(1)).compute()
        out["ncores"] = sum(client.ncores().values())
        out["who_has"] = all(len(w) == 1 for w in client.who_has(listed).values())
        out["has_what"] = sum(len(keys) for keys in client.has_what().values()) > 0
        out["info_workers"] = len(client.scheduler_info()["workers"])
        out["run"] = sorted(set(client.run(lambda: 7).values()))
        client.publish_dataset(numbers=persisted)
        out["datasets"] = list(client.list_datasets())
        out["published"] = int(client.get_dataset("numbers").min().compute())
        client.unpublish_dataset("numbers")
        slow = client.submit(lambda: __import__("time").sleep(2), pure=False)
        slow.cancel()
        out["cancelled"] = slow.cancelled()
        once = client.submit(lambda: 1, retries=3, priority=5, workers=list(client.ncores()), pure=False)
        out["options"] = once.result(timeout=200)
    print(json.dumps(out))


if __name__ == "__main__":
    main(sys.argv[1])
