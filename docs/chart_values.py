"""The table of the chart's values, from the comments in values.yaml: for charts/pilotfish/README.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

VALUES = Path(__file__).parents[1] / "charts" / "pilotfish" / "values.yaml"
# Longer defaults would tear the table apart.
_WIDTH = 60
# A value with keys of its own is one row where these keys are the user's.
_DEPTH = 3
_KEY = re.compile(r"( *)([A-Za-z][\w.-]*):")


def table() -> str:
    """A row for each value: its path, its default, and the comment above it."""
    text = VALUES.read_text()
    comments = dict(_comments(text))
    rows = ["| value | default | |", "| --- | --- | --- |"]
    for path, value in _rows(yaml.safe_load(text)):
        said = comments.get(path, "").replace("|", "\\|")
        if value is None and not said:
            continue  # a heading that says nothing
        rows.append(f"| `{path}` | {_default(value)} | {said} |")
    return "\n".join(rows)


def _comments(text: str) -> Iterator[tuple[str, str]]:
    """What `# --` says above a key, by the key's path."""
    path: list[tuple[int, str]] = []
    said = ""
    for line in text.splitlines():
        if line.lstrip().startswith("# --"):
            said = line.lstrip()[4:].strip()
        elif found := _KEY.match(line):
            indent = len(found[1])
            path = [step for step in path if step[0] < indent] + [(indent, found[2])]
            if said:
                yield ".".join(name for _, name in path), said
            said = ""


def _rows(values: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        path = (*above, name)
        if isinstance(value, dict) and value and len(path) < _DEPTH:
            yield ".".join(path), None
            yield from _rows(value, path)
        else:
            yield ".".join(path), value


def _default(value: Any) -> str:
    if value is None:
        return ""
    written = json.dumps(value)
    return f"`{written}`" if len(written) <= _WIDTH else "[values.yaml](values.yaml)"
