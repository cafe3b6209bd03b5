"""Reads secrets from the environment, files and mounted Kubernetes Secrets. Files are read again
when they change.
"""

from __future__ import annotations

import os
import time
from pathlib import PurePosixPath

from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.service import SecretRef
from pilotfish.credentials.keys import CredentialContext, CredentialError

MAX_SECRET_BYTES = 256 * 1024  # a Google service account file is 2 KiB
TICK_NS = 50_000_000

_Identity = tuple[int, int, int]


class Secret:
    """One secret. `value()` is the present one; `revision` grows with every change, so that what
    was made of the value can be kept.

    A file is looked at on every call (one `stat`, about a microsecond), so that the first request
    after a rotation uses the new key. A file that is missing or empty for a moment does not take
    the old value away.
    """

    __slots__ = ("_context", "_identity", "_path", "_ref", "_value", "revision")

    def __init__(self, ref: SecretRef, context: CredentialContext) -> None:
        self._ref, self._context = ref, context
        self._path = path_of(ref, context.secrets_dir)
        self._identity: _Identity | None = None
        self._value = ""
        self.revision = 0
        if not self._path:
            self._value = (
                ref.value if ref.source == "literal" else context.environ.get(ref.name, "")
            ).strip()

    def value(self) -> str:
        """Empty if there is no value yet."""
        if self._path:
            self._look()
        return self._value

    def reread(self) -> bool:
        """Reads the file even if it looks unchanged. True if the value has changed."""
        before = self._value
        if self._path:
            self._identity = None
            self._look()
        return self._value != before

    def missing(self) -> CredentialError:
        """The error for a secret that is not there."""
        where = f"{self._ref} ({self._path})" if self._ref.source == "secret" else str(self._ref)
        return CredentialError(Outcome.AUTH_FAILED, f"{where} is missing or empty")

    def _look(self) -> None:
        try:
            status = os.stat(self._path)
            identity = (status.st_ino, status.st_mtime_ns, status.st_size)
            if identity == self._identity:
                return
            with open(self._path, "rb") as file:
                raw = file.read(MAX_SECRET_BYTES)
        except OSError:
            return
        # Written just now: a second write within the file system's tick would look the same. So
        # this one is not trusted yet.
        self._identity = identity if time.time_ns() - status.st_mtime_ns > TICK_NS else None
        value = raw.decode("utf-8", "replace").strip()
        if value and value != self._value:
            self._value = value
            self.revision += 1

    def __repr__(self) -> str:
        return f"<Secret {self._ref}>"


def path_of(ref: SecretRef, secrets_dir: str) -> str:
    """The file behind a reference; empty for environment variables and literals. Raises
    CredentialError for one that leads outside.
    """
    if ref.source == "file":
        return ref.name
    if ref.source != "secret":
        return ""
    for part in (ref.name, ref.key):
        if not part or part in (".", "..") or "/" in part or "\0" in part:
            raise CredentialError(
                Outcome.AUTH_FAILED,
                f"secret {ref.name!r}/{ref.key!r}: names of Secrets and keys hold no slashes",
            )
    return str(PurePosixPath(secrets_dir) / ref.name / ref.key)


def secret_of(value: object, context: CredentialContext) -> Secret | None:
    """An option that may hold a secret, as a compiled reference or as plain text; None if it is not
    set.
    """
    if value is None or value == "":
        return None
    return Secret(
        value if isinstance(value, SecretRef) else SecretRef("literal", value=str(value)), context
    )
