"""What a plugin of a real Dask scheduler is told, as JSON: the scenario of scheduler-plugins.test.ts, by the same steps."""

import asyncio
import json

from dask.distributed import Client, Scheduler, SchedulerPlugin, Worker

calls = []


class Recorder(SchedulerPlugin):
    name = "recorder"

    async def start(self, scheduler):
        calls.append(["start"])

    async def before_close(self):
        calls.append(["beforeClose"])

    async def close(self):
        calls.append(["close"])

    def update_graph(self, scheduler, *, client, keys, tasks, stimulus_id, **kwargs):
        calls.append(["updateGraph", client, sorted(keys)])

    def restart(self, scheduler):
        calls.append(["restart"])

    def transition(self, key, start, finish, *args, stimulus_id, **kwargs):
        # Dask tells too of a task that it looked at and left in its state.
        if start != finish:
            calls.append(["transition", key, start, finish])

    def add_worker(self, scheduler, worker):
        calls.append(["addWorker", worker])

    def remove_worker(self, scheduler, worker, *, stimulus_id, **kwargs):
        calls.append(["removeWorker", worker])

    def add_client(self, scheduler, client):
        calls.append(["addClient", client])

    def remove_client(self, scheduler, client):
        calls.append(["removeClient", client])

    def log_event(self, topic, msg):
        # What Dask itself logs is of topics that are not named by a user.
        if topic == "greetings":
            calls.append(["logEvent", topic, msg])


async def until(reached):
    for _ in range(3000):
        if reached():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError(calls)


def seen(*call):
    return lambda: list(call) in calls


def fail(x):
    raise ValueError(x)


async def main():
    names = {}
    scheduler = await Scheduler(host="127.0.0.1", port=0, dashboard_address=":0")
    first = await Client(scheduler.address, asynchronous=True)
    names[first.id] = "first"
    # A client would send a copy, whose records are not these.
    await scheduler.register_scheduler_plugin(Recorder(), idempotent=False)

    worker = await Worker(scheduler.address, nthreads=1, name="left")
    names[worker.address] = "left"
    second = await Client(scheduler.address, asynchronous=True)
    names[second.id] = "second"

    one = first.submit(lambda x: x + 1, 1, key="one")
    await one
    two = first.submit(lambda x: x + 1, one, key="two")
    await two
    bad = first.submit(fail, 1, key="bad")
    await bad.exception()
    del bad
    await until(seen("transition", "bad", "released", "forgotten"))
    del two
    await until(seen("transition", "two", "memory", "forgotten"))
    del one
    await until(seen("transition", "one", "memory", "forgotten"))

    await first.log_event("greetings", {"n": 5})
    await second.close()
    await until(seen("removeClient", second.id))
    await worker.close()
    await until(seen("removeWorker", worker.address))

    lone = first.submit(lambda x: x + 1, 1, key="lone", workers="came")
    await until(lambda: scheduler.tasks.get("lone") and scheduler.tasks["lone"].state == "no-worker")
    later = await Worker(scheduler.address, nthreads=1, name="came")
    names[later.address] = "came"
    await lone
    del lone
    await until(seen("transition", "lone", "memory", "forgotten"))
    await later.close()
    await until(seen("removeWorker", later.address))
    await first.restart(wait_for_workers=False)
    await until(seen("restart"))
    await first.close()
    await until(seen("removeClient", first.id))
    await scheduler.close()
    told = [[names.get(part, part) if isinstance(part, str) else part for part in call] for call in calls]
    print(json.dumps(told))


if __name__ == "__main__":
    asyncio.run(main())
