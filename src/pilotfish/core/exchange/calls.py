"""From a client's request to one upstream request: which operation, which body, what was lost on
the way.

Each attempt is built afresh from the request as it came, so nothing of a failed one can be in the
next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pilotfish.core.exchange import multipart, request_settings
from pilotfish.core.exchange.inbound import OPTION_BYTES, Headers, Inbound
from pilotfish.core.exchange.stream_resume import continuation
from pilotfish.core.formats.bodies import Members, is_true, members_of, replaced
from pilotfish.core.formats.style import Target
from pilotfish.core.model.provider import CHAT_STYLES
from pilotfish.core.model.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pilotfish.core.formats.neutral import Chat
    from pilotfish.core.formats.style import Style
    from pilotfish.core.model.provider import Flags

_USAGE = b'{"include_usage":true}'
_NONE = msgspec.Raw(b"[]")
# Styles that keep model and stream in the path, not in the body.
_IN_PATH = frozenset(
    {
        "generate",
        "google_embeddings",
        "google_batch_embeddings",
        "google_count_tokens",
        "converse",
        "invoke",
        "raw_predict",
        "predict",
    }
)
_USAGE_OPS = frozenset({"chat", "completions"})


class CallBody(NamedTuple):
    """What goes upstream. `parts` are sent one after the other; `op` is the upstream's operation,
    `style` its wire format.

    `hides_usage`: we asked for a usage event that the client did not ask for. `headers` are extra
    ones that the body needs.
    """

    op: str
    style: str
    parts: tuple[bytes, ...]
    same_style: bool
    dropped: tuple[str, ...] = ()
    hides_usage: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    content_type: bytes = b"application/json"


def call_body(
    inbound: Inbound, service: Service, op: str, styles: Callable[[str], Style]
) -> CallBody:
    """For the client's own operation, or from one chat style to another. Raises ClientError where
    the request cannot be written so.
    """
    known = inbound.written
    if known is not None and known[0] is service and known[1] == op:
        assert isinstance(known[2], CallBody)
        return known[2]
    if op == inbound.op:
        return _same_style(inbound, service, op, styles)
    style = CHAT_STYLES[op]
    chat = wanted = chat_of(inbound, styles)
    if service.settings is not None:
        wanted = request_settings.with_settings(chat, service.settings)
    written = styles(style).write_request(
        wanted, Target(model=service.model, stream=inbound.stream, quirks=service.quirks)
    )
    call = CallBody(op, style, (written.body,), False, written.dropped, False, written.headers)
    return _edited(_with_settings(call, chat, service), inbound, service)


def continuation_body(
    inbound: Inbound,
    service: Service,
    op: str,
    styles: Callable[[str], Style],
    text: str,
    *,
    prefill: bool,
) -> CallBody:
    """A request to go on from `text`, which the client has already seen. Raises ClientError as
    `call_body` does.
    """
    style = CHAT_STYLES[op]
    chat = wanted = chat_of(inbound, styles)
    if service.settings is not None:
        wanted = request_settings.with_settings(chat, service.settings)
    written = styles(style).write_request(
        continuation(wanted, text, prefill=prefill),
        Target(model=service.model, stream=True, quirks=service.quirks),
    )
    call = CallBody(
        op, style, (written.body,), style == inbound.style, written.dropped, False, written.headers
    )
    return _edited(_with_settings(call, chat, service), inbound, service)


def _with_settings(call: CallBody, chat: Chat, service: Service) -> CallBody:
    """A written request with the rules' own fields of its vendor; what only the rules have set is
    not reported as dropped.
    """
    settings = service.settings
    if settings is None:
        return call
    body = call.parts[0]
    if settings.extra_body:
        body = request_settings.with_extra_body(body, settings.extra_body)
    dropped = request_settings.own_losses(chat, settings, call.dropped)
    return call._replace(parts=(body,), dropped=dropped)


def chat_of(inbound: Inbound, styles: Callable[[str], Style]) -> Chat:
    """The request in the neutral form, read once however many services are tried."""
    if inbound.chat is None:
        inbound.chat = styles(inbound.style).read_request(
            inbound.body, model=inbound.model, stream=inbound.stream
        )
    return inbound.chat


def _same_style(
    inbound: Inbound, service: Service, op: str, styles: Callable[[str], Style]
) -> CallBody:
    members = inbound.members
    if members is None:
        body = (
            inbound.body
            if inbound.model == service.model
            else multipart.with_model(inbound.body, inbound.content_type, service.model)
        )
        return CallBody(op, inbound.style, (body,), True, content_type=inbound.content_type)
    named = op not in _IN_PATH and service.model != ""  # moderations go without a model
    values: dict[str, bytes | None] = {"model": service.model_json} if named else {}
    hides = False
    if (
        inbound.stream
        and op in _USAGE_OPS
        and service.quirks.stream_usage
        and not inbound.usage_requested
    ):
        values["stream_options"] = _with_usage(members.get("stream_options"))
        hides = True
    if op in CHAT_STYLES and service.quirks.edits_history:
        values.update(styles(inbound.style).same_style_edits(members, service.quirks))
    if service.provider.among_others and op in CHAT_STYLES:
        target = Target(model=service.model, stream=inbound.stream, quirks=service.quirks)
        values.update(styles(inbound.style).without_foreign_proofs(inbound.body, members, target))
    if service.settings is not None and op in CHAT_STYLES:
        own = styles(inbound.style)
        target = Target(model=service.model, stream=inbound.stream, quirks=service.quirks)
        edited = {name: msgspec.Raw(value) for name, value in values.items() if value is not None}
        values.update(
            request_settings.same_style_edits(
                {**members, **edited},
                service.settings,
                own,
                target,
                lambda: chat_of(inbound, styles),
            )
        )
    wanted, dropped = _wanted(service, op, members, inbound.headers, inbound.framed)
    values.update(wanted)
    parts = replaced(inbound.body, members, values)
    return CallBody(
        op, inbound.style, parts, True, dropped, hides, content_type=inbound.content_type
    )


def _with_usage(options: msgspec.Raw | None) -> bytes:
    """The client's stream options, which may hold more than ours, with usage asked for."""
    if options is None or bytes(options) == b"null":
        return _USAGE
    if len(memoryview(options)) > OPTION_BYTES:
        return _USAGE
    try:
        known = msgspec.json.decode(options, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return bytes(options)  # the upstream will say what is wrong with it
    known["include_usage"] = msgspec.Raw(b"true")
    return msgspec.json.encode(known)


def _edited(call: CallBody, inbound: Inbound, service: Service) -> CallBody:
    """A request as it was written for its style, as the platform wants it."""
    edit = service.provider.kind.body_edits.get(call.op)
    if edit is None:
        return call
    members = members_of(call.parts[0])
    told = [(name.encode(), value.encode()) for name, value in call.headers]
    wanted, dropped = _wanted(
        service, call.op, members, [*told, *inbound.headers] if call.same_style else told
    )
    headers = tuple(h for h in call.headers if edit.flags is None or h[0] != edit.flags.header)
    return call._replace(
        parts=replaced(call.parts[0], members, wanted),
        headers=headers,
        dropped=(*call.dropped, *dropped),
    )


def _wanted(
    service: Service, op: str, members: Members, headers: Headers, framed: bool = False
) -> tuple[dict[str, bytes | None], tuple[str, ...]]:
    """What the platform wants otherwise: fields and their values, None to leave one out; and the
    names of what it refuses. `framed`: a client of such a platform asks, and knows what it takes.
    """
    edit = service.provider.kind.body_edits.get(op)
    if edit is None:
        return {}, ()
    dropped = tuple(name for name in edit.refuses if name in members)
    values: dict[str, bytes | None] = dict.fromkeys((*edit.remove, *dropped))
    values.update((name, msgspec.json.encode(value)) for name, value in edit.put)
    if edit.flags is not None:
        asked = _asked_flags(edit.flags, headers)
        vouched = asked if framed and op in service.provider.kind.envelopes else []
        flags, unknown = _flags(edit.flags, asked, members, service, vouched)
        values.update(flags)
        dropped += unknown
    return values, dropped


def stamped(call: CallBody, stamps: Mapping[str, tuple[str, bytes]]) -> CallBody:
    """With the field that says whose request it is, where the client has not set it. `stamps`: by
    operation the field's name and its JSON."""
    stamp = stamps.get(call.op)
    if stamp is None:
        return call
    body = b"".join(call.parts)
    members = members_of(body)
    if stamp[0] in members:
        return call
    return call._replace(parts=replaced(body, members, {stamp[0]: stamp[1]}))


def _asked_flags(flags: Flags, headers: Headers) -> list[str]:
    """What the header says, however often it stands there: each flag once, in the order met."""
    header = flags.header.encode()
    found = [
        flag.strip()
        for name, value in headers
        if name == header
        for flag in value.decode("latin-1").split(",")
    ]
    return list(dict.fromkeys(flag for flag in found if flag))


def _flags(
    flags: Flags, asked: list[str], members: Members, service: Service, vouched: list[str]
) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """The body's field with the flags that the platform takes, and the names of those that it does
    not. What the client itself wrote into the field stays: it was written for the platform."""
    if not asked:
        return {}, ()
    more = str(service.provider.options.get(flags.option) or "").split(",")
    allowed = flags.known | {flag.strip() for flag in more} | set(vouched)
    try:
        own = msgspec.json.decode(members.get(flags.field, _NONE), type=list[str])
    except msgspec.DecodeError:
        return {}, ()  # the upstream will say what is wrong with it
    dropped = tuple(f"{flags.header}.{flag}" for flag in asked if flag not in allowed)
    taken = [flag for flag in asked if flag in allowed and flag not in own]
    return ({flags.field: msgspec.json.encode([*own, *taken])} if taken else {}), dropped


# Below this, copying is cheaper than a write of several pieces.
JOIN_BYTES = 128 * 1024


def request_parts(
    start: bytes, headers: Headers, call: CallBody, more: Sequence[bytes] = ()
) -> tuple[bytes, ...]:
    """The whole request as it is sent. `start`: request line and fixed headers; `headers`: the
    credential's and the client's own.
    """
    parts = call.parts
    size = len(parts[0]) if len(parts) == 1 else sum(map(len, parts))
    lines = [start]
    lines += [b"%b: %b\r\n" % h for h in headers]
    if call.headers:
        lines += [b"%b: %b\r\n" % (n.encode(), v.encode()) for n, v in call.headers]
    lines += more
    lines.append(b"content-type: %b\r\ncontent-length: %d\r\n\r\n" % (call.content_type, size))
    if size < JOIN_BYTES:
        lines += parts
        return (b"".join(lines),)
    return (b"".join(lines), *parts)


def may_run_twice(inbound: Inbound) -> bool:
    """Not for requests that store something or run on in the background: two of them would be
    two.
    """
    members = inbound.members
    if members is None:
        return False
    if _KEPT.isdisjoint(members):
        return True
    return (
        not is_true(members, "store")
        and not is_true(members, "background")
        and "conversation" not in members
    )


_KEPT = frozenset({"store", "background", "conversation"})
