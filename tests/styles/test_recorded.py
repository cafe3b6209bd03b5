"""Answers in the shapes that vendors really send, through every client's style and back.

A case is a folder of tests/fixtures/recorded: `upstream.json` and the stream of one answer, in the
upstream's style, and `expected.json`: what any client must get of it, and in `next` the assistant's
turn that the upstream must get back. Nothing here trusts our readers: clients' answers are put
together as the vendors' SDKs do it (`answers_wire`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from answers_wire import answer_of, facts, matches, next_turn
from pairs_wire import ALL, pieces, stream_of, translated
from pilotfish import providers, styles
from pilotfish.core.formats.neutral import Chat, Text, Tool, Turn
from pilotfish.core.formats.style import Target
from style_wire import WRITTEN

FOLDER = Path(__file__).parents[1] / "fixtures" / "recorded"
CASES = sorted(path.parent for path in FOLDER.glob("*/*/expected.json"))
IMAGES = ("openai", "openai_responses", "google", "bedrock")  # styles whose answers hold images
# Each style's word for how an answer ended; where a style has none, the nearest that it has.
FINISHES = {
    "openai": {
        "context": "length",
        "pause": "length",
        "refusal": "content_filter",
        "malformed": "stop",
        "other": "stop",
    },
    "openai_responses": {
        "stop": "completed",
        "length": "max_output_tokens",
        "pause": "max_output_tokens",
        "context": "max_output_tokens",
        "refusal": "content_filter",
        "malformed": "completed",
        "other": "completed",
    },
    "anthropic": {
        "stop": "end_turn",
        "length": "max_tokens",
        "tool_calls": "tool_use",
        "content_filter": "refusal",
        "context": "model_context_window_exceeded",
        "pause": "pause_turn",
        "malformed": "end_turn",
        "other": "end_turn",
    },
    "google": {
        "stop": "STOP",
        "tool_calls": "STOP",
        "length": "MAX_TOKENS",
        "context": "MAX_TOKENS",
        "content_filter": "SAFETY",
        "refusal": "SAFETY",
        "pause": "OTHER",
        "malformed": "MALFORMED_RESPONSE",
        "other": "OTHER",
    },
    "bedrock": {
        "stop": "end_turn",
        "tool_calls": "tool_use",
        "length": "max_tokens",
        "content_filter": "content_filtered",
        "refusal": "content_filtered",
        "context": "model_context_window_exceeded",
        "pause": "end_turn",
        "malformed": "malformed_model_output",
        "other": "end_turn",
    },
}
QUESTION = Chat(
    model="asked-model",
    turns=(Turn("user", (Text("How is the weather?"),)),),
    tools=(
        Tool(
            name="get_weather",
            description="The weather of a place.",
            schema={"type": "object", "properties": {"city": {"type": "string"}}},
        ),
    ),
    max_tokens=2000,
)


def named(case: Path) -> str:
    return f"{case.parent.name}/{case.name}"


def paired(has: str) -> list[Any]:
    return [
        pytest.param(case, client, id=f"{named(case)}-{client}")
        for case in CASES
        for client in ALL
        if any(case.glob(has))
    ]


WHOLE = pytest.mark.parametrize(("case", "client"), paired("upstream.json"))


def streams() -> list[Any]:
    return paired("upstream.sse") + paired("upstream.jsonl")


def expectation(case: Path) -> dict[str, Any]:
    return json.loads((case / "expected.json").read_bytes())


def whole_answer(case: Path, client: str) -> dict[str, Any]:
    reply = styles.get(case.parent.name).read_reply((case / "upstream.json").read_bytes())
    return json.loads(styles.get(client).write_reply(reply, **WRITTEN))


def holds_all(case: Path, client: str, answer: dict[str, Any]) -> None:
    """The answer holds what the case expects, as far as the client's style has a place for it."""
    expected, found = expectation(case), facts(client, answer)
    assert found["text"] == expected.get("text", "")
    assert found["thinking"].strip() == expected.get("thinking", "").strip()
    calls = [[name, given, identity] for name, given, identity in found["calls"]]
    if expected.get("made_up_ids"):
        identities = [call[2] for call in calls]
        if client != "google":  # its calls need none
            assert all(identities)
            assert len(set(identities)) == len(calls)
        wanted = [
            [*call[:2], identity]
            for call, identity in zip(expected["calls"], identities, strict=True)
        ]
    else:
        wanted = expected.get("calls", [])
    assert calls == wanted
    assert found["images"] == (expected.get("images", 0) if client in IMAGES else 0)
    assert found["cited"] == expected.get("cited", [])
    word = expected["finish"]
    assert found["finish"] == FINISHES[client].get(word, word)
    assert list(found["tokens"]) == expected["tokens"]
    assert found["cached"] == expected.get("cached", 0)
    assert found["reasoning"] in (expected.get("reasoning", 0), None)
    assert found["hour"] in (expected.get("hour", 0), None)


