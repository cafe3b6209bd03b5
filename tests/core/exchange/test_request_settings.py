"""What the rules set in a request: the same in every style, in the client's own bytes where the
style is the same.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.exchange.test_calls import inbound, sent, service
from core.routing.playbook import House
from pilotfish import styles
from pilotfish.core.exchange.calls import call_body, continuation_body
from pilotfish.core.model.service import Service
from pilotfish.core.routing.rule_state import op_for
from pilotfish.errors import ClientError

HELLO = [{"role": "user", "content": "Hello"}]
BLOCKS = [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]
CONTENTS = [{"role": "user", "parts": [{"text": "Hello"}]}]
CONVERSE = [{"role": "user", "content": [{"text": "Hello"}]}]

# client's path, a body without settings, the kind that speaks this style, its model
STYLES: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "openai": ("/v1/chat/completions", {"model": "x", "messages": HELLO}, "openai", "gpt-4o"),
    "responses": (
        "/v1/responses",
        {"model": "x", "input": "Hello"},
        "openai",
        "gpt-4o",
    ),
    "anthropic": (
        "/v1/messages",
        {"model": "x", "max_tokens": 50, "messages": HELLO},
        "anthropic",
        "claude-sonnet-4-0",
    ),
    "google": (
        "/v1beta/models/x:generateContent",
        {"contents": CONTENTS},
        "google",
        "gemini-2.5-pro",
    ),
    "bedrock": (
        "/model/x/converse",
        {"messages": CONVERSE},
        "bedrock",
        "anthropic.claude-sonnet-4-20250514-v1:0",
    ),
}


def with_request(kind: str, model: str, request: str, of_provider: str = "{}") -> Service:
    options = ", options: {region: eu-central-1}" if kind == "bedrock" else ""
    more = f"  p: {{kind: {kind}, token: {{env: KEY}}, request: {of_provider}{options}}}"
    given = f"services: [{{provider: p, model: {json.dumps(model)}, request: {request}}}]"
    return House("", given, more=more).snapshot.rules[0].services[0]


def made(style: str, request: str, client: str = "", **body: Any) -> Any:
    """What is sent to a service of `style`, from a client of `client` (empty: the same)."""
    path, given, *_ = STYLES[client or style]
    _, _, kind, model = STYLES[style]
    to, asked = with_request(kind, model, request), inbound(path, {**given, **body})
    op = op_for(to, asked.op)
    assert op is not None
    call = call_body(asked, to, op, styles.get)
    assert call.same_style is (not client)
    return sent(call)


# ---- bytes stay


@pytest.mark.parametrize("style", STYLES)
def test_what_is_set_already_leaves_the_bytes_alone(style: str) -> None:
    """Unknown fields, number forms and blanks survive, whatever the settings."""
    path, given, kind, model = STYLES[style]
    body = json.dumps({**given, "own_field": 1.50, "nested": {"a": [1e3]}}, indent=3).encode()
    to = with_request(kind, model, "{system_prompt: Rule., overrides: {temperature: 0.5}}")
    asked = inbound(path, body)
    op = op_for(to, asked.op)
    assert op is not None
    plain = call_body(asked, service(kind, model, options_of(kind)), op, styles.get)
    call = b"".join(call_body(asked, to, op, styles.get).parts)
    assert json.loads(b"".join(plain.parts)) == {**json.loads(body), **model_of(op, model)}
    assert b'"own_field": 1.5,' in call
    assert b"[\n         1000.0\n      ]" in call


def options_of(kind: str) -> str:
    return ", options: {region: eu-central-1}" if kind == "bedrock" else ""


def model_of(op: str, model: str) -> dict[str, str]:
    return {} if op in ("generate", "converse") else {"model": model}


# ---- defaults and overrides


MAX_TOKENS = {
    "openai": ("max_completion_tokens",),
    "responses": ("max_output_tokens",),
    "anthropic": ("max_tokens",),
    "google": ("generationConfig", "maxOutputTokens"),
    "bedrock": ("inferenceConfig", "maxTokens"),
}


def at(body: Any, *way: str) -> Any:
    for name in way:
        body = body[name]
    return body


@pytest.mark.parametrize("style", STYLES)
def test_an_override_holds_whatever_the_client_says(style: str) -> None:
    assert at(made(style, "{overrides: {max_tokens: 2048}}"), *MAX_TOKENS[style]) == 2048


@pytest.mark.parametrize("client", ["anthropic", "google", "bedrock"])
def test_it_holds_for_a_client_of_another_style_too(client: str) -> None:
    body = made("openai", "{overrides: {max_tokens: 2048}, defaults: {temperature: 0.2}}", client)
    assert (body["max_completion_tokens"], body["temperature"]) == (2048, 0.2)


def test_a_default_holds_only_where_the_client_says_nothing() -> None:
    request = "{defaults: {max_tokens: 2048, temperature: 0.2, stop: [END]}}"
    body = made("openai", request, temperature=0.9)
    assert (body["max_completion_tokens"], body["temperature"], body["stop"]) == (
        2048,
        0.9,
        ["END"],
    )
    assert "max_completion_tokens" not in made("openai", request, max_tokens=7)
    assert made("anthropic", request)["max_tokens"] == 50


def test_the_older_name_of_a_field_does_not_stay_beside_the_newer() -> None:
    body = made("openai", "{overrides: {max_tokens: 5}}", max_tokens=100)
    assert body["max_completion_tokens"] == 5
    assert "max_tokens" not in body


def test_a_nested_object_of_the_clients_keeps_its_other_fields_and_its_spelling() -> None:
    config = {"max_output_tokens": 9, "candidateCount": 2}
    body = made("google", "{overrides: {max_tokens: 5, temperature: 0}}", generation_config=config)
    assert body["generation_config"]["candidateCount"] == 2
    assert body["generation_config"]["max_output_tokens"] == 5
    assert body["generation_config"]["temperature"] == 0
    assert "generationConfig" not in body


def test_what_a_service_does_not_know_is_not_sent_and_is_no_loss_of_the_clients() -> None:
    path, given, *_ = STYLES["openai"]
    to = with_request("anthropic", "claude-sonnet-4-0", "{defaults: {seed: 7, max_tokens: 9}}")
    plain = call_body(inbound(path, given), to, "messages", styles.get)
    assert "seed" not in sent(plain)
    assert plain.dropped == ()
    own = call_body(inbound(path, {**given, "seed": 1}), to, "messages", styles.get)
    assert own.dropped == ("seed",)


# ---- thinking


def test_thinking_is_a_budget_or_an_effort_as_the_service_has_it() -> None:
    request = "{thinking: {budget_tokens: 4096}}"
    assert made("openai", request)["reasoning_effort"] == "low"
    assert made("anthropic", request)["thinking"] == {"type": "enabled", "budget_tokens": 4096}
    google = made("google", request)["generationConfig"]["thinkingConfig"]
    assert google["thinkingBudget"] == 4096
    assert (
        made("responses", "{overrides: {reasoning_effort: high}}")["reasoning"]["effort"] == "high"
    )


def test_the_clients_own_thinking_stays_unless_it_is_overridden() -> None:
    own = {"type": "enabled", "budget_tokens": 2000}
    body = made("anthropic", "{thinking: {budget_tokens: 4096}}", thinking=own, max_tokens=9000)
    assert body["thinking"] == own
    assert (
        made("openai", "{overrides: {reasoning_effort: low}}", reasoning_effort="high")[
            "reasoning_effort"
        ]
        == "low"
    )
    off = made("anthropic", "{overrides: {reasoning_effort: none}}", thinking=own, max_tokens=9000)
    assert off["thinking"] == {"type": "disabled"}


def test_what_thinking_rules_out_goes_with_it() -> None:
    """Claude wants a limit above the budget, and takes no temperature beside thinking."""
    body = made("anthropic", "{thinking: {budget_tokens: 4096}}", temperature=0.3)
    assert body["max_tokens"] > 4096
    assert "temperature" not in body


def test_thinking_is_not_begun_in_the_middle_of_tool_calls() -> None:
    messages = [
        {"role": "user", "content": "Hello"},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "1"}]},
    ]
    body = made("anthropic", "{thinking: {budget_tokens: 4096}}", messages=messages)
    assert "thinking" not in body


# ---- system prompt


def test_the_system_prompt_comes_before_the_clients_own() -> None:
    rule = "{system_prompt: Rule.}"
    system = {"role": "system", "content": "Mine."}
    assert made("openai", rule)["messages"] == [{"role": "system", "content": "Rule."}, *HELLO]
    assert made("openai", rule, messages=[system, *HELLO])["messages"][0] == {
        "role": "system",
        "content": "Rule.\n\nMine.",
    }
    blocks = {"role": "developer", "content": [{"type": "text", "text": "Mine."}]}
    (first, second) = made("openai", rule, messages=[blocks, *HELLO])["messages"][0]["content"]
    assert (first["text"], second["text"]) == ("Rule.", "Mine.")
    assert made("responses", rule)["instructions"] == "Rule."
    assert made("responses", rule, instructions="Mine.")["instructions"] == "Rule.\n\nMine."
    assert made("anthropic", rule)["system"] == "Rule."
    cached = {"type": "text", "text": "Mine.", "cache_control": {"type": "ephemeral"}}
    assert made("anthropic", rule, system=[cached])["system"] == [
        {"type": "text", "text": "Rule."},
        cached,
    ]
    assert made("google", rule)["systemInstruction"] == {"parts": [{"text": "Rule."}]}
    own = {"role": "user", "parts": {"text": "Mine."}}
    assert made("google", rule, system_instruction=own)["system_instruction"] == {
        "role": "user",
        "parts": [{"text": "Rule."}, {"text": "Mine."}],
    }
    assert made("bedrock", rule, system=[{"text": "Mine."}])["system"] == [
        {"text": "Rule."},
        {"text": "Mine."},
    ]
    assert made("anthropic", rule, "openai", messages=[system, *HELLO])["system"] != "Mine."


def test_it_goes_with_what_else_a_vendor_wants_of_the_history() -> None:
    """Mistral's ids of nine letters, and the system prompt, both in `messages`."""
    call = {"id": "call_abc", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        *HELLO,
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_abc", "content": "1"},
    ]
    to = with_request("mistral", "mistral-small", "{system_prompt: Rule.}")
    body = sent(
        call_body(
            inbound("/v1/chat/completions", {"model": "x", "messages": messages}),
            to,
            "chat",
            styles.get,
        )
    )
    assert body["messages"][0]["content"] == "Rule."
    assert len(body["messages"][2]["tool_calls"][0]["id"]) == 9


