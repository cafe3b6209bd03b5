"""Writing neutral parts as Converse's content blocks, in requests and in answers."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any

import msgspec

from pilotfish.core.formats import neutral
from pilotfish.core.formats.neutral import Json, Part
from pilotfish.core.formats.style import Quirks
from pilotfish.styles._fields import Losses
from pilotfish.styles._media import short_type, tool_id
from pilotfish.styles._requests import kind_of
from pilotfish.styles._signatures import seal, seal_thinking
from pilotfish.styles.bedrock.blocks_in import ORIGIN, SIGNER
from pilotfish.styles.bedrock.models import Model

MAX_TOOL_ID = 64

_IMAGES = frozenset({"png", "jpeg", "gif", "webp"})
_DOCUMENTS = frozenset({"pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"})
_AUDIO = frozenset(
    {"mp3", "opus", "wav", "aac", "flac", "ogg", "mkv", "m4a", "mpeg", "pcm", "webm"}
)

# How base64 of each image format begins, for images that come without a type.
_MAGIC = (("iVBOR", "png"), ("/9j/", "jpeg"), ("R0lGOD", "gif"), ("UklGR", "webp"))

_BAD_IN_NAME = re.compile(r"[^A-Za-z0-9 ()\[\]-]+")
_SPACES = re.compile(r" {2,}")
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,5}$")


class BlockWriter:
    """Writes the blocks of one request: it knows the model, what was lost, and the document names
    that are taken.
    """

    def __init__(self, model: Model, quirks: Quirks, losses: Losses) -> None:
        self._model = model
        self._losses = losses
        self._quirks = (
            quirks
            if quirks.tool_id_max
            else msgspec.structs.replace(quirks, tool_id_max=MAX_TOOL_ID)
        )
        self._names: set[str] = set()

    def blocks(self, parts: tuple[Part, ...]) -> list[Json]:
        """Blank texts are left out, since Bedrock refuses them and they say nothing."""
        blocks: list[Json] = []
        for part in parts:
            block = self._block(part)
            if block:
                blocks.append(block)
                blocks += self.cache_point(getattr(part, "cache", None))
        documents = [block["document"]["name"] for block in blocks if "document" in block]
        if documents and not any("text" in block for block in blocks):
            blocks.append({"text": ", ".join(documents)})  # beside a document Bedrock demands text
        return blocks

    def cache_point(self, cache: neutral.Cache | None) -> list[Json]:
        if cache is None:
            return []
        if not self._model.caches:
            self._losses.add("cache_control")
            return []
        ttl = {"ttl": cache.ttl} if cache.ttl in ("5m", "1h") else {}
        return [{"cachePoint": {"type": "default"} | ttl}]

    def _block(self, part: Part) -> Json | None:
        if isinstance(part, neutral.Text | neutral.Refusal):
            return self._text(part)
        if isinstance(part, neutral.ToolCall):
            return write_tool_use(part, tool_id(part.id, self._quirks, plain=True))
        if isinstance(part, neutral.ToolResult):
            return self._result(part)
        if isinstance(part, neutral.Thinking):
            return self._thinking(part)
        if isinstance(part, neutral.Image):
            return self._image(part)
        if isinstance(part, neutral.Document):
            return self._document(part)
        if isinstance(part, neutral.Audio):
            return self._audio(part)
        if part.origin == ORIGIN:
            return part.raw
        self._losses.add(f"messages.{kind_of(part)}")
        return None

    def _text(self, part: neutral.Text | neutral.Refusal) -> Json | None:
        if isinstance(part, neutral.Text) and part.citations:
            self._losses.add("messages.citations")
        return {"text": part.text} if part.text.strip() else None

    def _thinking(self, part: neutral.Thinking) -> Json | None:
        """Only what Claude itself signed may come back, and to Claude alone."""
        signature = part.signature
        if signature and (
            signature.origin == ORIGIN or (signature.origin == SIGNER and self._model.claude)
        ):
            return write_thinking(part)
        self._losses.add("messages.thinking")
        return None

    def _result(self, result: neutral.ToolResult) -> Json:
        content = [block for part in result.parts if (block := self._block(part))]
        written: Json = {
            "toolUseId": tool_id(result.call_id, self._quirks, plain=True),
            "content": content or [{"text": "(no output)"}],
        }
        return {"toolResult": written | ({"status": "error"} if result.is_error else {})}

    def _image(self, image: neutral.Image) -> Json | None:
        if image.detail not in ("", "auto"):
            self._losses.add("messages.image.detail")
        word = short_type(image.media_type) if image.media_type else _sniffed(image.data)
        return self._media("image", image, word if word in _IMAGES else "")

    def _audio(self, audio: neutral.Audio) -> Json | None:
        word = short_type(audio.media_type)
        block = (
            self._media("audio", audio, word if word in _AUDIO else "")
            if audio.data or audio.file_id or audio.url
            else None
        )
        return block or ({"text": audio.transcript} if audio.transcript else None)

    def _media(self, kind: str, media: neutral.Media, word: str) -> Json | None:
        source = _source(media)
        if source is None or not word:
            self._losses.add(f"messages.{kind}.{_place_of(media)}")
            return None
        return {kind: {"format": word, "source": source}}

    def _document(self, document: neutral.Document) -> Json | None:
        word = short_type(document.media_type) if document.media_type else "pdf"
        if (
            document.text
            or document.parts
            or (
                word not in _DOCUMENTS
                and document.media_type.startswith(("text/", "application/json", "application/xml"))
            )
        ):
            word = "txt"
        source: Json | None
        if document.parts:
            source = {
                "content": [
                    {"text": part.text} for part in document.parts if isinstance(part, neutral.Text)
                ]
            }
            if any(isinstance(part, neutral.Image) for part in document.parts):
                self._losses.add("messages.document.image")
        elif document.text:
            source = {"text": document.text}
        else:
            source = _source(document)
        if source is None or word not in _DOCUMENTS:
            self._losses.add(f"messages.document.{_place_of(document)}")
            return None
        written: Json = {"format": word, "name": self._name(document.name), "source": source}
        if document.context:
            written["context"] = document.context
        if document.cite:
            written["citations"] = {"enabled": True}
        return {"document": written}

    def _name(self, given: str) -> str:
        """A name as Bedrock takes it, and no other document's in this request: letters, digits,
        space, hyphens, brackets.
        """
        plain = (
            _SPACES.sub(" ", _BAD_IN_NAME.sub("-", _EXTENSION.sub("", given))).strip(" -")[:180]
            or "document"
        )
        name, number = plain, 1
        while name in self._names:
            number += 1
            name = f"{plain} {number}"
        self._names.add(name)
        return name


def _sniffed(data: str) -> str:
    return next((word for magic, word in _MAGIC if data.startswith(magic)), "png")


def _place_of(media: neutral.Media) -> str:
    """What Bedrock cannot take of it, as it is named among what was dropped."""
    if media.url:
        return "url"
    return "file_id" if media.file_id else media.media_type or "data"


def _source(media: neutral.Media) -> Json | None:
    """Bytes, or a place in S3, the only one that Bedrock fetches from."""
    if media.data:
        return {"bytes": media.data}
    place = media.file_id if media.origin == ORIGIN else media.url
    return {"s3Location": {"uri": place}} if place.startswith("s3://") else None


def write_tool_use(call: neutral.ToolCall, identity: str) -> Json:
    # A tool that takes free text has no like here; its input is kept under the name that it has
    # elsewhere.
    arguments = (
        {"input": call.arguments}
        if call.kind == "custom"
        else neutral.arguments_object(call.arguments)
    )
    return {"toolUse": {"toolUseId": identity, "name": call.name, "input": arguments}}


def write_thinking(part: neutral.Thinking) -> Json:
    """A reasoning block; another vendor's signature is sealed, for a client that will hand it
    back.
    """
    if part.redacted and part.signature:
        return {"reasoningContent": {"redactedContent": redacted_data(part.signature)}}
    proof = seal_thinking(part.signature, SIGNER)
    return {"reasoningContent": {"reasoningText": {"text": part.text, "signature": proof}}}


def redacted_data(signature: neutral.Signature) -> str:
    if signature.origin == ORIGIN:
        return signature.value
    return b64encode(seal(signature, SIGNER).encode("utf-8", "replace")).decode()


def write_answer_blocks(parts: tuple[Part, ...]) -> list[Json]:
    """For an answer to a client. Gemini's signatures of calls and texts stand in a block before
    these.
    """
    blocks: list[Json] = []
    for part in parts:
        if isinstance(part, neutral.Text | neutral.ToolCall | neutral.Image) and part.signature:
            blocks.append({"reasoningContent": {"redactedContent": redacted_data(part.signature)}})
        if isinstance(part, neutral.Text) and part.citations:
            citations = [write_citation(citation) for citation in part.citations]
            blocks.append(
                {"citationsContent": {"content": [{"text": part.text}], "citations": citations}}
            )
        elif isinstance(part, neutral.Text | neutral.Refusal):
            blocks.append({"text": part.text})
        elif isinstance(part, neutral.ToolCall):
            blocks.append(write_tool_use(part, part.id))
        elif isinstance(part, neutral.Thinking):
            blocks.append(write_thinking(part))
        elif isinstance(part, neutral.Image) and part.data:
            word = short_type(part.media_type or "image/png")
            blocks.append({"image": {"format": word, "source": {"bytes": part.data}}})
        elif isinstance(part, neutral.Audio) and part.transcript:
            blocks.append({"text": part.transcript})
        elif isinstance(part, neutral.Opaque) and part.origin == ORIGIN:
            blocks.append(part.raw)
    return blocks


def write_citation(citation: neutral.Citation) -> Json:
    if citation.origin == ORIGIN and citation.raw:
        return citation.raw
    written: dict[str, Any] = {}
    if citation.title:
        written["title"] = citation.title
    if citation.cited_text:
        written["sourceContent"] = [{"text": citation.cited_text}]
    if citation.url:
        written |= {"source": citation.url, "location": {"web": {"url": citation.url}}}
    return written
