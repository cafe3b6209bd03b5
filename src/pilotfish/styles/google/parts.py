"""Parts of Google's contents, to and from the neutral form."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

import msgspec

from pilotfish.core.formats import neutral
from pilotfish.core.formats.neutral import Part
from pilotfish.styles import _signatures
from pilotfish.styles._fields import Fields, Losses
from pilotfish.styles._media import proper_type, type_by_url
from pilotfish.styles._requests import kind_of

ORIGIN = "google"

Media = neutral.Image | neutral.Document | neutral.Audio

# Media resolutions of single parts, which are OpenAI's levels of detail.
_DETAILS = {"MEDIA_RESOLUTION_LOW": "low", "MEDIA_RESOLUTION_HIGH": "high"}

# --- signatures ---

_SEAL = "pilotfish:"
_REDACTED = "redacted "

SKIP_CHECK = "skip_thought_signature_validator"
"""What stands for the signature of a call that another vendor's model made: Gemini 3 refuses calls
without any. Source: Gemini API docs, "Thought signatures", FAQ
(ai.google.dev/gemini-api/docs/thought-signatures), read 2026-11."""


def seal(signature: neutral.Signature, *, redacted: bool = False) -> str:
    """A signature for a Google client, which takes `thoughtSignature` for base64: another vendor's
    is wrapped as such.
    """
    if signature.origin == ORIGIN:
        return signature.value
    text = _signatures.seal(signature, ORIGIN)
    return b64encode((_REDACTED + text if redacted else text).encode("utf-8", "replace")).decode()


def unseal(text: str) -> tuple[neutral.Signature, bool]:
    """What `seal` made, and whether it was redacted; or a signature of Google's own."""
    try:
        raw = b64decode(text, validate=True).decode(errors="replace")
    except ValueError:
        raw = ""
    inner = raw.removeprefix(_REDACTED)
    if inner.startswith(_SEAL):
        return _signatures.unseal(inner, ORIGIN), inner != raw
    return neutral.Signature(ORIGIN, text), False


# --- reading ---


def read_part(part: Fields, losses: Losses, *, call_id: str = "") -> Part | None:
    """One part of a content; calls that have no id get `call_id`. Results are not read here, since
    they need the calls.
    """
    proof = part.text("thoughtSignature")
    signature, redacted = unseal(proof) if proof else (None, False)
    thought = part.flag("thought")
    call = part.object("functionCall")
    if call is not None:
        arguments = call.mapping("args")
        return neutral.ToolCall(
            id=call.text("id") or call_id,
            name=call.required_text("name"),
            arguments=msgspec.json.encode(arguments).decode() if arguments is not None else "",
            signature=signature,
        )
    text = part.text("text")
    if thought:
        return neutral.Thinking(
            text=text or "",
            signature=signature,
            redacted=redacted,
            id=signature.id if signature else "",
        )
    if text is not None:
        return neutral.Text(text, signature=signature)
    for key in ("inlineData", "fileData"):
        if key in part:
            return _read_media(part, key, signature, losses)
    rest = part.rest()
    if rest:
        return neutral.Opaque(ORIGIN, {**rest, **({"thoughtSignature": proof} if proof else {})})
    return neutral.Text("", signature=signature) if signature else None


def _read_media(
    part: Fields, key: str, signature: neutral.Signature | None, losses: Losses
) -> Part:
    resolution = part.object("mediaResolution")
    detail = _DETAILS.get((resolution.text("level") if resolution else "") or "", "")
    blob = part.inner(key)
    given_type = proper_type(blob.text("mimeType") or "")
    name = blob.text("displayName") or ""
    place = blob.required_text("data" if key == "inlineData" else "fileUri")
    media_type = given_type or ("" if key == "inlineData" else type_by_url(place))
    for name_of_rest in part.rest():
        losses.add(f"contents.parts.{name_of_rest}")
    given: dict[str, Any] = {"media_type": media_type}
    if key == "inlineData":
        given["data"] = _standard_base64(place)
    elif _is_public(place):
        given["url"] = place
    else:
        given |= {"file_id": place, "origin": ORIGIN}
    kind = media_type.partition("/")[0]
    if kind == "image":
        return neutral.Image(detail=detail, signature=signature, **given)
    if kind == "audio":
        return neutral.Audio(**given)
    if kind == "video" or "youtube.com/" in place or "youtu.be/" in place:
        fields = {"mimeType": media_type} | {"data" if key == "inlineData" else "fileUri": place}
        return neutral.Opaque(
            ORIGIN, {key: {name: value for name, value in fields.items() if value}}
        )
    return neutral.Document(name=name, **given)


def _standard_base64(data: str) -> str:
    """Google takes the URL-safe alphabet, too; nobody else does."""
    return data.replace("-", "+").replace("_", "/") if "-" in data or "_" in data else data


