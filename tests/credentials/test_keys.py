"""What a credential is to the engine."""

from __future__ import annotations

from pilotfish.core.model.outcome import Outcome
from pilotfish.credentials.keys import CredentialContext, CredentialError, NoKey


async def test_a_server_that_wants_no_key_gets_none():
    key = NoKey()
    assert key.headers(None) == ()
    assert not key.refused(())
    assert not key.replaced()
    assert key.base() == ""
    assert key.endpoints("m") is None
    await key.fetch()
    await key.settle()
    await key.close()
    assert repr(key) == "<NoKey no key>"


def test_an_error_tells_what_it_means_for_the_attempt():
    assert CredentialError(Outcome.AUTH_FAILED, "no").outcome is Outcome.AUTH_FAILED


def test_the_surroundings_do_not_show_the_environment(monkeypatch):
    monkeypatch.setenv("SOME_KEY", "hush")
    assert "hush" not in repr(CredentialContext())
