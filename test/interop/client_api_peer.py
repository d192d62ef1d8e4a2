"""The client API on Dask itself: every case of client-api.test.ts by Python's own Client, outcomes as one JSON object.

Two workers of one thread each, `alpha` and `beta`; `beta` has one GPU.
"""

import json
import sys
import tempfile
import threading
import time
from concurrent.futures import CancelledError
from pathlib import Path

import dask.array as da
import numpy as np
from dask.distributed import (
    Client,
    Event,
    Lock,
    Nanny,
    Queue,
    Scheduler,
    Semaphore,
    Variable,
    WorkerPlugin,
    as_completed,
    fire_and_forget,
    futures_of,
    wait,
)
from distributed.deploy.spec import SpecCluster

FOLDER = Path(tempfile.mkdtemp())


def add(a, b=1):
    return a + b


def fail(what):
    raise ValueError(f"no {what}")


def flaky(path, times):
    file = Path(path)
    seen = len(file.read_text()) if file.exists() else 0
    file.write_text("x" * (seen + 1))
    if seen < times:
        raise ValueError("not yet")
    return seen


def note(path, word, seconds=0.0):
    time.sleep(seconds)
    with open(path, "a") as file:
        file.write(word)
    return word


def rank(path, word, seconds):
    return note(path, word, seconds)


def blocking(path, gate):
    Path(path).touch()
    while not Path(gate).exists():
        time.sleep(0.01)


def until(is_done):
    deadline = time.time() + 60
    while not is_done() and time.time() < deadline:
        time.sleep(0.02)


def held(client, key):
    return any(key in keys for keys in client.has_what().values())


def raised(call):
    try:
        call()
    except (Exception, CancelledError):
        return True
    return False


def name_of(client, address):
    return client.scheduler_info(n_workers=-1)["workers"][address]["name"]


def holders(client, future):
    wait(future)
    return sorted(name_of(client, w) for w in client.who_has([future])[future.key])


def submit(client):
    future = client.submit(add, 40, 2)
    value = future.result()
    return [value, future.status, future.done(), future.cancelled(), client.submit(add, future).result()]


def keys(client):
    same, again, other = client.submit(add, 1), client.submit(add, 1), client.submit(add, 2)
    once, twice = client.submit(add, 1, pure=False), client.submit(add, 1, pure=False)
    first = client.submit(add, 1, key="given")
    second = client.submit(add, 100, key="given")
    return [
        same.key == again.key,
        same.key == other.key,
        once.key == twice.key,
        same.key.startswith("add-"),
        first.key,
        first.result(),
        second.result(),
    ]


def mapped(client):
    one = client.map(add, [1, 2, 3])
    two = client.map(add, [1, 2, 3], [10, 20])
    named = client.map(add, [1, 2], key="word")
    listed = client.map(add, [1, 2], key=["first", "second"])
    batched = client.map(add, range(5), batch_size=2)
    impure = client.map(add, [1, 1], pure=False)
    return [
        client.gather(one),
        client.gather(two),
        [f.key.startswith("word-") for f in named],
        [f.key for f in listed],
        client.gather(batched),
        impure[0].key == impure[1].key,
        one[0].key == client.submit(add, 1).key or "keys of map and submit differ",
        client.map(add, []),
    ][:6]


def nested(client):
    a, b = client.submit(add, 1), client.submit(add, 2)
    total = client.submit(sum, [a, b, 5])
    return [total.result(), client.gather({"a": a, "list": [b, 7]})]


def failing(client):
    bad = client.submit(fail, "luck")
    child = client.submit(add, bad)
    wait([bad, child])
    error = bad.exception()
    good = client.submit(add, 5)
    skipped = client.gather([bad, good, child], errors="skip")
    return [
        bad.status,
        child.status,
        str(error),
        str(child.exception()),
        bad.traceback() is not None,
        good.exception() is None,
        raised(bad.result),
        raised(lambda: client.gather([good, bad])),
        skipped,
    ]


def retrying(client):
    first = client.submit(flaky, str(FOLDER / "a"), 2, retries=3, pure=False)
    enough = first.result()
    second = client.submit(flaky, str(FOLDER / "b"), 1, pure=False)
    wait(second)
    before = second.status
    second.retry()
    wait(second)
    after = second.status
    third = client.submit(flaky, str(FOLDER / "c"), 1, pure=False)
    wait(third)
    client.retry([third])
    return [enough, before, after, second.result(), third.result()]


def cancelling(client):
    gate = FOLDER / "slow gate"
    slow = client.submit(blocking, str(FOLDER / "slow"), str(gate), pure=False)
    child = client.submit(add, slow, "t")
    slow.cancel()
    other = client.submit(blocking, str(FOLDER / "slow2"), str(gate), pure=False)
    client.cancel([other])
    until(lambda: child.status == "cancelled")
    gate.touch()
    return [
        slow.status,
        slow.cancelled(),
        child.status,
        other.status,
        raised(slow.result),
        raised(lambda: wait([slow])),
        client.submit(add, 1).result(),
    ]


