"""What is changed in a Chat Completions request for a service that speaks the same, but takes not
all of it; and in the answer of one that does not quite answer so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pilotfish.core.formats.bounds import has_too_many_values
from pilotfish.core.formats.style import Quirks
from pilotfish.styles._errors import json_or_none
from pilotfish.styles._loose import BAD_JSON
from pilotfish.styles._media import made_up_id, tool_id

BRIDGE = "OK."
"""An assistant's message between a tool's and a user's; the service refuses an empty one."""


def edits(members: Mapping[str, msgspec.Raw], quirks: Quirks) -> dict[str, bytes]:
    """`messages` with tool ids and an order of roles that the service takes; nothing where they are
    so already, or are not messages at all, which the service will say."""
    raw = members.get("messages")
    if raw is None or has_too_many_values(bytes(raw)):
        return {}
    try:
        messages = msgspec.json.decode(raw)
    except BAD_JSON:
        return {}
    if not isinstance(messages, list):
        return {}
    fitted = [_with_tool_ids(message, quirks) for message in messages]
    if quirks.assistant_after_tool:
        fitted = with_bridges(fitted)
    return {"messages": msgspec.json.encode(fitted)} if fitted != messages else {}


def _with_tool_ids(message: Any, quirks: Quirks) -> Any:
    if not isinstance(message, dict):
        return message
    changed: dict[str, Any] = {}
    answered = message.get("tool_call_id")
    if isinstance(answered, str):
        changed["tool_call_id"] = tool_id(answered, quirks)
    calls = message.get("tool_calls")
    if isinstance(calls, list):
        changed["tool_calls"] = [
            call | {"id": tool_id(call["id"], quirks)}
            if isinstance(call, dict) and isinstance(call.get("id"), str)
            else call
            for call in calls
        ]
    return message | changed


def with_bridges(messages: list[Any]) -> list[Any]:
    """An assistant's message wherever a user's follows a tool's."""
    bridged: list[Any] = []
    for message in messages:
        if _role_of(message) == "user" and bridged and _role_of(bridged[-1]) == "tool":
            bridged.append({"role": "assistant", "content": BRIDGE})
        bridged.append(message)
    return bridged


class AnswerEditor:
    """Gives ids to calls that came without one, which a client could not answer, and the type that
    strict clients look for; takes out function calls of nothing, which a client would try to run.
    One for each answer, whole or streamed: a call has the same id in all its events.
    """

    __slots__ = ("_arguments", "_begun", "_places", "_request_id")

    def __init__(self, request_id: str) -> None:
        self._request_id = request_id
        self._begun = 0  # calls so far
        self._places: dict[Any, int] = {}  # the index of a call without an id -> ours
        self._arguments = ""  # of the last of those

    def edit(self, data: bytes) -> bytes:
        """An event of a stream, or a whole answer; the same bytes where nothing is odd in it."""
        if b'"tool_calls"' not in data and b'"function_call"' not in data:
            return data
        start, end = data.find(b"{"), data.rfind(b"}") + 1
        if has_too_many_values(data[start:end]):
            return data
        try:
            answer = msgspec.json.decode(data[start:end])
        except BAD_JSON:
            return data
        choices = answer.get("choices") if isinstance(answer, dict) else None
        if not isinstance(choices, list):
            return data
        edited = [self._choice(choice) for choice in choices]  # all of them: they are counted
        if not any(edited):
            return data
        return data[:start] + msgspec.json.encode(answer) + data[end:]

    def _choice(self, choice: Any) -> bool:
        """Edits a choice in its place; whether there was anything to edit."""
        message = isinstance(choice, dict) and (choice.get("delta") or choice.get("message"))
        if not isinstance(message, dict):
            return False
        edited = False
        legacy = message.get("function_call")
        if isinstance(legacy, dict) and not (legacy.get("name") or legacy.get("arguments")):
            del message["function_call"]
            edited = True
        calls = message.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            edited |= isinstance(call, dict) and self._call(call)
        return edited

    def _call(self, call: dict[str, Any]) -> bool:
        """Edits a call, or a piece of one, in its place. Servers that give no ids may number all
        calls 0: then one begins with a name when the one before is whole."""
        function = call.get("function") or call.get("custom")
        if not isinstance(function, dict):
            return False
        kind = "function" if "function" in call else "custom"
        if call.get("id"):
            self._begun += 1
            lacks = bool(function.get("name")) and not call.get("type")
            call.update({"type": kind} if lacks else {})
            return lacks
        given, arguments = call.get("index"), function.get("arguments")
        begins = function.get("name") and (given not in self._places or self._is_whole())
        if begins:
            self._begun, self._arguments = self._begun + 1, ""
            self._places[given] = self._begun - 1
        self._arguments += arguments if isinstance(arguments, str) else ""
        ours = self._places.get(given, given)
        if not begins and "id" not in call and ours == given:
            return False
        call.pop("id", None)
        if begins:
            call |= {"id": made_up_id(self._request_id, self._begun - 1), "type": kind}
        if given is not None:
            call["index"] = ours
        return True

    def _is_whole(self) -> bool:
        return isinstance(json_or_none(self._arguments.encode("utf-8", "surrogatepass")), dict)


def _role_of(message: Any) -> Any:
    return message.get("role") if isinstance(message, dict) else None
