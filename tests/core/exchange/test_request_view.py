"""What a request says, as smart routing and affinity look at it, in every style."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.routing.playbook import House
from pilotfish import styles
from pilotfish.core.exchange import endpoints
from pilotfish.core.exchange.calls import chat_of
from pilotfish.core.exchange.inbound import Headers, Inbound
from pilotfish.core.exchange.request_view import RequestView, session_of
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.snapshot import Affinity
from pilotfish.core.state.ledger import Ledger

CHAT, MESSAGES, GENERATE = (
    "/v1/chat/completions",
    "/v1/messages",
    "/v1beta/models/m:generateContent",
)
PIXELS = "iVBOR" + "A" * 400_000


def inbound(path: str, body: dict[str, Any] | bytes, headers: Headers | None = None) -> Inbound:
    endpoint = endpoints.find(path)
    assert endpoint is not None
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Inbound(endpoint, path, "", headers or [], text, "r", "10.0.0.7")


def view(
    path: str,
    body: dict[str, Any] | bytes,
    headers: Headers | None = None,
    ledger: Ledger | None = None,
) -> RequestView:
    return RequestView(
        inbound(path, body, headers), lambda i: chat_of(i, styles.get), ledger or Ledger(), 0.0
    )


CONVERSATIONS = [
    (
        CHAT,
        {
            "model": "m",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": "http://x/a.png"}}]},
                {"role": "assistant", "content": "A fox."},
                {"role": "user", "content": "Are you sure?"},
            ],
            "tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}],
        },
    ),
    (
        MESSAGES,
        {
            "model": "m",
            "max_tokens": 9,
            "system": [{"type": "text", "text": "Be brief."}],
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "What is this?"},
                                             {"type": "image", "source": {"type": "url", "url": "http://x/a.png"}}]},
                {"role": "assistant", "content": "A fox."},
                {"role": "user", "content": "Are you sure?"},
            ],
            "tools": [{"name": "look", "input_schema": {"type": "object"}}],
        },
    ),
    (
        GENERATE,
        {
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "contents": [
                {"role": "user", "parts": [{"text": "What is this?"}, {"fileData": {"mimeType": "image/png", "fileUri": "http://x/a.png"}}]},
                {"role": "model", "parts": [{"text": "A fox."}]},
                {"role": "user", "parts": [{"text": "Are you sure?"}]},
            ],
            "tools": [{"functionDeclarations": [{"name": "look"}]}],
        },
    ),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body"), CONVERSATIONS)
def test_every_style_says_the_same_to_smart_routing(path: str, body: dict[str, Any]) -> None:
    seen = view(path, body)
    assert seen.system == "Be brief."
    assert seen.user == "What is this?\nAre you sure?"
    assert seen.latest_user == "Are you sure?"
    assert (set(seen.media), set(seen.latest_media)) == ({"image"}, set())
    assert set(seen.tools) == {"look"}


# ---- what is not there


@pytest.mark.parametrize(
    "body",
    [
        {"model": "m"},
        {"model": "m", "messages": "x"},
        {"model": "m", "messages": [{"role": "odd"}]},
    ],
)
def test_a_body_that_its_style_cannot_read_has_no_content_and_is_no_error(
    body: dict[str, Any],
) -> None:
    """The upstream will say what is wrong with it, in its own words."""
    seen = view(CHAT, body)
    assert (
        seen.system,
        seen.user,
        seen.latest_user,
        set(seen.media),
        set(seen.tools),
        seen.agent,
    ) == ("", "", "", set(), set(), "")
    assert seen.tokens == inbound(CHAT, body).tokens
    assert seen.prompt_prefix() == (b"", b"", b"")


def test_requests_that_are_no_chats_are_never_read_as_one() -> None:
    assert view("/v1/embeddings", {"model": "m", "input": "text"}).user == ""


def test_after_an_assistants_last_word_there_is_no_latest_user() -> None:
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
    }
    assert view(CHAT, body).latest_user == ""


def test_what_a_tool_said_is_not_what_the_user_said() -> None:
    body = {
        "model": "m", "max_tokens": 9,
        "messages": [
            {"role": "user", "content": "Look."},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "shot", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [
                {"type": "text", "text": "secret"}, {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXELS}}]}]},
        ],
    }  # fmt: skip
    seen = view(MESSAGES, body)
    assert (seen.user, seen.latest_user) == ("Look.", "")
    assert set(seen.tools) == {"shot"}
    assert set(seen.latest_media) == {"image"}
    assert seen.tokens < 2000  # a picture's letters are no words, wherever it stands


def test_a_picture_counts_as_a_flat_thousand_tokens_and_text_by_its_length() -> None:
    parts = [
        {"type": "text", "text": "x" * 4000},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + PIXELS}},
    ]
    assert (
        1950
        < view(CHAT, {"model": "m", "messages": [{"role": "user", "content": parts}]}).tokens
        < 2200
    )


def test_headers_are_found_by_their_name() -> None:
    seen = view(CHAT, {}, [(b"x-team", b"gr\xfcn")])
    assert (seen.header("x-team"), seen.header("x-none")) == ("grün", None)


def test_figures_are_those_of_the_service_and_its_capacity() -> None:
    rule = "services: [{provider: a, model: m, model_capacity: 4}, {provider: b, model: m}]"
    house = House("", rule, others="a b")
    house.happened("a", Outcome.SERVED, 0, times=10, ttft=0.25)
    house.ledger.begin(house.candidate("a"), 0, 0, 0)
    first, second = view(CHAT, {}, ledger=house.ledger).service_metrics(
        house.snapshot.rules[0].services
    )
    assert first == pytest.approx((250, 250, 25))
    assert tuple(second) == (None, None, None)


# ---- affinity


@pytest.mark.parametrize(
    ("by", "body", "session"),
    [
        ("header", {}, "s-1"),
        ("client_ip", {}, "10.0.0.7"),
        ("user", {"user": "u-1", "metadata": {"user_id": "u-2"}}, "u-1"),
        ("user", {"metadata": {"user_id": "u-2"}}, "u-2"),
        ("user", {"metadata": {"user_id": 7}}, "7"),
        ("user", {"metadata": {}}, ""),
        ("user", {"metadata": "text"}, ""),
        ("user", {"user": 7}, ""),
        ("user", {}, ""),
    ],
)
def test_a_session_is_known_by_what_the_rule_says(
    by: str, body: dict[str, Any], session: str
) -> None:
    assert (
        session_of(inbound(CHAT, body, [(b"x-session-id", b"s-1")]), Affinity(by, "X-Session-Id"))
        == session
    )


def test_a_form_or_a_request_without_the_header_has_no_session() -> None:
    upload = inbound(
        "/v1/audio/transcriptions",
        b"--B--",
        [(b"content-type", b"multipart/form-data; boundary=B")],
    )
    assert session_of(upload, Affinity("user")) == ""
    assert session_of(inbound(CHAT, {}), Affinity("header", "x-session-id")) == ""


def test_the_beginning_is_the_same_for_every_turn_of_a_conversation_and_for_no_other() -> None:
    def begun(*words: str, system: str = "S") -> tuple[bytes, bytes, bytes]:
        turns = [
            {"role": "user" if i % 2 == 0 else "assistant", "content": word}
            for i, word in enumerate(words)
        ]
        return view(
            CHAT, {"model": "m", "messages": [{"role": "system", "content": system}, *turns]}
        ).prompt_prefix()

    assert begun("a") == begun("a", "b", "c")
    assert begun("a") != begun("x", "b", "c")
    assert begun("a") != begun("a", system="T")
