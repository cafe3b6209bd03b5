"""Neutral parts as Converse's blocks."""

from __future__ import annotations

from typing import Any

import pytest

from bedrock_wire import problems_of
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
from pilotfish.styles.bedrock.blocks_in import read_blocks
from pilotfish.styles.bedrock.blocks_out import BlockWriter, write_answer_blocks
from pilotfish.styles.bedrock.models import model_for

CLAUDE = "anthropic.claude-sonnet-4-5"


def write(*parts: Any, model: str = CLAUDE) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    losses = Losses()
    blocks = BlockWriter(model_for(model), Quirks(), losses).blocks(parts)
    assert problems_of({"messages": [{"role": "user", "content": blocks}]}) == ""
    return blocks, losses.names()


@pytest.mark.parametrize(
    ("part", "lost"),
    [
        (Image(url="https://e.com/a.png", media_type="image/png"), "messages.image.url"),
        (Image(data="AAAA", media_type="image/tiff"), "messages.image.image/tiff"),
        (Image(file_id="f", origin="openai"), "messages.image.file_id"),
        (Audio(data="AAAA", media_type="audio/x-strange"), "messages.audio.audio/x-strange"),
        (Document(data="AAAA", media_type="application/zip"), "messages.document.application/zip"),
        (Document(url="https://e.com/a.pdf"), "messages.document.url"),
        (Document(file_id="f", origin="anthropic"), "messages.document.file_id"),
        (Opaque("google", {"executableCode": {}}), "messages.executableCode"),
        (Opaque("anthropic", {"type": "server_tool_use"}), "messages.server_tool_use"),
        (Thinking(text="hm"), "messages.thinking"),
        (Thinking(text="hm", signature=Signature("google", "s")), "messages.thinking"),
    ],
)
def test_what_bedrock_cannot_carry_is_left_out_and_named(part, lost):
    assert write(Text("a"), part) == ([{"text": "a"}], (lost,))


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (Text("a"), {"text": "a"}),
        (Refusal("no"), {"text": "no"}),
        (Image(data="iVBORw0KGgo="), {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}}),
        (Image(data="/9j/4AAQ"), {"image": {"format": "jpeg", "source": {"bytes": "/9j/4AAQ"}}}),
        (Image(media_type="image/jpg", data="AAAA"), {"image": {"format": "jpeg", "source": {"bytes": "AAAA"}}}),
        (Image(media_type="image/png", url="s3://b/k"), {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://b/k"}}}}),
        (Audio(media_type="audio/mpeg", data="AAAA"), {"audio": {"format": "mp3", "source": {"bytes": "AAAA"}}}),
        (Audio(transcript="said"), {"text": "said"}),
        (ToolCall(id="t", name="f", arguments='{"a":1}'), {"toolUse": {"toolUseId": "t", "name": "f", "input": {"a": 1}}}),
        (ToolCall(id="t", name="f", arguments="free", kind="custom"), {"toolUse": {"toolUseId": "t", "name": "f", "input": {"input": "free"}}}),
        (ToolResult(call_id="t", parts=(Text("a"),), is_error=True), {"toolResult": {"toolUseId": "t", "content": [{"text": "a"}], "status": "error"}}),
        (ToolResult(call_id="t"), {"toolResult": {"toolUseId": "t", "content": [{"text": "(no output)"}]}}),
        (Thinking(text="hm", signature=Signature("anthropic", "s")), {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}}),
        (Thinking(signature=Signature("anthropic", "ab"), redacted=True), {"reasoningContent": {"redactedContent": "YWI="}}),
        (Opaque("bedrock", {"video": {"format": "mp4", "source": {"bytes": "AAAA"}}}), {"video": {"format": "mp4", "source": {"bytes": "AAAA"}}}),
    ],
)  # fmt: skip
def test_every_part_has_its_block(part, expected):
    assert write(part) == ([expected], ())


