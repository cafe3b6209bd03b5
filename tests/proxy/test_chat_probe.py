"""One token from the very model: what listing models cannot tell."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from pilotfish.core.model.outcome import Outcome
from pilotfish.core.rules.compile import compile_documents
from pilotfish.core.rules.documents import documents_of_text
from pilotfish.providers import all_kinds
from pilotfish.proxy.chat_probe import RESPONSES_TOKENS, chat_probe
from pilotfish.tactics import all_tactics
from proxy.scripted import AbsentKey, ScriptedCall, World, error
from virtual_time import in_virtual_time, settles


class Probed:
    """A probe under way, and what went upstream."""

    def __init__(self, world: World) -> None:
        self.world = world
        [service] = world.snapshot.rules[0].services
        client = world.engine.clients[service.provider.name]
        self.task = asyncio.create_task(chat_probe(client, service, 0))

    async def call(self) -> ScriptedCall:
        await settles()
        return self.world.call(0)

    async def outcome(self) -> Outcome | None:
        return await self.task


@in_virtual_time
async def test_a_model_that_answers_is_served():
    probed = Probed(World("a"))
    call = await probed.call()
    assert call.target == "/v1/chat/completions"
    assert call.json_sent["model"] == "m"
    assert call.json_sent["max_tokens"] == 1
    assert call.json_sent["messages"] == [{"role": "user", "content": "Hi"}]
    call.answers()
    assert await probed.outcome() is Outcome.SERVED


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (500, error("oops"), Outcome.SERVER_ERROR),
        (503, error("busy"), Outcome.OVERLOADED),
        (429, error("slow down"), Outcome.RATE_LIMITED),
        (401, error("who are you?"), Outcome.AUTH_FAILED),
        (404, error("no such model"), Outcome.NOT_FOUND),
        (400, error("max_tokens is too small"), Outcome.BAD_REQUEST),
        (200, b"<html>sorry</html>", Outcome.SERVER_ERROR),
        (200, error("busy", type="overloaded_error"), Outcome.OVERLOADED),
        (200, b"x" * 100_000, Outcome.SERVER_ERROR),
    ],
)
@in_virtual_time
async def test_what_else_it_may_say(status, body, outcome):
    probed = Probed(World("a"))
    (await probed.call()).answers(status, body)
    assert await probed.outcome() is outcome


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [("connect", Outcome.CONNECT_FAILED), ("connect_timeout", Outcome.TIMEOUT)],
)
@in_virtual_time
async def test_nobody_there(kind, outcome):
    probed = Probed(World("a"))
    (await probed.call()).breaks(kind)
    assert await probed.outcome() is outcome


@in_virtual_time
async def test_a_key_that_is_away_is_no_answer_of_the_model():
    probed = Probed(World("a", keys={"a": [AbsentKey(Outcome.TIMEOUT, at_once=False)]}))
    await settles()
    assert await probed.outcome() is Outcome.TIMEOUT
    assert probed.world.calls == []


@in_virtual_time
async def test_a_probe_that_is_given_up_leaves_no_call_behind():
    probed = Probed(World("a"))
    call = (await probed.call()).sent()
    probed.task.cancel()
    await asyncio.gather(probed.task, return_exceptions=True)
    assert call.cancelled


@pytest.mark.parametrize(
    ("kind", "path", "tokens"),
    [
        ("anthropic", "/v1/messages", ("max_tokens", 1)),
        ("google", ":generateContent", ("generationConfig", {"maxOutputTokens": 1})),
        (
            "openai, options: {api: responses}",
            "/responses",
            ("max_output_tokens", RESPONSES_TOKENS),
        ),
    ],
)
@in_virtual_time
async def test_every_style_is_asked_in_its_own_words(kind, path, tokens):
    world = World(
        rules=f"""
        providers: {{p: {{kind: {kind}, no_key_required: true}}}}
        rules: [{{name: chat, services: [{{provider: p, model: m}}]}}]
        """
    )
    probed = Probed(world)
    call = await probed.call()
    name, value = tokens
    assert path in call.target
    assert orjson.loads(call.body_sent)[name] == value
    probed.task.cancel()


def test_the_rules_say_which_probe_is_meant():
    text = """
    providers: {p: {kind: openai, no_key_required: true}}
    rules: [{name: r, services: [{provider: p, model: m}], health: {probe: chat}}]
    """
    documents = documents_of_text("rules.yaml", text)
    snapshot = compile_documents(documents, kinds=all_kinds(), tactics=all_tactics())
    assert snapshot.rules[0].health.probe == "chat"
