"""API keys: a header that is made again only when its secret changes."""

from __future__ import annotations

from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.provider import Auth
from pilotfish.core.model.service import SecretRef
from pilotfish.credentials.keys import (
    CredentialContext,
    CredentialError,
    Headers,
    PlainKey,
    SignedCall,
)
from pilotfish.credentials.secrets import Secret

BEARER = Auth()


class StaticKey(PlainKey):
    """A key from the environment, a file or a mounted Secret."""

    def __init__(
        self, ref: SecretRef, auth: Auth, context: CredentialContext, extra: Headers = ()
    ) -> None:
        self.label = str(ref)
        self._secret = Secret(ref, context)
        self._auth, self._extra = auth, extra
        self._headers: Headers | None = None
        self._made_of = ""
        self._was_bad = False
        self._bad: Headers | None = None

    def headers(self, call: SignedCall | None) -> Headers | None:
        value = self._secret.value()
        if value is not self._made_of:
            self._headers = None
            if value:
                try:
                    self._headers = (*header_of(self._auth, value, self.label), *self._extra)
                except CredentialError:
                    return None  # fetch says why
            self._made_of = value
        return self._headers

    async def fetch(self) -> None:
        try:
            self.check()
        except CredentialError:
            self._was_bad, self._bad = True, None
            raise

    def check(self) -> None:
        """Raises CredentialError if there is no key, or one that no header can carry."""
        value = self._secret.value()
        if not value:
            raise self._secret.missing()
        header_of(self._auth, value, self.label)

    def refused(self, sent: Headers) -> bool:
        self._secret.reread()
        self._was_bad, self._bad = True, sent
        return self.headers(None) not in (None, sent)

    def replaced(self) -> bool:
        return self._was_bad and self.headers(None) not in (None, self._bad)


def header_of(auth: Auth, value: str, label: str) -> Headers:
    """The header that carries a key. Raises CredentialError for a value that no header can carry;
    its message does not show the value.
    """
    if not value.isascii() or not value.isprintable():
        raise CredentialError(
            Outcome.AUTH_FAILED, f"{label}: a key is one line of printable ASCII, this one is not"
        )
    return ((auth.header.encode(), f"{auth.prefix}{value}".encode()),)
