"""Reading Anthropic's content blocks."""

from __future__ import annotations

import pytest

from pilotfish.core.formats.neutral import (
    Cache,
    Document,
    Image,
    Opaque,
    Signature,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from pilotfish.errors import ClientError
from pilotfish.styles._fields import Fields, Losses
from pilotfish.styles.anthropic.blocks_in import read_content


def read(*blocks):
    losses = Losses()
    return read_content(Fields({"content": list(blocks)}), losses), losses.names()


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (7, "content[0]: expected an object, found 7"),
        ({}, "content[0].type: expected a string, found nothing"),
        ({"type": "text"}, "content[0].text: expected a string, found nothing"),
        (
            {"type": "image", "source": {"type": "ftp"}},
            'content[0].source.type: expected base64, url or file, found "ftp"',
        ),
        (
            {"type": "document", "source": {"type": "ftp"}},
            'content[0].source.type: expected base64, text, content, url or file, found "ftp"',
        ),
        ({"type": "tool_result"}, "content[0].tool_use_id: expected a string, found nothing"),
        ({"type": "redacted_thinking"}, "content[0].data: expected a string, found nothing"),
    ],
)
def test_a_wrong_block_is_told_where_it_is_wrong(block, message):
    with pytest.raises(ClientError) as caught:
        read(block)
    assert caught.value.message == message


def test_fields_that_nobody_else_has_are_named():
    assert read(
        {"type": "tool_use", "id": "t", "name": "f", "input": {}, "caller": {"type": "direct"}}
    )[1] == ("messages.tool_use.caller",)


@pytest.mark.parametrize(
    ("block", "part"),
    [
        (
            {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            Text("a", Cache("1h")),
        ),
        (
            {"type": "image", "source": {"type": "file", "file_id": "f"}},
            Image(file_id="f", origin="anthropic"),
        ),
        (
            {"type": "document", "source": {"type": "url", "url": "https://x"}},
            Document(url="https://x"),
        ),
        (
            {"type": "document", "source": {"type": "content", "content": "a"}},
            Document(parts=(Text("a"),)),
        ),
        (
            {"type": "document", "source": {"type": "file", "file_id": "f"}},
            Document(file_id="f", origin="anthropic"),
        ),
        (
            {
                "type": "search_result",
                "source": "https://x",
                "title": "X",
                "content": [{"type": "text", "text": "a"}],
                "citations": {"enabled": True},
            },
            Document(name="X", context="https://x", parts=(Text("a"),), cite=True),
        ),
        (
            {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
            ToolCall(id="t", name="f", arguments='{"a":1}'),
        ),
        ({"type": "tool_result", "tool_use_id": "t"}, ToolResult(call_id="t")),
        ({"type": "thinking", "thinking": "hm", "signature": ""}, Thinking(text="hm")),
        (
            {"type": "thinking", "thinking": "", "signature": "S"},
            Thinking(signature=Signature("anthropic", "S")),
        ),
        (
            {"type": "redacted_thinking", "data": "D"},
            Thinking(signature=Signature("anthropic", "D"), redacted=True),
        ),
        (
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            Opaque(
                "anthropic",
                {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            ),
        ),
    ],
)
def test_blocks_are_read(block, part):
    assert read(block) == ((part,), ())


def test_a_sealed_signature_of_openai_comes_back_with_its_item():
    (part,), _ = read(
        {"type": "thinking", "thinking": "hm", "signature": "pilotfish:openai_responses:rs_1:gAAA"}
    )
    assert part == Thinking(
        text="hm", signature=Signature("openai_responses", "gAAA", "rs_1"), id="rs_1"
    )


def test_a_sealed_signature_of_gemini_comes_back_on_the_part_after_it():
    sealed = {"type": "redacted_thinking", "data": "pilotfish:google::G"}
    parts, _ = read(sealed, {"type": "tool_use", "id": "t", "name": "f", "input": {}})
    assert parts == (ToolCall(id="t", name="f", signature=Signature("google", "G")),)


def test_a_results_tool_is_known_by_its_call():
    names = {"t": "f"}
    (part,) = read_content(
        Fields(
            {
                "content": [
                    {"type": "tool_result", "tool_use_id": "t", "content": "r", "is_error": True}
                ]
            }
        ),
        Losses(),
        names,
    )
    assert part == ToolResult(call_id="t", name="f", parts=(Text("r"),), is_error=True)
