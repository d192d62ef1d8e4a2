"""A real Dask worker on the scheduler whose address is the first argument, and what everybody's monitor says; prints JSON.

Run by test/interop/monitor.test.ts.
"""

import asyncio
import json
import sys
import time

import gilknocker_stub  # noqa: F401
import dask
import psutil
from distributed import Client, Worker
from distributed.core import rpc
from distributed.system_monitor import SystemMonitor


def ranges():
    """Places of the rows that a monitor of three rows gives for each start, after five."""
    monitor = SystemMonitor(maxlen=3)
    times = [monitor.recent()["time"]]
    for _ in range(4):
        times.append(monitor.update()["time"])
    return [[times.index(t) for t in monitor.range_query(start)["time"]] for start in range(-6, 8)]


def shape(value):
    """Names within names; a number is None."""
    return {k: shape(v) for k, v in value.items()} if isinstance(value, dict) else None


async def main(address):
    async with Worker(address, nthreads=1, name="dask", dashboard=False) as worker:
        async with Client(address, asynchronous=True) as client:
            ours = None
            deadline = time.time() + 60
            while ours is None or (time.time() < deadline and not is_measured(workers[ours]["metrics"])):
                await asyncio.sleep(0.1)
                await client._update_scheduler_info(n_workers=-1)
                workers = client.scheduler_info(n_workers=-1)["workers"]
                (ours,) = [a for a in workers if a != worker.address]
            out = {"ranges": ranges(), "metrics": {}, "answers": {}, "all": {}}
            for name, at in [("dask", worker.address), ("worker", ours), ("scheduler", address)]:
                async with rpc(at) as peer:
                    recent = await peer.get_monitor_info(recent=True)
                    everything = await peer.get_monitor_info()
                    later = await peer.get_monitor_info(start=10**9)
                out["answers"][name] = recent
                out["all"][name] = {
                    "names": sorted(everything["range_query"]),
                    "lengths": sorted({len(v) for v in everything["range_query"].values()}),
                    "count": everything["count"],
                    "later": sorted({len(v) for v in later["range_query"].values()}),
                }
            out["metrics"] = {
                "dask": shape(worker_metrics(workers[worker.address])),
                "worker": shape(worker_metrics(workers[ours])),
                "values": worker_metrics(workers[ours]),
            }
            net, disk, cpu = psutil.net_io_counters(), psutil.disk_io_counters(), psutil.cpu_times()
            out["counters"] = {
                "net": [net.bytes_recv, net.bytes_sent],
                "disk": disk and [disk.read_bytes, disk.write_bytes],
                "cpu": cpu._asdict(),
            }
            print(json.dumps(out))


MEASURED = (
    "cpu memory time host_net_io host_disk_io host_cpu gil_contention num_fds event_loop_interval".split()
)


def is_measured(metrics):
    """A heartbeat has told of traffic over the loopback, which this client makes too."""
    return metrics["host_net_io"]["read_bps"] > 0 and metrics["cpu"] > 0 and metrics["gil_contention"] > 0


def worker_metrics(info):
    return {k: v for k, v in info["metrics"].items() if k in MEASURED}


with dask.config.set({"distributed.admin.system-monitor.host-cpu": True}):
    asyncio.run(main(sys.argv[1]))
