"""Prefixes of keys as Dask's `key_split` gives them: `make_key_prefixes.py [--check]` writes or checks key-prefixes.json."""
import json
import pathlib
import random
import sys

from dask.utils import key_split

HERE = pathlib.Path(__file__).parent
sys.path.append(str(HERE.parents[0] / "oracle"))
from committed import committed  # noqa: E402

KEYS = [
    "x", "x-1", "x-1-2-3", "('x-2', 1)", "('x', 1)", "hello-world-1", "ae05086432ca935f6eba409a8ecd4896",
    "<module.submodule.myclass object at 0xdaf372", "x-abcdefab", "_(x)", "", "-", "-x", "x-", "x--y", "<>", "< >", "()",
    "<a>", "<a.>", "<a.b-c>", "x-division-y", "y-combined", "x-Division", "x-résumé", "é-x", "1-a", "1,2-a", "9f86d081-sum",
    "sum-9f86d081", "ae05086432ca935f6eba409a8ecd489", "_data-x", "'q'-w", "((", "x,y-z", "a b-c", "deadbeef", "deadbeef-x",
]
PARTS = ["sum", "mean", "agg", "division", "abcdefab", "combined", "x1", "12", "", "<a.b c>", "_z", "é", "(q)", "a,b", "F"]


def cases():
    rng = random.Random(1)
    keys = KEYS + ["-".join(rng.choices(PARTS, k=rng.randint(1, 4))) for _ in range(300)]
    return [[key, key_split(key)] for key in dict.fromkeys(keys)]


committed(HERE / "key-prefixes.json", "[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases()) + "\n]\n")
