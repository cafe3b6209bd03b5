"""The server: keys, limits, order of faults, errors in each vendor's form, and an end that leaves
nothing behind.
"""

from __future__ import annotations

import asyncio

import aiohttp
import orjson
import pytest

from pilotfish.simulated import Fault, Profile, RateLimit, SimulatedVendor

USER = [{"role": "user", "content": "hello"}]
CHAT = "/v1/chat/completions"
GOOGLE_BODY = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
BEDROCK_BODY = {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


async def post(http, vendor, path, body, **headers):
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    async with http.post(
        vendor.base + path, data=data, headers={"content-type": "application/json", **headers}
    ) as answer:
        return answer.status, answer.headers, await answer.read()


def of(style, model):
    """Path and body of a plain request in a style."""
    return {
        "openai": (CHAT, {"model": model, "messages": USER}),
        "responses": ("/v1/responses", {"model": model, "input": "hello"}),
        "anthropic": ("/v1/messages", {"model": model, "messages": USER, "max_tokens": 99}),
        "google": (f"/v1beta/models/{model}:generateContent", GOOGLE_BODY),
        "bedrock": (f"/model/{model}/converse", BEDROCK_BODY),
    }[style]


STYLES = ["openai", "responses", "anthropic", "google", "bedrock"]


@pytest.mark.parametrize("style", STYLES)
async def test_a_wrong_key_is_refused_and_a_right_one_is_not(http, style):
    names = {"anthropic": "x-api-key", "google": "x-goog-api-key"}
    async with SimulatedVendor(key="right") as vendor:
        statuses = []
        for key in ("wrong", "right"):
            header = (
                {"authorization": f"Bearer {key}"} if style not in names else {names[style]: key}
            )
            statuses.append((await post(http, vendor, *of(style, "m"), **header))[0])
    assert statuses == [{"google": 400, "bedrock": 403}.get(style, 401), 200]


async def test_the_key_of_an_aws_signature_and_of_a_query_are_known(http):
    async with SimulatedVendor(key="AKIA1") as vendor:
        signed = "AWS4-HMAC-SHA256 Credential=AKIA1/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=0"
        assert (await post(http, vendor, *of("bedrock", "m"), authorization=signed))[0] == 200
        path, body = of("google", "m")
        assert (await post(http, vendor, f"{path}?key=AKIA1", body))[0] == 200


@pytest.mark.parametrize(
    ("style", "word", "status", "where", "found"),
    [
        ("openai", "429", 429, ("error", "code"), "rate_limit_exceeded"),
        ("openai", "quota", 429, ("error", "code"), "insufficient_quota"),
        ("openai", "500", 500, ("error", "type"), "server_error"),
        ("openai", "contextlength", 400, ("error", "code"), "context_length_exceeded"),
        ("responses", "contentpolicy", 400, ("error", "code"), "content_policy_violation"),
        ("openai", "404", 404, ("error", "code"), "model_not_found"),
        ("anthropic", "529", 529, ("error", "type"), "overloaded_error"),
        ("anthropic", "429", 429, ("error", "type"), "rate_limit_error"),
        ("anthropic", "401", 401, ("error", "type"), "authentication_error"),
        ("anthropic", "500", 500, ("error", "type"), "api_error"),
        (
            "anthropic",
            "contextlength",
            400,
            ("error", "message"),
            "prompt is too long: 210000 tokens > 200000 maximum",
        ),
        ("google", "429", 429, ("error", "status"), "RESOURCE_EXHAUSTED"),
        ("google", "503", 503, ("error", "status"), "UNAVAILABLE"),
        ("google", "contentpolicy", 200, ("promptFeedback", "blockReason"), "PROHIBITED_CONTENT"),
        ("bedrock", "503", 503, ("message",), "Bedrock is unable to process your request."),
        ("bedrock", "contentpolicy", 200, ("stopReason",), "guardrail_intervened"),
    ],
)
async def test_errors_are_in_the_vendors_own_form(http, vendor, style, word, status, where, found):
    answer = await post(http, vendor, *of(style, f"sim-{word}"))
    value = orjson.loads(answer[2])
    for name in where:
        value = value[name]
    assert (answer[0], value) == (status, found)


async def test_bedrock_names_the_exception_in_a_header(http, vendor):
    _, headers, _ = await post(http, vendor, *of("bedrock", "sim-429"))
    assert headers["x-amzn-errortype"] == "ThrottlingException"


async def test_waits_are_told_in_every_form(http, vendor):
    _, headers, body = await post(http, vendor, *of("google", "sim-429-ra7-rams7000-rahint7"))
    assert (headers["retry-after"], headers["retry-after-ms"]) == ("7", "7000")
    assert orjson.loads(body)["error"]["details"][0]["retryDelay"] == "7s"
    _, headers, body = await post(http, vendor, *of("openai", "sim-429-radate7-rahint7"))
    assert headers["retry-after"].endswith("GMT")
    assert "try again in 7s" in orjson.loads(body)["error"]["message"]


@pytest.mark.parametrize("style", STYLES)
async def test_a_prefill_is_refused_only_where_there_is_one(http, vendor, style):
    path, body = of(style, "sim-noprefill")
    assert (await post(http, vendor, path, body))[0] == 200
    turn = {
        "google": {"role": "model", "parts": [{"text": "the"}]},
        "bedrock": {"role": "assistant", "content": [{"text": "the"}]},
    }.get(style, {"role": "assistant", "content": "the"})
    if style == "responses":
        body = {**body, "input": [*USER, turn]}
    else:
        body = {
            **body,
            **{name: [*body[name], turn] for name in ("messages", "contents") if name in body},
        }
    assert (await post(http, vendor, path, body))[0] == 400


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        (CHAT, b"{", "could not parse"),
        (CHAT, b"", "no body"),
        (CHAT, [], "expected an object"),
        (CHAT, {"messages": USER}, "model parameter"),
        (CHAT, {"model": "m"}, "at least one"),
        (CHAT, {"model": "m", "messages": [1]}, "expected an object"),
        (CHAT, {"model": "m", "messages": USER, "max_tokens": -1}, "at least 1"),
        (CHAT, {"model": "m", "messages": USER, "n": 2**62}, "at most 128"),
        ("/v1/completions", {"model": "m", "prompt": "p", "n": 2**62}, "at most 128"),
        (
            CHAT,
            {"model": "m", "messages": USER, "tools": [{"type": "function", "function": {}}]},
            "malformed request",
        ),
        (CHAT, {"model": "sim-rest", "messages": USER}, "unknown word 'rest'"),
        ("/v1/messages", {"model": "m", "messages": USER}, "max_tokens: Field required"),
        ("/v1beta/models/m:generateContent", {}, "contents is not specified"),
        ("/v1/audio/transcriptions", {"model": "m"}, "expected an audio file"),
    ],
)
async def test_bad_requests_get_400_with_the_reason(http, vendor, path, body, words):
    status, _, answer = await post(http, vendor, path, body)
    assert status == 400
    assert words in orjson.loads(answer)["error"]["message"]