def _is_public(uri: str) -> bool:
    """Whether anyone can fetch it; what was uploaded to Google and what lies in its storage only
    Google can.
    """
    return (
        uri.startswith(("https://", "http://")) and "generativelanguage.googleapis.com/" not in uri
    )


def read_result(result: Fields, call_id: str, losses: Losses) -> neutral.ToolResult:
    """A `functionResponse`: `output` (or `result`) and `error` say what they are; any other object
    is the output as a whole.
    """
    response = result.mapping("response") or {}
    parts: list[Part] = []
    is_error = set(response) == {"error"}
    value: Any = response
    if len(response) == 1:
        value = next(
            (response[key] for key in ("output", "result", "error") if key in response), response
        )
    if response:
        parts.append(
            neutral.Text(value if isinstance(value, str) else msgspec.json.encode(value).decode())
        )
    for part in result.objects("parts"):
        found = read_part(part, losses)
        if found:
            parts.append(found)
    name = result.required_text("name")
    for rest in result.rest():
        losses.add(f"contents.parts.functionResponse.{rest}")
    return neutral.ToolResult(call_id=call_id, parts=tuple(parts), is_error=is_error, name=name)


# --- writing ---


def write_part(part: Part, losses: Losses) -> dict[str, Any] | None:
    """One part of a content but for results; None and a loss for what Google does not know."""
    if getattr(part, "cache", None):
        losses.add("cache_control")
    if isinstance(part, neutral.Text):
        return {"text": part.text} | signed(part.signature)
    if isinstance(part, neutral.Refusal):
        return {"text": part.text}
    if isinstance(part, Media):
        written = write_media(part, losses)
        proof = part.signature if isinstance(part, neutral.Image) else None
        return written and written | signed(proof)
    if isinstance(part, neutral.Opaque) and part.origin == ORIGIN:
        return dict(part.raw)
    losses.add(f"messages.{kind_of(part)}")
    return None


def signed(signature: neutral.Signature | None) -> dict[str, Any]:
    """A signature for the service itself, which takes no other vendor's."""
    return {"thoughtSignature": signature.value} if signature and signature.origin == ORIGIN else {}


def write_media(part: Media, losses: Losses) -> dict[str, Any] | None:
    media_type = part.media_type
    if isinstance(part, neutral.Image) and part.detail not in ("", "auto"):
        losses.add("messages.image.detail")
    if isinstance(part, neutral.Document):
        if part.context or part.cite:
            losses.add(
                "messages.document.context" if part.context else "messages.document.citations"
            )
        if any(isinstance(inner, neutral.Image) for inner in part.parts):
            losses.add("messages.document.image")
        if part.text or part.parts:
            return {"text": document_text(part)}
    if part.data:
        return {
            "inlineData": {"mimeType": media_type or _DEFAULT_TYPES[type(part)], "data": part.data}
        }
    if part.url or part.origin == ORIGIN:
        media_type = media_type or type_by_url(part.url)
        return {
            "fileData": ({"mimeType": media_type} if media_type else {})
            | {"fileUri": part.url or part.file_id}
        }
    losses.add(f"messages.{kind_of(part)}.{'file_id' if part.file_id else 'data'}")
    return None


_DEFAULT_TYPES: dict[type[Media], str] = {
    neutral.Image: "image/png",
    neutral.Document: "application/pdf",
    neutral.Audio: "audio/wav",
}


def document_text(document: neutral.Document) -> str:
    """A document that is text, with its name before it, as there is no place for names."""
    text = document.text or "\n\n".join(
        part.text for part in document.parts if isinstance(part, neutral.Text)
    )
    return f"{document.name}:\n{text}" if document.name else text


def write_result(result: neutral.ToolResult, name: str, losses: Losses) -> dict[str, Any]:
    """A `functionResponse` without its id. Text that is a JSON object is the response; any other
    stands under `output` or `error`. Its parts may be files alone, so a document that is text is
    put to the text.
    """
    if result.cache:
        losses.add("cache_control")
    items = [item for part in result.parts if (item := write_part(part, losses))]
    text = "\n".join(item["text"] for item in items if "text" in item)
    response: dict[str, Any] = {"error" if result.is_error else "output": text}
    if not result.is_error and text.startswith("{"):
        found = neutral.arguments_object(text)
        response = response if "_raw" in found else found
    written: dict[str, Any] = {"name": name, "response": response}
    parts = [item for item in items if "text" not in item]
    if parts:
        written["parts"] = parts
    return written


def write_call(call: neutral.ToolCall, *, with_id: bool) -> dict[str, Any]:
    """A `functionCall`."""
    identity = {"id": call.id} if with_id and call.id else {}
    # A tool that takes free text has no like here; its input is kept under the name that it has
    # elsewhere.
    arguments = (
        {"input": call.arguments}
        if call.kind == "custom"
        else neutral.arguments_object(call.arguments)
    )
    return {"functionCall": identity | {"name": call.name, "args": arguments}}
