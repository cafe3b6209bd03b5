"""Requests with what the rules set in them: `request` of a service or provider.

A request of the service's own style is spliced: the parameters alone are written once as the client
has them and once with the settings, and what differs between the two is set in the client's bytes.
So the settings mean the same in every style, with all that a vendor's quirks make of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from pilotfish.core.formats.bodies import Members, members_of, replaced
from pilotfish.core.formats.neutral import Chat, Text, ThinkingConfig
from pilotfish.core.formats.style import Style, Target
from pilotfish.core.model.request_settings import RequestSettings

Edits = dict[str, bytes | None]

# The other name that a field may have in a client's body.
_ALIASES = {"max_completion_tokens": "max_tokens", "max_tokens": "max_completion_tokens"}
_NOTHING = object()


def with_settings(chat: Chat, settings: RequestSettings) -> Chat:
    """The request as the settings want it, system prompt included."""
    chat = with_parameters(chat, settings)
    if not settings.system_prompt:
        return chat
    return msgspec.structs.replace(chat, system=(Text(settings.system_prompt), *chat.system))


def with_parameters(chat: Chat, settings: RequestSettings) -> Chat:
    """The same without the system prompt."""
    wanted: dict[str, Any] = {}
    for name, value in settings.defaults.items():
        if name != "reasoning_effort" and getattr(chat, name) in (None, "", ()):
            wanted[name] = value
    for name, value in settings.overrides.items():
        if name != "reasoning_effort":
            wanted[name] = value
    thinking = _thinking(chat, settings)
    if thinking is not None:
        wanted["thinking"] = thinking
    return msgspec.structs.replace(chat, **wanted)


def _thinking(chat: Chat, settings: RequestSettings) -> ThinkingConfig | None:
    """What is to be set; None: nothing."""
    effort = settings.overrides.get("reasoning_effort")
    if effort is None:
        if chat.thinking is not None:
            return None
        if settings.thinking is not None:
            return settings.thinking
        effort = settings.defaults.get("reasoning_effort")
    return None if effort is None else ThinkingConfig(enabled=effort != "none", effort=effort)


def own_losses(chat: Chat, settings: RequestSettings, dropped: Iterable[str]) -> tuple[str, ...]:
    """Of what a service's style could not carry, what the client itself has asked for: a setting
    that the service does not know is no loss to the client.
    """
    ours = {
        name
        for name in (*settings.defaults, *settings.overrides)
        if name != "reasoning_effort" and getattr(chat, name) in (None, "", ())
    }
    if settings.sets_thinking and chat.thinking is None:
        ours |= {"thinking", "reasoning_effort"}
    return tuple(name for name in dropped if name.partition(".")[0] not in ours)


def same_style_edits(
    members: Members,
    settings: RequestSettings,
    style: Style,
    target: Target,
    whole: Callable[[], Chat],
) -> Edits:
    """The top-level fields to set in a body of the service's own style, None to leave one out.
    `whole`: the request in the neutral form, read only where thinking is set, which depends on the
    conversation. Raises ClientError for parameters that cannot be read.
    """
    edits: Edits = {}
    if settings.sets_parameters:
        chat = whole() if settings.sets_thinking else _parameters(members, style, target)
        before = _written(chat, style, target)
        after = _written(with_parameters(chat, settings), style, target)
        edits = _differences(members, before, after)
    if settings.system_prompt:
        edits.update(style.with_system_prompt(members, settings.system_prompt))
    return _with_extra(members, edits, settings.extra_body)


def with_extra_body(body: bytes, extra: Mapping[str, Any]) -> bytes:
    """A body that was written for the service, with its own fields."""
    members = members_of(body)
    return b"".join(replaced(body, members, _with_extra(members, {}, extra)))


def _parameters(members: Members, style: Style, target: Target) -> Chat:
    """The request without its conversation, which may be long."""
    name, stub = style.prompt_stub
    small = {**members, name: msgspec.Raw(stub)}
    return style.read_request(msgspec.json.encode(small), model=target.model, stream=target.stream)


def _written(chat: Chat, style: Style, target: Target) -> dict[str, Any]:
    written: dict[str, Any] = msgspec.json.decode(style.write_request(chat, target).body)
    return written


def _differences(members: Members, before: dict[str, Any], after: dict[str, Any]) -> Edits:
    edits: Edits = {}
    for name in dict.fromkeys((*before, *after)):
        was, new = before.get(name, _NOTHING), after.get(name, _NOTHING)
        if was == new:
            continue
        key = _own_name(name, members)
        if isinstance(new, dict):
            edits[key] = _merged(members.get(key), was if isinstance(was, dict) else {}, new)
        else:
            edits[key] = None if new is _NOTHING else msgspec.json.encode(new)
        alias = _ALIASES.get(name)
        if alias in members and alias is not None:
            edits[alias] = None
    return edits


def _merged(own: msgspec.Raw | None, was: dict[str, Any], new: dict[str, Any]) -> bytes:
    """An object of the client's with what differs between `was` and `new`."""
    fields = _fields(own)
    if fields is None:
        return msgspec.json.encode(new)
    for name in dict.fromkeys((*was, *new)):
        if was.get(name, _NOTHING) == new.get(name, _NOTHING):
            continue
        key = _own_name(name, fields)
        if name in new:
            fields[key] = msgspec.Raw(msgspec.json.encode(new[name]))
        else:
            fields.pop(key, None)
    return msgspec.json.encode(fields)


def _with_extra(members: Members, edits: Edits, extra: Mapping[str, Any]) -> Edits:
    """The edits and the vendor's own fields. Of an object those fields are set that are given."""
    for name, value in extra.items():
        own = edits.get(name) if name in edits else members.get(name)
        if isinstance(value, dict):
            fields = _fields(own) or {}
            fields.update((k, msgspec.Raw(msgspec.json.encode(v))) for k, v in value.items())
            edits[name] = msgspec.json.encode(fields)
        else:
            edits[name] = msgspec.json.encode(value)
    return edits


def _fields(raw: msgspec.Raw | bytes | None) -> dict[str, msgspec.Raw] | None:
    """The members of a JSON object; None for anything else."""
    if raw is None:
        return None
    try:
        return msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return None


def _own_name(name: str, fields: Mapping[str, Any]) -> str:
    """As the client spells it: Google takes `generation_config` as well as `generationConfig`."""
    if name in fields:
        return name
    snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
    return snake if snake in fields else name