class TestDocuments:
    def test_have_names_that_bedrock_takes_and_no_two_the_same(self):
        given = [
            Document(media_type="application/pdf", data="AAAA", name=name)
            for name in ("Q1/report.pdf", "Q1/report.pdf", "", "  a   (b)[c]-d  ", "Größe.md")
        ]
        blocks, _ = write(Text("see"), *given)
        assert [block["document"]["name"] for block in blocks[1:]] == [
            "Q1-report",
            "Q1-report 2",
            "document",
            "a (b)[c]-d",
            "Gr-e",
        ]

    def test_stand_beside_text_as_bedrock_demands(self):
        blocks, _ = write(Document(media_type="application/pdf", data="AAAA", name="a.pdf"))
        assert blocks[1:] == [{"text": "a"}]

    @pytest.mark.parametrize(
        ("document", "expected"),
        [
            (
                Document(media_type="application/json", data="AAAA"),
                {"format": "txt", "source": {"bytes": "AAAA"}},
            ),
            (
                Document(text="words", context="c", cite=True),
                {
                    "format": "txt",
                    "source": {"text": "words"},
                    "context": "c",
                    "citations": {"enabled": True},
                },
            ),
            (
                Document(parts=(Text("a"), Text("b"))),
                {"format": "txt", "source": {"content": [{"text": "a"}, {"text": "b"}]}},
            ),
            (
                Document(media_type="text/csv", file_id="s3://b/k", origin="bedrock"),
                {"format": "csv", "source": {"s3Location": {"uri": "s3://b/k"}}},
            ),
        ],
    )
    def test_take_every_form(self, document, expected):
        blocks, lost = write(Text("see"), document)
        assert blocks[1] == {"document": expected | {"name": "document"}}
        assert lost == ()

    def test_of_text_and_images_lose_the_images_and_say_so(self):
        assert write(Text("a"), Document(parts=(Text("b"), Image(data="AAAA"))))[1] == (
            "messages.document.image",
        )


def test_details_that_are_lost_are_named():
    assert write(Image(media_type="image/png", data="AAAA", detail="low"))[1] == (
        "messages.image.detail",
    )
    assert write(Text("a", citations=(Citation(url="u"),)))[1] == ("messages.citations",)


def test_cache_marks_go_where_the_model_has_them():
    part = Text("a", Cache("1h"))
    assert write(part) == ([{"text": "a"}, {"cachePoint": {"type": "default", "ttl": "1h"}}], ())
    assert write(Text("a", Cache("24h")))[0][1] == {"cachePoint": {"type": "default"}}
    assert write(part, model="meta.llama3") == ([{"text": "a"}], ("cache_control",))


def test_claudes_signatures_go_to_claude_alone():
    assert write(
        Text("a"),
        Thinking(text="hm", signature=Signature("anthropic", "s")),
        model="amazon.nova-2-lite",
    )[1] == ("messages.thinking",)


def test_blank_texts_are_left_out():
    assert write(Text(" \n"), Text(""), Text("a")) == ([{"text": "a"}], ())


def test_ids_of_other_vendors_become_ids_that_bedrock_takes_the_same_for_call_and_result():
    long, strange = "c" * 100, "call.ü"
    blocks, _ = write(
        *(
            part
            for given in (long, strange)
            for part in (
                ToolCall(id=given, name="f"),
                ToolResult(call_id=given, parts=(Text("a"),)),
            )
        )
    )
    ids = [(block.get("toolUse") or block["toolResult"])["toolUseId"] for block in blocks]
    assert ids[0] == ids[1] != ids[2] == ids[3]
    assert all(len(found) <= 64 for found in ids)


@pytest.mark.parametrize(
    "part",
    [
        Text("a", signature=Signature("google", "c2ln")),
        ToolCall(id="t", name="f", arguments='{"a":1}', signature=Signature("google", "c2ln")),
        Thinking(text="hm", signature=Signature("openai_responses", "enc", "rs"), id="rs"),
        Thinking(signature=Signature("anthropic", "x"), redacted=True),
        Thinking(signature=Signature("bedrock", "//8="), redacted=True),
        Image(media_type="image/png", data="AAAA"),
        Opaque("bedrock", {"searchResult": 1}),
    ],
)
def test_what_a_client_is_given_it_hands_back(part):
    blocks = write_answer_blocks((part,))
    if isinstance(part, Opaque):
        assert blocks == [part.raw]
    else:
        assert read_blocks(Fields({"content": blocks}), "content", Losses(), {}) == (part,)


def test_citations_keep_their_form_or_get_bedrocks():
    own = {"title": "T", "location": {"documentPage": {"start": 1}}}
    (block,) = write_answer_blocks(
        (
            Text(
                "a",
                citations=(
                    Citation(origin="bedrock", raw=own),
                    Citation(url="https://e.com", title="E", cited_text="q"),
                ),
            ),
        )
    )
    assert block["citationsContent"]["citations"] == [
        own,
        {
            "title": "E",
            "sourceContent": [{"text": "q"}],
            "source": "https://e.com",
            "location": {"web": {"url": "https://e.com"}},
        },
    ]


def test_what_an_answer_cannot_hold_is_left_out():
    assert write_answer_blocks(
        (
            Opaque("anthropic", {}),
            Document(text="a"),
            Audio(data="AAAA"),
            Refusal("no"),
            Audio(transcript="t"),
        )
    ) == [
        {"text": "no"},
        {"text": "t"},
    ]


def test_a_citation_without_facts_is_empty():
    assert write_answer_blocks((Text("a", citations=(Citation(),)),))[0]["citationsContent"][
        "citations"
    ] == [{}]
