"""Content parts and reasoning of Chat Completions."""

from __future__ import annotations

import pytest

from pilotfish.core.formats.neutral import (
    Audio,
    Cache,
    Document,
    Image,
    Opaque,
    Refusal,
    Signature,
    Text,
    Thinking,
)
from pilotfish.core.formats.style import Quirks
from pilotfish.errors import ClientError
from pilotfish.styles._fields import Fields, Losses
from pilotfish.styles.openai.parts import (
    images_in,
    read_part,
    read_thinking,
    write_details,
    write_parts,
)
from pilotfish.styles.openai.reply import write_image


def read(part):
    return read_part(Fields(part), Losses())


@pytest.mark.parametrize(
    ("part", "place"),
    [
        ({}, "type"),
        ({"type": "text"}, "text"),
        ({"type": "image_url"}, "image_url.url"),
        ({"type": "image_url", "image_url": {"url": 7}}, "image_url.url"),
        ({"type": "input_audio", "input_audio": {}}, "input_audio.data"),
        ({"type": "file", "file": {}}, "file.file_data"),
    ],
)
def test_a_part_without_its_content_is_the_clients_fault(part, place):
    with pytest.raises(ClientError, match=f"^{place}: expected"):
        read(part)


def test_a_type_that_nobody_else_has_is_named_as_lost():
    losses = Losses()
    assert read_part(Fields({"type": "video_url", "video_url": {}}), losses) is None
    assert losses.names() == ("messages.video_url",)


@pytest.mark.parametrize(
    ("part", "found"),
    [
        (
            {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            Text("a", Cache("1h")),
        ),
        (
            {"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
            Text("a", Cache()),
        ),
        ({"type": "refusal", "refusal": "no"}, Refusal("no")),
        ({"type": "image_url", "image_url": "https://x/y"}, Image(url="https://x/y")),
        (
            {
                "type": "image_url",
                "image_url": {"url": "data:image/gif;base64,AA", "detail": "low"},
            },
            Image(media_type="image/gif", data="AA", detail="low"),
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "AA", "format": "mp3"}},
            Audio(media_type="audio/mpeg", data="AA"),
        ),
        ({"type": "file", "file": {"file_id": "f1"}}, Document(file_id="f1", origin="openai")),
        (
            {"type": "file", "file": {"filename": "a.csv", "file_data": "AA"}},
            Document(media_type="text/csv", data="AA", name="a.csv"),
        ),
        ({"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, Thinking(text="hm")),
    ],
)
def test_parts_are_read(part, found):
    assert read(part) == found


@pytest.mark.parametrize(
    ("part", "lost"),
    [
        (Image(file_id="f", origin="anthropic"), "messages.image.file_id"),
        (Document(file_id="f", origin="anthropic"), "messages.document.file_id"),
        (Document(url="https://x/a.pdf"), "messages.document.url"),
        (Audio(url="gs://x"), "messages.audio.url"),
        (Opaque("anthropic", {"type": "server_tool_use"}), "messages.server_tool_use"),
        (Text("a", Cache()), "cache_control"),
        (
            Document(data="AA", media_type="application/pdf", cite=True),
            "messages.document.citations",
        ),
    ],
)
def test_what_has_no_place_is_named(part, lost):
    losses = Losses()
    write_parts((part,), Quirks(), losses)
    assert losses.names() == (lost,)


def test_one_text_is_a_plain_string_and_marks_need_parts():
    assert write_parts((Text("a"),), Quirks(), Losses()) == "a"
    assert write_parts(
        (Text("a", Cache("30m")),), Quirks(prompt_cache_breakpoints=True), Losses()
    ) == [
        {"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"}}
    ]


def test_a_document_of_words_is_text():
    document = Document(
        text="Plain.", name="Notes", context="From a meeting.", parts=(Image(url="https://x"),)
    )
    assert write_parts((document,), Quirks(), Losses()) == [
        {"type": "text", "text": "From a meeting."},
        {"type": "text", "text": "Notes\n\nPlain."},
        {"type": "image_url", "image_url": {"url": "https://x"}},
    ]


@pytest.mark.parametrize(
    "thinking",
    [
        Thinking(text="hm", signature=Signature("anthropic", "S")),
        Thinking(signature=Signature("anthropic", "S")),
        Thinking(signature=Signature("anthropic", "D"), redacted=True),
        Thinking(
            text="hm", summary=True, signature=Signature("openai_responses", "E", "rs_1"), id="rs_1"
        ),
        Thinking(text="hm", signature=Signature("google", "G")),
        Thinking(  # a family that is not known here
            text="hm",
            summary=True,
            signature=Signature("acme-responses-v1", "E", "rs_1"),
            id="rs_1",
        ),
    ],
)
def test_signed_thinking_comes_back_from_a_client_as_it_went(thinking):
    """A client of this style hands the message back with its extra fields; the next turn at the
    vendor depends on them.
    """
    message = {"reasoning_content": thinking.text, "reasoning_details": write_details(thinking)}
    assert read_thinking(Fields(message)) == (thinking,)


def test_plain_reasoning_has_nothing_to_prove():
    assert write_details(Thinking(text="hm")) == []
    assert read_thinking(Fields({"reasoning": "hm"})) == (Thinking(text="hm"),)
    assert read_thinking(Fields({"reasoning_details": "odd", "reasoning_content": "hm"})) == (
        Thinking(text="hm"),
    )


def test_documents_that_openai_holds_or_that_are_only_pictures():
    parts = (
        Document(file_id="f", origin="openai_responses"),
        Document(parts=(Image(url="https://x"),)),
    )
    assert write_parts(parts, Quirks(), Losses()) == [
        {"type": "file", "file": {"file_id": "f"}},
        {"type": "image_url", "image_url": {"url": "https://x"}},
    ]


def test_a_file_that_is_text_goes_as_text():
    document = Document(media_type="text/csv", data="YSxi", name="list.csv")
    assert write_parts((document,), Quirks(), Losses()) == "list.csv\n\na,b"


def test_the_address_of_a_file_goes_to_services_that_take_one():
    document = Document(url="https://example.com/report.pdf")
    losses = Losses()
    assert write_parts((document,), Quirks(), losses) == []
    assert losses.names() == ("messages.document.url",)
    place = {"filename": "report.pdf", "file_data": "https://example.com/report.pdf"}
    assert write_parts((document,), Quirks(file_urls=True), Losses()) == [
        {"type": "file", "file": place}
    ]


def test_an_address_in_the_place_of_data_is_an_address():
    file = {"type": "file", "file": {"file_data": "https://example.com/a.pdf", "filename": "a"}}
    assert read_part(Fields(file), Losses()) == Document(url="https://example.com/a.pdf", name="a")


def test_a_picture_of_geminis_keeps_its_signature():
    url = {"url": "data:image/png;base64,AAAA"}
    extra = {"google": {"thought_signature": "c2ln"}}
    item = {"type": "image_url", "image_url": url, "index": 0, "extra_content": extra}
    (image,) = images_in([item, {"image_url": 5}, "no picture"])
    assert image.signature == Signature("google", "c2ln")
    assert write_image(image, 0) == item


def test_a_detail_of_a_new_kind_says_nothing():
    assert read_thinking(Fields({"reasoning_details": [{"type": "reasoning.dance"}]})) == ()
