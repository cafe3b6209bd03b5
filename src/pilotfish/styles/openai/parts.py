"""Content parts of Chat Completions messages, to and from the neutral form."""

from __future__ import annotations

from typing import Any

import msgspec

from pilotfish.core.formats import neutral
from pilotfish.core.formats.neutral import Part
from pilotfish.core.formats.style import Quirks
from pilotfish.styles._fields import Fields, Losses
from pilotfish.styles._loose import loosely
from pilotfish.styles._media import (
    TYPES,
    data_url,
    file_name,
    short_type,
    split_data_url,
    text_in,
    type_by_name,
)
from pilotfish.styles._requests import kind_of
from pilotfish.styles._signatures import with_signatures_placed

ORIGINS = ("openai", "openai_responses")
"""The families whose file ids and extras this style understands."""

# The `format` words of OpenRouter's `reasoning_details` (openrouter.ai/docs, "Reasoning tokens",
# read 2026-11).
_FORMATS = {
    "anthropic": "anthropic-claude-v1",
    "google": "google-gemini-v1",
    "openai_responses": "openai-responses-v1",
}
_ORIGINS_BY_FORMAT = {word: origin for origin, word in _FORMATS.items()}


class GoogleExtra(msgspec.Struct, gc=False):
    """What Google's own service adds to a call, a message, a picture or a delta."""

    thought_signature: str | None = None
    thought: bool | None = None


class ExtraContent(msgspec.Struct, gc=False):
    google: GoogleExtra | None = None


def read_cache(part: Fields) -> neutral.Cache | None:
    """OpenAI's own mark, or Anthropic's, which routers accept in this style, too."""
    mark = part.object("prompt_cache_breakpoint") or part.object("cache_control")
    return neutral.Cache(mark.text("ttl") or "") if mark else None


def read_content(message: Fields, losses: Losses) -> tuple[Part, ...]:
    """`content`: a string or a list of parts. An empty string is no part."""
    content = message.peek("content")
    if isinstance(content, str):
        message.take("content")
        return (neutral.Text(content),) if content else ()
    parts = (read_part(part, losses) for part in message.objects("content"))
    return tuple(part for part in parts if part is not None)


def read_part(part: Fields, losses: Losses) -> Part | None:
    """One part; None and a loss for a type that nobody else knows."""
    kind = part.required_text("type")
    cache = read_cache(part)
    if kind == "text":
        return neutral.Text(part.required_text("text"), cache)
    if kind == "refusal":
        return neutral.Refusal(part.required_text("refusal"))
    if kind == "image_url":
        if isinstance(part.peek("image_url"), str):  # not documented, but widely sent and accepted
            return image_from(part.required_text("image_url"), "", cache)
        image = part.inner("image_url")
        return image_from(image.required_text("url"), image.text("detail") or "", cache)
    if kind == "thinking":  # Mistral's reasoning models
        return neutral.Thinking(text="".join(_texts_in(part.take("thinking"))))
    if kind == "input_audio":
        return read_audio(part.inner("input_audio"), cache)
    if kind == "file":
        return _read_file(part.inner("file"), cache)
    losses.add(f"messages.{kind}")
    return None


def _texts_in(value: Any) -> list[str]:
    """The texts of `[{"type": "text", "text": ...}]`, or of a plain string."""
    items = value if isinstance(value, list) else [value]
    texts = [item.get("text") if isinstance(item, dict) else item for item in items]
    return [text for text in texts if isinstance(text, str)]


def read_audio(audio: Fields, cache: neutral.Cache | None) -> neutral.Audio:
    word = audio.text("format") or "wav"
    media_type = TYPES.get(word, f"audio/{word}")
    return neutral.Audio(media_type=media_type, data=audio.required_text("data"), cache=cache)


def image_from(url: str, detail: str, cache: neutral.Cache | None) -> neutral.Image:
    inline = split_data_url(url)
    if inline:
        return neutral.Image(media_type=inline[0], data=inline[1], detail=detail, cache=cache)
    return neutral.Image(url=url, detail=detail, cache=cache)


def _read_file(file: Fields, cache: neutral.Cache | None) -> neutral.Document:
    name = file.text("filename") or ""
    file_id = file.text("file_id")
    if file_id:
        return neutral.Document(file_id=file_id, origin="openai", name=name, cache=cache)
    return document_from(file.required_text("file_data"), name, cache)


