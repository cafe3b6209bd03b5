"""Answers that the proxy gives by itself: in the style of the path, reported, with an id."""

from __future__ import annotations

import pytest

from pilotfish.errors import ClientError
from pilotfish.telemetry import series as s
from proxy.scripted import World
from virtual_time import in_virtual_time

pytestmark = pytest.mark.interpreted


@pytest.mark.parametrize(
    ("path", "style"),
    [
        ("/v1/chat/completions", "openai"),
        ("/v1/messages", "anthropic"),
        ("/v1beta/models/x:generateContent", "google"),
        ("/model/x/converse", "bedrock"),
        ("/v1beta/unheard/of", "google"),
        ("/nothing/we/know", "openai"),
    ],
)
@in_virtual_time
async def test_an_error_is_in_the_style_of_its_path_known_or_not(path, style):
    world = World()
    reply = world.replies.error(ClientError(404, "unknown_path", "no such path"), path, [])
    assert (reply.status, b"no such path" in reply.body) == (404, True)
    assert [(line["style"], line["path"], line["code"]) for line in world.log] == [
        (style, path, 404)
    ]
    assert world.metric(s.REQUESTS, "", style, "404") == 1


@pytest.mark.parametrize(
    ("status", "header"),
    [(503, (b"retry-after", b"1")), (405, (b"allow", b"POST")), (404, None), (400, None)],
)
@in_virtual_time
async def test_a_503_says_when_to_come_back_and_a_405_what_to_do(status, header):
    reply = World().replies.error(ClientError(status, "c", "m"), "/v1/chat/completions", [])
    told = [h for h in reply.head if h[0] in (b"retry-after", b"allow")]
    assert told == ([header] if header else [])


@in_virtual_time
async def test_every_answer_without_a_clients_id_gets_one_of_its_own():
    replies = World().replies
    ids = {replies.request_id(b"bad id") for _ in range(500)}
    assert len(ids) == 500


@in_virtual_time
async def test_a_path_that_a_client_made_up_is_logged_cut():
    world = World()
    world.replies.error(ClientError(404, "c", "m"), "/" + "x" * 5000, [])
    assert len(world.log[0]["path"]) < 300


@pytest.mark.parametrize(
    ("path", "read"),
    [
        ("/v1/messages/count_tokens", lambda told: told["input_tokens"]),
        ("/v1beta/models/chat:countTokens", lambda told: told["totalTokens"]),
    ],
)
@in_virtual_time
async def test_an_estimate_of_tokens_is_worded_as_the_vendors_count(path, read):
    world = World(
        rules="providers: {a: {kind: openai, token: {env: KEY}}}\n"
        "rules: [{name: chat, request_model: chat, services: [{provider: a, model: m}]}]"
    )
    client = world.asks(
        path,
        {
            "model": "chat",
            "messages": [{"role": "user", "content": "how many"}],
            "contents": [{"role": "user", "parts": [{"text": "how many"}]}],
        },
    )
    assert (client.status, client.headers["x-pilotfish-rule"]) == (200, "chat")
    assert read(client.json) > 0
    assert world.log[0]["reason"] == "estimated"
