"""The families of errors. Imported by all, imports nothing.

Inside the core a failed attempt is a value (`core.model.outcome`), since failing is normal there
and decides what happens next. Exceptions are for what cannot go on.
"""

from __future__ import annotations


class Problem:
    """Something wrong in a document: where it stands and what it is.

    `source` names the document (`file:rules.yaml`, `configmap:ns/name`), `path` the place inside
    (`rules[0].services[1].weight`).
    """

    __slots__ = ("message", "path", "source")

    def __init__(self, source: str, path: str, message: str) -> None:
        self.source, self.path, self.message = source, path, message

    def __repr__(self) -> str:
        return f"{self.source}: {self.path}: {self.message}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Problem) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def as_dict(self) -> dict[str, str]:
        """The form of `/status`."""
        return {"source": self.source, "path": self.path, "message": self.message}


class RuleError(Exception):
    """A document that must not come into force, with every problem found in it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(map(repr, problems)))
        self.problems = problems


class ClientError(Exception):
    """The client's request cannot be served as it is; answered in the client's style with
    `status`.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class StartError(Exception):
    """The program cannot start, or was used wrongly: one line on stderr, exit code 2."""
