"""The client sees one name of the model, wherever an answer names it, and nowhere else."""

from __future__ import annotations

import pytest

from pilotfish.core.exchange.shown_model import renamer


@pytest.mark.parametrize(
    ("answer", "renamed"),
    [
        (b'{"id":"1","model":"up","choices":[]}', b'{"id":"1","model":"new","choices":[]}'),
        (b'{"choices":[{"x":1}], "model" : "up" }', b'{"choices":[{"x":1}], "model" : "new" }'),
        (
            b'{"candidates":[{"functionCall":{"args":{"model":"T"}}}],"modelVersion":"up"}',
            b'{"candidates":[{"functionCall":{"args":{"model":"T"}}}],"modelVersion":"new"}',
        ),
        (
            b'event: message_start\ndata: {"type":"message_start","message":{"id":"1","model":"up","content":[]}}\n\n',
            b'event: message_start\ndata: {"type":"message_start","message":{"id":"1","model":"new","content":[]}}\n\n',
        ),
        (
            b'data: {"response":{"tools":[{"model":"x"}],"model":"up"}}\n\n',
            b'data: {"response":{"tools":[{"model":"x"}],"model":"new"}}\n\n',
        ),
        (
            b'{"model":"up \\"quoted\\"","x":"\\"model\\":\\"y\\""}',
            b'{"model":"new","x":"\\"model\\":\\"y\\""}',
        ),
    ],
)
def test_the_model_is_renamed_where_the_answer_names_it(answer: bytes, renamed: bytes) -> None:
    assert renamer("new")(answer) == renamed


@pytest.mark.parametrize(
    "answer",
    [
        b'data: {"type":"content_block_start","content_block":{"type":"tool_use","input":{"model":"T"}}}\n\n',
        b'{"output":{"message":{"content":[{"toolUse":{"input":{"model":"T"}}}]}}}',
        b'{"choices":[{"message":{"content":"\\"model\\": \\"x\\""}}]}',
        b"data: [DONE]\n\n",
        b'{"broken":{"model":"x"}',
        b'{"message":"no object","model":7}',
        b"",
    ],
)
def test_what_only_looks_like_the_answers_model_stays(answer: bytes) -> None:
    assert renamer("new")(answer) == answer
