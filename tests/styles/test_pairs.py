"""Every pair of styles with Google or Bedrock on one side: requests, answers and streams, judged by
the vendors' own models.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anthropic.types
import openai.types.chat
import openai.types.responses
import pydantic
import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from bedrock_wire import frame, parsed_reply, parsed_stream, problems_of
from pairs_wire import (
    ALL,
    OWN,
    folders,
    own_goldens,
    pieces,
    read,
    request_to,
    stream_of,
    translated,
)
from pilotfish import styles
from pilotfish.core.formats.deltas import (
    Finish,
    Malformed,
    RefusalDelta,
    TextDelta,
    ToolArgs,
    ToolStart,
    UsageDelta,
)
from pilotfish.core.formats.sse import event_from
from pilotfish.core.formats.style import Target
from pilotfish.core.formats.usage import Usage
from pilotfish.errors import ClientError
from style_wire import FIXTURES, WRITTEN
from style_wire import payloads as sse_payloads

CHUNKS: dict[str, pydantic.TypeAdapter] = {
    "openai": pydantic.TypeAdapter(openai.types.chat.ChatCompletionChunk),
    "openai_responses": pydantic.TypeAdapter(openai.types.responses.ResponseStreamEvent),
    "anthropic": pydantic.TypeAdapter(anthropic.types.RawMessageStreamEvent),
    "google": pydantic.TypeAdapter(types.GenerateContentResponse),
}
REPLIES: dict[str, pydantic.TypeAdapter] = {
    "openai": pydantic.TypeAdapter(openai.types.chat.ChatCompletion),
    "openai_responses": pydantic.TypeAdapter(openai.types.responses.Response),
    "anthropic": pydantic.TypeAdapter(anthropic.types.Message),
    "google": pydantic.TypeAdapter(types.GenerateContentResponse),
}


def named(case: Path) -> str:
    return f"{case.parent.name}/{case.name}"


def paired(has: str) -> list[Any]:
    """All cases that have such a file, with every target, where one of the two sides is Google or
    Bedrock.
    """
    return [
        pytest.param(case, target, id=f"{named(case)}-{target}")
        for case in folders()
        for target in ALL
        if (case.parent.name in OWN or target in OWN) and any(case.glob(has))
    ]


@pytest.mark.parametrize("target", ALL)
@pytest.mark.parametrize("case", [case for case in folders() if case.parent.name in OWN], ids=named)
def test_a_case_comes_to_its_goldens(case, target):
    for name, content in own_goldens(case, target).items():
        assert (case / name).read_bytes() == content, name


@pytest.mark.parametrize(("case", "target"), paired("client.json"))
def test_the_vendor_would_take_the_request(case, target):
    body = request_to(case, target)["body"]
    if target == "bedrock":
        assert problems_of(body) == ""
    elif target == "google":
        types.GenerationConfig.model_validate(body.get("generationConfig", {}))
        for content in body["contents"]:
            types.Content.model_validate(content)
    assert request_to(case, target)["body"] == body  # the same bytes every time


@pytest.mark.parametrize(("case", "target"), paired("upstream.json"))
def test_the_vendors_client_takes_the_answer(case, target):
    reply = styles.get(case.parent.name).read_reply((case / "upstream.json").read_bytes())
    body = styles.get(target).write_reply(reply, **WRITTEN)
    if target == "bedrock":
        parsed_reply(body)
    else:
        REPLIES[target].validate_json(body)


@pytest.mark.parametrize(("case", "target"), paired("upstream.sse") + paired("upstream.jsonl"))
def test_the_vendors_client_takes_the_stream_however_it_is_cut(case, target):
    source = case.parent.name
    outputs = {
        how: translated(source, target, reads) for how, reads in pieces(source, stream_of(case))
    }
    assert len(set(outputs.values())) == 1
    out = outputs["whole"]
    if target == "bedrock":
        assert parsed_stream(out)
        return
    for payload in sse_payloads(out):
        if payload != "[DONE]" and payload.get("type") != "ping":
            CHUNKS[target].validate_python(payload)


def told(style: str, stream: bytes) -> tuple[str, list[str], list[str], Usage | None, bool]:
    """What a stream says: its text, its calls and their arguments, the usage, and that it came to
    an end.
    """
    deltas = read(style, [stream])
    assert not any(isinstance(delta, Malformed) for delta in deltas)
    arguments: dict[int, str] = {}
    for delta in deltas:
        if isinstance(delta, ToolStart):
            arguments[delta.index] = ""
        elif isinstance(delta, ToolArgs):
            arguments[delta.index] += delta.text
    usage = [delta.usage for delta in deltas if isinstance(delta, UsageDelta)]
    return (
        "".join(delta.text for delta in deltas if isinstance(delta, TextDelta | RefusalDelta)),
        [delta.name for delta in deltas if isinstance(delta, ToolStart)],
        [json.dumps(json.loads(text or "{}"), sort_keys=True) for text in arguments.values()],
        usage[-1] if usage else None,
        any(isinstance(delta, Finish) for delta in deltas),
    )


@pytest.mark.parametrize(("case", "target"), paired("upstream.sse") + paired("upstream.jsonl"))
def test_text_calls_and_usage_survive_the_way(case, target):
    source = case.parent.name
    stream = stream_of(case)
    text, names, arguments, usage, _ = told(source, stream)
    got = told(target, translated(source, target, [stream]))
    assert got[:3] == (text, names, arguments)
    assert got[4]
    if usage:
        assert got[3] is not None
        assert (got[3].input, got[3].output, got[3].cached_input) == (
            usage.input,
            usage.output,
            usage.cached_input,
        )


@pytest.mark.parametrize(
    "case", [case for case in folders() if case.parent.name in OWN and stream_of(case)], ids=named
)
def test_the_watcher_sees_the_same_usage_as_the_reader(case):
    style = case.parent.name
    inspector = styles.get(style).inspector()
    for event in dict(pieces(style, stream_of(case)))["by event"]:
        inspector.event(event)
    assert inspector.usage == told(style, stream_of(case))[3]


@pytest.mark.parametrize("style", OWN)
def test_every_style_has_cases_and_says_where_they_come_from(style):
    assert (FIXTURES / style / "ABOUT.md").read_text().startswith("# ")
    assert len([case for case in folders() if case.parent.name == style]) >= 5


# --- nothing unforeseen ---

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@st.composite
def spoilt(draw: Any, originals: list[Any]) -> bytes:
    """A good document with one place in it replaced by anything."""
    document = json.loads(json.dumps(draw(st.sampled_from(originals))))
    place = document
    while True:
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if (
            not isinstance(place[key], dict | list)
            or not place[key]
            or draw(st.integers(0, 3)) == 0
        ):
            place[key] = draw(JSON)
            return json.dumps(document).encode()
        place = place[key]


def documents(style: str, name: str) -> list[Any]:
    return [
        json.loads((case / name).read_bytes())
        for case in folders()
        if case.parent.name == style and (case / name).exists()
    ]


@pytest.mark.parametrize("style", OWN)
@given(data=st.data())
def test_a_spoilt_request_is_translated_or_is_the_clients_fault(style, data):
    body = data.draw(spoilt(documents(style, "client.json")))
    try:
        chat = styles.get(style).read_request(body, model="m", stream=True)
    except ClientError:
        return
    for target in ALL:
        for model in ("m", "gemini-3-pro", "us.anthropic.claude-sonnet-4-5"):
            json.loads(
                styles.get(target).write_request(chat, Target(model=model, stream=True)).body
            )


@pytest.mark.parametrize("style", OWN)
@given(data=st.data())
def test_a_spoilt_answer_is_translated_or_a_value_error(style, data):
    body = data.draw(spoilt(documents(style, "upstream.json")))
    assert isinstance(styles.get(style).inspector().reply(body), int)
    try:
        reply = styles.get(style).read_reply(body)
    except ValueError:
        return
    for target in ALL:
        json.loads(styles.get(target).write_reply(reply, **WRITTEN))


@pytest.mark.parametrize("style", OWN)
@given(data=st.data())
def test_a_spoilt_stream_raises_nothing_and_every_writer_takes_what_is_read(style, data):
    if style == "google":
        originals = [
            payload
            for case in folders()
            if case.parent.name == style and stream_of(case)
            for payload in sse_payloads(stream_of(case))
        ]
        events = [event_from(body) for body in data.draw(st.lists(spoilt(originals), max_size=4))]
    else:
        lines = [
            json.loads(line)
            for case in folders()
            for path in case.glob("upstream.jsonl")
            for line in path.read_text().splitlines()
        ]
        spoilt_lines = [json.loads(line) for line in data.draw(st.lists(spoilt(lines), max_size=4))]
        events = [frame(name, payload) for line in spoilt_lines for name, payload in line.items()]
    reader, inspector = styles.get(style).stream_reader(), styles.get(style).inspector()
    deltas = []
    for event in events:
        assert isinstance(inspector.event(event), int)
        deltas += reader.feed(event)
    for target in ALL:
        writer = styles.get(target).stream_writer(**WRITTEN, options={})
        assert isinstance(writer.write(deltas) + writer.end(), bytes)
