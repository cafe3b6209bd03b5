"""What the wires' tests ask with: an answer as the model means it, before a wire writes it."""

from __future__ import annotations

import orjson

from pilotfish.simulated.answer import SimulatedAnswer, SimulatedCall
from pilotfish.simulated.asked import Asked
from pilotfish.simulated.wires.wire import Kind

ASKED = Asked(model="m", stream=True)
CALL = SimulatedCall("weather", '{"city": "Kiel"}')
PLAIN = SimulatedAnswer(number=7, text=("the ", "end "), input_tokens=10, cached_tokens=4)
FULL = SimulatedAnswer(
    number=7,
    thinking=("hm ",),
    text=("the ", "end "),
    calls=(CALL,),
    finish="tools",
    input_tokens=9,
)


def whole(wire, answer=PLAIN, asked=ASKED):
    """The JSON of a whole answer."""
    return orjson.loads(wire.whole(asked, answer, 1_764_000_000))


def streamed(wire, answer=PLAIN, asked=ASKED):
    """(kind, JSON) of each event of a stream of server-sent events."""
    return [
        (event.kind, sse_data(event.data)) for event in wire.events(asked, answer, 1_764_000_000)
    ]


def sse_data(event):
    """The JSON of one event; its text where it is not JSON."""
    data = event.partition(b"data: ")[2]
    assert event.endswith(b"\n\n")
    return orjson.loads(data) if data.startswith((b"{", b"[{")) else data.strip().decode()


def content_events(found):
    return [data for kind, data in found if kind is Kind.CONTENT]
