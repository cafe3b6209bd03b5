"""The table of features names tests that are there, and no row is without one."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [
    line
    for line in (ROOT / "docs" / "features.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith(("| ---", "| feature |", "| there |"))
]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_there_are_rows():
    assert len(ROWS) > 50


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[2:42])
def test_a_row_names_tests_that_are_there(row):
    named = NAMED.findall(row)
    assert named, "a feature without a test"
    for file, name in named:
        tree = ast.parse((ROOT / file).read_text())
        defined = {
            n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        assert name in defined, f"{file} has no {name}"
