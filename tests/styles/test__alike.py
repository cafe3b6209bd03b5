"""Embeddings and counts of tokens that another vendor's service answers."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from pilotfish.core.formats.style import Quirks
from pilotfish.errors import ClientError
from pilotfish.styles._alike import alike_body, alike_reply, counted, token_count

SERVICE: Any = SimpleNamespace(id="p/m", model="m", quirks=Quirks())


def asked(op: str, body: dict[str, Any]) -> Any:
    """What these functions read of a request."""
    return SimpleNamespace(op=op, model="asked", body=json.dumps(body).encode())


def written(op: str, body: dict[str, Any], to: str) -> tuple[dict[str, Any], Any]:
    call = alike_body(asked(op, body), SERVICE, to)
    return json.loads(b"".join(call.parts)), call


def test_an_operation_without_a_like_is_refused_with_the_service_that_lacks_it():
    with pytest.raises(ClientError, match="moderations cannot be served by p/m, which offers x"):
        alike_body(asked("moderations", {}), SERVICE, "x")


def test_openais_embeddings_are_googles_batch_and_back():
    body, call = written("embeddings", {"model": "asked", "input": "hi"}, "google_batch_embeddings")
    assert body["requests"][0]["content"] == {"parts": [{"text": "hi"}]}
    assert (call.op, call.style, call.same_style) == ("google_batch_embeddings", "google", False)
    request = asked("embeddings", {"input": "hi"})
    answer = alike_reply(request, call.op, b'{"embeddings":[{"values":[1.5]}]}')
    assert json.loads(answer)["data"][0]["embedding"] == [1.5]


def test_googles_embedding_is_openais_and_back():
    given = {"content": {"parts": [{"text": "hi"}]}}
    body, call = written("google_embeddings", given, "embeddings")
    assert (body["input"], call.style) == ("hi", "openai")
    answer = b'{"data":[{"index":0,"embedding":[1.5]}]}'
    assert json.loads(alike_reply(asked("google_embeddings", given), "embeddings", answer)) == {
        "embedding": {"values": [1.5]}
    }


HELLO = {"messages": [{"role": "user", "content": "hi"}]}


def test_anthropics_count_is_googles_and_back():
    body, call = written("count_tokens", HELLO, "google_count_tokens")
    assert body["generateContentRequest"]["contents"][0]["parts"] == [{"text": "hi"}]
    assert call.style == "google"
    answer = alike_reply(asked("count_tokens", HELLO), call.op, b'{"totalTokens":7}')
    assert json.loads(answer) == token(7, "count_tokens") == {"input_tokens": 7}


def test_googles_count_is_anthropics_and_back():
    given = {"contents": [{"parts": [{"text": "hi"}]}]}
    body, call = written("google_count_tokens", given, "count_tokens")
    assert body == {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    answer = alike_reply(asked("google_count_tokens", given), call.op, b'{"input_tokens":7}')
    assert json.loads(answer) == token(7, "google_count_tokens") == {"totalTokens": 7}


def token(tokens: int, op: str) -> Any:
    return json.loads(token_count(op, tokens))


def test_what_is_to_be_counted_is_a_conversation_in_either_form():
    assert counted(asked("count_tokens", HELLO)).turns[0].role == "user"
    given = {"contents": [{"parts": [{"text": "hi"}]}]}
    assert counted(asked("google_count_tokens", given)).model == "asked"
