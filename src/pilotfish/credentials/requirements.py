"""What rules need of this installation: packages, files and keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pilotfish.core.model.service import Provider
from pilotfish.core.model.snapshot import Snapshot
from pilotfish.credentials.keys import CredentialContext, CredentialError, Key
from pilotfish.credentials.static import StaticKey
from pilotfish.credentials.store import problems_of
from pilotfish.errors import Problem


class Requirements:
    """`keys` gives the credentials of a provider."""

    def __init__(
        self, context: CredentialContext, keys: Callable[[Provider], Sequence[Key]]
    ) -> None:
        self._context, self._keys = context, keys

    def unmet(self, snapshot: Snapshot) -> list[Problem]:
        """What these rules need and this installation does not have. Rules with such problems do
        not come into force.
        """
        source = ", ".join(snapshot.sources)
        return [
            Problem(source, f"providers.{name}", message)
            for name, provider in snapshot.providers.items()
            for message in problems_of(provider, self._context)
        ]

    def warnings(self, snapshot: Snapshot) -> list[Problem]:
        """Keys that are missing. Their provider is left out until they are there; the others serve
        all requests meanwhile.
        """
        source = ", ".join(snapshot.sources)
        found = []
        for name, provider in snapshot.providers.items():
            for key in self._keys(provider) if provider.enabled else ():
                if isinstance(key, StaticKey):
                    try:
                        key.check()
                    except CredentialError as e:
                        found.append(Problem(source, f"providers.{name}.token", str(e)))
        return found
