"""Plug-ins as modules of one package: providers, styles and tactics are found by name and imported
on first use.

A proxy imports only the providers and tactics that its rules name, and adding one edits no list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import TypeVar

T = TypeVar("T")


def names_in(package: Iterable[str]) -> tuple[str, ...]:
    """The names of a package's modules (`package`: its `__path__`) in alphabetical order, without
    importing any. Modules that begin with an underscore are left out.
    """
    return tuple(
        sorted(module.name for module in iter_modules(package) if not module.name.startswith("_"))
    )


def exported(package: str, module: str, name: str) -> object:
    """The object that a module of the package exports as `name`. Raises ImportError or
    AttributeError.
    """
    return getattr(import_module(f"{package}.{module}"), name)


class Variants(Mapping[str, T]):
    """A mapping over `names` whose values come from `get_one(name)`, called at each access."""

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
