"""What distributed's own formulas say about made-up clusters; writes adaptive.json beside this file.

Run: .venv/bin/python test/scheduler/state/make_adaptive.py [--check]   (distributed 2026.8.0)

`Scheduler.adaptive_target`, `Scheduler.workers_to_close` and `AdaptiveCore.recommendations` are called as they are, on
objects that have what they read.
"""

import asyncio
import json
import pathlib
import random
import sys
from types import SimpleNamespace

import distributed
from distributed.deploy.adaptive_core import AdaptiveCore
from distributed.scheduler import Scheduler

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "oracle"))
from committed import committed  # noqa: E402

HERE = pathlib.Path(__file__).parent
MIB = 2**20


class Worker(SimpleNamespace):
    __hash__ = object.__hash__


def scheduler(load):
    workers = {
        w["address"]: Worker(
            address=w["address"],
            nthreads=w["nthreads"],
            processing={i: None for i in range(w["processing"])},
            long_running={0} if w["isLongRunning"] else set(),
            memory_limit=w["memoryLimitBytes"],
            nbytes=w["heldBytes"],
        )
        for w in load["workers"]
    }
    each = load["readyOccupancy"] / load["ready"] if load["ready"] else 0
    stub = SimpleNamespace(
        queued=[SimpleNamespace(prefix=None)] * load["ready"],
        unrunnable={},
        workers=workers,
        plugins={},
        total_occupancy=sum(w["occupancy"] for w in load["workers"]),
        _get_prefix_duration=lambda prefix: each,
    )
    stub.workers_to_close = lambda **kwargs: Scheduler.workers_to_close(stub, **kwargs)
    return stub


def load(rng):
    workers = []
    for i in range(rng.choice([0, 1, 2, 3, 5, 8])):
        processing = rng.choice([0, 0, 0, 1, 2, 10, 200])
        workers.append(
            {
                "address": f"tcp://w:{i}",
                "nthreads": rng.choice([1, 2, 4, 16]),
                "processing": processing,
                "occupancy": processing * rng.choice([0.25, 0.5, 4]),
                "memoryLimitBytes": rng.choice([512, 1024]) * MIB,
                # Different for each worker, so that no order depends on ties.
                "heldBytes": rng.choice([0, 10, 100, 300, 500]) * MIB + i,
                "isLongRunning": processing > 0 and rng.random() < 0.1,
            }
        )
    ready = rng.choice([0, 0, 1, 3, 50, 100, 1000])
    return {"ready": ready, "readyOccupancy": ready * rng.choice([0.25, 0.5, 2]), "workers": workers}


class Core(AdaptiveCore):
    plan = requested = observed = frozenset()
    closable = []

    async def target(self):
        return 0

    async def workers_to_close(self, target):
        return self.closable

    async def scale_up(self, n):
        pass

    async def scale_down(self, workers):
        pass


def recommendations(rng):
    """One life of a policy: what it recommended, step by step."""
    core = Core(wait_count=rng.choice([1, 2, 3]))
    steps = []
    names = [f"w{i}" for i in range(6)]
    for _ in range(12):
        planned = rng.sample(names, rng.randint(0, 6))
        waiting = planned[: rng.choice([0, 0, 1])]
        observed = [n for n in planned if n not in waiting]
        target = rng.randint(0, 6)
        closable = observed[target:]
        core.plan = set(planned)
        core.requested = set(planned)
        core.observed = set(observed)
        core.closable = closable
        said = asyncio.run(core.recommendations(target))
        if "workers" in said:
            said["workers"] = sorted(said["workers"])
        steps.append({"target": target, "planned": len(planned), "waiting": waiting, "closable": closable, "said": said})
    return {"waitCount": core.wait_count, "steps": steps}


def main():
    rng = random.Random(5)
    cases = []
    for _ in range(40):
        one = load(rng)
        seconds = rng.choice([1, 5, 60])
        stub = scheduler(one)
        close = {str(n): Scheduler.workers_to_close(stub, target=n) for n in (0, 1, 2, 4)}
        cases.append(
            {
                "load": one,
                "seconds": seconds,
                "target": Scheduler.adaptive_target(stub, seconds),
                "close": {"any": Scheduler.workers_to_close(stub), **close},
            }
        )
    out = {
        "distributed": distributed.__version__,
        "cases": cases,
        "lives": [recommendations(rng) for _ in range(8)],
    }
    committed(HERE / "adaptive.json", json.dumps(out, separators=(",", ":")) + "\n")


main()
