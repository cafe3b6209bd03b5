"""What may be spent in a day."""

from __future__ import annotations

from dataclasses import dataclass

WARN, CHEAPER, REJECT = "warn", "cheaper", "reject"


@dataclass(frozen=True, slots=True)
class DayBudget:
    """US dollars and tokens that may be spent in any 24 hours; None: no limit of that kind.
    `action`: what happens when they are spent. `warn` says so, `cheaper` asks a rule's services the
    cheapest first, `reject` keeps requests from what the budget is for.
    """

    usd_per_day: float | None = None
    tokens_per_day: float | None = None
    action: str = WARN
