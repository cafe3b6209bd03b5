"""Vendors that disagree with themselves, and refusals, as clients of every style see them."""

from __future__ import annotations

import asyncio

import aiohttp
import orjson
import pytest

from pilotfish.core.formats.eventstream import EventStreamDecoder
from pilotfish.simulated import Fault, Profile, SimulatedVendor

USER = [{"role": "user", "content": "hello"}]
GOOGLE = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
BEDROCK = {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}
INVOKE = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 99, "messages": USER}
LISTS = {"openai": {}, "anthropic": {"anthropic-version": "2023-06-01"}}
STYLES = ["openai", "completions", "responses", "anthropic", "google", "bedrock", "invoke"]


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


def of(style, model="m", *, stream=False):
    """Path and body of a plain request in a style."""
    more = {"stream": True} if stream else {}
    return {
        "openai": ("/v1/chat/completions", {"model": model, "messages": USER, **more}),
        "completions": ("/v1/completions", {"model": model, "prompt": "hello", **more}),
        "responses": ("/v1/responses", {"model": model, "input": "hello", **more}),
        "anthropic": (
            "/v1/messages",
            {"model": model, "messages": USER, "max_tokens": 99, **more},
        ),
        "google": (
            f"/v1beta/models/{model}:{'streamGenerateContent?alt=sse' if stream else 'generateContent'}",
            GOOGLE,
        ),
        "bedrock": (f"/model/{model}/converse{'-stream' if stream else ''}", BEDROCK),
        "invoke": (f"/model/{model}/invoke{'-with-response-stream' if stream else ''}", INVOKE),
    }[style]


async def post(http, vendor, style, model="m", *, stream=False, key="", **headers):
    path, body = of(style, model, stream=stream)
    if key:
        headers["authorization"] = f"Bearer {key}"
    async with http.post(
        vendor.base + path,
        data=orjson.dumps(body),
        headers={"content-type": "application/json", **headers},
    ) as answer:
        return answer.status, answer.headers, await answer.read()


async def listed(http, vendor, **headers):
    async with http.get(vendor.base + "/v1/models", headers=headers) as answer:
        return answer.status, await answer.read()


# ---- by endpoint, key and model


@pytest.mark.parametrize("code", [400, 401, 403, 405, 500])
@pytest.mark.parametrize("style", LISTS)
async def test_chat_is_served_though_models_cannot_be_listed(http, vendor, code, style):
    vendor.on("models", Fault.status(code))
    assert (await listed(http, vendor, **LISTS[style]))[0] == code
    assert (await post(http, vendor, style))[0] == 200


async def test_models_are_listed_though_chat_is_ill(http, vendor):
    vendor.on("chat", Fault.status(500))
    assert (await listed(http, vendor))[0] == 200
    assert [(await post(http, vendor, style))[0] for style in STYLES] == [500] * len(STYLES)


async def test_a_key_that_may_not_list_is_told_so_in_words_about_scopes(http, vendor):
    vendor.on("models", Fault.missing_scope())
    status, body = await listed(http, vendor)
    assert (status, orjson.loads(body)["error"]["code"]) == (403, "missing_scope")


async def test_models_are_listed_while_chat_hangs(vendor, connect, http):
    vendor.on("chat", Fault.silence())
    raw = await connect(vendor)
    await raw.send(*of("openai"))
    await vendor.until_requests(1)
    assert (await listed(http, vendor))[0] == 200
    raw.writer.transport.abort()
    await vendor.until_cancelled()
    assert vendor.cancelled[0].path == "/v1/chat/completions"


