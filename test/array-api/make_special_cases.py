"""Turns the special cases of the Array API standard into fixtures/special_cases.json.

Usage: make_special_cases.py FOLDER, a checkout of https://github.com/data-apis/array-api. The standard states the cases
in the docstrings of its stubs, as sentences; here each becomes [conditions, result], e.g. the sentence "If x1_i is
-infinity, x2_i is greater than 0, and x2_i is an odd integer value, the result is -infinity" becomes
[["x1 -inf", "x2 >0", "x2 odd"], "-inf"]. Sentences that do not fit are printed and left out; so are complex operands.
"""
import ast
import json
import os
import re
import subprocess
import sys

FOLDER = sys.argv[1]
STUBS = "src/array_api_stubs/_2025_12/elementwise_functions.py"

TERMS = [
    (r"not ``NaN``", "!nan"),
    (r"a finite number or ``NaN``", "finite-or-nan"),
    (r"any value, including ``NaN``", "any"),
    (r"``NaN``", "nan"),
    (r"(?:either )?``\+infinity`` or ``-infinity``", "inf"),
    (r"(?:either )?``\+0`` or ``-0``", "zero"),
    (r"either ``-0`` or ``\+0``", "zero"),
    (r"already integer-valued", "int"),
    (r"``\+infinity``", "+inf"),
    (r"``-infinity``", "-inf"),
    (r"``([+-]?[0-9.]+)``", None),
    (r"an? (?:positive) finite number", "positive-finite"),
    (r"an? (?:negative) finite number", "negative-finite"),
    (r"an? (?:nonzero) finite number", "nonzero-finite"),
    (r"a finite number", "finite"),
    (r"an odd integer value", "odd"),
    (r"not an odd integer value", "!odd"),
    (r"not an integer value", "!int"),
    (r"an? (?:integer-valued|integer) ?(?:number|value)?", "int"),
    (r"not equal to ``([0-9]+)``", "!="),
    (r"greater than ``([+-]?[0-9]+)``", ">"),
    (r"less than ``([+-]?[0-9]+)``", "<"),
    (r"greater than or equal to ``([+-]?[0-9]+)``", ">="),
    (r"less than or equal to ``([+-]?[0-9]+)``", "<="),
]
RESULTS = {
    "``NaN``": "nan",
    "``+infinity``": "+inf",
    "``-infinity``": "-inf",
    "``x1_i``": "x1",
    "``x2_i``": "x2",
    "``x_i``": "x",
    "``True``": "true",
    "``False``": "false",
    "equivalent to ``abs(x2_i)``": "|x2|",
    "equivalent to ``abs(x1_i)``": "|x1|",
    "``|x1_i|``": "|x1|",
    "``-|x1_i|``": "-|x1|",
}


def term(text):
    for pattern, token in TERMS:
        found = re.fullmatch(pattern, text)
        if found:
            return (token or "") + (found.group(1) if found.groups() else "") if found.groups() else token
    raise ValueError(text)


def condition(text):
    found = re.fullmatch(r"``(x[12]?)_i`` is (.*)", text)
    if found:
        return f"{found[1]} {term(found[2])}"
    found = re.fullmatch(r"``abs\((x[12]?)_i\)`` is (.*)", text)
    if found:
        return f"|{found[1]}| {term(found[2])}"
    found = re.fullmatch(r"``x1_i`` (equals|does not equal) ``x2_i``", text)
    if found:
        return "same" if found[1] == "equals" else "different"
    raise ValueError(text)


def conditions(text):
    text = re.sub(r" \(i\.e\.[^)]*\)", "", text)
    found = re.fullmatch(r"(?:either )?``x1_i`` or ``x2_i`` is (.*)", text) or re.fullmatch(
        r"``x1_i`` is ``NaN`` or ``x2_i`` is (``NaN``)", text
    )
    if found:
        return [f"either {term(found[1])}"]
    found = re.fullmatch(r"``x1_i`` and ``x2_i`` have (the same|different) mathematical signs?(.*)", text)
    if found:
        rest = {"": [], " and are both nonzero finite numbers": ["x1 nonzero-finite", "x2 nonzero-finite"]}[found[2]]
        return [{"the same": "same-sign", "different": "other-sign"}[found[1]], *rest]
    found = re.fullmatch(r"(``x1_i`` is a nonzero finite number) and ``x2_i`` is ``-x1_i``", text)
    if found:
        return [condition(found[1]), "opposite"]
    parts = re.split(r",? and (?=``)|, (?=``)", text)
    return [condition(p) for p in parts]


def result(text):
    text = re.sub(r", even if.*| \(\*\*note.*|, unless the result is.*", "", text).rstrip(". ")
    if text in RESULTS:
        return RESULTS[text]
    found = re.fullmatch(r"(?:an implementation-dependent approximation to )?``([+-]?)(\d?)π(?:/(\d))?``", text)
    if found:
        return f"{found[1] or '+'}{found[2] or 1}pi/{found[3] or 1}"
    found = re.fullmatch(r"``([+-]?[0-9]+)``", text)
    if found:
        return found[1]
    found = re.fullmatch(r"has a (positive|negative) mathematical sign", text)
    if found:
        return found[1]
    raise ValueError(text)


def sentences(docstring):
    start = docstring.lower().find("**special cases**")
    if start < 0:
        return
    section = docstring[start:]
    section = re.split(r"Parameters\n|For complex|\.\. versionadded|\.\. versionchanged", section)[0]
    for item in re.findall(r"^\s*- (If .*?)(?=^\s*- |^\s*$|\Z)", section, re.S | re.M):
        yield " ".join(item.split())


def main():
    git = ["git", "-C", FOLDER]
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    source = subprocess.run([*git, "show", f"HEAD:{STUBS}"], capture_output=True, text=True, check=True).stdout
    cases, left = {}, []
    for node in ast.parse(source).body:
        if not isinstance(node, ast.FunctionDef):
            continue
        for sentence in sentences(ast.get_docstring(node) or ""):
            head, _, tail = sentence.removeprefix("If ").partition(", the result ")
            try:
                case = [conditions(head), result(tail.removeprefix("is "))]
            except (ValueError, KeyError):
                left.append(f"{node.name}: {sentence}")
                continue
            cases.setdefault(node.name, []).append(case)
    print(f"{sum(map(len, cases.values()))} cases of {len(cases)} functions, {len(left)} sentences left out:")
    print("\n".join(left))
    made = {
        "source": "https://github.com/data-apis/array-api",
        "version": "2025.12",
        "commit": commit,
        "sentencesLeftOut": len(left),
        "cases": cases,
    }
    rows = ",\n".join(
        f"    {json.dumps(name)}: [\n" + ",\n".join(f"      {json.dumps(c)}" for c in list_) + "\n    ]"
        for name, list_ in cases.items()
    )
    head = json.dumps({k: v for k, v in made.items() if k != "cases"}, indent=2)[:-2]
    with open(os.path.join(os.path.dirname(__file__), "fixtures", "special_cases.json"), "w") as out:
        out.write(f'{head},\n  "cases": {{\n{rows}\n  }}\n}}\n')


main()
