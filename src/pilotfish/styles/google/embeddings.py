"""Embeddings: OpenAI's `/v1/embeddings` and Google's `embedContent` and `batchEmbedContents`, each
in the other's words.

There is no neutral form for them: two requests and two answers, all small. Source:
ai.google.dev/api/embeddings and platform.openai.com/docs/api-reference/embeddings, read 2026-11.
"""

from __future__ import annotations

import struct
from base64 import b64decode, b64encode
from typing import Any

import msgspec

from pilotfish.core.formats.neutral import Json
from pilotfish.core.formats.style import Written
from pilotfish.styles._fields import Fields, Losses, ReplyFields
from pilotfish.styles.google.fields import GoogleFields

BATCH = "batchEmbedContents"
SINGLE = "embedContent"


# --- an OpenAI client, a Google service ---


def google_from_openai(body: bytes, *, model: str) -> Written:
    """A request for `batchEmbedContents`, however many inputs there are. Raises ClientError; tokens
    in place of text are one.
    """
    fields = Fields.of(body)
    losses = Losses()
    texts = _inputs(fields)
    size = fields.whole("dimensions")
    for known in ("model", "encoding_format"):  # the second is obeyed when the answer is written
        fields.take(known)
    for name in fields.rest():
        losses.add(name)
    name = model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"
    limit = {"outputDimensionality": size} if size is not None else {}
    requests = [{"model": name, "content": {"parts": [{"text": text}]}} | limit for text in texts]
    return Written(msgspec.json.encode({"requests": requests}), losses.names())


def _inputs(fields: Fields) -> tuple[str, ...]:
    given = fields.peek("input")
    if isinstance(given, list) and given and all(isinstance(item, int | list) for item in given):
        fields.wrong("input", "text, since this model's service takes no tokens", given)
    texts = fields.texts("input")
    if not texts:
        fields.wrong("input", "a string or a list of strings", given)
    return texts


def encoding_of(body: bytes) -> str:
    """`base64` or `float`: how the client of `/v1/embeddings` wants its numbers."""
    return Fields.of(body).text("encoding_format") or "float"


def openai_from_google(body: bytes, *, model: str, encoding: str = "float") -> bytes:
    """An OpenAI answer from that of either Google method. Raises ValueError for anything else.

    Google's Gemini API reports no tokens; they are 0 then. `base64` is of little-endian 32-bit
    floats.
    """
    fields = ReplyFields.of(body)
    vectors = [vector.items("values") for vector in _vectors(fields)]
    usage = fields.object("usageMetadata")
    tokens = (usage.whole("promptTokenCount") if usage else None) or 0
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": _packed(values) if encoding == "base64" else values,
        }
        for index, values in enumerate(vectors)
    ]
    counts = {"prompt_tokens": tokens, "total_tokens": tokens}
    return msgspec.json.encode({"object": "list", "data": data, "model": model, "usage": counts})


def _vectors(fields: ReplyFields) -> list[ReplyFields]:
    single = fields.object("embedding")
    if single is not None:
        return [single]
    if "embeddings" not in fields:
        fields.wrong("embeddings", "a list", None)
    return list(fields.objects("embeddings"))


def _packed(values: list[Any]) -> str:
    if not all(isinstance(value, int | float) for value in values):
        raise ValueError("expected numbers in an embedding")
    try:
        return b64encode(struct.pack(f"<{len(values)}f", *values)).decode()
    except OverflowError as problem:
        raise ValueError(f"expected 32-bit floats in an embedding: {problem}") from problem


# --- a Google client, an OpenAI service ---


def openai_from_google_request(body: bytes, *, model: str, batch: bool) -> Written:
    """A request for `/v1/embeddings` from one of Google's. Raises ClientError. OpenAI embeds text
    alone and knows no task types.
    """
    fields = GoogleFields.of(body)
    losses = Losses()
    requests = list(fields.objects("requests")) if batch else [fields]
    if not requests:
        fields.wrong("requests", "a list of requests", fields.peek("requests"))
    texts: list[str] = []
    sizes: list[int] = []
    for request in requests:
        texts.append(_text_of(request, losses))
        size = request.whole("outputDimensionality")
        if size is not None:
            sizes.append(size)
        request.take("model")
        for name in request.rest():
            losses.add(name)
    given: Json = {
        "model": model,
        "input": texts if batch else texts[0],
        "encoding_format": "float",
    }
    if sizes:
        given["dimensions"] = sizes[0]
        if any(size != sizes[0] for size in sizes) or len(sizes) < len(requests):
            losses.add("outputDimensionality")
    return Written(msgspec.json.encode(given), losses.names())


def _text_of(request: Fields, losses: Losses) -> str:
    content = request.object("content")
    if content is None:
        request.wrong("content", "an object", None)
    texts: list[str] = []
    for part in content.objects("parts"):
        text = part.text("text")
        if text is None:
            losses.add("content.parts")
        else:
            texts.append(text)
    if not texts:
        content.wrong("parts", "parts with text", None)
    return "\n".join(texts)


def google_from_openai_reply(body: bytes, *, batch: bool) -> bytes:
    """A Google answer from OpenAI's, whose vectors may be base64 and in any order. Raises
    ValueError for anything else.
    """
    fields = ReplyFields.of(body)
    if "data" not in fields:
        fields.wrong("data", "a list", None)
    found = [(item.whole("index") or 0, _numbers(item)) for item in fields.objects("data")]
    vectors = [{"values": values} for _, values in sorted(found, key=lambda pair: pair[0])]
    usage = fields.object("usage")
    tokens = usage.whole("prompt_tokens") if usage else None
    answer: Json = (
        {"embeddings": vectors}
        if batch
        else {"embedding": vectors[0] if vectors else {"values": []}}
    )
    return msgspec.json.encode(
        answer | ({"usageMetadata": {"promptTokenCount": tokens}} if tokens is not None else {})
    )


def _numbers(item: Fields) -> list[Any]:
    if not isinstance(item.peek("embedding"), str):
        return item.items("embedding")
    raw = b64decode(item.required_text("embedding"), validate=True)
    if len(raw) % 4:
        raise ValueError(f"embedding of {len(raw)} bytes, expected 32-bit floats")
    return list(struct.unpack(f"<{len(raw) // 4}f", raw))
