"""Writing the messages of a Chat Completions request from neutral turns."""

from __future__ import annotations

from typing import Any

from pilotfish.core.formats import neutral
from pilotfish.core.formats.neutral import Part
from pilotfish.core.formats.style import Quirks, Target
from pilotfish.styles._fields import Losses
from pilotfish.styles._media import tool_id
from pilotfish.styles._requests import kind_of
from pilotfish.styles.google.parts import SKIP_CHECK
from pilotfish.styles.google.thinking import generation
from pilotfish.styles.openai.parts import (
    google_extra,
    write_cache,
    write_call_details,
    write_details,
    write_parts,
)
from pilotfish.styles.openai.same_style import with_bridges


def write_messages(chat: neutral.Chat, target: Target, losses: Losses) -> list[dict[str, Any]]:
    """Neighbouring turns of the assistant are one message, as chat templates of open models
    want."""
    quirks = target.quirks
    messages: list[dict[str, Any]] = []
    if chat.system:
        content = _write_system(chat.system, quirks, losses)
        messages.append({"role": "system", "content": content})
    for turn in neutral.merged(chat.turns, roles=("assistant",)):
        if turn.role == "assistant":
            messages.extend(_write_assistant(turn, target, losses))
        elif turn.role == "system":
            texts = tuple(part for part in turn.parts if isinstance(part, neutral.Text))
            messages.append({"role": "system", "content": _write_system(texts, quirks, losses)})
        else:
            messages.extend(_write_user(turn, quirks, losses))
    return with_bridges(messages) if quirks.assistant_after_tool else messages


def _write_system(texts: tuple[neutral.Text, ...], quirks: Quirks, losses: Losses) -> Any:
    """One string, since chat templates of open models want it; parts only where a cache mark must
    find its place.
    """
    if quirks.prompt_cache_breakpoints and any(text.cache for text in texts):
        return write_parts(texts, quirks, losses)
    for text in texts:
        write_cache(text.cache, quirks, losses)
    return "\n\n".join(text.text for text in texts)


def _write_user(turn: neutral.Turn, quirks: Quirks, losses: Losses) -> list[dict[str, Any]]:
    """Tool messages first, in the order of the results, then what the user said, with the media
    that tools gave back.
    """
    messages: list[dict[str, Any]] = []
    rest: list[Part] = []
    for part in turn.parts:
        if isinstance(part, neutral.ToolResult):
            texts, media = result_parts(part)
            rest.extend(media)
            write_cache(part.cache, quirks, losses)
            content = write_parts(texts, quirks, losses) or ""
            messages.append(
                {"role": "tool", "tool_call_id": tool_id(part.call_id, quirks), "content": content}
            )
        else:
            rest.append(part)
    content = write_parts(tuple(rest), quirks, losses)
    if content:
        named = {"name": turn.name} if turn.name else {}
        messages.append({"role": "user", "content": content} | named)
    return messages


def result_parts(result: neutral.ToolResult) -> tuple[tuple[Part, ...], list[Part]]:
    """A result as a tool message can hold it, which is text, and the rest, which goes to the user
    message after it, announced.

    There is no mark for errors either; the text says it.
    """
    texts = [part for part in result.parts if isinstance(part, neutral.Text)]
    media: list[Part] = [part for part in result.parts if not isinstance(part, neutral.Text)]
    if result.is_error:
        texts = marked_as_error(texts)
    if media:
        texts = texts or [neutral.Text("(see the next message)")]
        media = [neutral.Text(f"Output of tool call {result.call_id}:"), *media]
    return tuple(texts), media


def marked_as_error(texts: list[neutral.Text]) -> list[neutral.Text]:
    """The texts of a result, the first of which says that it is an error."""
    if not texts:
        return [neutral.Text("Error")]
    first = texts[0]
    return (
        texts
        if first.text.lower().startswith("error")
        else [neutral.Text(f"Error: {first.text}", first.cache), *texts[1:]]
    )