def images_in(value: Any) -> list[neutral.Image]:
    """`images` of a message: pictures that the model made, as OpenRouter gives them."""
    found: list[neutral.Image] = []
    for item in value if isinstance(value, list) else ():
        if not isinstance(item, dict):
            continue
        url = item.get("image_url")
        text = url.get("url") if isinstance(url, dict) else url
        if isinstance(text, str):
            google = loosely(item.get("extra_content"), ExtraContent).google
            proof = google and google.thought_signature
            signature = neutral.Signature("google", proof) if proof else None
            image = image_from(text, "", None)
            found.append(msgspec.structs.replace(image, signature=signature))
    return found


def document_from(file_data: str, name: str, cache: neutral.Cache | None) -> neutral.Document:
    """A document from a data URL, or from bare base64, whose type only the name tells; some
    services take the address of a file there, too."""
    if file_data.startswith(("https://", "http://")):
        return neutral.Document(url=file_data, name=name, cache=cache)
    inline = split_data_url(file_data)
    media_type, data = inline or (type_by_name(name) or "application/pdf", file_data)
    return neutral.Document(media_type=media_type, data=data, name=name, cache=cache)


def write_parts(
    parts: tuple[Part, ...], quirks: Quirks, losses: Losses
) -> str | list[dict[str, Any]]:
    """`content` of a user message: a plain string where one text is all there is, since every
    server takes that.
    """
    written = [item for part in parts for item in _write_part(part, quirks, losses)]
    if len(written) == 1 and written[0].keys() == {"type", "text"}:
        return str(written[0]["text"])
    return written


def _write_part(part: Part, quirks: Quirks, losses: Losses) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if isinstance(part, neutral.Text | neutral.Refusal):
        items = [{"type": "text", "text": part.text}]
    elif isinstance(part, neutral.Image):
        items = _write_image(part, losses)
    elif isinstance(part, neutral.Audio):
        items = _write_audio(part, losses)
    elif isinstance(part, neutral.Document):
        items = _write_document(part, quirks, losses)
    else:
        losses.add(f"messages.{kind_of(part)}")
    mark = write_cache(getattr(part, "cache", None), quirks, losses)
    if items and mark:
        items[-1]["prompt_cache_breakpoint"] = mark
    return items


def write_cache(
    cache: neutral.Cache | None, quirks: Quirks, losses: Losses
) -> dict[str, Any] | None:
    """A breakpoint where the service knows them. Times to live are the vendor's own, so another
    vendor's is left out.
    """
    if cache is None:
        return None
    if not quirks.prompt_cache_breakpoints:
        losses.add("cache_control")
        return None
    return {"mode": "explicit"} | ({"ttl": cache.ttl} if cache.ttl in ("30m", "12h") else {})


def _write_image(image: neutral.Image, losses: Losses) -> list[dict[str, Any]]:
    if image.file_id:
        losses.add("messages.image.file_id")
        return []
    url = data_url(image.media_type or "image/png", image.data) if image.data else image.url
    return [
        {
            "type": "image_url",
            "image_url": {"url": url} | ({"detail": image.detail} if image.detail else {}),
        }
    ]


def _write_audio(audio: neutral.Audio, losses: Losses) -> list[dict[str, Any]]:
    if not audio.data:
        losses.add("messages.audio.url" if audio.url else "messages.audio.file_id")
        return []
    return [audio_item(audio)]


def audio_item(audio: neutral.Audio) -> dict[str, Any]:
    given = {"data": audio.data, "format": short_type(audio.media_type)}
    return {"type": "input_audio", "input_audio": given}


def _write_document(
    document: neutral.Document, quirks: Quirks, losses: Losses
) -> list[dict[str, Any]]:
    """Of files the reference takes PDF alone, so one that is text goes as text."""
    text = text_in(document.media_type, document.data) if document.data else None
    if text is not None:
        document = msgspec.structs.replace(document, text=text, data="")
    words = document_words(document, losses)
    items = [item for part in words for item in _write_part(part, quirks, losses)]
    if document.text or document.parts:
        return items
    if document.file_id and document.origin in ORIGINS:
        return [*items, {"type": "file", "file": {"file_id": document.file_id}}]
    if document.data:
        place = data_url(document.media_type, document.data)
        name = file_name(document.name, document.media_type)
    elif document.url and quirks.file_urls:
        place, name = document.url, document.name or document.url.rpartition("/")[2]
    else:
        losses.add("messages.document.url" if document.url else "messages.document.file_id")
        return items
    return [*items, {"type": "file", "file": {"filename": name, "file_data": place}}]


