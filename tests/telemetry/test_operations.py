"""Operations have the names that the GenAI conventions give them."""

from __future__ import annotations

import pytest

from pilotfish.telemetry.operations import operation_of


@pytest.mark.parametrize(
    ("op", "name"),
    [
        ("chat", "chat"),
        ("responses", "chat"),
        ("messages", "chat"),
        ("generate", "chat"),
        ("converse", "chat"),
        ("completions", "text_completion"),
        ("embeddings", "embeddings"),
        ("google_embeddings", "embeddings"),
        ("images/generations", "images"),
    ],
)
def test_operations_have_the_conventions_names(op, name):
    assert operation_of(op) == name
