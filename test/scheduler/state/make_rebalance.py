"""What distributed's own scheduler says of made-up workers' memory and of results to move; writes rebalance.json beside this file.

Run: .venv/bin/python test/scheduler/state/make_rebalance.py [--check]   (distributed 2026.8.0)

`Scheduler.heartbeat_worker`, `WorkerState.memory` and `Scheduler._rebalance_find_msgs` are called as they are: the first
two on a real scheduler whose clock is ours, the last on objects that have what it reads.
"""

import asyncio
import json
import logging
import pathlib
import random
import sys
from types import SimpleNamespace

import distributed
import distributed.scheduler
from distributed.core import Status
from distributed.scheduler import MemoryState, Scheduler, WorkerState

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "oracle"))
from committed import committed  # noqa: E402

HERE = pathlib.Path(__file__).parent
MEASURES = ("process", "optimistic", "managed", "managed_total")


def parts(memory):
    return {
        "resident": memory.process,
        "managed": memory.managed,
        "spilled": memory.spilled,
        "unmanagedOld": memory.unmanaged_old,
        "unmanagedRecent": memory.unmanaged_recent,
        "measures": {name: getattr(memory, name) for name in MEASURES},
    }


async def life(rng):
    """Heartbeats of one worker, and its memory after each."""
    seconds = rng.choice([5, 30])
    async with Scheduler(port=0, dashboard_address=":0") as s:
        s.MEMORY_RECENT_TO_OLD_TIME = seconds
        address = "tcp://127.0.0.1:1"
        ws = WorkerState(
            address=address,
            status=Status.running,
            pid=1,
            name="w",
            memory_limit=10**9,
            local_directory="",
            nanny=None,
            server_id="w",
        )
        s.workers[address] = ws
        now, steps, process = 1000.0, [], 200
        for _ in range(40):
            now += rng.choice([0.5, 0.5, 1, 3, 10])
            process = max(0, process + rng.randint(-60, 60))
            managed = rng.choice([0, 40, 90, 150])
            on_disk = rng.choice([0, 0, 30])
            ws.nbytes = managed
            distributed.scheduler.time = lambda now=now: now
            s.heartbeat_worker(
                address=address,
                resolve_address=False,
                metrics={
                    "bandwidth": {"total": 1, "workers": {}, "types": {}},
                    "digests_total_since_heartbeat": {},
                    "memory": process,
                    "spilled_bytes": {"memory": on_disk, "disk": on_disk // 2},
                },
            )
            steps.append(
                {
                    "seconds": now,
                    "memory": process,
                    "managed": managed,
                    "spilled": {"memory": on_disk, "disk": on_disk // 2},
                    "state": parts(ws.memory),
                }
            )
        distributed.scheduler.time = distributed.metrics.time
        del s.workers[address]
    return {"recentSeconds": seconds, "steps": steps}


class Task(SimpleNamespace):
    __hash__ = object.__hash__


class Worker(SimpleNamespace):
    __hash__ = object.__hash__


class Held(dict):
    """Notes that a recipient was passed over because it has a copy.

    Dask puts such a recipient back on its heap, and then takes the top of the heap for the one that it has chosen: the
    one passed over is lost, and the chosen one stands there twice.
    """

    passed = False

    def __contains__(self, task):
        found = super().__contains__(task)
        Held.passed |= found
        return found


def moves(rng):
    """Workers, and what should move between them."""
    limit = rng.choice([0, 100_000, 100_000, 1_000_000])
    tasks = [Task(key=f"x{i}", nbytes=rng.randint(1, 9_000)) for i in range(rng.choice([0, 5, 30, 60]))]
    n = rng.choice([2, 3, 5, 8])
    held = [[] for _ in range(n)]
    for task in tasks:
        # Most lie at few of the workers; some at several.
        for at in rng.sample(range(n), rng.choice([1, 1, 1, 2])):
            held[at if rng.random() < 0.4 else at % 2].append(task)
    workers = []
    for i in range(n):
        has = Held({task: None for task in held[i]})
        managed = sum(task.nbytes for task in has)
        old, recent = rng.randint(0, 9_000), rng.randint(0, 20_000)
        memory = MemoryState(
            process=managed + old + recent, unmanaged_old=old, managed=managed, spilled=rng.randint(0, 20_000)
        )
        workers.append(Worker(address=f"w{i}", memory=memory, memory_limit=limit, _has_what=has))
    measure = rng.choice(MEASURES)
    limits = {
        "senderMin": rng.choice([0, 0.3, 0.3, 0.6]),
        "recipientMax": rng.choice([0.6, 0.6, 0.2, 1]),
        "gap": rng.choice([0.1, 0.1, 0, 0.5]),
    }
    keys = rng.choice([None, None, {task.key for task in tasks if rng.random() < 0.5}])
    stub = SimpleNamespace(
        MEMORY_REBALANCE_MEASURE=measure,
        MEMORY_REBALANCE_SENDER_MIN=limits["senderMin"],
        MEMORY_REBALANCE_RECIPIENT_MAX=limits["recipientMax"],
        MEMORY_REBALANCE_HALF_GAP=limits["gap"] / 2,
        log_event=lambda *_: None,
    )
    # Of two that are equally far from the mean the one with the lower address in memory comes first; here: the first.
    distributed.scheduler.id = lambda ws: int(ws.address[1:])
    Held.passed = False
    said = Scheduler._rebalance_find_msgs(stub, keys, workers)
    return {
        "workers": [
            {
                "address": ws.address,
                "memoryBytes": getattr(ws.memory, measure),
                "memoryLimitBytes": ws.memory_limit,
                "results": [{"key": ts.key, "nbytes": ts.nbytes} for ts in ws._has_what],
            }
            for ws in workers
        ],
        "limits": limits,
        "isMisled": Held.passed,
        "keys": None if keys is None else sorted(keys),
        "moves": [{"key": ts.key, "from": snd.address, "to": rec.address} for snd, rec, ts in said],
    }


async def main():
    logging.disable(logging.INFO)
    rng = random.Random(11)
    out = {
        "distributed": distributed.__version__,
        "lives": [await life(rng) for _ in range(4)],
        "cases": [moves(rng) for _ in range(60)],
    }
    committed(HERE / "rebalance.json", json.dumps(out, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
