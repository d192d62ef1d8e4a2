"""What dask.config makes of the files and variables given as JSON on standard input; prints JSON.

Run by test/config/live.test.ts.
"""

import json
import os
import sys

given = json.load(sys.stdin)
for name in [n for n in os.environ if n.startswith("DASK_")]:
    del os.environ[name]
os.environ.update(given["env"])

import dask.config as dc  # noqa: E402  (reads the environment when it is imported)
import distributed  # noqa: E402, F401  (its defaults)


def plain(value):
    if isinstance(value, (list, tuple, set)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    return "inf" if value == float("inf") else value


print(
    json.dumps(
        {
            "values": {key: plain(dc.get(key, "absent")) for key in given["keys"]},
            "inherited": dc.serialize(dc.global_config),
        }
    )
)
