"""A fact about vendors that no provider states, or that no style reads when it writes a request,
is found.
"""

from __future__ import annotations

import ast

import pytest

from layout.source_index import is_read, last_name, nodes, sources
from pilotfish.core.formats.style import Quirks

FIELDS = Quirks.__struct_fields__
ELSEWHERE = ("admin", "cli", "core", "credentials", "providers", "proxy", "simulated", "telemetry")


def stated() -> set[str]:
    """The keywords of every `Quirks(...)` and `replace(quirks, ...)` of a record, or of what is
    known of model families.
    """
    return {
        keyword.arg
        for folder in ("providers", "styles", "core/model")
        for path in sources(folder)
        for node in nodes(path)
        if isinstance(node, ast.Call) and last_name(node.func) in ("Quirks", "replace")
        for keyword in node.keywords
        if keyword.arg
    }


@pytest.mark.parametrize("field", FIELDS)
def test_a_provider_states_it(field: str) -> None:
    assert field in stated()


@pytest.mark.parametrize("field", FIELDS)
def test_a_style_reads_it(field: str) -> None:
    assert is_read("Quirks", field, without=ELSEWHERE)


def test_what_nobody_reads_would_be_noticed() -> None:
    assert not is_read("Quirks", "tool_id_minimum", without=ELSEWHERE)
