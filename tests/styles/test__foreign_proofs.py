"""A conversation that a vendor of another style served goes on with one of the client's own: what
the other one signed does not go there, and all that was said does."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from answers_wire import next_turn
from pilotfish import styles
from pilotfish.core.formats.neutral import (
    Chat,
    Reply,
    Signature,
    Text,
    Thinking,
    ToolCall,
    Turn,
)
from pilotfish.core.formats.style import Target
from pilotfish.styles._foreign_proofs import is_foreign
from style_wire import WRITTEN

FIRST = Chat(model="m", turns=(Turn("user", (Text("How is the weather?"),)),), max_tokens=2000)
MODELS = {"bedrock": "us.anthropic.claude-sonnet-4-5", "google": "gemini-3-pro-preview"}
SIGNING = ("anthropic", "google", "openai_responses", "bedrock")
CALL = ToolCall(id="call_a", name="f", arguments='{"a":1}')


def served_by(origin: str, *more: Any, redacted: bool = False) -> tuple[Any, ...]:
    proof = Signature(origin, "c2lnbmF0dXJl") if origin else None
    return (Thinking(text="" if redacted else "Hm.", signature=proof, redacted=redacted), *more)


def after(client: str, *parts: Any) -> bytes:
    """The client's next request after an answer of these parts."""
    target = Target(model=MODELS.get(client, "m"), stream=False)
    first = json.loads(styles.get(client).write_request(FIRST, target).body)
    reply = Reply(id="a", model="m", parts=parts)
    answer = json.loads(styles.get(client).write_reply(reply, **WRITTEN))
    return next_turn(client, first, answer)


def edits(client: str, body: bytes, model: str = "") -> dict[str, Any]:
    members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    target = Target(model=model or MODELS.get(client, "m"), stream=False)
    found = styles.get(client).without_foreign_proofs(body, members, target)
    return {name: json.loads(value) for name, value in found.items()}


@pytest.mark.parametrize(
    "raw", [b"7", b'"pilotfish:"', b"[7, null]", b'[{"content":["pilotfish:"]}]']
)
@pytest.mark.parametrize("client", SIGNING)
def test_what_is_no_conversation_is_for_the_service_to_refuse(client, raw):
    field = {"openai_responses": "input", "google": "contents"}.get(client, "messages")
    mark = b'"pilotfish:" "cGlsb3RmaXNo"'
    members = {field: msgspec.Raw(raw)}
    found = styles.get(client).without_foreign_proofs(
        mark, members, Target(model="m", stream=False)
    )
    assert found == {}
    assert (
        styles.get(client).without_foreign_proofs(mark, {}, Target(model="m", stream=False)) == {}
    )


@pytest.mark.parametrize("redacted", [False, True])
@pytest.mark.parametrize("origin", ["", "anthropic", "google", "openai_responses"])
@pytest.mark.parametrize("client", SIGNING)
def test_no_foreign_proof_goes_to_the_clients_own_vendor(client, origin, redacted):
    call = msgspec.structs.replace(CALL, signature=Signature("google", "Y2Fs"))
    said = (Text("Mild."), call if origin == "google" else CALL)
    body = after(client, *served_by(origin, *said, redacted=redacted and bool(origin)))
    found = edits(client, body)
    family = {"bedrock": "anthropic"}
    own = origin == client or origin == family.get(client, client)
    if own:
        assert found == {}
        return
    whole = json.dumps({**json.loads(body), **found})
    assert "pilotfish:" not in whole
    assert "cGlsb3RmaXNo" not in whole
    target = Target(model=MODELS.get(client, "m"), stream=False)
    chat = styles.get(client).read_request(whole.encode(), model="m", stream=False)
    parts = [part for turn in chat.turns for part in turn.parts]
    assert any(isinstance(part, Text) and part.text == "Mild." for part in parts)
    assert [part.name for part in parts if isinstance(part, ToolCall)] == ["f"]
    assert styles.get(client).write_request(chat, target).body


@pytest.mark.parametrize("client", ["anthropic", "bedrock", "google"])
def test_a_turn_of_which_nothing_is_left_leaves_no_two_of_a_role(client):
    body = after(client, *served_by("openai_responses"))
    field = "contents" if client == "google" else "messages"
    roles = [turn["role"] for turn in edits(client, body)[field]]
    assert "assistant" not in roles
    assert "model" not in roles
    if client != "anthropic":  # which joins them itself
        assert roles == ["user"]


def test_gemini_3_gets_its_word_for_calls_that_another_vendors_model_made():
    body = after("google", Text("Mild."), CALL)
    calls = [p for p in edits("google", body)["contents"][1]["parts"] if "functionCall" in p]
    assert calls[0]["thoughtSignature"] == "skip_thought_signature_validator"
    assert edits("google", body, "gemini-2.5-pro") == {}
    signed = msgspec.structs.replace(CALL, signature=Signature("google", "Y2Fs"))
    assert edits("google", after("google", signed)) == {}


def test_a_request_without_a_seal_is_not_taken_apart():
    body = b'{"messages": [{"content": "pilotfish"}]}'
    for style in styles.names():
        target = Target(model="m", stream=False)
        assert styles.get(style).without_foreign_proofs(body, {}, target) == {}


@pytest.mark.parametrize("proof", [None, 7, "", "c2lnbmF0dXJl", "not base64!"])
def test_what_is_no_seal_is_the_vendors_own(proof):
    assert not is_foreign(proof)
