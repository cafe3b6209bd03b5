"""What a service's style cannot carry. Content and state leave the service out; what only tunes the
answer is left out and named; a rule may have it otherwise.
"""

from __future__ import annotations

import pytest

from harness import proxied
from pilotfish.simulated import SimulatedVendor

RULES = """
providers:
  claude: {{kind: anthropic, api_base: {base}, no_key_required: true}}
  openai: {{kind: openai, api_base: {base}/v1, no_key_required: true}}
defaults: {{retries: {{max_retries: 0}}}}
rules:
  - {{name: safe, request_model: safe, services: [{{provider: claude, model: sim-n2}}]}}
  - {{name: drops, request_model: drops, unsupported: drop, services: [{{provider: claude, model: sim-n2}}]}}
  - {{name: rejects, request_model: rejects, unsupported: reject, services: [{{provider: claude, model: sim-n2}}]}}
  - name: both
    request_model: both
    unsupported: {unsupported}
    lb_tactic: {{type: round_robin, params: {{request_threshold: 1}}}}
    services: [{{provider: claude, model: sim-n2}}, {{provider: openai, model: sim-n3}}]
"""
AUDIO = {"type": "input_audio", "input_audio": {"data": "QUFB", "format": "wav"}}


@pytest.fixture
async def vendor():
    async with SimulatedVendor() as vendor:
        yield vendor


@pytest.fixture
async def proxy(vendor, tmp_path):
    async with proxied(tmp_path, RULES.format(base=vendor.base, unsupported="safe")) as proxy:
        yield proxy


def chat(*parts, **more):
    text = {"type": "text", "text": "hello"}
    return {"messages": [{"role": "user", "content": [text, *parts]}], **more}


def responses(**more):
    return {"input": "hello", **more}


LOST = [
    ("/v1/chat/completions", chat(AUDIO), "messages.audio"),
    ("/v1/chat/completions", chat(n=2), "n"),
    ("/v1/chat/completions", chat(modalities=["text", "audio"], audio={}), "modalities, audio"),
    ("/v1/chat/completions", chat({"type": "video_url", "video_url": {}}), "messages.video_url"),
    ("/v1/chat/completions", chat(web_search_options={}), "web_search_options"),
    (
        "/v1/chat/completions",
        chat(tools=[{"type": "custom", "custom": {"name": "shell"}}]),
        "tools.shell",
    ),
    (
        "/v1/chat/completions",
        chat({"type": "file", "file": {"file_id": "file-1"}}),
        "messages.document.file_id",
    ),
    ("/v1/responses", responses(previous_response_id="resp_1"), "previous_response_id"),
    ("/v1/responses", responses(conversation="conv_1"), "conversation"),
    ("/v1/responses", responses(background=True), "background"),
    ("/v1/responses", responses(prompt={"id": "pmpt_1"}), "prompt"),
    (
        "/v1/responses",
        responses(tools=[{"type": "file_search", "vector_store_ids": ["vs_1"]}]),
        "tools.file_search",
    ),
    ("/v1/responses", responses(tools=[{"type": "mcp", "server_label": "x"}]), "tools.mcp"),
    (
        "/v1beta/models/safe:generateContent",
        {"contents": [{"role": "user", "parts": [{"text": "x"}]}], "cachedContent": "c/1"},
        "cachedContent",
    ),
]


@pytest.mark.parametrize(("path", "body", "lost"), LOST, ids=[f"{p[-9:]} {x}" for p, _, x in LOST])
async def test_an_answer_without_what_the_user_sent_is_none(proxy, vendor, path, body, lost):
    """Seen: a model that answers about a document which it never saw, with status 200."""
    answer = await proxy.post(path, {"model": "safe", **body})
    said = f"no service of rule 'safe' can take this request: claude/sim-n2 cannot carry {lost}"
    assert (answer.status, answer.json["error"]["message"]) == (400, said)
    assert list(vendor.requests) == [], "nothing goes out"
    assert (await proxy.service("claude", "sim-n2"))["state"] == "serving"


PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUFB", "detail": "low"}}


@pytest.mark.parametrize(
    ("body", "dropped"),
    [
        (chat(logit_bias={"1": 2}), "logit_bias"),
        (chat(n=1), None),
        (chat(PICTURE), "messages.image.detail"),
        (chat(prediction={"type": "content", "content": "x"}), "prediction"),
    ],
)
async def test_what_only_tunes_the_answer_is_left_out_and_named(proxy, body, dropped):
    answer = await proxy.post("/v1/chat/completions", {"model": "safe", **body})
    assert (answer.status, answer.headers.get("x-pilotfish-dropped")) == (200, dropped)


async def test_who_can_carry_it_is_asked_and_the_turn_is_nobody_elses(proxy, vendor):
    for _ in range(4):
        answer = await proxy.post("/v1/chat/completions", {"model": "both", **chat(AUDIO)})
        assert (answer.status, answer.headers["x-pilotfish-service"]) == (200, "openai/sim-n3")
        assert answer.headers["x-pilotfish-attempts"] == "1"
    seen = set()
    for _ in range(4):
        answer = await proxy.chat("both")
        seen.add(answer.headers["x-pilotfish-service"])
    assert seen == {"claude/sim-n2", "openai/sim-n3"}


async def test_who_can_carry_it_and_is_out_is_waited_for_and_not_replaced(proxy, vendor):
    """503, which is tried again later: not an answer without the content, nor the client's fault."""
    for model in ("sim-n3",):
        proxy.app.ledger.services["openai", model].health.force_cooldown(
            1e12, "said so", 0.0, retry_after_given=True
        )
    answer = await proxy.post("/v1/chat/completions", {"model": "both", **chat(AUDIO)})
    assert answer.status in (429, 503)
    assert "openai/sim-n3" in answer.json["error"]["message"]
    assert (await proxy.chat("both")).headers["x-pilotfish-service"] == "claude/sim-n2"


async def test_explain_says_why_a_service_is_left_out(proxy):
    told = (await proxy.admin("/explain", {"model": "both", **chat(AUDIO)})).json
    assert [c["service"] for c in told["candidates"]] == ["openai/sim-n3"]
    assert told["left_out"] == [{"service": "claude/sim-n2", "why": "cannot carry messages.audio"}]


async def test_a_rule_may_refuse_whatever_would_be_lost(proxy, vendor):
    answer = await proxy.chat("rejects", logit_bias={"1": 2})
    assert (answer.status, answer.json["error"]["message"]) == (
        400,
        "no service of rule 'rejects' can take this request: claude/sim-n2 cannot carry logit_bias",
    )
    assert list(vendor.requests) == [], "nothing goes out"
    assert (await proxy.chat("rejects")).status == 200


async def test_with_reject_another_service_takes_it(vendor, tmp_path):
    async with proxied(tmp_path, RULES.format(base=vendor.base, unsupported="reject")) as proxy:
        for _ in range(3):
            answer = await proxy.chat("both", logit_bias={"1": 2})
            assert answer.headers["x-pilotfish-service"] == "openai/sim-n3"


async def test_a_rule_may_drop_everything(proxy):
    answer = await proxy.post("/v1/chat/completions", {"model": "drops", **chat(AUDIO, n=2)})
    assert (answer.status, answer.headers["x-pilotfish-dropped"]) == (200, "messages.audio, n")


async def test_a_race_has_no_participant_that_cannot_carry_it(vendor, tmp_path):
    rules = RULES.format(base=vendor.base, unsupported="safe").replace(
        "    request_model: both\n", "    request_model: both\n    race: {max_parallel: 2}\n"
    )
    async with proxied(tmp_path, rules) as proxy:
        answer = await proxy.post("/v1/chat/completions", {"model": "both", **chat(AUDIO)})
        assert (answer.status, answer.headers["x-pilotfish-attempts"]) == (200, "1")
    assert len(vendor.requests) == 1
