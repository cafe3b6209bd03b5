"""Smart routing (contract.md 4, `smart_routing`): blocks of operations over a request's content,
compiled when rules are loaded.

What an operation looks at is a `View`; the engine gives one that works each figure out only when it
is asked for. `now` is the wall clock in epoch seconds, since `time_range` speaks of the time of
day.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from pilotfish.core.model.service import Service


class Figures(NamedTuple):
    """What is measured of one service: time to first token in ms (None: no samples), requests in
    flight in percent of its capacity (None: it has no capacity)."""

    ttft_avg_ms: float | None = None
    ttft_p99_ms: float | None = None
    utilisation: float | None = None


class View(Protocol):
    """A request as smart routing sees it. Texts are joined with newlines; media are `image`,
    `document`, `audio`.
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
        """The text of all turns of the user."""
        ...

    @property
    def latest_user(self) -> str:
        """The text of the last turn if it is the user's, else empty."""
        ...

    @property
    def media(self) -> Collection[str]:
        """What the user's turns hold besides text."""
        ...

    @property
    def latest_media(self) -> Collection[str]: ...
    @property
    def tools(self) -> Collection[str]:
        """Names of the tools called so far or offered."""
        ...

    @property
    def tokens(self) -> int:
        """Estimated input tokens, tools and all text counted."""
        ...

    @property
    def agent(self) -> str:
        """`main`, `subagent`, `compact`, or empty: see `core.exchange.agents`."""
        ...

    def header(self, name: str) -> str | None:
        """The value of a header, by its lower-case name."""
        ...

    def figures(self, services: Sequence[Service]) -> Sequence[Figures]:
        """What is measured of a block's services, in their order."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """One compiled operation. `found` says in a few words what was looked at, for `explain`; `test`
    is what the hot path calls.
    """

    text: str
    test: Callable[[View, float], bool]
    found: Callable[[View, float], str]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Operations that must all hold, and the services that then come first. `index` is its place in
    the rules file.
    """

    index: int
    ops: tuple[Op, ...]
    services: tuple[Service, ...]
    description: str = ""

    def matches(self, view: View, now: float) -> bool:
        return all(op.test(view, now) for op in self.ops)

    def check(self, view: View, now: float) -> tuple[bool, str]:
        """Whether it matches and why: all operations, or the first that does not hold."""
        for op in self.ops:
            if not op.test(view, now):
                return False, f"{op.text} does not hold: {op.found(view, now)}"
        return True, "; ".join(f"{op.text} holds: {op.found(view, now)}" for op in self.ops)


def first_match(blocks: Sequence[Block], view: View, now: float) -> Block | None:
    """The block whose services come first; None: no block matches, the rule's own services
    serve.
    """
    for block in blocks:
        if block.matches(view, now):
            return block
    return None
