"""Places in documents, and the problems found there. Problems are collected, so that a user sees
all of them at once.
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
    """A path in a document. `removed`: paths of wrong values that validation left out to go on and
    find more problems. Something missing at or below one of these is not reported again.
    """

    document: RulesDocument
    path: str = ""
    removed: frozenset[str] = field(default=frozenset(), repr=False, compare=False)

    def at(self, *keys: str | int) -> Place:
        """The place some steps further inside."""
        path = self.path
        for key in keys:
            path = join(path, key)
        return Place(self.document, path, self.removed)

    def __str__(self) -> str:
        line = line_of(self.document.lines, self.path)
        return f"{self.document.source}: {self.path}{f', line {line}' if line else ''}"


def line_of(lines: Mapping[str, int], path: str) -> int:
    """The line of a path, or of the nearest value around it; 0 if lines are not known."""
    while path not in lines and path:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return lines.get(path, 0) if path else 0


class Findings:
    """The problems of one compilation. `sources`: the documents' names in their order."""

    def __init__(self, sources: Iterable[str]) -> None:
        self._order = {source: i for i, source in enumerate(dict.fromkeys(sources))}
        self._found: dict[tuple[str, str, str], tuple[int, Problem]] = {}

    def __len__(self) -> int:
        return len(self._found)

    def add(self, place: Place, message: str) -> None:
        """Adds a problem; the same one at the same place is kept once."""
        line = line_of(place.document.lines, place.path)
        source = place.document.source
        text = f"{message} (line {line})" if line else message
        self._found.setdefault(
            (source, place.path, message), (line, Problem(source, place.path, text))
        )

    def absent(self, place: Place, message: str) -> None:
        """Adds the problem that something is missing, unless validation removed it."""
        if not any(
            r == place.path or r.startswith((f"{place.path}.", f"{place.path}["))
            for r in place.removed
        ):
            self.add(place, message)

    def problems(self) -> list[Problem]:
        """All problems by document, and within a document by line."""
        return [
            p
            for _, p in sorted(
                self._found.values(), key=lambda found: (self._order[found[1].source], found[0])
            )
        ]


def unknown(what: str, name: str, known: Iterable[str], of: str = "") -> str:
    """The message for an unknown name: `unknown provider 'opnai'; did you mean 'openai'? known:
    ...`. `of`: an addition such as `of kind 'azure'`.
    """
    import difflib  # imported on use: most rules have no such mistake

    names = sorted(known)
    near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}? " if near else ""
    more = f" and {len(names) - _KNOWN_SHOWN} more" if len(names) > _KNOWN_SHOWN else ""
    return (
        f"unknown {what} {name[:100]!r}{f' {of}' if of else ''}; {hint}known: "
        f"{', '.join(names[:_KNOWN_SHOWN]) or 'none'}{more}"
    )