@WHOLE
def test_a_whole_answer_loses_nothing(case, client):
    holds_all(case, client, whole_answer(case, client))


@pytest.mark.parametrize(("case", "client"), streams())
def test_a_stream_loses_nothing_however_it_is_cut(case, client):
    source = case.parent.name
    outputs = {translated(source, client, reads) for _, reads in pieces(source, stream_of(case))}
    assert len(outputs) == 1
    holds_all(case, client, answer_of(client, outputs.pop()))


@pytest.mark.parametrize("case", CASES, ids=named)
def test_what_passes_through_is_counted_alike(case):
    """Statistics must not depend on whether a request was translated."""
    style, expected = styles.get(case.parent.name), expectation(case)
    seen = []
    if (case / "upstream.json").exists():
        inspector = style.inspector()
        inspector.reply((case / "upstream.json").read_bytes())
        seen.append(inspector.usage)
    stream = stream_of(case)
    if stream:
        inspector = style.inspector()
        for event in dict(pieces(case.parent.name, stream))["by event"]:
            inspector.event(event)
        seen.append(inspector.usage)
    for usage in seen:
        assert usage is not None
        assert [usage.input, usage.output] == expected["tokens"]
        assert (usage.cached_input, usage.reasoning) == (
            expected.get("cached", 0),
            expected.get("reasoning", 0),
        )
        assert usage.cache_write == expected.get("written", 0)
        assert usage.cache_write_1h == expected.get("hour", 0)


# --- the next turn ---


def asked_again(case: Path, client: str, answer: dict[str, Any]) -> dict[str, Any]:
    """The request that the upstream gets for the client's next turn."""
    expected = expectation(case)
    ours, theirs = styles.get(client), styles.get(case.parent.name)
    kind, model = providers.get(expected["provider"]), expected["model"]
    quirks = (kind.model_quirks(model) if kind.model_quirks else None) or kind.quirks
    first = json.loads(ours.write_request(QUESTION, Target(model="m", stream=False)).body)
    if client == "openai_responses":
        first["include"] = ["reasoning.encrypted_content"]
    body = next_turn(client, first, answer)
    chat = ours.read_request(body, model="m", stream=False)
    written = theirs.write_request(chat, Target(model=model, stream=False, quirks=quirks))
    return json.loads(written.body)


def assistants_turn(style: str, body: dict[str, Any]) -> Any:
    """The assistant's turn in a request: a message's content or parts, a message, or items."""
    if style == "openai_responses":
        return [
            item
            for item in body["input"]
            if item.get("role") == "assistant"
            or item["type"] not in ("message", "function_call_output")
        ]
    if style == "google":
        return next(turn["parts"] for turn in body["contents"] if turn["role"] == "model")
    message = next(turn for turn in body["messages"] if turn["role"] == "assistant")
    return message if style == "openai" else message["content"]


def is_as_the_upstream_wants_it(
    case: Path, client: str, answer: dict[str, Any], *, whole: bool
) -> None:
    expected = expectation(case)
    turn = assistants_turn(case.parent.name, asked_again(case, client, answer))
    if isinstance(turn, str):
        turn = [{"type": "text", "text": turn}]
    wanted = expected.get("next_from", {}).get(client, expected["next"])
    if whole and "next_whole" in expected:
        wanted = expected["next_whole"]
    assert matches(turn, wanted), turn
    for key in expected.get("never", []):
        assert key not in json.dumps(turn)


@WHOLE
def test_the_next_turn_brings_a_whole_answer_back(case, client):
    is_as_the_upstream_wants_it(case, client, whole_answer(case, client), whole=True)


@pytest.mark.parametrize(("case", "client"), streams())
def test_the_next_turn_brings_a_stream_back(case, client):
    out = translated(case.parent.name, client, [stream_of(case)])
    is_as_the_upstream_wants_it(case, client, answer_of(client, out), whole=False)
