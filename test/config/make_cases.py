"""What Dask's configuration makes of variables, files and overrides; writes cases.json beside this file.

Run: .venv/bin/python test/config/make_cases.py [--check]   (dask 2026.8.0)
"""

import base64
import json
import os
import pathlib
import re
import sys
import tempfile

import dask
import dask.config as dc
import distributed  # noqa: F401  (its defaults)

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "oracle"))
from committed import committed  # noqa: E402

HERE = pathlib.Path(__file__).parent

TEXTS = [
    "1", "-1", "+3", "1_000", "0x10", "0o17", "0b11", "1.5", ".5", "1.", "1e3", "-2.5e-3", "010", "00", "1e", "1 2", "1-2",
    "True", "False", "None", "true", "FALSE", "none", "Null", "NULL", "nil", "yes", " 5 ", "", " ",
    "'a'", '"b c"', "'it\\'s'", "'a\\nb'", "'a\\qb'", "u'x'", "a", "a.b", "tcp://host:8786", "64MiB", "30s", "10.0.0.1", "2026-01-01",
    "[]", "[1, 2]", "[1, 2,]", "[1 2]", "(1,)", "(1)", "(1, 2)", "()", "{}", "{'a': 1}", "{'a': {'b': [1, None]}}", "{1, 2}", "{'a'}", "{'a': 1, 2}",
    "[tcp, tls]", "['tcp', 'tls']", "--partition=normal", "['--account=x', '-C haswell']", "{\"a\": true}", "[,]", "'open", "1,2", "-", "+", "- 5", "[-1]",
]

ENVIRONMENTS = [
    {"DASK_A": "1", "DASK_B__C": "2"},
    {"DASK_ARRAY__CHUNK_SIZE": "64MiB", "DASK_DISTRIBUTED__WORKER__MEMORY__TARGET": "False"},
    {"DASK_X__Y_Z": "[1, 2]", "DASK_X__W": "text", "OTHER": "ignored", "dask_lower": "ignored"},
    {"DASK_JOBQUEUE__SLURM__CORES": "16", "DASK_JOBQUEUE__SLURM__JOB_EXTRA_DIRECTIVES": "['--constraint=haswell']", "DASK_JOBQUEUE__SLURM__PYTHON": "apptainer exec image python"},
    {"DASK_DISTRIBUTED__COMM__TLS__CA_FILE": "ca.pem", "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "true", "DASK_DISTRIBUTED__ADAPTIVE__MAXIMUM": "12"},
    {"DASK_DISTRIBUTED__WORKER__RESOURCES": "{'GPU': 2, 'mem': 1e9}", "DASK_DISTRIBUTED__SCHEDULER__PRELOAD": "['a.js', 'b.js']"},
    {"DASK_INTERNAL_INHERIT_CONFIG": base64.urlsafe_b64encode(json.dumps({"a": {"b-c": 1, "d": "\u00ff>?"}}).encode()).decode(), "DASK_A__B_C": "2"},
]

FILES = [
    {"a.yaml": "a:\n  b-c: 1\n  list: [1, 2]\n", "b.yml": "a:\n  b_c: 2\n", "c.json": '{"a": {"d": null}}', "ignored.txt": "a: 5\n"},
    {"empty.yaml": "", "x.yaml": "x:\n  y: 5\n  z: {k: 1}\n", "y.yaml": "x:\n  z: {m: [2]}\n"},
    {"v.yaml": "tmp: $FOO/${BAR}/$MISSING\nn: 5\nlist: [$FOO]\n"},
]

MERGES = [
    [{"a": 1}, {"a": 2}],
    [{"a": {"b-c": 1}}, {"a": {"b_c": 2, "d": 3}}],
    [{"a_b": {"c": 1}}, {"a-b": {"c": {"d": 1}}}],
    [{"a": 5}, {"a": {"b": 1}}],
    [{"a": {"b": 1}}, {"a": 5}],
    [{"a": {"b": [1, 2]}}, {"a": {"b": [3]}}],
]


def collected(files, env):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            pathlib.Path(folder, name).write_text(text)
        os.environ.update({k: v for k, v in env.items() if k in ("FOO", "BAR")})
        return dc.collect(paths=[folder], env=env)


def plain(value):
    """JSON has no sets and no tuples: both become lists, as they do in rsdat."""
    if isinstance(value, (set, tuple, list)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if value == float("inf"):
        return "inf"  # JSON has no word for it
    return value


def keys_of_schema():
    """Dask's keys among ours; the schema is the list."""
    rooms = HERE.parent.parent / "src" / "config"
    keys = re.findall(r'^  "?([a-z][\w.-]+)"?: \{', (rooms / "schema.ts").read_text(), re.M)
    keys += re.findall(r'^  \[\s*"([a-z][\w.-]+)"', (rooms / "schema-inert.ts").read_text(), re.M)
    return [k for k in keys if not k.startswith(("rsdat.", "jobqueue."))]


def main():
    merge_results = []
    for old, new in MERGES:
        merged = dc.update(json.loads(json.dumps(old)), json.loads(json.dumps(new)))
        merge_results.append({"old": old, "new": new, "merged": merged})
    cases = {
        "dask": dask.__version__,
        "texts": [[t, plain(dc.interpret_value(t))] for t in TEXTS],
        "environments": [[env, plain(dc.collect_env(env))] for env in ENVIRONMENTS],
        "files": [[files, {"FOO": "foo", "BAR": "bar"}, plain(collected(files, {"FOO": "foo", "BAR": "bar"}))] for files in FILES],
        "merges": merge_results,
        "defaults": {k: plain(dc.get(k, None)) for k in keys_of_schema()},
    }
    committed(HERE / "cases.json", json.dumps(cases, indent=1) + "\n")


main()
