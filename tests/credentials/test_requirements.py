"""What rules need of an installation: what is missing for good refuses them, a key that is not there
yet leaves its provider out and no other.
"""

from __future__ import annotations

import pytest

from pilotfish import providers
from pilotfish.core.model.service import Provider, SecretRef
from pilotfish.core.model.snapshot import Snapshot
from pilotfish.credentials import CredentialContext, CredentialStore
from pilotfish.credentials import store as credential_store
from pilotfish.credentials.requirements import Requirements
from planted import planted

HERE = {"KEY": planted()}


def provider(name: str, kind: str = "openai", **more: object) -> Provider:
    record = providers.get(kind)
    return Provider(name, record, record.base_url or "http://p.test", record.style, {}, **more)


def requirements(*made: Provider) -> tuple[Requirements, Snapshot]:
    context = CredentialContext(environ=HERE)
    store = CredentialStore(context)
    snapshot = Snapshot(providers={p.name: p for p in made}, sources=("file:a.yaml", "file:b.yaml"))
    return Requirements(context, lambda p: store.of(p).keys), snapshot


def test_a_library_that_is_missing_is_a_problem_that_says_what_to_install(monkeypatch):
    monkeypatch.setattr(credential_store, "find_spec", lambda name: None)
    needs, snapshot = requirements(
        provider("through", proxy_url="socks5://proxy:1080", tokens=(SecretRef("env", "KEY"),))
    )
    [problem] = needs.unmet(snapshot)
    assert problem.source == "file:a.yaml, file:b.yaml"
    assert problem.path == "providers.through"
    assert "pip install 'pilotfish[socks]'" in problem.message


def test_credentials_that_can_never_be_made_are_a_problem():
    needs, snapshot = requirements(provider("copilot", "github_copilot"))
    assert [p.path for p in needs.unmet(snapshot)] == ["providers.copilot"]


@pytest.mark.parametrize("enabled", [True, False])
def test_a_key_that_is_not_there_is_a_warning_of_the_provider_that_needs_it(enabled):
    needs, snapshot = requirements(
        provider("good", tokens=(SecretRef("env", "KEY"),)),
        provider("bad", tokens=(SecretRef("env", "NOT_THERE"),), enabled=enabled),
    )
    assert needs.unmet(snapshot) == []
    found = needs.warnings(snapshot)
    assert [p.path for p in found] == (["providers.bad.token"] if enabled else [])
    assert all("NOT_THERE" in p.message for p in found)


def test_each_missing_key_of_several_is_named():
    refs = (SecretRef("env", "ONE"), SecretRef("env", "KEY"), SecretRef("env", "TWO"))
    needs, snapshot = requirements(provider("p", tokens=refs))
    assert [name in p.message for p in needs.warnings(snapshot) for name in ("ONE", "TWO")] == [
        True,
        False,
        False,
        True,
    ]


def test_what_needs_no_key_lacks_none():
    needs, snapshot = requirements(provider("local", "ollama", no_key_required=True))
    assert (needs.unmet(snapshot), needs.warnings(snapshot)) == ([], [])
