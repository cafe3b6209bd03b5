"""How much Gemini models think: levels since Gemini 3, budgets in tokens before.

Source: Gemini API docs, "Thinking" (ai.google.dev/gemini-api/docs/thinking) and "Gemini 3"
(.../docs/gemini-3), read 2026-11.
"""

from __future__ import annotations

import re

from pilotfish.core.formats.neutral import Json, ThinkingConfig, budget_for, effort_for
from pilotfish.styles._fields import Losses

_GENERATION = re.compile(r"gemini-(\d+)")

# Least and most tokens of a budget, and whether 0 switches thinking off; the first whose word is in
# the model's name.
_BUDGETS = (("pro", 128, 32768, False), ("flash-lite", 512, 24576, True), ("flash", 0, 24576, True))

_LEVELS = {
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    "xhigh": "HIGH",
    "max": "HIGH",
}


def generation(model: str) -> int:
    """3 for `gemini-3-pro-preview`; the newest known for aliases such as `gemini-flash-latest`; 0
    for what is no Gemini.
    """
    found = _GENERATION.search(model)
    if found:
        return int(found.group(1))
    return 3 if "gemini" in model and model.endswith("-latest") else 0


def write_thinking(thinking: ThinkingConfig, model: str, losses: Losses) -> Json:
    """`thinkingConfig`. Who asks for thinking sees it, unless it said otherwise; it costs the
    same.
    """
    off = thinking.enabled is False or thinking.effort == "none"
    config: Json = {}
    if generation(model) >= 3:
        config |= _level(thinking, off, "pro" in model, losses)
    else:
        config |= _budget(thinking, off, model, losses)
    asked = not off and bool(
        thinking.enabled or thinking.effort or thinking.adaptive or thinking.budget is not None
    )
    show = thinking.show if thinking.show is not None else (asked or None)
    if show is not None:
        config["includeThoughts"] = show
    return config


def _level(thinking: ThinkingConfig, off: bool, pro: bool, losses: Losses) -> Json:
    """Gemini 3 always thinks; what comes nearest to not thinking is the lowest level, which is
    `LOW` for Pro models.
    """
    if off:
        losses.add("thinking")
        return {"thinkingLevel": "LOW" if pro else "MINIMAL"}
    effort = thinking.effort or (
        effort_for(thinking.budget) if thinking.budget is not None and thinking.budget > 0 else ""
    )
    level = _LEVELS.get(effort)
    if effort and level is None:
        losses.add("thinking.effort")
    if level == "MINIMAL" and pro:
        level = "LOW"
    return {"thinkingLevel": level} if level else {}


def _budget(thinking: ThinkingConfig, off: bool, model: str, losses: Losses) -> Json:
    """A budget that the model takes. One that the client named itself is not bent without saying
    so.
    """
    known = (facts for facts in _BUDGETS if facts[0] in model and generation(model))
    _, least, most, may_be_off = next(known, ("", 0, 0, True))
    if off:
        if not may_be_off:
            losses.add("thinking")
            return {"thinkingBudget": least}
        return {"thinkingBudget": 0}
    budget = thinking.budget if thinking.budget is not None else budget_for(thinking.effort)
    if budget is None:
        if thinking.effort:
            losses.add("thinking.effort")
        # Switched on without a measure: the model decides.
        return {"thinkingBudget": -1} if thinking.enabled or thinking.adaptive else {}
    if budget < 0 or not most:
        return {"thinkingBudget": budget}
    fitting = min(max(budget, least), most)
    if fitting != budget and thinking.budget is not None:
        losses.add("thinking.budget")
    return {"thinkingBudget": fitting}