async def test_an_unknown_path_and_an_unknown_model_get_404(http, vendor):
    assert (await post(http, vendor, "/v2/nothing", {}))[0] == 404
    async with http.get(vendor.base + "/v1/models/nobody") as answer:
        assert answer.status == 404


async def test_what_is_not_http_gets_400_and_the_connection_ends(vendor, connect):
    raw = await connect(vendor)
    raw.writer.write(b"nonsense\r\n\r\n")
    assert (await raw.rest()).startswith(b"HTTP/1.1 400 ")


async def test_a_body_that_waits_for_leave_is_let_come(vendor, connect):
    raw = await connect(vendor)
    body = orjson.dumps({"model": "m", "messages": USER})
    raw.writer.write(
        b"POST %b HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: %d\r\n\r\n"
        % (CHAT.encode(), len(body))
    )
    assert (await raw.head())[0] == 100
    raw.writer.write(body)
    assert (await raw.head())[0] == 200


@pytest.mark.parametrize("style", ["openai", "responses", "google", "bedrock"])
async def test_usage_can_be_missing(http, vendor, style):
    names = {"google": "usageMetadata"}
    with_usage = orjson.loads((await post(http, vendor, *of(style, "m")))[2])
    without = orjson.loads((await post(http, vendor, *of(style, "sim-nousage")))[2])
    assert with_usage[names.get(style, "usage")]
    assert not without.get(names.get(style, "usage"))


async def test_the_script_comes_first_then_the_standing_fault_then_nothing(http, vendor):
    vendor.script(Fault.status(500), Fault())
    vendor.always(Fault.status(503))
    statuses = [(await post(http, vendor, *of("openai", "m")))[0] for _ in range(3)]
    vendor.always(None)
    statuses.append((await post(http, vendor, *of("openai", "m")))[0])
    assert statuses == [500, 200, 503, 200]
    assert [seen.status for seen in vendor.requests] == statuses