def scattering(client):
    value = client.scatter(np.arange(4.0))
    listed = client.scatter([5, 6])
    named = client.scatter({"lat": 1, "lon": 2})
    hashed = client.scatter(["same"])[0].key == client.scatter(["same"])[0].key
    unhashed = client.scatter(["same"], hash=False)[0].key == client.scatter(["same"], hash=False)[0].key
    everywhere = client.scatter(np.arange(5.0), broadcast=True)
    beta = [w for w in client.ncores() if name_of(client, w) == "beta"]
    there = client.scatter(np.arange(6.0), workers=beta)
    return [
        value.result().tolist(),
        value.status,
        [f.result() for f in listed],
        sorted(named),
        [named["lon"].key, named["lon"].result()],
        hashed,
        unhashed,
        holders(client, everywhere),
        holders(client, there),
        client.submit(sum, value).result(),
    ]


def where(client):
    future = client.submit(add, 1, key="where", workers=["alpha"])
    wait(future)
    what = {name_of(client, w): "where" in keys for w, keys in client.has_what().items()}
    nbytes = client.nbytes(["where"], summary=False)
    return [holders(client, future), what, list(nbytes), nbytes["where"] > 0, sorted(client.ncores().values())]


def waiting(client):
    gate = FOLDER / "w gate"
    slow = client.submit(blocking, str(FOLDER / "w"), str(gate), pure=False)
    quick = client.submit(add, 7)
    first = wait([slow, quick], return_when="FIRST_COMPLETED")
    late = raised(lambda: wait([slow], timeout=0.1))
    result_late = raised(lambda: slow.result(timeout=0.1))
    slow.cancel()
    gate.touch()
    done = wait(client.map(add, range(4)))
    return [
        [len(first.done), len(first.not_done)],
        late,
        result_late,
        [len(done.done), len(done.not_done)],
    ]


def completing(client):
    values = sorted(f.result() for f in as_completed(client.map(add, range(5))))
    pairs = sorted(r for _, r in as_completed(client.map(add, range(5)), with_results=True))
    batches = sorted(f.result() for batch in as_completed(client.map(add, range(5))).batches() for f in batch)
    seq = as_completed([client.submit(add, 1)])
    before = seq.count()
    next(seq)
    seq.add(client.submit(add, 2))
    later = next(seq).result()
    bad = as_completed([client.submit(fail, "pair")], with_results=True)
    calm = as_completed([client.submit(fail, "pair")], with_results=True, raise_errors=False)
    return [
        values,
        pairs,
        batches,
        before,
        later,
        seq.is_empty(),
        raised(lambda: next(bad)),
        next(calm)[0].status,
    ]


def collections(client):
    x = da.arange(40, chunks=10)
    y = x.persist()
    inside = futures_of({"a": [client.submit(add, 1)], "b": client.submit(add, 2)})
    held = client.persist(x + 1, workers=["beta"])
    wait(held)
    places = {name_of(client, w) for ws in client.who_has(held).values() for w in ws}
    derived = len(futures_of(y + 1))
    return [
        len(futures_of(y)),
        len(inside),
        len(futures_of(x)),
        derived,
        sorted(places),
        int(client.compute(x.sum()).result()),
        [int(v) for v in client.gather(client.compute([x.min(), x.max()]))],
    ]


def forgetting(client):
    file = FOLDER / "forget"
    future = client.submit(note, str(file), "done", 0.2, pure=False)
    fire_and_forget(future)
    key = future.key
    del future
    until(lambda: file.exists() and file.read_text())
    until(lambda: not held(client, key))
    return [file.read_text(), held(client, key)]


def restricting(client):
    beta = [w for w in client.ncores() if name_of(client, w) == "beta"]
    by_address = client.submit(add, 1, workers=beta, pure=False)
    by_name = client.submit(add, 1, workers=["alpha"], pure=False)
    nowhere = client.submit(add, 1, workers=["tcp://127.0.0.1:9"], pure=False)
    anyway = client.submit(add, 1, workers=["tcp://127.0.0.1:9"], allow_other_workers=True, pure=False)
    gpu = client.submit(add, 1, resources={"GPU": 1}, pure=False)
    many = client.submit(add, 1, resources={"GPU": 2}, pure=False)
    out = [
        holders(client, by_address),
        holders(client, by_name),
        anyway.result(),
        holders(client, gpu),
        raised(lambda: client.submit(add, 1, allow_other_workers=True)),
    ]
    time.sleep(0.3)
    return out + [nowhere.status, many.status]


