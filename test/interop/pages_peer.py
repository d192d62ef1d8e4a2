"""Names that a live Dask scheduler and worker show on their pages for machines; prints JSON.

Run by test/interop/pages.test.ts. Where prometheus_client is not installed its few classes are stood in for, so that
distributed's own collectors can be asked for their names.
"""

import asyncio
import json
import sys
import types
import urllib.request

NAMES = []


class Family:
    suffix = ""

    def __init__(self, name, documentation="", value=None, labels=None, unit="", **kwargs):
        if unit and not name.endswith("_" + unit):
            name += "_" + unit
        if self.suffix and name.endswith(self.suffix):
            name = name[: -len(self.suffix)]
        NAMES.append(name + self.suffix)

    def add_metric(self, *args, **kwargs):
        pass


class Gauge(Family):
    pass


class Counter(Family):
    suffix = "_total"


import gilknocker_stub  # noqa: F401

try:
    import prometheus_client  # noqa: F401
except ModuleNotFoundError:
    stub = types.ModuleType("prometheus_client")
    core = types.ModuleType("prometheus_client.core")
    core.GaugeMetricFamily = Gauge
    core.CounterMetricFamily = Counter
    core.Metric = Family
    stub.core = core
    stub.generate_latest = lambda: b""
    stub.REGISTRY = types.SimpleNamespace(register=lambda collector: None)
    sys.modules["prometheus_client"] = stub
    sys.modules["prometheus_client.core"] = core

from distributed import Client, Scheduler, Worker  # noqa: E402
from distributed.http.scheduler.prometheus import core as scheduler_metrics  # noqa: E402
from distributed.http.worker.prometheus import core as worker_metrics  # noqa: E402


def names_of(collectors):
    NAMES.clear()
    for collector in collectors:
        for family in collector.collect():
            if not isinstance(family, Family):
                NAMES.append(family.name)
    return sorted(set(NAMES))


def get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=120) as answer:
        return answer.read().decode()


async def main():
    async with Scheduler(host="127.0.0.1", port=0, dashboard_address="127.0.0.1:0") as scheduler:
        async with Worker(scheduler.address, nthreads=1, dashboard_address="127.0.0.1:0") as worker:
            async with Client(scheduler.address, asynchronous=True) as client:
                await client.submit(sum, [1, 2])
                port = scheduler.http_server.port
                loop = asyncio.get_running_loop()
                counts = json.loads(await loop.run_in_executor(None, get, port, "/json/counts.json"))
                identity = json.loads(await loop.run_in_executor(None, get, port, "/json/identity.json"))
                health = await loop.run_in_executor(None, get, port, "/health")
                print(
                    json.dumps(
                        {
                            "scheduler": names_of([c(scheduler) for c in scheduler_metrics.COLLECTORS]),
                            "worker": names_of([worker_metrics.WorkerMetricCollector(worker)]),
                            "counts": sorted(counts),
                            "identity": sorted(identity),
                            "workerIdentity": sorted(next(iter(identity["workers"].values()))),
                            "health": health,
                        }
                    )
                )


asyncio.run(main())
