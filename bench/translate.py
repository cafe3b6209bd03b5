"""What translation costs: a request, a whole answer and a stream's chunk, from each style's client
to each style's service.

Pure CPU in one process, the least of some rounds; the diagonal is the same style, where bytes pass
and are only looked at. `python bench/translate.py [--rounds N]` prints three tables, in
microseconds, and chunks per second.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
from pilotfish import styles  # the checkout's own sources, whatever is installed
from pilotfish.core.exchange.pass_through import PassThrough
from pilotfish.core.exchange.response_stream import Translated
from pilotfish.core.formats.deltas import Finish, MessageStart, TextDelta, UsageDelta
from pilotfish.core.formats.neutral import Chat, FinishReason, Reply, Text, Tool, Turn
from pilotfish.core.formats.style import Style, Target
from pilotfish.core.formats.usage import Usage

CHUNKS = 200
SENTENCE = (
    "Tell me what a pilot fish does when its shark turns away, and why it stays at its side. "
)
SCHEMA = {
    "type": "object",
    "properties": {"place": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["place"],
}
CHAT = Chat(
    model="m",
    system=(Text("You are a helpful assistant."),),
    turns=tuple(
        Turn("user" if i % 2 == 0 else "assistant", (Text(SENTENCE * 4),)) for i in range(7)
    ),
    tools=(Tool(name="weather", description="The weather of a place.", schema=SCHEMA),),
    max_tokens=512,
    temperature=0.7,
)
REPLY = Reply(
    id="r",
    model="m",
    parts=(Text(SENTENCE * 10),),
    finish=FinishReason.STOP,
    usage=Usage(input=400, output=200),
)


def least(work: Callable[[], object], rounds: int, times: int) -> float:
    """Microseconds of one call."""
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(times):
            work()
        best = min(best, (time.process_time() - began) / times)
    return best * 1e6


def stream_of(style: Style) -> list[bytes]:
    """A stream in this style's own bytes, an event each."""
    writer = style.stream_writer(
        model="m", request_id="r", now=0.0, options={"include_usage": True}
    )
    pieces = [writer.write([MessageStart("r", "m")])]
    pieces += [writer.write([TextDelta(f"word{i} ")]) for i in range(CHUNKS)]
    pieces += [
        writer.write([Finish(FinishReason.STOP), UsageDelta(Usage(input=400, output=CHUNKS))]),
        writer.end(),
    ]
    return [p for p in pieces if p]


def table(title: str, names: list[str], figure: Callable[[Style, Style], float], form: str) -> None:
    print(f"\n{title}\n{'client, service':18s}" + "".join(f"{n:>18s}" for n in names))
    for client in names:
        print(
            f"{client:18s}"
            + "".join(
                f"{figure(styles.get(client), styles.get(service)):{form}}" for service in names
            )
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    rounds: int = parser.parse_args().rounds
    names = [s.name for s in styles.all_styles()]
    target = Target(model="m", stream=False)
    requests = {n: styles.get(n).write_request(CHAT, target).body for n in names}
    replies = {
        n: styles.get(n).write_reply(REPLY, model="m", request_id="r", now=0.0) for n in names
    }
    streams = {n: stream_of(styles.get(n)) for n in names}

    def request(client: Style, service: Style) -> float:
        body = requests[client.name]
        return least(
            lambda: service.write_request(
                client.read_request(body, model="m", stream=False), target
            ),
            rounds,
            200,
        )

    def reply(client: Style, service: Style) -> float:
        body = replies[service.name]
        if client is service:
            return least(lambda: service.inspector().reply(body), rounds, 500)
        return least(
            lambda: client.write_reply(
                service.read_reply(body), model="m", request_id="r", now=0.0
            ),
            rounds,
            200,
        )

    def stream(client: Style, service: Style) -> float:
        pieces = streams[service.name]

        def once() -> None:
            if client is service:
                channel: PassThrough | Translated = PassThrough(
                    service.event_decoder(),
                    service.inspector(),
                    hide_usage=False,
                    rename=None,
                    close=service.terminal_event,
                )
            else:
                writer = client.stream_writer(model="m", request_id="r", now=0.0, options={})
                channel = Translated(service.event_decoder(), service.stream_reader(), writer)
            for piece in pieces:
                channel.feed(piece)

        return least(once, rounds, 5) / CHUNKS

    table(
        "request, us (a conversation of 2.5 KB with one tool; the diagonal reads and writes it all the same)",
        names,
        request,
        "18.1f",
    )
    table("whole answer, us", names, reply, "18.1f")
    table("stream, us per chunk", names, stream, "18.2f")
    table("stream, chunks per second", names, lambda c, s: 1e6 / stream(c, s), "18,.0f")


if __name__ == "__main__":
    main()
