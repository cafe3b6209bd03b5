"""`budgets`: what may be spent in a day."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pilotfish.core.model.budget import DayBudget
from pilotfish.core.rules.schema.base import Positive, Spec


class BudgetSpec(Spec):
    """What may be spent in any 24 hours, all proxies together where they share limits."""

    usd_per_day: Positive | None = Field(
        default=None, description="US dollars, of services with a known price; absent: no limit"
    )
    tokens_per_day: Positive | None = Field(
        default=None, description="input and output tokens; absent: no limit"
    )
    action: Literal["warn", "cheaper", "reject"] = Field(
        default="warn",
        description=(
            "what happens when it is spent: a warning; the cheapest service first, whatever tier "
            "and tactic say; 429 until some of it is a day ago"
        ),
    )

    def budget(self) -> DayBudget:
        return DayBudget(self.usd_per_day, self.tokens_per_day, self.action)
