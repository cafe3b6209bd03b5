"""What the rules set in the requests to a service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pilotfish.core.formats.neutral import ThinkingConfig

# Efforts with which a first token takes no longer than without.
_QUICK = frozenset({"none", "minimal"})


@dataclass(frozen=True, slots=True)
class RequestSettings:
    """`defaults` hold where the client says nothing, `overrides` whatever it says: by the names of
    the neutral form (`core.formats.neutral.Chat`), and `reasoning_effort`. `thinking`: where the
    client says nothing of it. `system_prompt` comes before the client's own. `extra_body`: fields
    of the body in the service's own style.
    """

    defaults: Mapping[str, Any] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    system_prompt: str = ""
    thinking: ThinkingConfig | None = None
    extra_body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sets_parameters(self) -> bool:
        return bool(self.defaults or self.overrides or self.thinking is not None)

    @property
    def sets_thinking(self) -> bool:
        named = ("reasoning_effort" in self.defaults, "reasoning_effort" in self.overrides)
        return self.thinking is not None or any(named)

    @property
    def thinks(self) -> bool:
        """Whether they ask for thinking, so that answers take longer."""
        effort = self.overrides.get("reasoning_effort")
        if effort is None and self.thinking is not None:
            wanted = self.thinking
            return (
                wanted.enabled is not False and wanted.budget != 0 and wanted.effort not in _QUICK
            )
        effort = effort or self.defaults.get("reasoning_effort")
        return effort is not None and effort not in _QUICK
