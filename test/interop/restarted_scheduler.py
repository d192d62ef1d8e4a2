"""A Dask client whose scheduler is killed and started again; prints "ready", then what its user saw as one JSON object.

The address is the first argument. Whoever started it kills the scheduler once it is ready, starts it again at the same
address, and brings a Python worker: Dask's own ends with its scheduler.
"""

import json
import sys
import time
from threading import Thread

import dask
import dask.array as da
from dask.distributed import Client, wait


class Listening(Client):
    """Keeps the keys that it is told are lost."""

    def __init__(self, *args, **kwargs):
        self.told = []
        super().__init__(*args, **kwargs)

    def _handle_lost_data(self, key=None):
        self.told.append(key)
        super()._handle_lost_data(key=key)


def hold(_):
    time.sleep(3600)


def seen(call):
    """What a call gave, or the class and the words of its error."""
    try:
        return call()
    except BaseException as error:  # a cancelled future's is none of Exception
        return [type(error).__name__, *str(error).split("\n")]


def main(address):
    out = {}
    client = Listening(address, timeout="60s")
    client.wait_for_workers(1, timeout=60)
    done = client.submit(lambda: 42, key="done")
    x = da.arange(40, chunks=20).persist()
    wait([done, x])
    pending = client.compute(dask.delayed(abs)(dask.delayed(hold)(1), dask_key_name="pending"))
    while not any(client.processing().values()):
        time.sleep(0.01)
    waiting = []
    thread = Thread(target=lambda: waiting.append(seen(lambda: pending.result(timeout=60))))
    thread.start()
    print("ready", done.status, pending.status, flush=True)

    while not done.cancelled():
        time.sleep(0.01)
    # Asked for while nobody is there: it goes out when the scheduler is back.
    early = client.submit(lambda: 43, key="done")
    thread.join()
    out["waiting"] = waiting[0]
    out["finished"] = seen(lambda: done.result(timeout=60))
    out["gathered"] = seen(lambda: client.gather([done, pending]))[0]
    out["new"] = seen(lambda: client.submit(lambda: 7).result(timeout=60))
    out["early"] = seen(lambda: early.result(timeout=60))
    out["told"] = sorted("x" if isinstance(key, tuple) and key[0] == x.name else str(key) for key in client.told)
    out["array"] = seen(lambda: int(x.sum().compute()))
    out["further"] = seen(lambda: (x + 1).persist().compute().tolist())
    out["future"] = seen(lambda: client.submit(abs, pending).result(timeout=60))
    # What the message advises: the same keys again.
    again = da.arange(40, chunks=20).persist()
    out["same_name"] = again.name == x.name
    out["again"] = seen(lambda: int(again.sum().compute()))
    client.close()
    print(json.dumps(out).replace(x.name, "NAME"))


if __name__ == "__main__":
    main(sys.argv[1])
