"""What tests of styles share: streams as bytes, cut in every way, through a reader and a writer;
and the goldens of a fixture folder.

Run as a program it writes the goldens anew; the difference is for review.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from pilotfish import styles
from pilotfish.core.formats.deltas import Delta
from pilotfish.core.formats.sse import SseDecoder, data_of, event_from
from pilotfish.core.formats.style import Quirks, Style, Target

FIXTURES = Path(__file__).parent / "fixtures" / "styles"
WRITTEN: dict[str, Any] = {"model": "served-model", "request_id": "r1", "now": 1700000000.5}
FULL = {"stream_usage": True}


def sse(*payloads: Any) -> list[bytes]:
    """Events of these payloads, named by their `type` as Anthropic and Responses name theirs."""
    events = []
    for payload in payloads:
        if isinstance(payload, bytes):
            events.append(payload)
            continue
        name = str(payload.get("type", ""))
        events.append(
            event_from(
                json.dumps(payload, ensure_ascii=False).encode(),
                name.encode() if "." in name or "_" in name else b"",
            )
        )
    return events


def payloads(stream: bytes) -> list[Any]:
    """The data of every event, parsed; text that is not JSON as text."""
    found = []
    for event in SseDecoder().feed(stream):
        data = data_of(event)
        if data:
            found.append(data.decode() if data == b"[DONE]" else json.loads(data))
    return found


def read(style: str, events: Iterable[bytes]) -> list[Delta]:
    reader = styles.get(style).stream_reader()
    return [delta for event in events for delta in reader.feed(event)]


def write(style: str, deltas: list[Delta], *, at_once: bool = True, **options: Any) -> bytes:
    writer = styles.get(style).stream_writer(**WRITTEN, options=options)
    out = writer.write(deltas) if at_once else b"".join(writer.write([delta]) for delta in deltas)
    return out + writer.end()


def pieces(stream: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """The stream whole, by event, by byte, and cut inside every letter that is longer than a
    byte.
    """
    yield "whole", [stream]
    yield "by event", SseDecoder().feed(stream)
    yield "by byte", [stream[i : i + 1] for i in range(len(stream))]
    cuts = [0, *(i for i, byte in enumerate(stream) if byte & 0xC0 == 0x80), len(stream)]
    yield "inside letters", [stream[a:b] for a, b in pairwise(cuts)]


def translated(source: Style, target: Style, reads: list[bytes]) -> bytes:
    """A stream of `source` as a client of `target` gets it."""
    decoder, reader = SseDecoder(), source.stream_reader()
    writer = target.stream_writer(**WRITTEN, options={"include_usage": True})
    out = [writer.write(reader.feed(event)) for data in reads for event in decoder.feed(data)]
    return b"".join(out) + writer.end()


def goldens(folder: Path, target: str) -> dict[str, bytes]:
    """What the case in `folder` comes to in style `target`, by file name."""
    source, other = styles.get(folder.parent.name), styles.get(target)
    found: dict[str, bytes] = {}
    client, answer, stream = (
        folder / "client.json",
        folder / "upstream.json",
        folder / "upstream.sse",
    )
    if client.exists():
        body = client.read_bytes()
        chat = source.read_request(
            body, model="asked-model", stream=bool(json.loads(body).get("stream"))
        )
        written = other.write_request(
            chat, Target(model="served-model", stream=chat.stream, quirks=Quirks())
        )
        found[f"to_{target}.json"] = _pretty(
            {"dropped": written.dropped, "body": json.loads(written.body)}
        )
    if answer.exists():
        reply = other.write_reply(source.read_reply(answer.read_bytes()), **WRITTEN)
        found[f"as_{target}.json"] = _pretty(json.loads(reply))
    if stream.exists():
        found[f"as_{target}.sse"] = translated(source, other, [stream.read_bytes()])
    return found


def _pretty(value: Any) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n"


def cases() -> list[Path]:
    return sorted(
        path.parent
        for path in FIXTURES.glob("*/*/*")
        if path.name in ("client.json", "upstream.json", "upstream.sse")
    )


TARGETS = ("anthropic", "openai", "openai_responses")

if __name__ == "__main__":
    for case in dict.fromkeys(cases()):
        for style in TARGETS:
            for name, content in goldens(case, style).items():
                (case / name).write_bytes(content)