def test_a_conversation_that_is_none_is_left_to_the_service() -> None:
    assert made("openai", "{system_prompt: Rule.}", messages="?")["messages"] == "?"


def test_a_continuation_is_told_the_same() -> None:
    path, given, *_ = STYLES["openai"]
    to = with_request("openai", "gpt-4o", "{system_prompt: Rule., overrides: {max_tokens: 5}}")
    call = continuation_body(
        inbound(path, {**given, "stream": True}), to, "chat", styles.get, "It was", prefill=False
    )
    assert sent(call)["messages"][0]["content"] == "Rule."
    assert sent(call)["max_completion_tokens"] == 5


# ---- a vendor's own fields


def test_extra_fields_are_set_and_objects_merged() -> None:
    extra = "{extra_body: {provider: {order: [a]}, top_a: 0.1}}"
    body = made("openai", extra, provider={"sort": "price", "order": ["b"]})
    assert (body["provider"], body["top_a"]) == ({"sort": "price", "order": ["a"]}, 0.1)
    translated = made(
        "google", "{extra_body: {generationConfig: {mediaResolution: LOW}}}", "openai", max_tokens=5
    )
    assert translated["generationConfig"] == {"maxOutputTokens": 5, "mediaResolution": "LOW"}


def test_extra_fields_go_with_those_of_the_parameters() -> None:
    request = "{overrides: {max_tokens: 5}, extra_body: {generationConfig: {topK: 3}}}"
    assert made("google", request)["generationConfig"] == {"maxOutputTokens": 5, "topK": 3}


# ---- where they hold


def test_other_operations_stay_as_they_are() -> None:
    asked = inbound("/v1/embeddings", {"model": "x", "input": "Hello"})
    to = with_request("openai", "gpt-4o", "{overrides: {max_tokens: 5}, system_prompt: Rule.}")
    assert sent(call_body(asked, to, "embeddings", styles.get)) == {
        "model": "gpt-4o",
        "input": "Hello",
    }


def test_parameters_that_nobody_can_read_are_the_clients_error() -> None:
    with pytest.raises(ClientError) as e:
        made("openai", "{defaults: {max_tokens: 5}}", temperature="warm")
    assert e.value.status == 400
