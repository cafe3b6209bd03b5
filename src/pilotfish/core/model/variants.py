"""The variants of a kind of thing that are modules of one folder, by name; each is imported when it
is first looked at.

A proxy pays only for the providers and tactics that its rules name, and adding one edits nothing
else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import TypeVar

T = TypeVar("T")


def names_in(package: Iterable[str]) -> tuple[str, ...]:
    """The modules of a package (its `__path__`) in alphabetical order, without importing any; those
    with an underscore are not variants.
    """
    return tuple(
        sorted(module.name for module in iter_modules(package) if not module.name.startswith("_"))
    )


def exported(package: str, module: str, name: str) -> object:
    """What a module of the package exports by this name. Raises ImportError or AttributeError."""
    return getattr(import_module(f"{package}.{module}"), name)


class Variants(Mapping[str, T]):
    """`names` are known; what a name stands for is fetched by `get_one` when somebody asks, which
    may be asked again for the same.
    """

    def __init__(self, names: Iterable[str], get_one: Callable[[str], T]) -> None:
        self._names, self._get_one = tuple(names), get_one

    def __getitem__(self, name: str) -> T:
        if name not in self._names:
            raise KeyError(name)
        return self._get_one(name)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
