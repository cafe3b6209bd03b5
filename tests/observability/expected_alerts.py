"""The rules of deploy/alerts.yaml on the known run: what each recording rule records, and whom each
alert's expression names.
"""

from __future__ import annotations

from observability import known_run, story
from observability.expectations import Shows, Within, bucket
from observability.known_run import CERTIFICATE_S, Measured
from observability.story import BY_RULE, STREAMED
from pilotfish.telemetry.series import LAG

RULE, STREAMS = "{{namespace}} {{rule}}", "{{namespace}} {{gen_ai_request_model}}"
SERVICE = "{{namespace}} {{provider}}/{{model}}"
# All requests of these rules fail; that no rule knows a model (404) is nobody's
# failure.
FAILING = ("lone", "out", "busy")
MISSED = {
    f"shop {rule}": 1.0 if rule in FAILING else 0.0 for rule in BY_RULE if rule != "no rule"
} | {"shop": 0.0}
LATE = {f"shop {rule}": 0.5 if rule == "late" else 0.0 for rule in STREAMED}


def maybe_late(run: Measured) -> dict[str, Within]:
    """The proxy that nobody stopped, if it measured timers as late as the alert asks for: without
    one it must not be named."""
    return {"bank/web-2": Within(0.1, max(LAG))} if run.late_timers else {}


def recorded() -> dict[str, tuple[str, Shows]]:
    """Recording rule -> (what a series is called here, what it shows). Over five minutes as over
    six hours: all of it has just happened.
    """
    made = {
        "pilotfish:requests:rate5m": (
            RULE,
            Shows(
                {
                    f"shop {rule}" if rule != "no rule" else "shop": count / 300
                    for rule, count in BY_RULE.items()
                },
                "zero",
            ),
        )
    }
    for window in ("5m", "30m", "1h", "6h"):
        made[f"pilotfish:requests_missed:ratio_rate{window}"] = (RULE, Shows(MISSED))
        made[f"pilotfish:first_token_late:ratio_rate{window}"] = (STREAMS, Shows(LATE))
    return made


def alerts(run: Measured) -> dict[str, tuple[str, Shows]]:
    """Alert -> (what a series is called here, whom its expression names, with the value that the
    summary tells).
    """
    failing, late = (
        (RULE, Shows({f"shop {rule}": 1.0 for rule in FAILING})),
        (STREAMS, Shows({"shop late": 0.5})),
    )
    return {
        "PilotfishRequestsFail": failing,
        "PilotfishRequestsFailSlowly": failing,
        "PilotfishFirstTokenLate": late,
        "PilotfishFirstTokenLateForHours": late,
        "PilotfishServiceCoolingLong": (SERVICE, Shows({f"shop {story.COOLED}": 1.0})),
        "PilotfishAllServicesCooling": (
            "{{namespace}}/{{pod}} {{rule}}",
            Shows({"shop/web-1 out": 1.0}),
        ),
        "PilotfishCredentialRefused": ("{{namespace}} {{provider}}", Shows({})),
        "PilotfishBudgetSpent": (
            "{{namespace}} {{scope}} {{name}} {{kind}}",
            Shows({"shop rule slow usd": 0.0}),
        ),
        "PilotfishUsageUnpriced": (
            SERVICE,
            Shows({f"shop {service}": tokens for service, tokens in story.UNPRICED.items()}),
        ),
        "PilotfishHeadroomLow": (
            SERVICE + " {{kind}}",
            Shows({f"shop {story.LIMITED} requests": 1 / story.LIMIT}),
        ),
        # All there was of it broke. The other vendors' streams ended as they should.
        "PilotfishStreamsBreak": (SERVICE, Shows({f"shop {story.BREAKS}": 1.0})),
        "PilotfishEventLoopLate": (
            "{{namespace}}/{{pod}}",
            # web-1 was stopped; web-2 is late if it says so itself, since the machine is shared.
            Shows({"shop/web-1": bucket(LAG, known_run.STOPPED_S)}, maybe=maybe_late(run)),
        ),
        "PilotfishRulesEmpty": ("{{namespace}}", Shows({})),
        "PilotfishVersionsLag": ("{{namespace}} {{version}}", Shows({})),
        "PilotfishSidecarsOutdated": ("Pods", Shows({"Pods": known_run.OUTDATED})),
        "PilotfishRulesRefused": ("{{namespace}}", Shows({"bank": 0.0})),
        "PilotfishRulesSourceAway": ("{{namespace}}", Shows({"bank": 0.0})),
        "PilotfishPodsWithoutSidecar": ("Pods", Shows({"Pods": known_run.UNINJECTED})),
        "PilotfishCertificateEnds": (
            "left",
            Shows({"left": Within(run.expires - run.at - 120, CERTIFICATE_S)}),
        ),
        "PilotfishInjectionFails": ("failed", Shows({"failed": 1.0})),
    }
