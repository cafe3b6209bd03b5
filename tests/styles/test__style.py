"""What a style inherits: where its translations lie, and what it need not say itself."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from answers_wire import facts
from pilotfish import styles
from pilotfish.core.formats.neutral import FinishReason, Reply, Text, ToolCall
from pilotfish.styles._style import BaseStyle

LOADED = "import sys; from pilotfish.styles.openai import STYLE; {use}; print(*sys.modules)"


def loaded(use: str, environment: dict[str, str]) -> set[str]:
    """The modules that are there after a style was used so, in a process of its own."""
    program = [sys.executable, "-c", LOADED.format(use=use)]
    done = subprocess.run(program, capture_output=True, text=True, check=True, env=environment)
    return set(done.stdout.split())


def test_a_translation_is_imported_when_it_is_first_needed(monkeypatch):
    environment = {"PYTHONPATH": ":".join(sys.path)}
    module = "pilotfish.styles.openai.request_in"
    assert module not in loaded("STYLE.inspector()", environment)
    read = "STYLE.read_request(b'{\"messages\":[]}', model='m', stream=False)"
    assert module in loaded(read, environment)


@pytest.mark.parametrize("name", styles.names())
def test_every_style_has_its_translations_where_the_base_looks(name):
    style = styles.get(name)
    assert isinstance(style, BaseStyle)
    assert style.stream_reader().feed(style.ping_event()) is not None
    writer = style.stream_writer(model="m", request_id="r", now=0.0, options={})
    assert writer.end()


@pytest.mark.parametrize("name", styles.names())
def test_every_call_of_an_answer_has_an_id(name):
    """A client answers calls by their ids, and some servers leave them empty."""
    calls = tuple(ToolCall(id=given, name="f") for given in ("", "given", ""))
    reply = Reply(parts=(Text("a"), *calls), finish=FinishReason.TOOL_CALLS)

    def ids(request_id: str) -> list[str]:
        body = styles.get(name).write_reply(reply, model="m", request_id=request_id, now=0.0)
        return [call[2] for call in facts(name, json.loads(body))["calls"]]

    first, second = ids("one"), ids("two")
    assert first == ids("one")
    assert len({*first, *second}) == 5
    assert first[1] == "given"
    assert all(first)


def test_a_style_without_errors_of_its_own_reads_those_that_most_vendors_send():
    error = BaseStyle().read_error(429, b'{"error": {"message": "slow down"}}')
    assert (error.status, error.message) == (429, "slow down")
