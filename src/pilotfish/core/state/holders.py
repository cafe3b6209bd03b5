"""Who holds what: the ids that vendors gave out (stored responses, files, batches, conversations),
each with the provider and credential that it came from. Later requests that name one go back there.

Only ids that a vendor has given out are kept, so clients cannot fill the table with made-up ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

# Ids kept at most: some 12 MB where all of them are in use. The older half goes when it is full.
MOST = 65_536
ID_CHARS = 512  # longer ones are no ids


class Holder(NamedTuple):
    """A provider's name and the label of its credential; the label is empty where the provider has
    one credential only.
    """

    provider: str
    key: str = ""


class Holders:
    """Ids in two generations: what is asked for stays, and the generation that nobody asked for
    goes. `told` is called with each id that is new, for those who keep or share it.
    """

    def __init__(self, most: int = MOST) -> None:
        self._half = max(1, most // 2)
        self._young: dict[str, Holder] = {}
        self._old: dict[str, Holder] = {}
        self._known: dict[Holder, Holder] = {}  # one object for each, however many ids it holds
        self.told: list[Callable[[str, Holder], None]] = []

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def __bool__(self) -> bool:
        return bool(self._young or self._old)

    def note(self, ids: Iterable[str], holder: Holder) -> None:
        """These ids were given out by this holder."""
        holder = self._known.setdefault(holder, holder)
        for one in ids:
            if len(one) <= ID_CHARS and self._young.get(one) != holder:
                self._put(one, holder)
                for told in self.told:
                    told(one, holder)

    def learn(self, one: str, holder: Holder) -> None:
        """As `note`, from those who keep or share it: nobody is told."""
        self._put(one, self._known.setdefault(holder, holder))

    def _put(self, one: str, holder: Holder) -> None:
        if len(self._young) >= self._half and one not in self._young:
            self._old, self._young = self._young, {}
        self._young[one] = holder
        self._old.pop(one, None)

    def of(self, one: str) -> Holder | None:
        """Who holds this id; None if it is not known."""
        found = self._young.get(one)
        if found is None:
            found = self._old.get(one)
            if found is not None:
                self._put(one, found)
        return found

    def first_of(self, ids: Iterable[str]) -> Holder | None:
        """The holder of the first of these that is known."""
        for one in ids:
            found = self.of(one)
            if found is not None:
                return found
        return None

    def items(self) -> Iterator[tuple[str, Holder]]:
        """The oldest first."""
        yield from list(self._old.items())
        yield from list(self._young.items())