def prioritising(client):
    file = str(FOLDER / "order")
    only = {"workers": ["alpha"], "pure": False}
    gate = FOLDER / "block gate"
    block = client.submit(blocking, str(FOLDER / "block"), str(gate), **only)
    until((FOLDER / "block").exists)
    order = [("x", 20), ("l", -5), ("n", 0), ("h", 10), ("m", 5)]
    later = [client.submit(rank, file, w, 0.05, priority=p, **only) for w, p in order]
    # Behind them on the same stream: the scheduler knows all five.
    client.submit(add, 1, workers=["beta"], pure=False).result()
    gate.touch()
    wait([block, *later])
    return Path(file).read_text()


def publishing(client):
    future = client.submit(add, 40, 2)
    x = da.arange(20, chunks=5).persist()
    client.publish_dataset(answer=future, both=[future, x], words={"deep": future})
    taken = raised(lambda: client.publish_dataset(answer=future))
    client.publish_dataset(answer=client.submit(add, 1), override=True)
    client.publish_dataset(future, name="named")
    listed = list(client.list_datasets())
    del future, x
    with Client(client.scheduler.address, set_as_default=False) as other:
        both = other.get_dataset("both")
        values = [
            other.get_dataset("answer").result(),
            both[0].result(),
            int(other.compute(both[1].sum()).result()),
            other.get_dataset("words")["deep"].result(),
            other.get_dataset("nothing", 7),
        ]
        missing = raised(lambda: other.get_dataset("nothing"))
    for name in listed:
        client.unpublish_dataset(name)
    return [taken, listed, values, missing, list(client.list_datasets())]


def metadata(client):
    client.set_metadata(["run", "name"], "spring")
    client.set_metadata(["run", "year"], 2023)
    client.set_metadata("flat", [1, 2])
    return [
        client.get_metadata(["run", "name"]),
        client.get_metadata("run"),
        list(client.get_metadata("flat")),
        client.get_metadata("nothing", 7),
        raised(lambda: client.get_metadata(["run", "nothing"])),
    ]


def watching(client):
    client.get_task_stream()
    futures = client.map(add, range(3), pure=False)
    bad = client.submit(fail, "stream", pure=False)
    wait([*futures, bad])
    keys = [f.key for f in [*futures, bad]]

    def find():
        return {r["key"]: r for r in client.get_task_stream() if r["key"] in keys}

    until(lambda: len(find()) == 4)
    records = find()
    last = client.get_task_stream(count=2)
    return [
        [records[key]["status"] for key in keys],
        all(any(s["action"] == "compute" for s in r["startstops"]) for r in records.values()),
        all(s["stop"] >= s["start"] for r in records.values() for s in r["startstops"]),
        len(last),
    ]


def informing(client):
    client.wait_for_workers(2, timeout=100)
    info = client.scheduler_info(n_workers=-1)
    logs = client.get_worker_logs()
    return [
        sorted(w["name"] for w in info["workers"].values()),
        info["type"],
        [w["nthreads"] for w in info["workers"].values()],
        raised(lambda: client.wait_for_workers(5, timeout=0.2)),
        isinstance(client.get_scheduler_logs(1), (list, tuple)),
        sorted(name_of(client, w) for w in logs),
    ]


def calling_back(client):
    seen = []
    future = client.submit(add, 1, pure=False)
    future.add_done_callback(lambda f: seen.append(f.status))
    bad = client.submit(fail, "callback", pure=False)
    bad.add_done_callback(lambda f: seen.append(f.status))
    wait([future, bad])
    done = client.submit(add, 1)
    wait(done)
    done.add_done_callback(lambda f: seen.append("late " + f.status))
    until(lambda: len(seen) == 3)
    future.result()
    return [sorted(seen), future.type.__name__]


def releasing(client):
    first = client.submit(add, 1, key="held")
    second = client.submit(add, 1, key="held")
    wait(first)
    first.release()
    time.sleep(0.2)
    kept = held(client, "held")
    second.release()
    until(lambda: not held(client, "held"))
    return [kept, held(client, "held")]


def meanwhile(call):
    """A call that waits, in a thread of its own; the answer gives its result."""
    out = []
    thread = threading.Thread(target=lambda: out.append(call()))
    thread.start()

    def result():
        thread.join(60)
        return out[0]

    return result


def locking(client):
    mine, theirs = Lock("one"), Lock("one")
    first = mine.acquire()
    late = theirs.acquire(timeout=0.1)
    seen = theirs.locked()
    waiting = meanwhile(theirs.acquire)
    mine.release()
    second = waiting()
    theirs.release()
    with mine:
        inside = theirs.locked()
    return [first, late, seen, second, inside, mine.locked()]


