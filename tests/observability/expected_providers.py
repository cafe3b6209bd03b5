"""The providers: who is out, what became of each attempt, and where the answers came from
instead.
"""

from __future__ import annotations

from observability import story
from observability.expectations import Shows, Within, bucket, rates
from observability.known_run import Measured
from observability.story import FAILED, SERVED
from pilotfish.telemetry.series import FIRST_TOKEN, PER_TOKEN, TOKENS

SERVICES = {*SERVED, *FAILED, story.LOSES, story.HANGS, story.LEFT, story.HELD, story.IDLE}
# Who streamed: the time to its first token, and between tokens.
STREAMS = {
    story.QUICKLY: (1.05, story.GAP_S),
    story.SLOWLY: (2.75, 1.75),
    story.EVERY_OTHER_LATE: (5.5, story.GAP_S),
    story.INSTEAD: (0.0, story.GAP_S),
    story.WINS: (0.0, story.GAP_S),
    story.HEDGED: (0.0, story.GAP_S),
    story.RESCUES: (0.0, story.GAP_S),
    story.GARBLES: (0.0, 0.02),
}


def states() -> dict[str, float]:
    """All but two serve. One was out before Prometheus looked, and is for an hour; the other may
    be tried again.
    """
    others = {story.COOLED: "cooling", story.BUSY: "probing"}
    return {f"{service} {others.get(service, 'serving')}": 1.0 for service in SERVICES}


def worst_states() -> dict[str, float]:
    """0 serving, 1 on trial, 2 cooling."""
    return dict.fromkeys(SERVICES, 0.0) | {story.COOLED: 2.0, story.BUSY: 1.0}


def first_tokens() -> dict[str, float | Within]:
    """At once is within a second; of a few requests the slowest counts, so a busy machine may make
    it the next bucket.
    """
    return {service: bucket(FIRST_TOKEN, first, up_to=1.0 if first < 1 else 0) if first else Within(0, 1.0) for service, (first, _) in STREAMS.items()}  # fmt: skip


def first_bytes() -> dict[str, float | Within]:
    """A stream's head comes at once, a whole answer's when it is complete: 1.5 s and nine times 1
    ms for the one that was outdone.
    """
    return dict.fromkeys(SERVED, Within(0, 1.0)) | {story.OUTDONE: bucket(FIRST_TOKEN, 1.51)}


def between_tokens() -> dict[str, float | Within]:
    """Of a few requests the slowest counts: it may lie in the next bucket but one."""
    return {
        service: bucket(PER_TOKEN, gap, up_to=gap * 1.4) for service, (_, gap) in STREAMS.items()
    } | {
        story.GARBLES: Within(0.01, 0.15),
    }


def races() -> dict[str, float]:
    return {
        f"{story.WINS} won": story.RACE,
        f"{story.LOSES} lost": story.RACE,
        f"{story.BETTER} won": story.BEST,
        f"{story.OUTDONE} lost": story.BEST,
    }


def expected(run: Measured) -> dict[str, list[Shows]]:
    return {
        "Services over time": [Shows(worst_states())],
        "State": [Shows(states(), "zero")],
        # An hour from when it failed last, which was after it had failed first.
        "Cooldown left": [
            Shows({story.COOLED: Within(3600 - (run.at - run.tripped), 3600)}, "zero")
        ],
        "Headroom": [
            Shows({f"{story.LIMITED} requests": (story.LIMIT - story.TIGHT) / story.LIMIT})
        ],
        "Rate limited": [rates({story.BUSY: 1}, "absent")],
        "Why traffic is where it is": [
            rates({service: count for service, (count, _) in SERVED.items()})
        ],
        "Failed attempts": [
            rates(
                {f"{service} {outcome}": count for service, (outcome, count) in FAILED.items()},
                "absent",
            )
        ],
        "Refused keys": [Shows({}, "zero")],
        "Retries, fallbacks, forced": [
            rates({"lone retries": story.LONE * story.RETRIES}),
            rates({"spare fallbacks": story.SPARE, "rescue fallbacks": story.RESCUE}),
            rates({"out forced": 1}),
        ],
        "First token by provider": [Shows(first_tokens(), "idle")],
        "First byte by provider": [Shows(first_bytes(), "idle")],
        "Time per output token": [Shows(between_tokens(), "idle")],
        "Tokens by request": [
            Shows(
                {
                    "input": bucket(TOKENS, story.INPUT),
                    "cached_input": bucket(TOKENS, story.CACHED),
                    "output": bucket(TOKENS, 11),
                }
            )
        ],
        # The client that left was the first of its kind.
        "Errors of the GenAI conventions": [
            rates(
                {
                    "alpha server_error": story.LONE,
                    "zeta server_error": 1,
                    "zeta rate_limited": 1,
                    "epsilon client_gone": 0,
                }
            )
        ],
        "Races": [rates(races())],
        # Beside a silent service: none is silent for so long.
        "Rivals": [Shows({})],
        "Hedges": [rates({"hedge won": story.HEDGE, "hedge lost": 0}, "absent")],
        "Broken streams": [rates({f"{story.BREAKS} broken": story.RESCUE})],
        "Rescues": [
            # All other rules may go on with a broken stream, since they may by default.
            rates({"rescue restart rescued": story.RESCUE, "rescue restart failed": 0})
        ],
        "Wasted tokens": [rates(story.WASTED)],
        "Usage that is estimated": [rates({story.BREAKS: story.RESCUE, story.LEFT: 1})],
        "Unreadable events": [rates({story.GARBLES: story.GARBLED})],
        "Dropped fields": [rates({"openai logit_bias": story.FIELDS}, "absent")],
        "Clients that left": [rates({"gone": 1})],
    }
