"""Every fixture folder: the request as each style writes it, the answer as each client gets it, the
stream however it is cut.
"""

from __future__ import annotations

import json
from pathlib import Path

import anthropic.types
import openai.types.chat
import openai.types.responses
import pydantic
import pytest

from pilotfish import styles
from style_wire import FIXTURES, TARGETS, cases, goldens, payloads, pieces, translated

ALL = list(dict.fromkeys(cases()))
STREAMS = [case for case in ALL if (case / "upstream.sse").exists()]
EVENTS: dict[str, pydantic.TypeAdapter] = {
    "openai": pydantic.TypeAdapter(openai.types.chat.ChatCompletionChunk),
    "openai_responses": pydantic.TypeAdapter(openai.types.responses.ResponseStreamEvent),
    "anthropic": pydantic.TypeAdapter(anthropic.types.RawMessageStreamEvent),
}
REPLIES: dict[str, pydantic.TypeAdapter] = {
    "openai": pydantic.TypeAdapter(openai.types.chat.ChatCompletion),
    "openai_responses": pydantic.TypeAdapter(openai.types.responses.Response),
    "anthropic": pydantic.TypeAdapter(anthropic.types.Message),
}


def named(case: Path) -> str:
    return f"{case.parent.name}/{case.name}"


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", ALL, ids=named)
def test_a_case_comes_to_its_goldens(case, target):
    for name, content in goldens(case, target).items():
        assert (case / name).read_text() == content.decode(), name


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", STREAMS, ids=named)
def test_no_cutting_of_a_stream_changes_what_the_client_gets(case, target):
    expected = (case / f"as_{target}.sse").read_bytes()
    for how, reads in pieces((case / "upstream.sse").read_bytes()):
        assert translated(styles.get(case.parent.name), styles.get(target), reads) == expected, how


@pytest.mark.parametrize(
    "golden",
    sorted(FIXTURES.glob("*/*/as_*.sse")),
    ids=lambda path: f"{path.parts[-3]}/{path.parts[-2]}/{path.stem}",
)
def test_the_vendors_own_models_take_every_event(golden):
    """The SDKs themselves are lenient; their models say what the vendor promises."""
    target = golden.stem.removeprefix("as_")
    for payload in payloads(golden.read_bytes()):
        if payload == "[DONE]" or payload.get("type") == "ping":
            continue
        EVENTS[target].validate_python(payload)


@pytest.mark.parametrize(
    "golden",
    sorted(FIXTURES.glob("*/*/as_*.json")),
    ids=lambda path: f"{path.parts[-3]}/{path.parts[-2]}/{path.stem}",
)
def test_the_vendors_own_models_take_every_answer(golden):
    REPLIES[golden.stem.removeprefix("as_")].validate_python(json.loads(golden.read_bytes()))


@pytest.mark.parametrize("case", ALL, ids=named)
def test_the_watcher_sees_the_same_usage_as_the_reader(case):
    """Statistics must not depend on whether a request was translated."""
    stream = case / "upstream.sse"
    if stream.exists():
        style = styles.get(case.parent.name)
        inspector, reader = style.inspector(), style.stream_reader()
        deltas = []
        for event in dict(pieces(stream.read_bytes()))["by event"]:
            inspector.event(event)
            deltas += reader.feed(event)
        counted = [delta.usage for delta in deltas if hasattr(delta, "usage")]
        assert inspector.usage == (counted[-1] if counted else None)


def test_every_style_has_cases_and_says_where_they_come_from():
    for style in TARGETS:
        assert (FIXTURES / style / "ABOUT.md").read_text().startswith("# ")
        assert any(case.parent.name == style for case in ALL)