async def test_words_may_concern_the_first_requests_or_every_nth_only(http, vendor):
    first = [(await post(http, vendor, *of("openai", "sim-first2-500")))[0] for _ in range(4)]
    every = [(await post(http, vendor, *of("openai", "sim-every3-500")))[0] for _ in range(6)]
    assert first == [500, 500, 200, 200]
    assert every == [200, 200, 500, 200, 200, 500]


async def test_a_share_of_errors_is_the_same_for_the_same_seed(http):
    runs = []
    for _ in range(2):
        async with SimulatedVendor(profile=Profile(error_ratio=0.5, seed=3)) as vendor:
            runs.append([(await post(http, vendor, *of("openai", "m")))[0] for _ in range(12)])
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 500}


@pytest.mark.parametrize(
    ("style", "left"),
    [
        ("openai", "x-ratelimit-remaining-requests"),
        ("anthropic", "anthropic-ratelimit-requests-remaining"),
    ],
)
async def test_a_rate_limit_is_counted_down_and_then_answered_with_the_time_to_wait(
    http, style, left
):
    async with SimulatedVendor(
        profile=Profile(rate_limit=RateLimit(requests=2, window_s=60))
    ) as vendor:
        answers = [await post(http, vendor, *of(style, "m")) for _ in range(3)]
    assert [(status, headers[left]) for status, headers, _ in answers] == [
        (200, "1"),
        (200, "0"),
        (429, "0"),
    ]
    assert 59 <= int(answers[2][1]["retry-after"]) <= 61


async def test_what_came_in_is_remembered(http, vendor):
    await post(http, vendor, CHAT + "?a=1", {"model": "m", "messages": USER}, **{"X-Custom": "v"})
    seen = vendor.requests[0]
    assert (seen.method, seen.path, seen.query, seen.model, seen.connection) == (
        "POST",
        CHAT,
        {"a": "1"},
        "m",
        1,
    )
    assert seen.headers["x-custom"] == "v"
    assert seen.json["messages"] == USER
    assert seen.left is None


async def test_connections_are_kept_and_counted(http, vendor):
    for _ in range(3):
        await post(http, vendor, *of("openai", "m"))
    assert (vendor.connections_made, vendor.connections_open) == (1, 1)


async def test_two_thousand_requests_with_every_third_failing_leave_nothing_behind():
    faults = [
        "sim-reset",
        "sim-500",
        "sim-n4-cut50",
        "sim-n4-malformed",
        "sim-n4-err-after",
        "sim-badgzip",
        "sim-429-ra7",
        "sim-n4-rst50",
    ]
    async with SimulatedVendor(remember=100) as vendor, aiohttp.ClientSession() as http:
        before = asyncio.all_tasks()

        async def one(number: int) -> str:
            model = faults[number // 3 % len(faults)] if number % 3 == 0 else "sim-n4"
            try:
                status, _, body = await post(
                    http, vendor, CHAT, {"model": model, "messages": USER, "stream": True}
                )
            except aiohttp.ClientError:
                return "broken"
            return (
                "good"
                if status == 200 and body.endswith(b"[DONE]\n\n") and b"broken" not in body
                else "bad"
            )

        found = []
        for start in range(0, 2000, 50):
            found += await asyncio.gather(*(one(number) for number in range(start, start + 50)))
        assert [found[number] for number in range(2000) if number % 3] == ["good"] * 1333
        assert "good" not in found[::3]
        assert len(vendor.requests) == 100
        await http.close()
        leftover = {
            task
            for task in asyncio.all_tasks() - before
            if not task.get_name().startswith("simulated connection")
        }
        assert not leftover
    assert vendor.connections_open == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_closing_ends_answers_that_would_never_end(connect):
    async with SimulatedVendor() as vendor:
        for word in ("silent", "stall50", "heartbeats-1ms", "ttft-600s"):
            raw = await connect(vendor)
            await raw.send(CHAT, {"model": f"sim-{word}", "messages": USER, "stream": True})
        await vendor.until_requests(4)
    assert vendor.connections_open == 0
    assert list(vendor.cancelled) == []
    assert {
        task for task in asyncio.all_tasks() if task.get_name().startswith("simulated")
    } == set()


async def test_a_vendor_can_be_opened_again_on_its_port(http):
    vendor = SimulatedVendor()
    async with vendor:
        base = vendor.base
    async with vendor:
        assert vendor.base == base
        assert (await post(http, vendor, *of("openai", "m")))[0] == 200
