"""Where things stand in documents, and the problems found there: collected, never raised one by
one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pilotfish.core.rules.documents import RulesDocument
from pilotfish.core.rules.yaml_text import join
from pilotfish.errors import Problem

_KNOWN_SHOWN = 30


@dataclass(frozen=True, slots=True)
class Place:
    """A path in a document. `removed` are the paths that validation had to leave out to go on and
    find more: what is missing below one of these is no problem of its own."""

    document: RulesDocument
    path: str = ""
    removed: frozenset[str] = field(default=frozenset(), repr=False, compare=False)

    def at(self, *keys: str | int) -> Place:
        path = self.path
        for key in keys:
            path = join(path, key)
        return Place(self.document, path, self.removed)

    def __str__(self) -> str:
        line = line_of(self.document.lines, self.path)
        return f"{self.document.source}: {self.path}{f', line {line}' if line else ''}"


def line_of(lines: Mapping[str, int], path: str) -> int:
    """The line of a path, or of the nearest thing around it; 0 where lines are not known."""
    while path not in lines and path:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return lines.get(path, 0) if path else 0


class Findings:
    """The problems of one compilation. `sources` are the documents' names in their order."""

    def __init__(self, sources: Iterable[str]) -> None:
        self._order = {source: i for i, source in enumerate(dict.fromkeys(sources))}
        self._found: dict[tuple[str, str, str], tuple[int, Problem]] = {}

    def __len__(self) -> int:
        return len(self._found)

    def add(self, place: Place, message: str) -> None:
        line = line_of(place.document.lines, place.path)
        source = place.document.source
        text = f"{message} (line {line})" if line else message
        self._found.setdefault(
            (source, place.path, message), (line, Problem(source, place.path, text))
        )

    def absent(self, place: Place, message: str) -> None:
        """Something that should be there is not: said only if validation did not take it away."""
        if not any(
            r == place.path or r.startswith((f"{place.path}.", f"{place.path}["))
            for r in place.removed
        ):
            self.add(place, message)

    def problems(self) -> list[Problem]:
        """All of them, document by document, each from top to bottom."""
        return [
            p
            for _, p in sorted(
                self._found.values(), key=lambda found: (self._order[found[1].source], found[0])
            )
        ]


def unknown(what: str, name: str, known: Iterable[str], of: str = "") -> str:
    """`unknown provider 'opnai'; did you mean 'openai'? known: ...`; `of` says whose: `of kind
    'azure'`.
    """
    import difflib  # here: most rules hold no slip

    names = sorted(known)
    near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}? " if near else ""
    more = f" and {len(names) - _KNOWN_SHOWN} more" if len(names) > _KNOWN_SHOWN else ""
    return (
        f"unknown {what} {name[:100]!r}{f' {of}' if of else ''}; {hint}known: "
        f"{', '.join(names[:_KNOWN_SHOWN]) or 'none'}{more}"
    )
