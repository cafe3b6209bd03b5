"""Anthropic's form as clients of the clouds write it: the same request as to Anthropic itself."""

import json

import pytest

from pilotfish.core.exchange import endpoints
from pilotfish.core.exchange.inbound import Inbound

INVOKE = "/model/claude-opus-4-5/invoke"
STREAMED = "/model/claude-opus-4-5/invoke-with-response-stream"
VERTEX = "/v1/projects/p/locations/l/publishers/anthropic/models/claude-opus-4-5:rawPredict"
ASKED = {"max_tokens": 9, "messages": [{"role": "user", "content": "x"}], "own": {"b": [1]}}


def read(path, body, *headers):
    endpoint = endpoints.find(path)
    assert endpoint is not None
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Inbound(endpoint, path, "", list(headers), data, "id", "ip")


@pytest.mark.parametrize("path", [INVOKE, STREAMED, VERTEX])
def test_what_the_cloud_wants_elsewhere_is_taken_from_the_body(path):
    inbound = read(path, {"anthropic_version": "bedrock-2023-05-31", **ASKED})
    assert (inbound.op, inbound.style, inbound.model) == (
        "messages",
        "anthropic",
        "claude-opus-4-5",
    )
    assert inbound.scenario == "anthropic"
    assert inbound.framed == (path is not VERTEX)
    streams = {"stream": True} if path is STREAMED else {}
    assert json.loads(inbound.body) == {**ASKED, **streams}
    assert inbound.stream == bool(streams)
    assert inbound.members.keys() == json.loads(inbound.body).keys()


def test_other_models_bodies_stay_as_they_are():
    body = b'{ "inputText" : "x" }'
    inbound = read("/model/amazon.titan-text/invoke", body)
    assert (inbound.op, inbound.style, inbound.framed) == ("invoke", "bedrock", False)
    assert inbound.body == body


def test_flags_in_the_body_become_the_header():
    flags = {"anthropic_version": "v", "anthropic_beta": ["a-1", "b-2"], **ASKED}
    inbound = read(INVOKE, flags, (b"anthropic-beta", b"a-1"), (b"accept", b"*/*"))
    assert inbound.headers == [(b"anthropic-beta", b"a-1,b-2")]
    assert "anthropic_beta" not in json.loads(inbound.body)


@pytest.mark.parametrize("flags", [None, "a-1", [1], ["a\r\nb", "a,b", "\u00e9"], []])
def test_flags_that_are_no_words_are_left_out(flags):
    inbound = read(INVOKE, {"anthropic_version": "v", "anthropic_beta": flags, **ASKED})
    assert inbound.headers == []
    assert "anthropic_beta" not in json.loads(inbound.body)


def test_vertex_says_in_the_body_that_it_streams():
    inbound = read(VERTEX, {"anthropic_version": "v", "stream": True, **ASKED})
    assert inbound.stream
    assert read(VERTEX.replace("rawP", "streamRawP"), {"anthropic_version": "v", **ASKED}).stream


def test_tokens_are_counted_for_the_model_in_the_body():
    path = VERTEX.replace("claude-opus-4-5", "count-tokens")
    inbound = read(path, {"model": "m", "messages": ASKED["messages"], "anthropic_version": "v"})
    assert (inbound.op, inbound.model) == ("count_tokens", "m")
    assert "anthropic_version" not in json.loads(inbound.body)