def _write_assistant(turn: neutral.Turn, target: Target, losses: Losses) -> list[dict[str, Any]]:
    """One message; none where nothing is left of the turn, since an empty one is refused."""
    quirks = target.quirks
    message: dict[str, Any] = {"role": "assistant"}
    text, refusal = "", ""
    calls: list[neutral.ToolCall] = []
    thoughts: list[neutral.Thinking] = []
    signature: neutral.Signature | None = None
    for part in turn.parts:
        write_cache(getattr(part, "cache", None), Quirks(), losses)
        if isinstance(part, neutral.Text):
            text += part.text
            signature = part.signature or signature
        elif isinstance(part, neutral.Refusal):
            refusal += part.text
        elif isinstance(part, neutral.ToolCall):
            calls.append(part)
        elif isinstance(part, neutral.Thinking):
            thoughts.append(part)
        elif isinstance(part, neutral.Audio) and part.id and part.origin == "openai":
            message["audio"] = {"id": part.id}
        else:
            losses.add(f"messages.{kind_of(part)}")
    if not (text or refusal or calls or thoughts or len(message) > 1):
        return []
    message["content"] = text if text or not (calls or refusal) else None
    if turn.name:
        message["name"] = turn.name
    if refusal:
        message["refusal"] = refusal
    if calls:
        message["tool_calls"] = _write_calls(calls, target, losses)
    if signature and quirks.google_signatures and signature.origin == "google":
        message["extra_content"] = google_extra(signature.value)
    elif signature and quirks.reasoning_field != "reasoning_details":
        losses.add("messages.signature")
    _write_thoughts(thoughts, calls, quirks, losses, message)
    return [message] if message.keys() != {"role", "content"} or message["content"] else []


def _write_calls(
    calls: list[neutral.ToolCall], target: Target, losses: Losses
) -> list[dict[str, Any]]:
    """The calls with Gemini's signatures where the service takes them. Gemini 3 refuses the first
    call of a turn without one, as of another vendor's model; a word of Google's stands for it."""
    quirks = target.quirks
    written = [write_tool_call(call, tool_id(call.id, quirks)) for call in calls]
    if quirks.google_signatures:
        if generation(target.model) >= 3 and not any("extra_content" in call for call in written):
            written[0]["extra_content"] = google_extra(SKIP_CHECK)
        return written
    for call in written:
        if call.pop("extra_content", None) and quirks.reasoning_field != "reasoning_details":
            losses.add("messages.tool_calls.signature")
    return written


def _write_thoughts(
    thoughts: list[neutral.Thinking],
    calls: list[neutral.ToolCall],
    quirks: Quirks,
    losses: Losses,
    message: dict[str, Any],
) -> None:
    field = quirks.reasoning_field
    text = "\n\n".join(thought.text for thought in thoughts if thought.text)
    if not field:
        if thoughts:
            losses.add("messages.thinking")
        return
    if field == "reasoning_details":
        details = [item for thought in thoughts for item in write_details(thought)]
        details += [item for call in calls for item in write_call_details(call)]
        if details:
            message[field] = [item | {"index": index} for index, item in enumerate(details)]
            return
        field = "reasoning"
    if any(thought.signature for thought in thoughts):
        losses.add("messages.thinking.signature")
    if field == "content":
        if text:
            thinking = {"type": "thinking", "thinking": [{"type": "text", "text": text}]}
            answer = [{"type": "text", "text": message["content"]}] if message["content"] else []
            message["content"] = [thinking | {"closed": True}, *answer]
    elif text or (calls and quirks.reasoning_with_calls):
        message[field] = text


def write_tool_call(call: neutral.ToolCall, identity: str) -> dict[str, Any]:
    if call.kind == "custom":
        return {
            "id": identity,
            "type": "custom",
            "custom": {"name": call.name, "input": call.arguments},
        }
    written: dict[str, Any] = {
        "id": identity,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments or "{}"},
    }
    if call.signature and call.signature.origin == "google":
        written["extra_content"] = google_extra(call.signature.value)
    return written
