"""What the writers of requests have in common: turns, limits of sampling, fields of the client's
own, and what a service refuses."""

from __future__ import annotations

from typing import Any

import msgspec

from pilotfish.core.formats.neutral import Chat, Opaque, Part, Text, Tool, ToolResult, Turn, merged
from pilotfish.core.formats.style import Quirks, Written
from pilotfish.styles._fields import Losses
from pilotfish.styles._places import put_back

Json = dict[str, Any]

BEGINNING = "(The conversation begins with your words.)"
"""The user turn before a conversation that begins with the assistant's."""

CONTINUE = "Continue exactly where you stopped."
"""The user turn that stands for a prefill where a model takes none."""

ANSWER_IN_JSON = "Answer with a single JSON object and nothing else."


def kind_of(part: Part) -> str:
    """How a part is named when it is dropped."""
    if isinstance(part, Opaque):
        return str(part.raw.get("type") or next(iter(part.raw), "block"))
    return type(part).__name__.lower()


def alternating(chat: Chat, losses: Losses, *, system_turns: bool = False) -> tuple[Turn, ...]:
    """The turns with neighbours of one role made one, tool results at the head of theirs.

    Without `system_turns` instructions in the middle of a conversation are user turns that say what
    they are: moved to the head they would cost the prompt cache.
    """
    turns: list[Turn] = []
    for place, turn in enumerate(chat.turns):
        losses.add_if("messages.name", turn.name)
        parts = turn.parts
        if turn.role == "system" and not (system_turns and _may_stand(chat.turns, place)):
            text = "\n\n".join(part.text for part in parts if isinstance(part, Text))
            turns.append(Turn("user", (Text(f"<system>\n{text}\n</system>"),)))
        else:
            turns.append(Turn(turn.role, parts))
    return tuple(
        Turn("user", tuple(sorted(turn.parts, key=_after_results))) if turn.role == "user" else turn
        for turn in merged(tuple(turns))
    )


def add_message(messages: list[Json], role: str, content: list[Json], key: str = "content") -> None:
    """Adds a turn to those that are written, to the last one if that is of the same role: turns of
    which nothing is left must not leave two of a role side by side. `key`: where content stands."""
    if not content:
        return
    if messages and messages[-1]["role"] == role:
        messages[-1][key] += content
    else:
        messages.append({"role": role, key: content})


def _may_stand(turns: tuple[Turn, ...], place: int) -> bool:
    """Whether Claude takes a system turn there: right after a user's, before an assistant's or at
    the end."""
    before = turns[place - 1].role if place else ""
    after = turns[place + 1].role if place + 1 < len(turns) else "assistant"
    return (before, after) == ("user", "assistant")


def _after_results(part: Part) -> bool:
    return not isinstance(part, ToolResult)


def offered_tools(chat: Chat) -> list[Tool]:
    """The tools that may be called, for styles that have no other way to name some of them."""
    allowed = chat.tool_choice.names if chat.tool_choice and chat.tool_choice.mode != "tool" else ()
    return [tool for tool in chat.tools if not allowed or tool.name in allowed]


class Sampling(msgspec.Struct, frozen=True):
    temperature: float | None
    top_p: float | None
    top_k: int | None


def claude_sampling(
    chat: Chat, quirks: Quirks, losses: Losses, *, thinks: bool, one_of_two: bool
) -> Sampling:
    """Temperature ends at 1 here and at 2 elsewhere. With thinking only a high `top_p` may be set.
    `one_of_two`: of temperature and `top_p` the model takes one, as newer ones do."""
    temperature, top_p, top_k = chat.temperature, chat.top_p, chat.top_k
    if temperature is not None and temperature > 1:
        losses.add("temperature")
        temperature = 1.0
    if thinks or not quirks.sampling_fields:
        losses.add_if("temperature", temperature if temperature != 1 else None)
        losses.add_if("top_k", top_k)
        temperature = top_k = None
        if top_p is not None and (top_p < 0.95 or not quirks.sampling_fields):
            losses.add_if("top_p", top_p if top_p != 1 else None)
            top_p = None
    if one_of_two and temperature is not None and top_p is not None:
        losses.add_if("top_p", top_p if top_p != 1 else None)
        top_p = None
    return Sampling(temperature, top_p, top_k)


def stop_sequences(chat: Chat, losses: Losses, *, blank: bool) -> list[str]:
    """`blank`: the model takes those that hold nothing but white space."""
    stops = [stop for stop in chat.stop if blank or stop.strip()]
    if len(stops) < len(chat.stop):
        losses.add("stop")
    return stops


def write_own_extras(chat: Chat, origin: str, body: Json, losses: Losses, *parents: str) -> None:
    """Fields of the client's own style come back to where they stood; those of others are lost.
    `parents`: see `put_back`."""
    for style, fields in chat.extras.items():
        for path, value in fields.items():
            if style == origin:
                put_back(body, path, value, parents)
            else:
                losses.add(path)


def finished(body: Json, quirks: Quirks, losses: Losses, *inner: str) -> Written:
    """The request without what its service refuses, at the top or in the objects named `inner`."""
    for place in (body, *(body.get(name, {}) for name in inner)):
        for name in [name for name in place if name in quirks.refuses]:
            del place[name]
            losses.add(name)
    return Written(msgspec.json.encode(body), losses.names())
