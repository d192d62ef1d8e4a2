"""A Dask client on another host (127.0.0.2) of the scheduler whose address is the first argument, for the
futures published under the names that follow: gathers them from their workers and scatters the blocks back. Prints what it saw as one JSON object."""

import hashlib
import json
import sys

import numpy as np
from tornado.tcpclient import TCPClient

import distributed.protocol.core as core
from distributed import Client

connect = TCPClient.connect
TCPClient.connect = lambda self, *args, **kwargs: connect(self, *args, **{**kwargs, "source_ip": "127.0.0.2"})

received, sent = [], []
decompress, maybe_compress = core.decompress, core.maybe_compress


def noting_decompress(header, frames):
    if header.get("type") == "numpy.ndarray":
        received.append([list(header["compression"]), list(header.get("split-num-sub-frames", []))])
    return decompress(header, frames)


def noting_compress(payload, **options):
    name, frame = maybe_compress(payload, **options)
    if memoryview(payload).nbytes >= 100_000:
        sent.append(name)
    return name, frame


core.decompress, core.maybe_compress = noting_decompress, noting_compress

with Client(sys.argv[1], timeout="120s", direct_to_workers=True) as client:
    out = {"digests": [], "layouts": []}
    for name in sys.argv[2:]:
        received.clear()
        block = client.gather(client.get_dataset(name))
        assert isinstance(block, np.ndarray)
        out["digests"].append(hashlib.sha256(block.tobytes()).hexdigest())
        out["layouts"].append(received[:])
        client.publish_dataset(client.scatter(block, direct=True), name=f"{name}-back")
    out["sent"] = sent
    print(json.dumps(out))
