"""Converse's blocks as everybody understands them."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from pilotfish.core.formats.neutral import (
    Audio,
    Cache,
    Citation,
    Document,
    Image,
    Opaque,
    Signature,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from pilotfish.styles._fields import Fields, Losses
from pilotfish.styles.bedrock.blocks_in import mark_last, read_blocks

S3 = {"s3Location": {"uri": "s3://b/k"}}


def read(*blocks: dict[str, Any]) -> tuple[tuple[Any, ...], tuple[str, ...]]:
    losses = Losses()
    return read_blocks(Fields({"content": list(blocks)}), "content", losses, {}), losses.names()


def encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"image": {"format": "png", "source": {"bytes": "AAAA"}}}, Image(media_type="image/png", data="AAAA")),
        ({"image": {"format": "jpeg", "source": S3}}, Image(media_type="image/jpeg", file_id="s3://b/k", origin="bedrock")),
        ({"audio": {"format": "mp3", "source": {"bytes": "AAAA"}}}, Audio(media_type="audio/mpeg", data="AAAA")),
        ({"document": {"format": "pdf", "name": "n", "source": {"bytes": "AAAA"}, "context": "c", "citations": {"enabled": True}}}, Document(media_type="application/pdf", data="AAAA", name="n", context="c", cite=True)),
        ({"document": {"name": "n", "source": {"text": "words"}}}, Document(media_type="text/plain", text="words", name="n")),
        ({"document": {"name": "n", "source": {"content": [{"text": "a"}]}}}, Document(parts=(Text("a"),), name="n")),
        ({"document": {"name": "n", "format": "docx", "source": S3}}, Document(media_type="application/vnd.openxmlformats-officedocument.wordprocessingml.document", file_id="s3://b/k", origin="bedrock", name="n")),
        ({"searchResult": {"source": "u", "title": "t", "content": [{"text": "a"}], "citations": {"enabled": True}}}, Document(name="t", context="u", parts=(Text("a"),), cite=True)),
        ({"toolUse": {"toolUseId": "t", "name": "f", "input": {"a": 1}}}, ToolCall(id="t", name="f", arguments='{"a":1}')),
        ({"toolUse": {"toolUseId": "t", "name": "f", "input": {}}}, ToolCall(id="t", name="f")),
        ({"toolUse": {"toolUseId": "t", "name": "f", "input": {}, "type": "server_tool_use"}}, Opaque("bedrock", {"toolUse": {"toolUseId": "t", "name": "f", "input": {}, "type": "server_tool_use"}})),
        ({"video": {"format": "mp4", "source": S3}}, Opaque("bedrock", {"video": {"format": "mp4", "source": S3}})),
        ({"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}}, Thinking(text="hm", signature=Signature("anthropic", "s"))),
        ({"reasoningContent": {"reasoningText": {"text": "", "signature": "s"}}}, Thinking(signature=Signature("anthropic", "s"))),
        ({"reasoningContent": {"redactedContent": encoded("secret")}}, Thinking(signature=Signature("anthropic", "secret"), redacted=True)),
        ({"reasoningContent": {"redactedContent": "//8="}}, Thinking(signature=Signature("bedrock", "//8="), redacted=True)),
        ({"reasoningContent": {"reasoningText": {"text": "hm", "signature": "pilotfish:openai_responses:rs_1:enc"}}}, Thinking(text="hm", signature=Signature("openai_responses", "enc", "rs_1"), id="rs_1")),
    ],
)  # fmt: skip
def test_every_block_finds_its_place(block, expected):
    assert read(block) == ((expected,), ())


def test_what_a_guardrail_looks_at_is_said_all_the_same():
    assert read({"guardContent": {"text": {"text": "a"}}}) == (
        (Text("a"),),
        ("messages.content.guardContent",),
    )


def test_results_hold_text_json_and_images_and_know_their_tool():
    content = [
        {"json": {"a": 1}},
        {"text": "b"},
        {"image": {"format": "png", "source": {"bytes": "AAAA"}}},
    ]
    parts, _ = read(
        {"toolUse": {"toolUseId": "t", "name": "f", "input": {}}},
        {"toolResult": {"toolUseId": "t", "content": content, "status": "error"}},
    )
    assert parts[1] == ToolResult(
        call_id="t",
        name="f",
        is_error=True,
        parts=(Text('{"a":1}'), Text("b"), Image(media_type="image/png", data="AAAA")),
    )


def test_geminis_signature_belongs_to_what_follows_it():
    block = {"reasoningContent": {"redactedContent": encoded("pilotfish:google::c2ln")}}
    parts, _ = read(block, {"toolUse": {"toolUseId": "t", "name": "f", "input": {}}})
    assert parts == (ToolCall(id="t", name="f", signature=Signature("google", "c2ln")),)


def test_cited_text_keeps_its_sources():
    raw = {
        "title": "T",
        "source": "https://e.com/a",
        "sourceContent": [{"text": "q"}],
        "location": {"web": {"url": "https://e.com/b"}},
    }
    parts, _ = read(
        {"citationsContent": {"content": [{"text": "a"}, {"text": "b"}], "citations": [raw]}}
    )
    assert parts == (
        Text(
            "ab",
            citations=(
                Citation(
                    url="https://e.com/b", title="T", cited_text="q", origin="bedrock", raw=raw
                ),
            ),
        ),
    )


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"sourceContent": [7, {"text": 1}], "location": [], "title": 3},
        {"location": {"web": 7}, "source": "doc 1"},
    ],
)
def test_an_odd_citation_is_one_without_facts(raw):
    parts, _ = read({"citationsContent": {"content": [{"text": "a"}], "citations": [raw]}})
    assert parts == (Text("a", citations=(Citation(origin="bedrock", raw=raw),)),)


def test_thoughts_take_no_cache_mark():
    assert not mark_last([], Cache())
    assert not mark_last([Thinking(text="a")], Cache())
    assert read(
        {"reasoningContent": {"reasoningText": {"text": "a"}}}, {"cachePoint": {"type": "default"}}
    )[1] == ("cachePoint",)


def test_blocks_that_hold_nothing_are_nothing():
    assert read({})[0] == ()
    (result,), _ = read({"toolResult": {"toolUseId": "t", "content": [{}]}})
    assert result == ToolResult(call_id="t")
