"""How much Claude is to think, and what that rules out.

Source: "Extended thinking" and "Adaptive thinking" (platform.claude.com/docs/en/build-with-claude),
read 2026-11.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pilotfish.core.formats.neutral import (
    Chat,
    Thinking,
    ThinkingConfig,
    ToolCall,
    ToolResult,
    budget_for,
    effort_for,
)
from pilotfish.core.formats.style import Quirks
from pilotfish.styles._fields import Losses

MIN_BUDGET = 1024


class ThinkingPlan(msgspec.Struct, frozen=True, kw_only=True):
    """`thinking` and `output_config.effort` as they are sent."""

    thinking: dict[str, Any] | None = None
    effort: str = ""

    @property
    def thinks(self) -> bool:
        return self.thinking is not None and self.thinking["type"] != "disabled"

    @property
    def budget(self) -> int:
        return int(self.thinking.get("budget_tokens", 0)) if self.thinking else 0

    def max_tokens(self, limit: int, *, given: bool) -> int:
        """A limit above the budget, as Anthropic demands. The client's own counts for what comes
        after the thinking, if it is below.
        """
        if limit > self.budget:
            return limit
        return self.budget + (limit if given else MIN_BUDGET)


def plan_thinking(chat: Chat, quirks: Quirks, losses: Losses, *, forced: bool) -> ThinkingPlan:
    """`forced`: some tool must be called, which Claude does not do while it thinks."""
    wanted = chat.thinking
    if wanted is None:
        return ThinkingPlan()
    if wanted.enabled is False or wanted.effort == "none" or wanted.budget == 0:
        return ThinkingPlan(thinking={"type": "disabled"})
    effort = {"minimal": "low"}.get(wanted.effort, wanted.effort)
    if wanted.enabled is None and wanted.effort and not quirks.adaptive_thinking:
        wanted = msgspec.structs.replace(wanted, enabled=True)
    if forced or (
        not quirks.adaptive_thinking and not wanted.adaptive and _loop_without_thinking(chat)
    ):
        losses.add("thinking")
        return ThinkingPlan(effort=effort if quirks.adaptive_thinking else "")
    shown = {} if wanted.show is None else {"display": "summarized" if wanted.show else "omitted"}
    if quirks.adaptive_thinking or wanted.adaptive:
        effort = effort or (effort_for(wanted.budget) if wanted.budget is not None else "")
        effort = {"minimal": "low"}.get(effort, effort)
        thinking = {"type": "adaptive"} | shown if wanted.enabled is not None else None
        return ThinkingPlan(thinking=thinking, effort=effort)
    budget = _budget(wanted)
    return (
        ThinkingPlan(thinking={"type": "enabled", "budget_tokens": budget} | shown)
        if budget
        else ThinkingPlan()
    )


def _budget(wanted: ThinkingConfig) -> int | None:
    budget = wanted.budget
    if budget is None or budget < 0:  # not said, or left to the model
        budget = budget_for(wanted.effort or "medium")
    return None if budget is None else max(budget, MIN_BUDGET)


def _loop_without_thinking(chat: Chat) -> bool:
    """Whether tools are being answered whose calls came without signed thinking, as from a client
    of a style that has none.

    Claude refuses to go on thinking in the middle of such a turn.
    """
    if not chat.turns or not any(isinstance(part, ToolResult) for part in chat.turns[-1].parts):
        return False
    for turn in reversed(chat.turns):
        if turn.role == "assistant":
            called = any(isinstance(part, ToolCall) for part in turn.parts)
            first = turn.parts[0] if turn.parts else None
            signed = (
                isinstance(first, Thinking)
                and first.signature is not None
                and first.signature.origin == "anthropic"
            )
            return called and not signed
    return False
