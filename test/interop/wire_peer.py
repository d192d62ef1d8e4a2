"""A scheduler and one worker in one process, until standard input ends. Prints their addresses as one line of JSON."""

import asyncio
import json
import logging
import sys

import dask
from distributed import Scheduler, Worker


async def main():
    logging.disable(logging.CRITICAL)  # some tests provoke errors
    dask.config.set({"distributed.admin.system-monitor.gil.enabled": False, "distributed.worker.use-file-locking": False})
    async with Scheduler(host="127.0.0.1", port=0, dashboard=False, dashboard_address=":0") as scheduler:
        async with Worker(scheduler.address, nthreads=2, dashboard=False, name="python", resources={"JS": 1}) as worker:
            print(json.dumps({"scheduler": scheduler.address, "worker": worker.address}), flush=True)
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
