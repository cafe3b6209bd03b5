"""Each warning by a fixture: rules as they are written, and what is said of them."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

import pytest

from pilotfish.core.model.service import Provider
from pilotfish.core.rules.compile import checked_documents
from pilotfish.core.rules.documents import documents_of_text
from pilotfish.providers import all_kinds
from pilotfish.tactics import all_tactics

FIXTURES = sorted((Path(__file__).parents[3] / "fixtures" / "warnings").glob("*.txt"))
LINE = "----------\n"


def models_of(provider: Provider) -> Collection[str] | None:
    return {"gpt-4o", "o3"} if provider.kind.name == "openai" and not provider.models else None


def told(text: str) -> str:
    _, warnings = checked_documents(
        documents_of_text("rules.yaml", text),
        kinds=all_kinds(),
        tactics=all_tactics(),
        environment={"SET"},
        models_of=models_of,
    )
    return "".join(f"{warning}\n" for warning in warnings)


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: path.stem)
def test_what_is_said(fixture: Path) -> None:
    above, dashes, below = fixture.read_text().partition(LINE)
    assert dashes
    if os.environ.get("PILOTFISH_UPDATE_GOLDENS"):
        fixture.write_text(above + LINE + told(above))
    else:
        assert told(above) == below


def test_there_are_fixtures() -> None:
    assert len(FIXTURES) > 10


def test_where_nobody_knows_the_environment_or_the_models_nothing_is_said_of_them() -> None:
    text = FIXTURES[[f.stem for f in FIXTURES].index("unset-variable")].read_text()
    _, warnings = checked_documents(
        documents_of_text("rules.yaml", text.partition(LINE)[0]),
        kinds=all_kinds(),
        tactics=all_tactics(),
    )
    assert warnings == []