async def test_chat_is_served_while_listing_hangs(vendor, connect, http):
    vendor.on("models", Fault.silence())
    raw = await connect(vendor)
    raw.writer.write(b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n")
    await vendor.until_requests(1)
    assert (await post(http, vendor, "openai"))[0] == 200
    raw.writer.transport.abort()
    await vendor.until_cancelled()
    assert vendor.cancelled[0].path == "/v1/models"


@pytest.mark.parametrize("style", ["openai", "responses", "anthropic"])
async def test_of_two_keys_one_is_good_and_one_is_revoked(http, vendor, style):
    vendor.for_key("revoked", Fault.refused_key())
    assert (await post(http, vendor, style, key="good"))[0] == 200
    assert (await post(http, vendor, style, key="revoked"))[0] == 401


async def test_a_vendor_with_a_key_knows_those_that_have_a_behaviour_and_no_others(http):
    async with SimulatedVendor(key="first") as vendor:
        vendor.for_key("second").script(Fault.status(429))
        keys = ("first", "second", "second", "third")
        found = [(await post(http, vendor, "openai", key=key))[0] for key in keys]
    assert found == [200, 429, 200, 401]


@pytest.mark.parametrize(
    ("style", "words"),
    [
        ("openai", b"does not have access to model `large`"),
        ("anthropic", b"does not have access to the model large"),
        ("google", b"Permission denied on resource models/large"),
        ("bedrock", b"You don't have access to the model"),
        ("invoke", b"You don't have access to the model"),
    ],
)
async def test_one_model_is_forbidden_and_the_others_are_served(http, vendor, style, words):
    vendor.for_model("large", Fault.no_access())
    status, _, body = await post(http, vendor, style, "large")
    assert status == 403
    assert words in body
    assert (await post(http, vendor, style, "small"))[0] == 200


async def test_an_outage_lasts_until_it_is_over(http, vendor):
    healed = asyncio.Event()
    vendor.always(Fault.status(500), until=healed)
    found = [(await post(http, vendor, "openai"))[0] for _ in range(2)]
    healed.set()
    found.append((await post(http, vendor, "openai"))[0])
    assert found == [500, 500, 200]


# ---- slow, by gates


async def test_a_first_token_comes_when_its_gate_opens(vendor, connect):
    gate = asyncio.Event()
    vendor.on("chat", Fault.hold(gate))
    raw = await connect(vendor)
    await raw.send(*of("openai", stream=True))
    assert (await raw.head())[0] == 200
    assert b'"role":"assistant"' in await raw.chunk()
    assert vendor.requests[0].sent == 0
    gate.set()
    assert b'"content":"the "' in await raw.chunk()


async def test_a_whole_answer_may_be_slow_in_its_head_or_in_its_body(vendor, connect):
    gate, other = asyncio.Event(), asyncio.Event()
    vendor.on("chat").script(Fault.hold(gate), Fault.hold(other, percent=50))
    slow_head, slow_body = await connect(vendor), await connect(vendor)
    for raw in (slow_head, slow_body):
        await raw.send(*of("openai"))
        await vendor.until_requests(1 if raw is slow_head else 2)
    status, headers = await slow_body.head()
    length = int(headers["content-length"])
    half = await slow_body.reader.readexactly(length // 2)
    assert status == 200
    other.set()
    orjson.loads(half + await slow_body.reader.readexactly(length - length // 2))
    gate.set()
    assert (await slow_head.head())[0] == 200


async def test_a_vendor_may_close_after_a_long_silence(vendor, connect):
    gate = asyncio.Event()
    vendor.on("chat", Fault.hang_up(gate))
    raw = await connect(vendor)
    await raw.send(*of("openai"))
    await vendor.until_requests(1)
    gate.set()
    assert await raw.rest() == b""


# ---- refusals under 200


def refusal_in(style, body):
    """Where a whole answer says that it was refused, and all text that it holds."""
    read = orjson.loads(body)
    match style:
        case "openai":
            choice = read["choices"][0]
            return (
                choice["finish_reason"],
                choice["message"]["content"],
                choice["message"]["refusal"],
            )
        case "completions":
            return read["choices"][0]["finish_reason"], read["choices"][0]["text"], None
        case "responses":
            texts = [part for item in read["output"] for part in item["content"]]
            reason = (read["incomplete_details"] or {}).get("reason")
            return reason, None, texts[0].get("refusal") if texts else None
        case "anthropic" | "invoke":
            return read["stop_reason"], read["content"], None
        case "google":
            blocked = read.get("promptFeedback", {}).get("blockReason")
            candidates = read.get("candidates", [])
            return (
                blocked or candidates[0]["finishReason"],
                None,
                [c.get("content") for c in candidates] or None,
            )
    content = read["output"]["message"]["content"]
    return read["stopReason"], "".join(part["text"] for part in content), None


NO = "I'm sorry, but I can't help with that."
CANNED = "Sorry, the model cannot answer this question."


@pytest.mark.parametrize(
    ("style", "how", "found"),
    [
        ("openai", "blocked", ("content_filter", "", None)),
        ("openai", "declined", ("stop", None, NO)),
        ("completions", "blocked", ("content_filter", "", None)),
        ("completions", "declined", ("content_filter", "", None)),
        ("responses", "blocked", ("content_filter", None, None)),
        ("responses", "declined", (None, None, NO)),
        ("anthropic", "blocked", ("refusal", [], None)),
        ("anthropic", "declined", ("refusal", [], None)),
        ("google", "blocked", ("PROHIBITED_CONTENT", None, None)),
        ("google", "declined", ("SAFETY", None, [None])),
        ("bedrock", "blocked", ("guardrail_intervened", CANNED, None)),
        ("bedrock", "declined", ("content_filtered", "", None)),
        ("invoke", "blocked", ("refusal", [], None)),
    ],
)
async def test_a_whole_answer_is_refused_under_200(http, vendor, style, how, found):
    vendor.on("chat", Fault.refused(how))
    status, _, body = await post(http, vendor, style)
    assert status == 200
    assert refusal_in(style, body) == found


@pytest.mark.parametrize(
    ("style", "how", "words"),
    [
        ("openai", "blocked", [b'"finish_reason":"content_filter"']),
        ("openai", "declined", [b'"delta":{"refusal":', b'"finish_reason":"stop"']),
        ("completions", "declined", [b'"finish_reason":"content_filter"']),
        ("responses", "blocked", [b"event: response.incomplete", b'"reason":"content_filter"']),
        ("responses", "declined", [b"response.refusal.delta", b"response.refusal.done"]),
        ("anthropic", "blocked", [b'"stop_reason":"refusal"', b"event: message_stop"]),
        ("google", "blocked", [b'"blockReason":"PROHIBITED_CONTENT"']),
        ("google", "declined", [b'"finishReason":"SAFETY"']),
        ("bedrock", "blocked", [b"Sorry, the model", b'"stopReason":"guardrail_intervened"']),
        ("bedrock", "declined", [b'"stopReason":"content_filtered"']),
    ],
)
async def test_a_stream_is_refused_under_200(http, vendor, style, how, words):
    vendor.on("chat", Fault.refused(how))
    status, _, body = await post(http, vendor, style, stream=True)
    assert status == 200
    assert [word for word in words if word not in body] == []
    assert b"the " not in body.replace(b"the model", b"")


async def test_a_refused_stream_of_claude_on_bedrock_is_anthropics_in_frames(http, vendor):
    vendor.on("chat", Fault.refused())
    _, _, body = await post(http, vendor, "invoke", stream=True)
    frames = EventStreamDecoder().feed(body)
    assert len(frames) > 2
    assert b"the " not in body


# ---- continuations


def continued(whole, said):
    return {
        "model": "m",
        "messages": [*USER, {"role": "assistant", "content": said}],
        "max_tokens": 99,
    }


@pytest.mark.parametrize("how", ["same", "diverging", "other"])
async def test_a_continuation_may_begin_anew(http, how):
    async with SimulatedVendor(profile=Profile(chunks=12)) as vendor:

        async def text(body):
            async with http.post(vendor.base + "/v1/chat/completions", json=body) as answer:
                return (await answer.json())["choices"][0]["message"]["content"]

        whole = await text({"model": "m", "messages": USER})
        said = whole[: len(whole) // 2]
        assert said + await text(continued(whole, said)) == whole
        vendor.on("chat", Fault.anew(how))
        again = await text(continued(whole, said))
        assert await text({"model": "m", "messages": USER}) == whole
    same = next(
        (i for i, (a, b) in enumerate(zip(whole, again, strict=False)) if a != b), len(whole)
    )
    assert {"same": same == len(whole), "diverging": 0 < same < len(said), "other": same == 0}[how]


# ---- echoes


@pytest.mark.parametrize("fault", [Fault(), Fault.status(500)])
@pytest.mark.parametrize("stream", [False, True])
async def test_request_headers_come_back_whatever_the_status(http, vendor, fault, stream):
    vendor.always(Fault.echo() | fault)
    _, headers, _ = await post(
        http, vendor, "openai", stream=stream, key="k", **{"x-tenant-key": "t"}
    )
    assert (headers["x-tenant-key"], headers["authorization"]) == ("t", "Bearer k")


async def test_only_the_named_headers_come_back(http, vendor):
    vendor.always(Fault.echo("x-tenant-key", "x-not-sent"))
    _, headers, _ = await post(http, vendor, "openai", key="k", **{"x-tenant-key": "t"})
    assert headers["x-tenant-key"] == "t"
    assert "authorization" not in headers
    assert "x-not-sent" not in headers
