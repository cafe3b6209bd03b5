"""The overview: what clients got, how fast, and what it cost."""

from __future__ import annotations

from observability import expected_providers, story
from observability.expectations import Shows, Within, bucket, rates
from observability.known_run import Measured
from observability.story import BY_RULE, CODES, COST, SERVED, STREAMED
from pilotfish.telemetry.series import DURATION, FIRST_TOKEN, SPEED

MISSED = CODES["500"] + CODES["429"] + CODES["502"]
# Of the rules that had requests; all of these failed, and none of the others'.
BURNING = {"lone": 1.0, "out": 1.0, "busy": 1.0}
IN_TIME = dict.fromkeys(STREAMED, 1.0) | {"late": 0.5}


def tokens() -> dict[str, float]:
    """By kind: of all that was served, and of what was cut off as the proxy estimates it."""
    served = sum(count for count, _ in SERVED.values())
    by_a = sum(count for service, (count, _) in SERVED.items() if service.startswith("alpha/"))
    cut_off = story.CUT_OFF.values()
    return {
        "input": served * story.INPUT + sum(given for given, _ in cut_off),
        "cached_input": by_a * story.CACHED,
        "output": sum(count * each for count, each in SERVED.values())
        + sum(said for _, said in cut_off),
    }


def cache_hits() -> dict[str, float]:
    """Half of each prompt at vendor a, whose only provider that answers is alpha; of what was cut
    off nobody knows.
    """
    half = story.CACHED / story.INPUT
    return {
        service: half if service.startswith("alpha/") else 0.0
        for service in (*SERVED, *story.CUT_OFF)
    }


def first_tokens() -> dict[str, float | Within]:
    """15 at once, 60 after 1.05 s, 20 after 2.75 s and 4 after 5.5 s, by upper bound."""
    bounds = [*map(str, FIRST_TOKEN), "+Inf"]
    all_of_them = sum(STREAMED.values())
    quickly, slowly, late = STREAMED["quick"], STREAMED["slow"], STREAMED["late"] // 2
    at_once = all_of_them - quickly - slowly - late
    within: dict[str, float | Within] = dict.fromkeys(bounds, Within(-1, at_once + 0.5))
    for bound in bounds:
        if float(bound) >= 2.5:
            within[bound] = at_once + quickly
        if float(bound) >= 5.0:
            within[bound] = at_once + quickly + slowly
        if float(bound) >= 7.5:
            within[bound] = all_of_them
    return within


def expected(run: Measured) -> dict[str, list[Shows]]:
    return {
        "Requests answered": [Shows({"answered": 1 - MISSED / sum(CODES.values())})],
        "Budget burns": [Shows({"times": 1 / 0.005})],
        "Services out": [Shows({"services": 1.0})],
        "Requests now": [Shows({"in flight": 1.0})],
        "Costs now": [rates({"an hour": sum(COST.values())}, "absent", times=3600)],
        "Services over time": [Shows(expected_providers.worst_states())],
        "Error budget burn": [
            Shows({rule: BURNING.get(rule, 0.0) / 0.005 for rule in BY_RULE if rule != "no rule"})
        ],
        "First tokens in time": [Shows(IN_TIME)],
        "First token budget burn": [
            Shows({rule: (1 - share) / 0.05 for rule, share in IN_TIME.items()})
        ],
        "Cost per hour": [rates(COST, times=3600)],
        "Cost by namespace": [rates({"shop": sum(COST.values()), "bank": 0}, times=3600)],
        "Cost by workload": [rates({"shop/web": sum(COST.values()), "bank/teller": 0}, times=3600)],
        "Tokens without a price": [rates(story.UNPRICED, "absent")],
        "Left of budgets": [
            Shows(
                {
                    "rule slow usd": 0.0,
                    "rule quick usd": 1 - (COST[story.QUICKLY] + story.FIRST_QUICK) / story.BUDGET,
                }
            )
        ],
        "Requests": [rates(BY_RULE)],
        "Answers by status": [rates(CODES)],
        "In flight": [Shows({"held": 1.0}, "zero")],
        # How many came within each bound; of the 15 that came at once some took a little.
        "First tokens": [Shows(first_tokens())],
        # 15 at once, 60 after 1.05 s, 20 after 2.75 s and 4 after 5.5 s: the 50th of them, the 95th
        # and the 99th.
        "Time to first token": [
            Shows({"p50": bucket(FIRST_TOKEN, 1.05)}),
            Shows({"p95": bucket(FIRST_TOKEN, 2.75)}),
            Shows({"p99": bucket(FIRST_TOKEN, 5.5)}),
        ],
        # 60 take 1.05 s and ten times 0.35 s, 24 more than 6 s, some 50 less than either.
        "Request duration": [
            Shows({"p50": bucket(DURATION, 1.05 + 10 * story.GAP_S)}),
            Shows({"p95": bucket(DURATION, 2.75 + 2 * 1.75)}),
            Shows({"p99": bucket(DURATION, 5.5 + 7 * story.GAP_S)}),
        ],
        # 20 slow ones say 3 tokens in 3.5 s, 77 about 3 a second, and 2 have only 20 ms between
        # tokens.
        "Output speed": [
            Shows({"p50": bucket(SPEED, 11 / (10 * story.GAP_S))}),
            Shows({"p95": bucket(SPEED, 11 / (10 * story.GAP_S))}),
            Shows({"p99": Within(5.0, max(SPEED))}),
        ],
        "Tokens": [rates(tokens())],
        "Cache hits": [Shows(cache_hits())],
        # What the proxy takes for itself, which is its own affair; but not so much that a client
        # would feel it.
        "Overhead of the proxy": [
            Shows({"p50": Within(0, 0.01)}),
            Shows({"p95": Within(0, 0.1)}),
            Shows({"p99": Within(0, 0.25)}),
        ],
    }
