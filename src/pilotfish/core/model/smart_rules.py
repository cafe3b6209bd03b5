"""Smart routing (`smart_routing` of docs/rules.md): blocks of operations over a request's content,
compiled when rules are loaded.

What an operation looks at is a `View`; `core.exchange.request_view` implements it and computes each
property on first use. `now` is the wall clock in epoch seconds, since `time_range` compares the
time of day.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from pilotfish.core.model.service import Service


class ServiceMetrics(NamedTuple):
    """Measurements of one service: time to first token in milliseconds (None: no samples), and
    requests in flight in percent of its capacity (None: it has no capacity).
    """

    ttft_avg_ms: float | None = None
    ttft_p99_ms: float | None = None
    utilisation: float | None = None


class View(Protocol):
    """The parts of a request that smart routing can look at. Texts of several parts are joined with
    newlines; kinds of media are `image`, `document` and `audio`.
    """

    @property
    def model(self) -> str: ...
    @property
    def stream(self) -> bool: ...
    @property
    def thinking(self) -> bool: ...
    @property
    def system(self) -> str: ...
    @property
    def user(self) -> str:
        """The text of all user turns."""
        ...

    @property
    def latest_user(self) -> str:
        """The text of the last turn if it is a user turn, else empty."""
        ...

    @property
    def media(self) -> Collection[str]:
        """Kinds of media in the user turns."""
        ...

    @property
    def latest_media(self) -> Collection[str]:
        """Kinds of media in the last turn if it is a user turn, else none."""
        ...

    @property
    def tools(self) -> Collection[str]:
        """Names of the tools that the request offers, or that were called so far."""
        ...

    @property
    def tokens(self) -> int:
        """Estimated input tokens of the whole request, tools included."""
        ...

    @property
    def agent(self) -> str:
        """`main`, `subagent`, `compact`, or empty: see `core.exchange.agents`."""
        ...

    def header(self, name: str) -> str | None:
        """The value of a header, by its lower-case name; None if it is absent."""
        ...

    def service_metrics(self, services: Sequence[Service]) -> Sequence[ServiceMetrics]:
        """The measurements of these services, in their order."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """One compiled operation. `text`: the operation as the rules file has it. `test`: whether it
    holds. `describe`: what the request has there, in words for `explain`. `made_of`: the arguments
    of `compile_op`, so that another process can make it anew.
    """

    text: str
    test: Callable[[View, float], bool]
    describe: Callable[[View, float], str]
    made_of: tuple[str, str, str, bool, Sequence[Service]] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Operations that must all hold, and the services that are then preferred. `index`: its number
    in the rule's list, from 0.
    """

    index: int
    ops: tuple[Op, ...]
    services: tuple[Service, ...]
    description: str = ""

    def matches(self, view: View, now: float) -> bool:
        return all(op.test(view, now) for op in self.ops)

    def check(self, view: View, now: float) -> tuple[bool, str]:
        """Whether the block matches, and the reason in words: every operation, or the first that
        does not hold.
        """
        for op in self.ops:
            if not op.test(view, now):
                return False, f"{op.text} does not hold: {op.describe(view, now)}"
        return True, "; ".join(f"{op.text} holds: {op.describe(view, now)}" for op in self.ops)


def first_match(blocks: Sequence[Block], view: View, now: float) -> Block | None:
    """The first block that matches; None: the rule's own services serve the request."""
    for block in blocks:
        if block.matches(view, now):
            return block
    return None