def leasing(client):
    pool, same = Semaphore(2, "two"), Semaphore(2, "two")
    taken = [pool.acquire(), same.acquire(timeout=1), pool.acquire(timeout=0.1)]
    full = pool.get_value()
    waiting = meanwhile(pool.acquire)
    same.release()
    got = waiting()
    values = [same.get_value()]
    pool.release()
    pool.release()
    values.append(same.get_value())
    other = raised(lambda: Semaphore(3, "two").acquire(timeout=1))
    return [taken, full, got, values, other]


def signalling(client):
    mine, theirs = Event("go"), Event("go")
    before = [mine.is_set(), theirs.wait(timeout=0.1)]
    waiting = [meanwhile(lambda: theirs.wait(timeout=60)), meanwhile(mine.wait)]
    theirs.set()
    after = [result() for result in waiting] + [theirs.is_set(), theirs.wait(timeout=0.1)]
    theirs.clear()
    return [before, after, mine.is_set(), mine.wait(timeout=0.1)]


def sharing(client):
    mine, theirs = Variable("shared"), Variable("shared")
    unset = raised(lambda: theirs.get(timeout=0.1))
    waiting = meanwhile(lambda: theirs.get(timeout=60))
    mine.set([1, "two", None, True, 1.5])
    first = [waiting(), theirs.get(), mine.get()]
    mine.set("again")
    second = theirs.get()
    future = client.submit(add, 20, 1)
    mine.set(future)
    wait(future)
    key = future.key
    future.release()
    del future
    got = theirs.get()
    values = [got.result(), got.key == key, held(client, key)]
    got.release()
    del got
    mine.set(0)
    until(lambda: not held(client, key))
    gone = held(client, key)
    mine.delete()
    until(lambda: raised(lambda: theirs.get(timeout=0.1)))
    return [unset, first, second, values, gone, raised(lambda: theirs.get(timeout=0.1))]


def queueing(client):
    mine, theirs = Queue("line", maxsize=2), Queue("line")
    empty = [mine.qsize(), raised(lambda: theirs.get(timeout=0.1))]
    mine.put(1)
    mine.put([2, "b"])
    full = [theirs.qsize(), raised(lambda: mine.put(3, timeout=0.1)), raised(lambda: theirs.put(3, timeout=0.1))]
    waiting = meanwhile(lambda: mine.put(3, timeout=60) is None)
    order = [theirs.get()]
    order.append(waiting())
    order.append(theirs.get(batch=True))
    mine.put(client.submit(add, 41))
    mine.put(5)
    batch = theirs.get(batch=2)
    values = [batch[0].result(), batch[1], theirs.get(batch=True)]
    late = meanwhile(lambda: theirs.get(timeout=60))
    mine.put("last")
    return [empty, full, order, values, late(), mine.qsize()]


class Marks(WorkerPlugin):
    name = "marks"

    def __init__(self, path, word):
        self.path, self.word = path, word

    def setup(self, worker):
        note(self.path, f"{self.word} {worker.name}\n")

    def teardown(self, worker):
        note(self.path, f"down {worker.name}\n")


def lines(path):
    return sorted(Path(path).read_text().splitlines())


def plugging(client):
    path = str(FOLDER / "plugins")
    count = len(client.register_plugin(Marks(path, "up")))
    first = lines(path)
    other = Marks(path, "other")
    other.idempotent = True
    client.register_plugin(other)
    same = lines(path)
    client.register_plugin(Marks(path, "again"))
    second = lines(path)
    client.unregister_worker_plugin("marks")
    return [count, first, same == first, second, lines(path), raised(lambda: client.unregister_worker_plugin("marks"))]


def retiring(client):
    beta = [w for w in client.ncores() if name_of(client, w) == "beta"]
    only = client.submit(add, 1, key="only-there", workers=beta)
    wait(only)
    gone = list(client.retire_workers(beta))
    until(lambda: len(client.ncores()) == 1)
    return [gone == beta, holders(client, only), only.result(), len(client.ncores())]


def restarting(client):
    future = client.submit(add, 1)
    wait(future)
    client.restart()
    until(lambda: future.status == "cancelled")  # told on the stream, which restart() does not wait for
    return [future.status, raised(future.result), client.submit(add, 1).result()]


CASES = [
    submit,
    keys,
    mapped,
    nested,
    failing,
    retrying,
    cancelling,
    scattering,
    where,
    waiting,
    completing,
    collections,
    forgetting,
    restricting,
    prioritising,
    publishing,
    metadata,
    watching,
    informing,
    calling_back,
    releasing,
    locking,
    leasing,
    signalling,
    sharing,
    queueing,
    plugging,
    retiring,
    restarting,
]


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
    out = {}
    with cluster, Client(cluster) as client:
        client.wait_for_workers(2)
        for case in CASES:
            out[case.__name__] = case(client)
    print(json.dumps(out))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
