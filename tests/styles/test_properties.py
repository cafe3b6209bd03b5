"""What holds for every style and any input: nothing but a client error comes of a request, nothing
but ValueError of an answer, nothing at all of a stream; the same request gives the same bytes; what
is lost is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotfish import styles
from pilotfish.core.formats.neutral import (
    Chat,
    FinishReason,
    Image,
    Part,
    Refusal,
    Reply,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from pilotfish.core.formats.sse import event_from
from pilotfish.core.formats.style import Target
from pilotfish.core.formats.usage import Usage
from pilotfish.errors import ClientError
from style_wire import TARGETS, WRITTEN, cases, payloads

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


def documents(pattern: str) -> list[Any]:
    return [
        json.loads(path.read_bytes())
        for case in dict.fromkeys(cases())
        for path in Path(case).glob(pattern)
    ]


def events(style: str) -> list[Any]:
    found = [
        payloads(path.read_bytes())
        for case in dict.fromkeys(cases())
        for path in case.glob(f"as_{style}.sse")
    ]
    return [payload for stream in found for payload in stream if payload != "[DONE]"]


@st.composite
def spoilt(draw, originals: list[Any]):
    """A good document with one place in it replaced by anything."""
    document = json.loads(json.dumps(draw(st.sampled_from(originals))))
    place = document
    while isinstance(place, dict | list) and place:
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if (
            not isinstance(place[key], dict | list)
            or not place[key]
            or draw(st.integers(0, 3)) == 0
        ):
            place[key] = draw(JSON)
            return document
        place = place[key]
    return document


@pytest.mark.parametrize("style", TARGETS)
@given(data=st.data())
def test_a_spoilt_request_is_translated_or_is_the_clients_fault(style, data):
    originals = [
        json.loads((case / "client.json").read_bytes())
        for case in cases()
        if (case / "client.json").exists() and case.parent.name == style
    ]
    body = json.dumps(data.draw(spoilt(originals))).encode()
    chat, refused = None, None
    try:
        chat = styles.get(style).read_request(body, model="m", stream=True)
    except ClientError as error:
        refused = error
    if chat is None:
        assert refused is not None
        assert (refused.status, "expected" in refused.message) == (400, True)
        return
    for target in TARGETS:
        msgspec.json.decode(
            styles.get(target).write_request(chat, Target(model="m", stream=True)).body
        )


@pytest.mark.parametrize("style", TARGETS)
@given(data=st.data())
def test_a_spoilt_answer_is_translated_or_a_value_error(style, data):
    originals = documents(f"as_{style}.json")
    body = json.dumps(data.draw(spoilt(originals))).encode()
    try:
        reply = styles.get(style).read_reply(body)
    except ValueError:
        return
    for target in TARGETS:
        msgspec.json.decode(styles.get(target).write_reply(reply, **WRITTEN))


@pytest.mark.parametrize("style", TARGETS)
@given(data=st.data())
def test_a_spoilt_stream_raises_nothing_and_what_is_written_stays_well_formed(style, data):
    stream = data.draw(st.lists(spoilt(events(style)), max_size=4))
    reader = styles.get(style).stream_reader()
    inspector = styles.get(style).inspector()
    deltas = []
    for payload in stream:
        event = event_from(json.dumps(payload).encode())
        inspector.event(event)
        deltas += reader.feed(event)
    for target in TARGETS:
        writer = styles.get(target).stream_writer(**WRITTEN, options={})
        assert payloads(writer.write(deltas) + writer.end())


def is_no_object(body: bytes) -> bool:
    """An object may be a request: OpenAI's Responses demand nothing but a model, which a path may
    name.
    """
    try:
        return not isinstance(json.loads(body), dict)
    except ValueError:
        return True


@pytest.mark.parametrize("style", TARGETS)
@given(st.binary(max_size=60).filter(is_no_object))
def test_bytes_that_are_no_json_object_raise_nothing_unforeseen(style, body):
    one = styles.get(style)
    for raw in (body, b"data: " + body + b"\n\n", b"[" * 5000):
        assert isinstance(one.inspector().event(raw), int)
        assert isinstance(one.inspector().reply(raw), int)
        assert isinstance(one.stream_reader().feed(raw), list)
        assert one.read_error(500, raw).message
        with pytest.raises(ValueError):
            one.read_reply(raw)
        with pytest.raises(ClientError):
            one.read_request(raw, model="m", stream=False)


@pytest.mark.parametrize("style", TARGETS)
@given(value=JSON)
def test_any_json_as_an_event_or_an_error_raises_nothing(style, value):
    one, body = styles.get(style), json.dumps(value).encode()
    event = event_from(body)
    assert isinstance(one.inspector().event(event), int)
    assert isinstance(one.inspector().reply(body), int)
    assert isinstance(one.stream_reader().feed(event), list)
    assert one.read_error(400, body).status == 400


WORDS = st.text(min_size=1, max_size=12).filter(str.strip).map(str.strip)
TEXTS = st.builds(Text, WORDS)
IMAGES = st.builds(
    Image,
    media_type=st.sampled_from(["image/png", "image/webp"]),
    data=st.sampled_from(["AAAA", "BBBB"]),
)
IDS = st.text("abcdefghij_0123456789", min_size=1, max_size=12)
ARGUMENTS = st.dictionaries(WORDS, st.integers(-5, 5) | WORDS, max_size=2).map(
    lambda value: msgspec.json.encode(value).decode()
)


@st.composite
def conversations(draw) -> Chat:
    """What all three styles can say."""
    turns: list[Turn] = []
    for number in range(draw(st.integers(1, 3))):
        turns.append(Turn("user", tuple(draw(st.lists(TEXTS | IMAGES, min_size=1, max_size=3)))))
        said: list[Part] = [draw(TEXTS)]
        calls = [
            ToolCall(id=f"{draw(IDS)}{number}{place}", name=draw(IDS), arguments=draw(ARGUMENTS))
            for place in range(draw(st.integers(0, 2)))
        ]
        turns.append(Turn("assistant", (*said, *calls)))
        if calls:
            turns.append(
                Turn(
                    "user",
                    tuple(
                        ToolResult(call_id=call.id, name=call.name, parts=(draw(TEXTS),))
                        for call in calls
                    ),
                )
            )
            turns.append(Turn("assistant", (draw(TEXTS),)))
    turns.append(Turn("user", (draw(TEXTS),)))
    tools = (Tool(name="f", description=draw(WORDS), schema={"type": "object", "properties": {}}),)
    return Chat(
        model="m",
        turns=tuple(turns),
        system=(draw(TEXTS),),
        tools=tools,
        tool_choice=draw(
            st.sampled_from(
                [None, ToolChoice("auto"), ToolChoice("required"), ToolChoice("tool", ("f",))]
            )
        ),
        parallel_tool_calls=draw(st.sampled_from([None, True, False])),
        max_tokens=draw(st.integers(16, 4000)),
        temperature=draw(st.none() | st.floats(0, 1)),
        user=draw(st.just("") | WORDS),
    )


def said(chat: Chat) -> Any:
    """What a chat says, without what only tells where it was read."""
    calls = {"arguments": lambda text: msgspec.json.decode(text or "{}")}

    def plain(part: Part) -> Any:
        if isinstance(part, ToolCall):
            return ("call", part.id, part.name, calls["arguments"](part.arguments))
        if isinstance(part, ToolResult):
            return ("result", part.call_id, part.name, [plain(inner) for inner in part.parts])
        if isinstance(part, Image):
            return ("image", part.media_type, part.data)
        return ("text", part.text)

    turns: list[tuple[str, list[Any]]] = []
    for turn in chat.turns:
        if turns and turns[-1][0] == turn.role:
            turns[-1][1].extend(map(plain, turn.parts))
        else:
            turns.append((turn.role, [plain(part) for part in turn.parts]))
    fields = ("tool_choice", "parallel_tool_calls", "max_tokens", "temperature", "user")
    tools = [(tool.name, tool.description, tool.schema) for tool in chat.tools]
    choice = chat.tool_choice if chat.tool_choice != ToolChoice("auto") else None
    rest = {name: getattr(chat, name) for name in fields} | {"tool_choice": choice}
    return turns, "\n\n".join(text.text for text in chat.system), tools, rest


@pytest.mark.parametrize("style", TARGETS)
@given(chat=conversations())
def test_what_every_style_can_say_survives_every_style(style, chat):
    one = styles.get(style)
    written = one.write_request(chat, Target(model="m", stream=False))
    assert written.dropped == ()
    assert said(one.read_request(written.body, model="m", stream=False)) == said(chat)


@pytest.mark.parametrize("style", TARGETS)
@given(chat=conversations())
def test_the_same_request_gives_the_same_bytes(style, chat):
    """Prompt caches depend on it."""
    one, again = styles.get(style), msgspec.structs.replace(chat)
    assert one.write_request(chat, Target(model="m", stream=True)) == one.write_request(
        again, Target(model="m", stream=True)
    )


@pytest.mark.parametrize("style", TARGETS)
@given(
    texts=st.lists(TEXTS, max_size=2),
    calls=st.lists(st.tuples(IDS, ARGUMENTS), max_size=3),
    cached=st.integers(0, 50),
    written=st.integers(0, 50),
    fresh=st.integers(0, 50),
    reasoning=st.integers(0, 9),
)
def test_an_answer_survives_every_style(style, texts, calls, cached, written, fresh, reasoning):
    parts = (
        *texts,
        *(
            ToolCall(id=f"id{place}", name=name, arguments=arguments)
            for place, (name, arguments) in enumerate(calls)
        ),
    )
    usage = Usage(
        input=cached + written + fresh,
        output=reasoning + 1,
        cached_input=cached,
        cache_write=written,
        reasoning=reasoning,
    )
    finish = FinishReason.TOOL_CALLS if calls else FinishReason.STOP
    one = styles.get(style)
    found = one.read_reply(
        one.write_reply(Reply(parts=parts, finish=finish, usage=usage), **WRITTEN)
    )
    assert found.usage == usage
    assert found.finish is finish
    assert "".join(part.text for part in found.parts if isinstance(part, Text)) == "".join(
        text.text for text in texts
    )
    assert [part.name for part in found.parts if isinstance(part, ToolCall)] == [
        name for name, _ in calls
    ]


@pytest.mark.parametrize("style", TARGETS)
@pytest.mark.parametrize(
    "finish",
    [
        FinishReason.LENGTH,
        FinishReason.CONTENT_FILTER,
        FinishReason.REFUSAL,
        FinishReason.TOOL_CALLS,
    ],
)
def test_how_an_answer_ended_survives_as_far_as_the_style_has_words(style, finish):
    one = styles.get(style)
    parts: tuple[Part, ...] = (
        (ToolCall(id="a", name="f"),) if finish is FinishReason.TOOL_CALLS else (Refusal("No."),)
    )
    if finish in (FinishReason.LENGTH, FinishReason.CONTENT_FILTER):
        parts = (Text("So"),)
    found = one.read_reply(one.write_reply(Reply(parts=parts, finish=finish), **WRITTEN)).finish
    # Anthropic has one word for a filter and a refusal.
    assert found is (
        FinishReason.REFUSAL
        if (style, finish) == ("anthropic", FinishReason.CONTENT_FILTER)
        else finish
    )


def test_an_unknown_style_is_refused_with_those_there_are():
    with pytest.raises(KeyError, match="unknown style 'nope'; known: anthropic, "):
        styles.get("nope")


def test_styles_are_found_and_named_like_their_folders():
    assert {one.name for one in styles.all_styles()} == set(styles.names())
    assert set(TARGETS) <= set(styles.names())
