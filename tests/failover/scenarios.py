"""The sixteen faults that a rules file without any tuning has to get clients over: what the first
service does, and how long a client may wait for what. Plain data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from failover.town import USUAL_S

# What a client may end with: the whole answer, one error in its own style, or the vendor's refusal
# as the vendor words it (an error, or a good answer whose finish reason tells of it).
Ends = Literal["whole", "error", "refused"]

# The defaults that bounds follow from, in seconds.
PATIENCE_S, FIRST_TOKEN_S, IDLE_S = 10.0, 30.0, 60.0
TRIAL_S = 2.0  # how long a client waits for a service on trial before another one is asked beside
# Two retries of one service with their backoffs and jitter, where it answers at once.
RETRIES_S = (0.5 + 1.0) * 1.25
TICK_S = 0.2  # how late a limit may be noticed, and a new attempt be on its way


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """`first` and `second` are words of simulated models; `requests` come one after the other,
    `every_s` apart, and each is held to the bounds. `words_s` and `stream_s`: until a stream's first
    text and its end; `whole_s`: until an answer that is not streamed. None: not asked so.
    """

    title: str
    first: str
    second: str = "plain"
    ends: Ends = "whole"
    requests: int = 1
    every_s: float = 0.0
    words_s: float | None
    stream_s: float | None
    whole_s: float | None
    attempts: int = 6  # at most so many in one request


def soon(more_s: float = 0.0) -> dict[str, float]:
    """Bounds of a case that costs `more_s` beside the usual time."""
    return {
        "words_s": 0.3 + more_s + TICK_S,
        "stream_s": USUAL_S + more_s + TICK_S,
        "whole_s": USUAL_S + more_s + TICK_S,
    }


def silent(words_s: float, whole_s: float) -> dict[str, float]:
    """Bounds where another service is asked beside the first after so long."""
    return {
        "words_s": words_s + 0.3 + TICK_S,
        "stream_s": words_s + USUAL_S + TICK_S,
        "whole_s": whole_s + USUAL_S + TICK_S,
    }


SCENARIOS = [
    Scenario(title="429 with a hint, then well", first="first-429-ra2", requests=4, every_s=1.5,
             **soon()),
    Scenario(title="429 for ever, without a hint", first="429", requests=12, every_s=2.0,
             **soon(RETRIES_S)),
    Scenario(title="one 500", first="first-500", **soon(RETRIES_S)),
    Scenario(title="503 for ever", first="503", requests=12, every_s=2.0, **soon(RETRIES_S)),
    Scenario(title="connections are reset", first="reset", requests=5, **soon()),
    Scenario(title="silent for two minutes", first="ttft-120s",
             **silent(PATIENCE_S, FIRST_TOKEN_S)),
    Scenario(title="first token after 20 s", first="ttft-20s",
             words_s=15.0, stream_s=15.0, whole_s=20.0 + USUAL_S + TICK_S),
    Scenario(title="cut after two thirds", first="n12-cut66",
             words_s=0.5, stream_s=2 * USUAL_S + TICK_S, whole_s=4 * USUAL_S + RETRIES_S + TICK_S),
    Scenario(title="stalls after two thirds", first="n12-stall66",
             words_s=0.5, stream_s=IDLE_S + 2 * USUAL_S + TICK_S,
             whole_s=FIRST_TOKEN_S + USUAL_S + TICK_S),
    Scenario(title="an event that is none", first="n12-malformed",
             words_s=0.5, stream_s=USUAL_S + TICK_S, whole_s=4 * USUAL_S + RETRIES_S + TICK_S),
    Scenario(title="heartbeats and nothing else", first="heartbeats-5s",
             **silent(PATIENCE_S, FIRST_TOKEN_S)),
    Scenario(title="the context is too long for it", first="contextlength", **soon()),
    Scenario(title="its content policy refuses", first="contentpolicy", ends="refused", **soon()),
    Scenario(title="cut, and the second refuses a prefill", first="n12-cut66", second="noprefill",
             words_s=0.5, stream_s=2 * USUAL_S + 2 * TICK_S,
             whole_s=4 * USUAL_S + RETRIES_S + TICK_S),
]  # fmt: skip

FLAPPING = "it flaps: 30 s well, 15 s of 503"
ACCOUNTING = "accounting of an answer in two parts"
TITLES = [*(scenario.title for scenario in SCENARIOS), FLAPPING, ACCOUNTING]
