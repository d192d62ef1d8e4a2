"""Expected values that are committed as JSON: a script writes its file, or with `--check` fails when the file says otherwise.

The layout of the text is the formatter's (`biome format --write FILE` after writing); the values are compared.
"""

import json
import sys
from pathlib import Path


def committed(path: Path, text: str) -> None:
    if "--check" not in sys.argv:
        path.write_text(text)
    elif json.dumps(json.loads(path.read_text())) != json.dumps(json.loads(text)):
        sys.exit(f"{path.name} is not what {Path(sys.argv[0]).name} computes")
