"""What the dispatch machine tells the shell to do. Values only; the shell obeys in order."""

from __future__ import annotations

from typing import NamedTuple

from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.core.state.candidate import Candidate


class StartAttempt(NamedTuple):
    """Send the request to this service.

    `last_resort`: it is cooling after errors, but nothing else is left. `resumes`: go on from what
    the client has already seen. `extra`: why it runs beside another attempt (`hedge`, `silence`,
    `trial`), else empty.
    """

    n: int
    candidate: Candidate
    last_resort: bool = False
    resumes: bool = False
    extra: str = ""


class Relay(NamedTuple):
    """This attempt's answer is the client's. There is no way back."""

    n: int


class Cancel(NamedTuple):
    """Give this attempt up. `silent`: it had nothing to show for its whole patience, which counts
    against its service."""

    n: int
    outcome: Outcome
    silent: bool = False


class Detach(NamedTuple):
    """Another attempt has won against this trial: the client sees nothing more of it, but it runs
    on to its first content, for its service's sake."""

    n: int


class WakeAt(NamedTuple):
    """Call `on_timer` at this time; replaces any earlier one."""

    at: float


class ReplyFailure(NamedTuple):
    """Tell the client of this failure: nothing has been sent yet. `retry_after_s`: when it may be
    worth another try.
    """

    failure: Failure
    retry_after_s: float | None


class BreakStream(NamedTuple):
    """The answer that the client is reading broke and cannot be saved: an error event, then the
    end.
    """

    failure: Failure


class Done(NamedTuple):
    """The relayed attempt is complete."""

    n: int


Command = StartAttempt | Relay | Cancel | Detach | WakeAt | ReplyFailure | BreakStream | Done
Commands = list[Command]
