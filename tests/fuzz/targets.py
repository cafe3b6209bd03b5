"""What is fuzzed: each target takes any bytes and raises AssertionError (or anything else) where
something does not hold that should hold of all bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import jsonpatch

from pilotfish import styles
from pilotfish.core.exchange import endpoints, multipart
from pilotfish.core.exchange.inbound import Inbound
from pilotfish.core.formats.bodies import members_of, repeated_key, replaced
from pilotfish.core.formats.eventstream import EventStreamDecoder, write
from pilotfish.core.formats.json_array import JsonArrayDecoder
from pilotfish.core.formats.sse import SseDecoder
from pilotfish.core.formats.style import Target as Written
from pilotfish.core.rules import yaml_text
from pilotfish.core.rules.yaml_text import TextError, parse
from pilotfish.errors import ClientError
from pilotfish.http1.callers import AllowedCallers
from pilotfish.http1.exchange import Exchange
from pilotfish.http1.request_reader import RequestReader
from pilotfish.injector.patch.pod import inject
from pilotfish.injector.patch.settings import Injected, PodContext, Sidecar

Fuzzed = Callable[[bytes], None]
MAX_BODY = 4096


class Port:
    """A server for a reader, with limits that a fuzzer comes to."""

    draining = False
    max_body_bytes = MAX_BODY
    max_buffered_bytes = 4 * MAX_BODY
    takes = None

    def __init__(self) -> None:
        self.buffered_bytes = self.given_back_bytes = 0
        self.callers = AllowedCallers()

    @staticmethod
    def clock() -> float:
        return 0.0


class Line:
    """The connection of a reader."""

    peer = ""

    def __init__(self) -> None:
        self.server = Port()


def _read(pieces: list[bytes]) -> list[tuple[Any, ...]]:
    """The requests that were read of these pieces, and how it ended."""
    line = Line()
    reader = RequestReader(line, line.server)  # type: ignore[arg-type]
    for piece in pieces:
        if reader.bad is None and piece:
            reader.feed(piece)
    read: list[tuple[Any, ...]] = [_told(exchange) for exchange in reader.queue]
    if reader.bad is not None:
        read.append((reader.bad.status,))
    reader.close()
    assert line.server.buffered_bytes == 0, "bytes that are held of nobody"
    return read


def _told(exchange: Exchange) -> tuple[Any, ...]:
    assert len(exchange.body) <= MAX_BODY
    assert not any(c in exchange.target for c in b" \r\n\0")
    for name, value in exchange.headers:
        assert not any(c in name + value for c in b"\r\n\0")
    return exchange.method, exchange.target, tuple(exchange.headers), exchange.body


def http_requests(data: bytes) -> None:
    """However a request is cut, the same is read, or refused."""
    whole = _read([data])
    halves = _read([data[: len(data) // 2], data[len(data) // 2 :]])
    bytewise = _read([data[i : i + 1] for i in range(len(data))])
    for cut in (halves, bytewise):
        # A limit may be noticed earlier in small pieces; what was read before it is the same.
        served = [x for x in whole if len(x) > 1]
        other = [x for x in cut if len(x) > 1]
        shorter = min(len(served), len(other))
        assert served[:shorter] == other[:shorter]


def _cut(decoder: Callable[[], Any], data: bytes, size: int) -> list[Any]:
    made, found = decoder(), []
    try:
        for at in range(0, len(data), size):
            found += [repr(event) for event in made.feed(data[at : at + size])]
    except ValueError:
        found.append(None)
    return found


def _same_however_cut(decoder: Callable[[], Any], data: bytes) -> None:
    whole = [x for x in _cut(decoder, data, max(1, len(data))) if x is not None]
    for size in (1, 7):
        found = [x for x in _cut(decoder, data, size) if x is not None]
        shorter = min(len(whole), len(found))
        assert whole[:shorter] == found[:shorter]


def sse(data: bytes) -> None:
    _same_however_cut(SseDecoder, data)
    for style in styles.all_styles():
        if style.stream_content_type != "text/event-stream":
            continue
        reader, inspector = style.stream_reader(), style.inspector()
        try:
            for event in style.event_decoder().feed(data):
                reader.feed(event)
                inspector.event(event)
        except ValueError:
            continue


def event_streams(data: bytes) -> None:
    _same_however_cut(EventStreamDecoder, data)
    _same_however_cut(JsonArrayDecoder, data)
    framed = write({":event-type": "contentBlockDelta", ":message-type": "event"}, data[:1000])
    style = styles.get("bedrock")
    reader, inspector = style.stream_reader(), style.inspector()
    for event in style.event_decoder().feed(framed):
        reader.feed(event)
        inspector.event(event)


def json_bodies(data: bytes) -> None:
    """A member is replaced in what is JSON to everybody, and a key that stands twice is found."""
    try:
        members = members_of(data)
    except ClientError:
        return
    twice = False

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal twice
        twice = len(dict(pairs)) < len(pairs)
        return dict(pairs)

    try:
        known = json.loads(data, object_pairs_hook=unique)
    except (ValueError, RecursionError):
        return  # what msgspec skips over, Python's parser may refuse
    assert (repeated_key(data, members) is not None) == twice, data
    assert list(members) == list(known)
    made = b"".join(replaced(data, members, {"model": b'"new"'}))
    assert json.loads(made) == {**known, "model": "new"}


PATHS = ("/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1beta/models/m:generateContent", "/model/m/converse")  # fmt: skip


def neutral_form(data: bytes) -> None:
    """A request that a style reads, every style writes, and reads again what it wrote."""
    for path in PATHS:
        endpoint = endpoints.find(path)
        assert endpoint is not None
        try:
            inbound = Inbound(endpoint, path, "", [], data, "r", "")
            chat = styles.get(inbound.style).read_request(data, model="m", stream=False)
        except ClientError:
            continue
        for style in styles.all_styles():
            try:
                written = style.write_request(chat, Written(model="m", stream=False))
                style.read_request(written.body, model="m", stream=False)
            except ClientError:
                continue


def replies(data: bytes) -> None:
    """A whole answer that a style reads, every style writes."""
    for style in styles.all_styles():
        try:
            reply = style.read_reply(data)
        except (ValueError, ClientError):
            continue
        style.inspector().reply(data)
        for other in styles.all_styles():
            json.loads(other.write_reply(reply, model="m", request_id="r", now=0.0))


def forms(data: bytes) -> None:
    kind = b"multipart/form-data; boundary=X"
    try:
        model = multipart.model_of(data, kind)
    except ClientError:
        return
    made = multipart.with_model(data, kind, "new")
    if made != data:
        assert multipart.model_of(made, kind) == "new", (model, data)


SIDECAR = Sidecar(image="pilotfish:1", configmaps=("rules",))


def injector(data: bytes) -> None:
    """Any Pod gets a patch that leads to what is meant, or stays as it is."""
    try:
        pod = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(pod, dict):
        return
    before = json.dumps(pod)
    result = inject(pod, SIDECAR, PodContext(namespace="n", native=True, label_needed=False))
    assert json.dumps(pod) == before
    if isinstance(result, Injected):
        assert jsonpatch.apply_patch(pod, result.patch) == result.pod


def rules_text(data: bytes) -> None:
    said = ""
    # Aliases may unfold to far more; a fuzzer would spend its time on little else.
    with patch.object(yaml_text, "MAX_VALUES", 1_000):
        try:
            parse(data.decode("utf-8", "replace"))
        except TextError as refused:
            said = refused.message
    assert len(said) < MAX_BODY * 2


TARGETS: dict[str, Fuzzed] = {
    "http": http_requests,
    "sse": sse,
    "event-streams": event_streams,
    "json": json_bodies,
    "neutral": neutral_form,
    "replies": replies,
    "forms": forms,
    "injector": injector,
    "rules": rules_text,
}
