"""The fleet: a proxy whose rules were edited, one in another namespace that refuses its newest
rules, and an injector.
"""

from __future__ import annotations

from observability import known_run
from observability.expectations import WINDOW_S, Shows, Within, bucket, rates
from observability.known_run import Measured
from pilotfish import __version__
from pilotfish.telemetry.series import LAG

PODS = {"web-1": "shop", "web-2": "bank"}


def between(looks: list[float], share: float = 0.1, slack: float = 0.0) -> Within:
    """Prometheus looked between the last two looks of the test."""
    return Within(min(looks[-2:]) * (1 - share) - slack, max(looks[-2:]) * (1 + share) + slack)


def cores(looks: list[float]) -> Within:
    """CPU time over the window: no more than from before the first scrape to after the last, no
    less than in between them.
    """
    tick = 0.02
    return Within(
        (looks[2] - looks[1] - tick) * 0.97 / WINDOW_S,
        (looks[3] - looks[0] + tick) * 1.03 / WINDOW_S,
    )


def expected(run: Measured) -> dict[str, list[Shows]]:
    left = run.expires - run.at
    return {
        "Proxies": [Shows({__version__: len(PODS)})],
        "Proxies of another version": [Shows({"proxies": 0.0})],
        "Versions of sidecars": [
            Shows({f"{namespace} {__version__}": 1.0 for namespace in PODS.values()})
        ],
        "Proxies without rules": [Shows({"shop": 0.0, "bank": 0.0})],
        "Rules in force": [Shows({f"{PODS[pod]} {run.versions[pod]}": 1.0 for pod in PODS})],
        "Proxies that refuse their newest rules": [Shows({"shop": 0.0, "bank": 1.0})],
        "Time since the last edit": [
            Shows(
                {
                    f"shop {run.versions['web-1']}": Within(
                        run.at - run.edited[1], run.at - run.edited[0]
                    ),
                    f"bank {run.versions['web-2']}": Within(
                        run.at - run.edited[0], run.at - run.began
                    ),
                }
            )
        ],
        "Reloads": [Shows({"shop applied": 1.0, "bank rejected": 1.0}, "zero")],
        "Problems in rules": [Shows({"shop": 0.0, "bank": known_run.PROBLEMS})],
        "Source of rules away": [Shows({"shop": 0.0, "bank": 1.0})],
        # The connection broke twice; the second time the server refused all that came after.
        "Watches begun anew": [Shows({"connection": 2.0, "error": Within(0, 1000)}, "zero")],
        # web-1 was stopped for 1.6 s, and a timer of 0.25 s is that much late or a little less.
        "Event loop lag": [
            Shows({"shop/web-1": bucket(LAG, known_run.STOPPED_S), "bank/web-2": Within(0, 1.0)})
        ],
        "Memory": [Shows({f"{PODS[pod]}/{pod}": between(run.resident[pod]) for pod in PODS})],
        "CPU": [Shows({f"{PODS[pod]}/{pod}": cores(run.cpu_s[pod]) for pod in PODS})],
        "Open files": [
            Shows({f"{PODS[pod]}/{pod}": between(run.open_files[pod], slack=5) for pod in PODS})
        ],
        "Injections": [
            rates({"injected native": known_run.INJECTED, "failed internal": 1}, "absent")
        ],
        "Pods without their sidecar": [Shows({"Pods": known_run.UNINJECTED})],
        "Webhook's certificate": [Shows({"left": Within(left - 1, left + 1)})],
    }
