"""The exceptions of the program. Every package may import this module; it imports none.

A failed attempt is not an exception but a value (`core.model.outcome.Failure`), since failing is
normal and decides what happens next.
"""

from __future__ import annotations


class Problem:
    """Something wrong in a rules document.

    `source` names the document (`file:rules.yaml`, `configmap:ns/name`), `path` the place inside
    it (`rules[0].services[1].weight`), `message` what is wrong there.
    """

    __slots__ = ("message", "path", "source")

    def __init__(self, source: str, path: str, message: str) -> None:
        self.source, self.path, self.message = source, path, message

    def __repr__(self) -> str:
        """As `pilotfish check` prints it; a problem of the whole document is at `.`."""
        return f"{self.source}: {self.path or '.'}: {self.message}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Problem) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def as_dict(self) -> dict[str, str]:
        """The problem as `/status` shows it."""
        return {"source": self.source, "path": self.path, "message": self.message}


class RuleError(Exception):
    """Rules that do not compile, with every problem found in them."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(map(repr, problems)))
        self.problems = problems


class ClientError(Exception):
    """The client's request cannot be served as it is. It is answered in the client's style with the
    HTTP status `status`.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class StartError(Exception):
    """The program cannot start, or was used wrongly. The command prints the message as one line on
    stderr and exits with code 2.
    """
