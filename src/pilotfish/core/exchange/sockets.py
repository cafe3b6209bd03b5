"""The paths at which vendors take WebSockets, which model a session is for, and where a session goes
upstream.

Sources, all read 2026-11: OpenAI API reference "Realtime" and guide "WebSocket mode" of Responses;
Azure OpenAI "Realtime audio"; Gemini API and Vertex AI "Live API reference".
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode

import msgspec

from pilotfish.core.exchange.request_url import base_path
from pilotfish.core.formats.bodies import replaced
from pilotfish.core.model.service import Provider

REALTIME, RESPONSES, LIVE = "realtime", "responses_socket", "live"


class SocketPath(NamedTuple):
    """What a WebSocket is for. `op`: one of the three above. `style`: whose words its errors are
    in. `model`: None where the first event names it. `query`: the client's, without the model and
    without its keys. `scenario`: the path's prefix, None without one.
    """

    op: str
    style: str
    model: str | None
    query: str
    scenario: str | None = None


_OPENAI = re.compile(r"/(?:v1|openai/v1|openai)/(realtime|responses)")
# Google's client for JavaScript puts a slash too many before it.
_LIVE = re.compile(
    r"/{1,2}ws/google\.(?:ai\.generativelanguage\.v[0-9a-z]+\.GenerativeService\."
    r"BidiGenerateContent(?:Constrained)?"
    r"|cloud\.aiplatform\.v[0-9a-z]+\.LlmBidiService/BidiGenerateContent)"
)
_SCENARIO = re.compile(r"/(?!v[0-9]|openai/|ws/)([A-Za-z][A-Za-z0-9_.-]*)(/.+)")
# In the order in which they count. `api-version` is the provider's own to choose.
_MODEL_NAMES = ("model", "deployment")
_NOT_PASSED = frozenset({*_MODEL_NAMES, "api-version", "key", "access_token", "api-key", "api_key"})


def socket_path(path: str, query: str) -> SocketPath | None:
    """None for a path at which no vendor takes WebSockets."""
    found = _found(path, query)
    if found is None and (prefixed := _SCENARIO.fullmatch(path)) is not None:
        inner = _found(prefixed[2], query)
        found = inner._replace(scenario=prefixed[1]) if inner is not None else None
    return found


def _found(path: str, query: str) -> SocketPath | None:
    openai = _OPENAI.fullmatch(path)
    if openai is None:
        live = _LIVE.fullmatch(path) is not None
        return SocketPath(LIVE, "google", None, _passed(query)) if live else None
    if openai[1] == "responses":
        return SocketPath(RESPONSES, "openai_responses", None, _passed(query))
    named = dict(reversed(parse_qsl(query)))
    model = next((named[name] for name in _MODEL_NAMES if named.get(name)), None)
    return SocketPath(REALTIME, "openai", model, _passed(query))


def _passed(query: str) -> str:
    return urlencode([(k, v) for k, v in parse_qsl(query) if k.lower() not in _NOT_PASSED])


# ---- the model in the first event

# Where an event may name a model, the first that does counts.
_PLACES = {
    REALTIME: (
        ("session", "model"),
        ("session", "audio", "input", "transcription", "model"),
        ("session", "input_audio_transcription", "model"),
        ("response", "model"),
    ),
    RESPONSES: (("model",), ("response", "model")),
    LIVE: (("setup", "model"),),
}
_RESOURCE = re.compile(r"(?:.*/)?(?:models|tunedModels)/(.+)")


def model_of_event(op: str, event: bytes) -> str | None:
    """The model that a client's first event names; None if it names none, or is no event."""
    try:
        found = msgspec.json.decode(event)
    except (msgspec.DecodeError, RecursionError):
        return None
    for place in _PLACES[op]:
        name = _at(found, place)
        if isinstance(name, str) and name:
            return plain_name(name) if op == LIVE else name
    return None


def plain_name(resource: str) -> str:
    """`models/gemini-x`, or the whole path of a project's, without what stands before the name.
    A publisher that is not Google's stays before it, as Google's SDK puts it there.
    """
    m = _RESOURCE.fullmatch(resource)
    if m is None:
        return resource
    publisher = re.search(r"publishers/([^/]+)/models/", resource)
    before = "" if publisher is None or publisher[1] == "google" else f"{publisher[1]}/"
    return before + m[1]


def with_model(op: str, event: bytes, asked: str, wanted: str) -> bytes:
    """A client's event in which the model `asked` for is called as the vendor calls it; as it was
    where it does not name it.
    """
    for place in _PLACES[op]:
        changed = _replaced_at(event, place, asked, wanted, is_resource=op == LIVE)
        if changed is not None:
            return changed
    return event


def _at(value: Any, place: tuple[str, ...]) -> Any:
    for name in place:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _replaced_at(
    event: bytes, place: tuple[str, ...], asked: str, wanted: str, *, is_resource: bool
) -> bytes | None:
    try:
        members = msgspec.json.decode(event, type=dict[str, msgspec.Raw])
        inner = members.get(place[0])
        if inner is None:
            return None
        if len(place) > 1:
            value = _replaced_at(bytes(inner), place[1:], asked, wanted, is_resource=is_resource)
            if value is None:
                return None
        else:
            name = msgspec.json.decode(inner)
            if not isinstance(name, str) or asked != (plain_name(name) if is_resource else name):
                return None
            value = msgspec.json.encode(wanted)
    except (msgspec.DecodeError, RecursionError):
        return None
    return b"".join(replaced(event, members, {place[0]: value}))


# ---- upstream

_VERSION_AT_END = re.compile(r"/v[0-9]+(?:(?:alpha|beta)[0-9]*)?$")
_VERSION_AT_START = re.compile(r"^/?v[0-9]+[a-z0-9]*/")


def socket_target(provider: Provider, op: str, model: str, query: str) -> str:
    """Path and query of the upstream's WebSocket. `model`: as the service calls it, empty where the
    events name it. `query`: what the client asked for besides.
    """
    path, _, own = provider.paths[op].partition("?")
    base = base_path(provider)
    if path.startswith("/ws/"):  # which stands beside the versions, not below one
        base = _VERSION_AT_END.sub("", base)
    parts = [own.replace("{model}", quote(model, safe="-._~@")) if model else ""]
    parts += [provider.query, query]
    asked = "&".join(part for part in parts if part)
    return f"{base}{path}{'?' + asked if asked else ''}"


def resource_of(provider: Provider, op: str, model: str) -> str:
    """The model's name in a client's event, as the provider wants it there."""
    if op != LIVE:
        return model
    path = provider.paths["generate"].rpartition(":")[0]
    return unquote(_VERSION_AT_START.sub("", path).lstrip("/")).replace(
        "{model}", model.removeprefix("models/")
    )