def document_words(document: neutral.Document, losses: Losses) -> list[Part]:
    """What of a document is text or pictures, as parts of their own: words about it, its name and
    its text. A file is not among them."""
    if document.cite:
        losses.add("messages.document.citations")
    words: list[Part] = [neutral.Text(document.context)] if document.context else []
    if document.text or document.parts:
        heading = f"{document.name}\n\n" if document.name else ""
        if document.text or heading:
            words.append(neutral.Text(heading + document.text))
        words += document.parts
    return words


# --- reasoning, which the reference does not have and everybody sends ---


def read_thinking(message: Fields) -> tuple[neutral.Thinking, ...]:
    """`reasoning_details` (OpenRouter) where given, since signatures are there; else
    `reasoning_content` or `reasoning` as text.
    """
    details = (
        list(message.objects("reasoning_details"))
        if isinstance(message.peek("reasoning_details"), list)
        else []
    )
    found: list[neutral.Thinking] = []
    for detail in details:
        _read_detail(detail, found)
    plain = message.text("reasoning_content") or (
        message.text("reasoning") if isinstance(message.peek("reasoning"), str) else None
    )
    message.take("reasoning")
    if not found and plain:
        found.append(neutral.Thinking(text=plain))
    return tuple(found)


def _origin_of(form: str) -> str:
    """The family of a `format`; one that is not known is a family of its own."""
    return _ORIGINS_BY_FORMAT.get(form, form or "openai")


def _read_detail(detail: Fields, found: list[neutral.Thinking]) -> None:
    kind = detail.text("type")
    origin = _origin_of(detail.text("format") or "")
    item = detail.text("id") or ""
    if kind == "reasoning.summary":
        found.append(neutral.Thinking(text=detail.text("summary") or "", summary=True, id=item))
    elif kind == "reasoning.encrypted":
        signature = neutral.Signature(origin, detail.text("data") or "", item)
        if found and found[-1].summary and found[-1].signature is None and found[-1].id == item:
            # OpenAI's summary and its proof are one item
            found[-1] = msgspec.structs.replace(found[-1], signature=signature)
        else:
            found.append(
                neutral.Thinking(signature=signature, redacted=origin == "anthropic", id=item)
            )
    elif kind == "reasoning.text":
        proof = detail.text("signature")
        found.append(
            neutral.Thinking(
                text=detail.text("text") or "",
                signature=neutral.Signature(origin, proof, item) if proof else None,
                id=item,
            )
        )


def write_details(thinking: neutral.Thinking) -> list[dict[str, Any]]:
    """One run of thinking as `reasoning_details`, without their `index`; none where there is no
    signature, as the plain text says it all.
    """
    signature = thinking.signature
    if signature is None:
        return []
    form = _FORMATS.get(signature.origin, signature.origin)
    tail: dict[str, Any] = {"format": "unknown" if form == "openai" else form}
    identity = thinking.id or signature.id
    if identity:
        tail = {"id": identity} | tail
    encrypted = {"type": "reasoning.encrypted", "data": signature.value} | tail
    if form.endswith("-responses-v1"):
        summary = {"type": "reasoning.summary", "summary": thinking.text} | tail
        return [summary, encrypted] if thinking.text else [encrypted]
    if not thinking.text and (thinking.redacted or signature.origin == "google"):
        return [encrypted]
    return [{"type": "reasoning.text", "text": thinking.text, "signature": signature.value} | tail]


def write_call_details(call: neutral.ToolCall) -> list[dict[str, Any]]:
    """A call's signature as OpenRouter has it: a detail with the call's id."""
    if call.signature is None:
        return []
    return write_details(neutral.Thinking(signature=call.signature, id=call.id))


# --- Gemini's signatures, where Google's own service in this style puts them ---


def google_extra(signature: str) -> dict[str, Any]:
    """`extra_content` of a call or a message. Source: Gemini API docs, "Thought signatures"
    (ai.google.dev/gemini-api/docs/thought-signatures), read 2026-11."""
    return {"google": {"thought_signature": signature}}


def read_google_extra(fields: Fields) -> neutral.Signature | None:
    extra = fields.object("extra_content")
    google = extra.object("google") if extra else None
    proof = google.text("thought_signature") if google else None
    return neutral.Signature("google", proof) if proof else None


def with_text_signed(parts: list[Part], signature: neutral.Signature | None) -> tuple[Part, ...]:
    """The parts of a message with its signature on the last text; a text without words takes it
    where there is none. Signatures that came as details of reasoning are put where they belong."""
    if signature is not None:
        texts = [place for place, part in enumerate(parts) if isinstance(part, neutral.Text)]
        if texts:
            parts[texts[-1]] = msgspec.structs.replace(parts[texts[-1]], signature=signature)
        else:
            parts.append(neutral.Text("", signature=signature))
    return with_signatures_placed(parts)
