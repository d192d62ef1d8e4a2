"""Lists the names of the Array API standard by category in fixtures/names.json.

Usage: make_names.py FOLDER, a checkout of https://github.com/data-apis/array-api.
"""
import ast
import json
import os
import subprocess
import sys

VERSION = "2025.12"
STUBS = "src/array_api_stubs/_2025_12"
MODULES = {
    "creation_functions": "creation",
    "data_type_functions": "data type",
    "elementwise_functions": "elementwise",
    "fft": "fft",
    "indexing_functions": "indexing",
    "info": "inspection",
    "linalg": "linalg",
    "linear_algebra_functions": "linear algebra",
    "manipulation_functions": "manipulation",
    "searching_functions": "searching",
    "set_functions": "set",
    "sorting_functions": "sorting",
    "statistical_functions": "statistical",
    "utility_functions": "utility",
}
git = ["git", "-C", sys.argv[1]]
commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
names = {}
for module, category in MODULES.items():
    text = subprocess.run([*git, "show", f"HEAD:{STUBS}/{module}.py"], capture_output=True, text=True, check=True).stdout
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__":
            names[category] = [ast.literal_eval(e) for e in node.value.elts]
            break
    else:
        names[category] = [n.name for n in ast.parse(text).body if isinstance(n, ast.FunctionDef)]
rows = ",\n".join(f"    {json.dumps(c)}: {json.dumps(list_)}" for c, list_ in names.items())
with open(os.path.join(os.path.dirname(__file__), "fixtures", "names.json"), "w") as out:
    out.write(
        f'{{\n  "source": "https://github.com/data-apis/array-api",\n  "version": "{VERSION}",\n'
        f'  "commit": "{commit}",\n  "names": {{\n{rows}\n  }}\n}}\n'
    )
