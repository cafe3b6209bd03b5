"""Parts of contents: media, calls, answers, thoughts and signatures."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pilotfish.core.formats.neutral import (
    Audio,
    Chat,
    Document,
    Image,
    Opaque,
    Signature,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from pilotfish.styles.google import STYLE
from pilotfish.styles.google.parts import seal, unseal


def read(body: dict[str, Any]) -> Chat:
    return STYLE.read_request(json.dumps(body).encode(), model="gemini-x", stream=True)


def parts(*given: dict[str, Any]) -> tuple[Any, ...]:
    return read({"contents": [{"role": "user", "parts": list(given)}]}).turns[0].parts


def test_another_vendors_signature_is_base64_to_googles_client_and_comes_back_whole():
    signature = Signature("anthropic", "EqQB", "x")
    assert unseal(seal(signature)) == (signature, False)
    assert unseal(seal(signature, redacted=True)) == (signature, True)


@pytest.mark.parametrize(
    ("response", "text", "is_error"),
    [
        ({"output": "fine"}, "fine", False),
        ({"result": ["a"]}, '["a"]', False),
        ({"error": "no such city"}, "no such city", True),
        ({"degrees": 18, "error": None}, '{"degrees":18,"error":null}', False),
    ],
)
def test_a_functions_answer_says_itself_what_it_is(response, text, is_error):
    (result,) = parts({"functionResponse": {"name": "f", "response": response}})
    assert (result.parts, result.is_error) == ((Text(text),), is_error)


def test_images_in_a_functions_answer_are_kept():
    (result,) = parts(
        {
            "functionResponse": {
                "name": "f",
                "response": {},
                "parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}],
            }
        }
    )
    assert result == ToolResult(
        call_id="gcall_f", name="f", parts=(Image(media_type="image/png", data="AAAA"),)
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"inline_data": {"mime_type": "image/png", "data": "-_8="}}, Image(media_type="image/png", data="+/8=")),
        ({"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}}, Audio(media_type="audio/wav", data="AAAA")),
        ({"inlineData": {"mimeType": "application/pdf", "data": "AAAA", "displayName": "a.pdf"}}, Document(media_type="application/pdf", data="AAAA", name="a.pdf")),
        ({"fileData": {"fileUri": "https://example.com/a.png", "mimeType": "image/png"}}, Image(media_type="image/png", url="https://example.com/a.png")),
        ({"fileData": {"fileUri": "gs://b/a.pdf", "mimeType": "application/pdf"}}, Document(media_type="application/pdf", file_id="gs://b/a.pdf", origin="google")),
        ({"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"}}, Image(media_type="image/png", data="AAAA", detail="low")),
        ({"fileData": {"fileUri": "https://youtu.be/x"}}, Opaque("google", {"fileData": {"fileUri": "https://youtu.be/x"}})),
        ({"executableCode": {"code": "1+1"}}, Opaque("google", {"executableCode": {"code": "1+1"}})),
        ({"text": "hm", "thought": True, "thoughtSignature": "c2ln"}, Thinking(text="hm", signature=Signature("google", "c2ln"))),
        ({"text": "", "thoughtSignature": "c2ln"}, Text("", signature=Signature("google", "c2ln"))),
        ({"functionCall": {"id": "x", "name": "f", "args": {"é": 1}}, "thoughtSignature": "c2ln"}, ToolCall(id="x", name="f", arguments='{"é":1}', signature=Signature("google", "c2ln"))),
    ],
)  # fmt: skip
def test_every_part_finds_its_place(given, expected):
    assert parts(given) == (expected,)


def test_details_of_parts_that_nobody_else_has_are_named():
    video = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "videoMetadata": {"fps": 1}}
    answer = {
        "functionResponse": {"name": "f", "response": {}, "scheduling": "SILENT", "parts": [{}]}
    }
    chat = read({"contents": [{"role": "user", "parts": [video, answer, {}]}]})
    assert chat.lost == (
        "contents.parts.videoMetadata",
        "contents.parts.functionResponse.scheduling",
    )
    assert len(chat.turns[0].parts) == 2


def test_a_signature_that_is_no_base64_is_googles_own_all_the_same():
    assert parts({"text": "a", "thoughtSignature": "%%"}) == (
        Text("a", signature=Signature("google", "%%")),
    )


def test_a_signature_alone_is_an_empty_text():
    assert parts({"thoughtSignature": "c2ln"}) == (Text("", signature=Signature("google", "c2ln")),)
