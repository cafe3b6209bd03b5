"""What happens in the known run: who serves what, how fast, what fails, what it costs. Every
expectation follows from here.

Each rule has one thing to tell and is named for it; a client asks for it by that name. Delays lie
in the middle of wide buckets, since the machine may be busy: 1.05 s to the first token may become
2.5 s and is still in the same one.
"""

from __future__ import annotations

from typing import Any

import orjson

from pilotfish.simulated import Profile, RateLimit, SimulatedVendor

GAP_S = 0.35  # between two tokens, where a model's name says nothing else
CACHED_RATIO = 0.5  # of the prompt, at vendor a
WORDS = 8  # of an answer, where a model's name says nothing else
LIMIT = 20  # requests that vendor c allows

PROMPT = "hello there, how are you?"
INPUT, CACHED = (
    len(PROMPT) // 4,
    int(len(PROMPT) // 4 * CACHED_RATIO),
)  # tokens of it, as the simulated vendors count

# Rule -> (how many requests, of them streamed). One at a time only where the order matters.
QUICK, SLOW, LATE, SPARE, LONE, TIGHT, RACE, BEST, HEDGE, RESCUE, FIELDS, GARBLED = (
    60,
    20,
    8,
    4,
    5,
    19,
    2,
    2,
    2,
    1,
    3,
    2,
)
STREAMED = {
    "quick": QUICK,
    "slow": SLOW,
    "late": LATE,
    "spare": SPARE,
    "race": RACE,
    "hedge": HEDGE,
    "rescue": RESCUE,
    "garbled": GARBLED,
}
WHOLE = {"lone": LONE, "best": BEST, "fields": FIELDS, "out": 1, "busy": 1}
UNKNOWN = 3  # requests for a model that no rule knows

# The models, by what they do.
QUICKLY = "alpha/sim-n11-ttft-1050ms"
SLOWLY = "beta/sim-n3-ttft-2750ms-gap-1750ms"
EVERY_OTHER_LATE = "beta/sim-every2-ttft-5500ms"
GARBLES = "alpha/sim-malformed-gap-20ms"
FAILS, OVERLOADED, COOLED, BUSY, BREAKS = (
    "alpha/sim-500",
    "alpha/sim-503",
    "zeta/sim-502",
    "zeta/sim-429",
    "beta/sim-cut50",
)
INSTEAD = "beta/sim-n5"
WINS, LOSES = "alpha/sim-n6", "beta/sim-n6-ttft-60s"
BETTER, OUTDONE = "alpha/sim-n9-gap-1ms", "beta/sim-n10-gap-1ms-ttft-1500ms"
HANGS, HEDGED = "beta/sim-n7-ttft-60s", "alpha/sim-n7"
RESCUES = "alpha/sim-small"
LIMITED, TRANSLATED = "delta/sim-gap-1ms", "gamma/sim-n8-gap-1ms"
LEFT, HELD = "epsilon/sim-n20", "epsilon/sim-n21"
# Of the proxy whose rules come from a ConfigMap; nobody asks it.
IDLE = "alpha/sim-large"

# Service -> (requests it served, output tokens of each).
SERVED = {
    QUICKLY: (QUICK, 11),
    SLOWLY: (SLOW, 3),
    EVERY_OTHER_LATE: (LATE, WORDS),
    INSTEAD: (SPARE, 5),
    LIMITED: (TIGHT, WORDS),
    WINS: (RACE, 6),
    BETTER: (BEST, 9),
    OUTDONE: (BEST, 10),
    HEDGED: (HEDGE, 7),
    RESCUES: (RESCUE, WORDS),
    TRANSLATED: (FIELDS, 8),
    GARBLES: (GARBLED, WORDS),
}
# Attempts that served nobody: service -> (outcome, how many).
RETRIES = 1
FAILED = {
    FAILS: ("server_error", LONE * (1 + RETRIES)),
    OVERLOADED: ("overloaded", SPARE),
    COOLED: ("server_error", 1),
    BUSY: ("rate_limited", 1),
    BREAKS: ("broken_stream", RESCUE),
}
# What clients got: statuses of all requests but the one that is held. The one that left had its 200
# already.
CODES = {
    "200": sum(STREAMED.values()) + BEST + FIELDS + TIGHT + 1,
    "500": LONE,
    "429": 1,
    "502": 1,
    "404": UNKNOWN,
}
BY_RULE = {**STREAMED, **WHOLE, "tight": TIGHT, "gone": 1, "no rule": UNKNOWN}

# US dollars a million tokens. The spare one has no price; all others that are not named cost
# nothing, which the rules say.
PRICES = {
    QUICKLY: {"input": 100, "cached_input": 50, "output": 1000},
    SLOWLY: {"input": 0, "output": 10000},
}
COST = {
    QUICKLY: QUICK * ((INPUT - CACHED) * 100 + CACHED * 50 + 11 * 1000) / 1e6,
    SLOWLY: SLOW * 3 * 10000 / 1e6,
}


# Of one rule in US dollars a day; that of the slow one is less than one request costs.
BUDGET = 2.0
FIRST_QUICK = COST[QUICKLY] / QUICK  # one before Prometheus looked


def body(rule: str, *, stream: bool, **more: object) -> bytes:
    """What a client sends."""
    return orjson.dumps(
        {"model": rule, "stream": stream, "messages": [{"role": "user", "content": PROMPT}], **more}
    )


def half_said(words: int) -> int:
    """Tokens that the proxy counts for an answer that ended after half of its words: it takes four
    characters for one.
    """
    from pilotfish.simulated.answer import words as spoken

    return -(-len("".join(spoken(words)[: words // 2])) // 4)


def guessed(rule: str) -> int:
    """Tokens that the proxy takes a streamed request for, if the vendor never says: four bytes for
    one.
    """
    return len(body(rule, stream=True)) // 4 + 1


# Of streams that ended early the vendor never said what they took: (input, output) as estimated.
CUT_OFF = {BREAKS: (guessed("rescue"), half_said(WORDS)), LEFT: (guessed("gone"), half_said(20))}
WASTED = {"best race": BEST * (INPUT + 10), "rescue rescue": sum(CUT_OFF[BREAKS])}


UNPRICED = {INSTEAD: float(SPARE * (INPUT + 5))}


def vendors() -> dict[str, SimulatedVendor]:
    return {
        "a": SimulatedVendor(name="a", profile=Profile(gap_s=GAP_S, cached_ratio=CACHED_RATIO)),
        "b": SimulatedVendor(name="b", profile=Profile(gap_s=GAP_S)),
        "c": SimulatedVendor(
            name="c", profile=Profile(rate_limit=RateLimit(requests=LIMIT, window_s=3600))
        ),
        "d": SimulatedVendor(name="d"),
    }


PROVIDERS = {"alpha": ("openai", "a"), "beta": ("openai", "b"), "gamma": ("anthropic", "b"), "delta": ("openai", "c"), "epsilon": ("openai", "d"), "zeta": ("openai", "a")}  # fmt: skip


def rules(bases: dict[str, str], description: str = "") -> str:
    """The rules file, as JSON, which is YAML; a service that fails stays out for an hour, one that
    is busy for no time, and few errors take none out.
    """
    documents = [
        rule("quick", QUICKLY, description=description, budgets={"usd_per_day": BUDGET}),
        rule("slow", SLOWLY, budgets={"usd_per_day": 0.01}),
        rule("late", EVERY_OTHER_LATE),
        rule("lone", FAILS, retries={"max_retries": RETRIES, "base_ms": 1, "budget_percent": 100}),
        rule("out", COOLED, health={"consecutive_error_threshold": 1}),
        rule("busy", BUSY, health={"recovery_timeout_seconds": 0.01, "probe": "none"}),
        rule("tight", LIMITED),
        rule("fields", TRANSLATED),
        rule("garbled", GARBLES),
        rule("gone", LEFT),
        rule("held", HELD),
        rule("spare", OVERLOADED, INSTEAD),
        rule("race", WINS, LOSES, tiers=False, race={"strategy": "first_wins", "max_parallel": 2}),
        rule(
            "best",
            BETTER,
            OUTDONE,
            tiers=False,
            race={"strategy": "quality", "max_parallel": 2, "timeout_ms": 60000},
        ),
        rule("hedge", HANGS, HEDGED, hedge={"after": 50, "min_ms": 50, "budget_percent": 100}),
        rule("rescue", BREAKS, RESCUES, on_stream_break="restart", buffer=True),
    ]
    return written(bases, documents)


def idle_rules(bases: dict[str, str]) -> str:
    return written(bases, [rule("idle", IDLE)])


def written(bases: dict[str, str], documents: list[dict[str, Any]]) -> str:
    """With prices: of all services but those that have none."""
    services = [f"{s['provider']}/{s['model']}" for one in documents for s in one["services"]]
    free = {name: {"input": 0, "output": 0} for name in services if name not in UNPRICED}
    prices = {**free, **{name: price for name, price in PRICES.items() if name in services}}
    return orjson.dumps({**common(bases), "rules": documents, "prices": prices}).decode()


def common(bases: dict[str, str]) -> dict[str, object]:
    made = {
        name: {"kind": kind, "api_base": bases[vendor], "no_key_required": True}
        for name, (kind, vendor) in PROVIDERS.items()
    }
    defaults = {
        "timeouts": {"first_token_s": 300, "idle_s": 300},
        "retries": {"max_retries": 0},
        "health": {"consecutive_error_threshold": 1000, "error_ratio": 1},
        "cooldown": {"base_delay_s": 3600, "max_delay_s": 3600},
    }
    return {"providers": made, "defaults": defaults}


def rule(name: str, *services: str, tiers: bool = True, **more: object) -> dict[str, Any]:
    made = []
    for tier, service in enumerate(services):
        provider, model = service.split("/")
        made.append({"provider": provider, "model": model, "tier": tier if tiers else 0})
    return {"name": name, "request_model": name, "services": made, **more}
