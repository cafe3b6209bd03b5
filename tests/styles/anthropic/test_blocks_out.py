"""Writing Anthropic's content blocks."""

from __future__ import annotations

import pytest

from pilotfish.core.formats.neutral import (
    Audio,
    Cache,
    Citation,
    Document,
    Image,
    Opaque,
    Refusal,
    Signature,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from pilotfish.core.formats.style import Quirks
from pilotfish.styles._fields import Fields, Losses
from pilotfish.styles.anthropic.blocks_in import read_content
from pilotfish.styles.anthropic.blocks_out import write_answer_blocks, write_blocks, write_citation


def write(*parts):
    losses = Losses()
    return write_blocks(parts, Quirks(), losses), losses.names()


@pytest.mark.parametrize(
    ("part", "lost"),
    [
        (Thinking(text="hm"), "messages.thinking"),
        (Thinking(text="hm", signature=Signature("google", "G")), "messages.thinking"),
        (Audio(data="AA", media_type="audio/wav"), "messages.audio"),
        (Image(file_id="f", origin="openai"), "messages.image.file_id"),
        (Document(file_id="f", origin="openai"), "messages.document.file_id"),
        (
            Document(data="AA", media_type="application/msword"),
            "messages.document.application/msword",
        ),
        (Document(data="/w==", media_type="text/plain"), "messages.document.text/plain"),
        (Opaque("openai_responses", {"type": "web_search_call"}), "messages.web_search_call"),
    ],
)
def test_what_has_no_place_is_named_and_left_out(part, lost):
    assert write(part) == ([], (lost,))


def test_what_is_lost_of_a_part_that_stays():
    assert write(Image(url="https://x", detail="low"))[1] == ("messages.image.detail",)
    assert write(Text("a", citations=(Citation(url="https://x"),)))[1] == ("messages.citations",)
    assert write(Audio(transcript="t")) == ([{"type": "text", "text": "t"}], ("messages.audio",))


def test_empty_texts_are_left_out_since_anthropic_refuses_them():
    assert write(Text(""), Refusal("no"), Text("", Cache())) == (
        [{"type": "text", "text": "no"}],
        (),
    )


@pytest.mark.parametrize(
    ("document", "source"),
    [
        (
            Document(data="aGk=", media_type="text/markdown"),
            {"type": "text", "media_type": "text/plain", "data": "hi"},
        ),
        (
            Document(data="AA", media_type="application/pdf"),
            {"type": "base64", "media_type": "application/pdf", "data": "AA"},
        ),
        (
            Document(parts=(Text("a"),)),
            {"type": "content", "content": [{"type": "text", "text": "a"}]},
        ),
    ],
)
def test_documents_take_the_form_that_claude_reads(document, source):
    assert write(document)[0][0]["source"] == source


@pytest.mark.parametrize(
    ("ttl", "mark"),
    [
        ("1h", {"type": "ephemeral", "ttl": "1h"}),
        ("", {"type": "ephemeral"}),
        ("30m", {"type": "ephemeral"}),
    ],
)
def test_cache_marks_keep_only_times_that_anthropic_knows(ttl, mark):
    assert write(Text("a", Cache(ttl)))[0][0]["cache_control"] == mark


def test_calls_and_results_share_an_id_that_anthropic_takes():
    (call, result), _ = write(
        ToolCall(id="call:1", name="f", arguments="{broken"),
        ToolResult(call_id="call:1", is_error=True, parts=(Text("a"), Text("b"))),
    )
    assert call["id"] == result["tool_use_id"]
    assert ":" not in call["id"]
    assert call["input"] == {"_raw": "{broken"}
    assert result["is_error"] is True
    assert [block["text"] for block in result["content"]] == ["a", "b"]


def test_what_claude_signed_goes_back_unchanged_empty_or_redacted():
    signed = Signature("anthropic", "S")
    blocks, lost = write(
        Thinking(text="hm", signature=signed),
        Thinking(signature=signed),
        Thinking(signature=signed, redacted=True),
    )
    assert blocks == [
        {"type": "thinking", "thinking": "hm", "signature": "S"},
        {"type": "thinking", "thinking": "", "signature": "S"},
        {"type": "redacted_thinking", "data": "S"},
    ]
    assert lost == ()


@pytest.mark.parametrize(
    "part",
    [
        Thinking(text="hm", signature=Signature("openai_responses", "E", "rs_1"), id="rs_1"),
        Thinking(text="hm"),
        Thinking(signature=Signature("anthropic", "D"), redacted=True),
        ToolCall(id="t", name="f", signature=Signature("google", "G")),
        Text("a", signature=Signature("google", "G")),
        Opaque("anthropic", {"type": "server_tool_use", "id": "s"}),
    ],
)
def test_what_a_client_is_given_comes_back_from_it_as_it_was(part):
    assert read_content(Fields({"content": write_answer_blocks((part,))}), Losses()) == (part,)


def test_words_of_an_answer_that_are_no_text_elsewhere():
    assert [
        block["text"] for block in write_answer_blocks((Refusal("no"), Audio(transcript="t")))
    ] == ["no", "t"]


@pytest.mark.parametrize(
    ("citation", "kind"),
    [
        (Citation(url="https://x"), "web_search_result_location"),
        (Citation(title="T", start=1, end=2), "char_location"),
        (Citation(origin="anthropic", raw={"type": "page_location"}), "page_location"),
    ],
)
def test_citations_take_the_form_with_the_same_facts(citation, kind):
    assert write_citation(citation)["type"] == kind


def test_what_lies_at_anthropic_or_on_the_web_goes_by_its_name():
    own = {"type": "server_tool_use", "id": "s"}
    blocks, lost = write(
        Image(file_id="i", origin="anthropic"),
        Document(file_id="d", origin="anthropic"),
        Document(url="https://x"),
        Opaque("anthropic", own),
    )
    assert [block.get("source") for block in blocks[:3]] == [
        {"type": "file", "file_id": "i"},
        {"type": "file", "file_id": "d"},
        {"type": "url", "url": "https://x"},
    ]
    assert blocks[3] == own
    assert lost == ()


def test_an_answer_has_no_place_for_pictures():
    assert write_answer_blocks((Image(url="https://x"), Opaque("openai_responses", {}))) == []
