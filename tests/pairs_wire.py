"""Streams of any style as bytes, cut and translated, and the goldens of Google's and Bedrock's
fixture folders.

`style_wire` does the same for styles whose streams are Server-Sent Events. Run as a program this
writes the goldens of the two folders anew; the difference is for review.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from bedrock_wire import events, frame
from pilotfish import styles
from pilotfish.core.formats.deltas import Delta
from pilotfish.core.formats.eventstream import EventStreamDecoder
from pilotfish.core.formats.sse import SseDecoder
from pilotfish.core.formats.style import Target
from style_wire import FIXTURES, TARGETS, WRITTEN, goldens

OWN = ("bedrock", "google")
ALL = (*TARGETS, *OWN)


def folders() -> list[Path]:
    return sorted(path for path in FIXTURES.glob("*/*") if path.is_dir())


def decoder_of(style: str) -> SseDecoder | EventStreamDecoder:
    return EventStreamDecoder() if style == "bedrock" else SseDecoder()


def stream_of(folder: Path) -> bytes:
    """The upstream's stream; empty where the case has none. Bedrock's is kept as lines of JSON, to
    be read by people.
    """
    lines = folder / "upstream.jsonl"
    if lines.exists():
        payloads = [json.loads(line) for line in lines.read_text().splitlines()]
        return b"".join(frame(name, payload) for line in payloads for name, payload in line.items())
    stream = folder / "upstream.sse"
    return stream.read_bytes() if stream.exists() else b""


def pieces(style: str, stream: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """The stream whole, by event, by byte, and cut inside every letter that is longer than a
    byte.
    """
    yield "whole", [stream]
    yield "by event", decoder_of(style).feed(stream)
    yield "by byte", [stream[i : i + 1] for i in range(len(stream))]
    cuts = [0, *(i for i, byte in enumerate(stream) if byte & 0xC0 == 0x80), len(stream)]
    yield "inside letters", [stream[a:b] for a, b in pairwise(cuts)]


def read(style: str, reads: list[bytes]) -> list[Delta]:
    decoder, reader = decoder_of(style), styles.get(style).stream_reader()
    return [delta for data in reads for event in decoder.feed(data) for delta in reader.feed(event)]


def translated(source: str, target: str, reads: list[bytes]) -> bytes:
    """A stream of `source` as a client of `target` gets it."""
    decoder, reader = decoder_of(source), styles.get(source).stream_reader()
    writer = styles.get(target).stream_writer(**WRITTEN, options={"include_usage": True})  # type: ignore[arg-type]
    out = [writer.write(reader.feed(event)) for data in reads for event in decoder.feed(data)]
    return b"".join(out) + writer.end()


def request_to(folder: Path, target: str) -> dict[str, Any]:
    """The case's request as `target` is asked, and what was dropped."""
    body = (folder / "client.json").read_bytes()
    chat = styles.get(folder.parent.name).read_request(
        body, model="asked-model", stream=bool(json.loads(body).get("stream"))
    )
    model = {"bedrock": "us.anthropic.claude-sonnet-4-5", "google": "gemini-2.5-flash"}.get(
        target, "served-model"
    )
    written = styles.get(target).write_request(chat, Target(model=model, stream=chat.stream))
    return {"dropped": list(written.dropped), "body": json.loads(written.body)}


def own_goldens(folder: Path, target: str) -> dict[str, bytes]:
    """What a case of Google's or Bedrock's comes to. `as_...` are judged by `test_conformance`,
    too, which does not know these two.
    """
    source = folder.parent.name
    found: dict[str, bytes] = {} if target in OWN else goldens(folder, target)
    if target in OWN and (folder / "client.json").exists():
        found[f"to_{target}.json"] = pretty(request_to(folder, target))
    if target in OWN and (folder / "upstream.json").exists():
        reply = styles.get(source).read_reply((folder / "upstream.json").read_bytes())
        found[f"for_{target}.json"] = pretty(
            json.loads(styles.get(target).write_reply(reply, **WRITTEN))
        )  # type: ignore[arg-type]
    stream = stream_of(folder)
    if stream:
        out = translated(source, target, [stream])
        if target == "bedrock":
            found["for_bedrock.jsonl"] = b"".join(
                json.dumps({name: body}, ensure_ascii=False).encode() + b"\n"
                for name, body in events(out)
            )
        else:
            found[f"{'for' if target in OWN else 'as'}_{target}.sse"] = out
    return found


def pretty(value: Any) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n"


if __name__ == "__main__":
    for case in folders():
        if case.parent.name in OWN:
            for style in ALL:
                for name, content in own_goldens(case, style).items():
                    (case / name).write_bytes(content)
