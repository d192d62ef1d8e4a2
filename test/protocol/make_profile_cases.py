"""What distributed makes of profiles: `python test/protocol/make_profile_cases.py [--check]`."""

import asyncio
import json
import random
import sys
from collections import defaultdict, deque
from pathlib import Path
from types import SimpleNamespace

import distributed.worker
from distributed import profile
from distributed.scheduler import Scheduler
from distributed.worker import Worker

sys.path.append(str(Path(__file__).resolve().parents[1] / "oracle"))
from committed import committed  # noqa: E402

rng = random.Random(56)
NOW = 1005.5
distributed.worker.time = lambda: NOW


def tree(depth, name="root"):
    """A tree in which every count is what is below, and some more."""
    node = profile.create()
    if name != "root":
        node["identifier"] = f"{name};file.py;{len(name)}"
        node["description"] = {"filename": "file.py", "name": name, "line_number": len(name), "line": f"{name}()"}
    for letter in rng.sample("abcd", rng.randint(0, 3)) if depth else []:
        child = tree(depth - 1, name.replace("root", "") + letter)
        node["children"][child["identifier"]] = child
    node["count"] = rng.randint(0, 5) + sum(child["count"] for child in node["children"].values())
    return node


merges = []
for size in (0, 1, 2, 3, 5):
    trees = [tree(4) for _ in range(size)]
    merges.append({"trees": trees, "merged": profile.merge(*trees)})


def worker_of(cycles, scale=1):
    """A worker that closed a cycle at the end of each second, and is in the middle of another one."""

    def counted(count, prefix):
        node = profile.create()
        node["count"] = count
        node["children"][prefix] = {**profile.create(), "identifier": prefix, "count": count}
        return node

    history = deque((at, counted(scale * 2**k, "ab"[k % 2])) for k, at in enumerate(cycles))
    keys = deque((at, {"ab"[k % 2]: counted(scale * 2**k, "ab"[k % 2])}) for k, at in enumerate(cycles))
    last, name = scale * 2 ** len(cycles), "ab"[len(cycles) % 2]
    return SimpleNamespace(
        scheduler_delay=0,
        profile_history=history,
        profile_keys_history=keys,
        profile_recent=counted(last, name),
        profile_keys=defaultdict(profile.create, {name: counted(last, name)}),
    )


async def windows():
    """Counts by start, stop and key: cycle k counts 2**k, so that a sum tells which took part."""
    out = []
    worker = worker_of([1001, 1002, 1003, 1004, 1005])
    times = [None, 900, 1000.5, 1001.5, 1003.5, 1004.5]
    for start in times:
        for stop in [None, 1000.5, 1001.5, 1002.5, 1003.5]:
            found = await Worker.get_profile(worker, start=start, stop=stop)
            out.append({"start": start, "stop": stop, "count": found["count"]})
    metadata = []
    for start, stop in [(0, None), (1001.5, None), (0, 1003.5), (1001, 1004)]:
        found = await Worker.get_profile_metadata(worker, start=start, stop=stop)
        metadata.append({"start": start, "stop": stop, "found": found})
    return out, metadata


async def counts():
    """The scheduler's sums over two workers whose cycles do not end together."""
    first = worker_of([1001, 1002, 1003])
    second = worker_of([1001.25, 1002.5, 1003.75], scale=100)
    workers = {"first": first, "second": second}
    answers = {
        address: await Worker.get_profile_metadata(worker, stop=2000) for address, worker in workers.items()
    }

    def rpc(address):
        async def profile_metadata(**_):
            return answers[address]

        return SimpleNamespace(profile_metadata=profile_metadata)

    scheduler = SimpleNamespace(workers=workers, rpc=rpc)
    out = []
    for cycle in (250, "1s", "2s"):
        found = await Scheduler.get_profile_metadata(scheduler, profile_cycle_interval=cycle)
        out.append({"cycle": cycle, "found": found})
    return list(answers.values()), out


answered, sums = asyncio.run(counts())
seen, metadata = asyncio.run(windows())
cases = {"merges": merges, "windows": seen, "metadata": metadata, "answers": answered, "sums": sums}
committed(Path(__file__).parent / "profile-cases.json", json.dumps(cases, sort_keys=True) + "\n")
