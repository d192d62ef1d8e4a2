"""How many workers a scheduler of distributed's asks for, by the prefixes of waiting tasks; writes durations.json beside this file.

Run: .venv/bin/python test/scheduler/make_durations.py [--check]   (distributed 2026.8.0)

A real scheduler is given tasks that nothing can run, under a mapping of default durations.
"""

import asyncio
import json
import logging
import pathlib
import sys

import dask
import distributed
from distributed import Client, Scheduler

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "oracle"))
from committed import committed  # noqa: E402

HERE = pathlib.Path(__file__).parent

CASES = [
    # Prefixes and how many tasks of each; durations by prefix.
    ({"load": 40}, {}),
    ({"load": 40}, {"load": "100ms"}),
    ({"load": 40}, {"load": 2}),
    ({"load": 40}, {"load": "1h"}),
    ({"load": 40}, {"loa": "1h"}),
    ({"load": 30, "train-model": 12}, {"train-model": "2s"}),
    ({"load": 30, "train-model": 12}, {"train": "2s"}),
    ({"load": 30, "train-model": 12}, {"train-model": "2s", "load": "200ms"}),
    ({"rechunk-split": 20, "load": 10}, {}),
    ({"load": 400}, {"load": "50ms"}),
]


async def target(tasks, durations):
    defaults = dask.config.get("distributed.scheduler.default-task-durations")
    with dask.config.set({"distributed.scheduler.default-task-durations": {**defaults, **durations}}):
        async with Scheduler(port=0, dashboard_address=":0") as s:
            async with Client(s.address, asynchronous=True) as c:
                futures = [
                    c.submit(int, i, key=f"{prefix}-{i}", pure=False) for prefix, n in tasks.items() for i in range(n)
                ]
                while len(s.tasks) < len(futures):
                    await asyncio.sleep(0.01)
                return s.adaptive_target(5)


async def main():
    logging.disable(logging.INFO)
    cases = [
        {"tasks": tasks, "durations": durations, "target": await target(tasks, durations)}
        for tasks, durations in CASES
    ]
    out = {"distributed": distributed.__version__, "targetSeconds": 5, "cases": cases}
    committed(HERE / "durations.json", json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
