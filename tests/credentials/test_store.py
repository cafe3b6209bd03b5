"""From a provider to its credentials, and what survives a change of rules."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from pilotfish import providers
from pilotfish.core.model.service import OAuth, SecretRef
from pilotfish.credentials import Credentials, CredentialStore, SignedCall, problems_of
from pilotfish.credentials.expiring import ExpiringKey
from pilotfish.credentials.keys import NoKey
from pilotfish.credentials.static import StaticKey

CALL = SignedCall("POST", "h", "/", b"")
A, B = SecretRef("literal", value="hush-a"), SecretRef("literal", value="hush-b")


@pytest.mark.parametrize("name", providers.names())
def test_every_kind_has_a_credential_for_a_plain_token(context, make, name):
    key = Credentials(make(name, tokens=(A,)), context).keys[0]
    assert key.label == "a literal key"
    assert (key.headers(CALL) is None) == (name == "github_copilot"), (
        "only a GitHub token must be exchanged first"
    )


def test_each_token_is_a_credential_of_its_own(context, make):
    """Health per key: the ledger counts them by the same index."""
    credentials = Credentials(make("openai", tokens=(A, B)), context)
    assert [key.headers(None) for key in credentials.keys] == [
        ((b"authorization", b"Bearer hush-a"),),
        ((b"authorization", b"Bearer hush-b"),),
    ]


@pytest.mark.parametrize(
    ("kind", "header"),
    [
        ("openai", (b"authorization", b"Bearer hush-a")),
        ("anthropic", (b"x-api-key", b"hush-a")),
        ("google", (b"x-goog-api-key", b"hush-a")),
        ("azure", (b"api-key", b"hush-a")),
        ("bedrock", (b"authorization", b"Bearer hush-a")),
        ("vertex", (b"authorization", b"Bearer hush-a")),
    ],
)
def test_the_header_is_the_vendors(context, make, kind, header):
    assert Credentials(make(kind, tokens=(A,)), context).keys[0].headers(CALL) == (header,)


def test_without_a_token_there_is_one_credential_that_sends_nothing(context, make):
    assert [type(key) for key in Credentials(make("ollama"), context).keys] == [NoKey]


def test_headers_of_the_rules_that_carry_the_authentication_are_left_alone(context, make):
    provider = make("openai_compatible", tokens=(A,), headers=(("Authorization", "Basic x"),))
    assert Credentials(provider, context).keys[0].headers(None) == ()


def test_oauth_goes_before_the_kinds_own_header(context, make):
    provider = make("anthropic", auth_type="oauth", oauth=OAuth(access_token=A))
    assert Credentials(provider, context).keys[0].headers(None) == (
        (b"authorization", b"Bearer hush-a"),
        (b"anthropic-beta", b"oauth-2025-04-20"),
    )


async def test_tokens_at_hand_outlive_a_change_of_rules(context, make):
    store = CredentialStore(context)
    stays, changes, goes = (
        make("openai", tokens=(A,)),
        make("groq", tokens=(A,)),
        make("xai", tokens=(A,)),
    )
    stays, changes, goes = (
        dataclasses.replace(p, name=n)
        for p, n in ((stays, "stays"), (changes, "changes"), (goes, "goes"))
    )
    before = {p.name: store.of(p) for p in (stays, changes, goes)}
    changed = dataclasses.replace(changes, tokens=(B,))
    again = dataclasses.replace(stays, tags=("new",))
    await store.adopt([again, changed])
    assert store.of(again) is before["stays"]
    assert store.of(changed) is not before["changes"]
    assert store.of(changed).keys[0].headers(None) == ((b"authorization", b"Bearer hush-b"),)
    await store.close()
    assert store.of(again) is not before["stays"]


async def test_a_change_of_rules_fails_no_request_that_waits_for_a_token(context, make, endpoint):
    endpoint.gate.clear()
    detail = OAuth(refresh_token=A, token_url=endpoint.url)
    store = CredentialStore(context)
    key = store.of(make("openai", auth_type="oauth", oauth=detail)).keys[0]
    waiting = asyncio.create_task(key.fetch())
    await endpoint.arrived.wait()
    adopting = asyncio.create_task(store.adopt([]))
    await asyncio.sleep(0)
    endpoint.gate.set()
    await waiting
    await adopting
    assert key.headers(None) == ((b"authorization", b"Bearer hush-token-1"),)


async def test_a_change_without_adopt_is_seen_too(context, make):
    store = CredentialStore(context)
    provider = make("openai", tokens=(A,))
    first = store.of(provider)
    assert store.of(provider) is first
    assert store.of(dataclasses.replace(provider, tokens=(B,))) is not first


@pytest.mark.parametrize(
    ("kind", "options", "extra"),
    [
        ("bedrock", {}, "aws"),
        ("bedrock", {"profile": "p"}, "aws"),
        ("azure", {"auth_mode": "default_azure_credential"}, "azure"),
        ("vertex", {}, "google"),
    ],
)
def test_a_missing_library_is_a_problem_that_names_the_command(context, make, kind, options, extra):
    problems = problems_of(make(kind, options=options), context, installed=lambda name: False)
    assert problems == [
        f"kind '{kind}' needs a library for these credentials: pip install 'pilotfish[{extra}]'"
    ]
    assert problems_of(make(kind, options=options), context, installed=lambda name: True) == []


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_a_socks_proxy_without_its_library_is_a_problem_that_names_the_command(
    context, make, scheme
):
    provider = make("vertex", tokens=(A,), proxy_url=f"{scheme}://me:hush@p:1080")
    assert problems_of(provider, context, installed=lambda name: name != "socks") == [
        "proxy_url: a SOCKS proxy needs a library: pip install 'pilotfish[socks]'"
    ]
    assert problems_of(provider, context, installed=lambda name: True) == []
    assert (
        problems_of(
            make("vertex", tokens=(A,), proxy_url="http://p"), context, installed=lambda name: False
        )
        == []
    )


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("bedrock", {"options": {"access_key": "a", "secret_key": "b"}}),
        ("bedrock", {"tokens": (A,)}),
        ("azure", {"tokens": (A,)}),
        ("azure", {"options": {"tenant_id": "t", "client_id": "c", "client_secret": "s"}}),
        ("vertex", {"tokens": (A,)}),
        ("openai", {"tokens": (A,)}),
    ],
)
def test_no_library_is_asked_for_where_none_is_needed(context, make, kind, more):
    assert problems_of(make(kind, **more), context, installed=lambda name: False) == []


@pytest.mark.parametrize(
    ("kind", "more", "words"),
    [
        ("github_copilot", {}, "needs a `token`"),
        (
            "azure",
            {"options": {"auth_mode": "service_principal", "tenant_id": "t"}},
            "options.client_id, options.client_secret",
        ),
        ("bedrock", {"options": {"access_key": "a"}}, "needs options.secret_key"),
        ("openai", {"auth_type": "oauth", "oauth": OAuth()}, "oauth_detail has neither"),
        ("openai", {"tokens": (SecretRef("secret", "../x", "y"),)}, "hold no slashes"),
    ],
)
def test_what_can_never_be_a_credential_is_a_problem(context, make, kind, more, words):
    assert any(words in problem for problem in problems_of(make(kind, **more), context))


def test_the_libraries_are_looked_for_without_being_imported(context, make):
    assert problems_of(make("vertex"), context) == []


def test_no_credential_shows_itself(context, make):
    hush = SecretRef("literal", value="hush")
    for name in providers.names():
        credentials = Credentials(make(name, tokens=(hush,)), context)
        for key in credentials.keys:
            key.headers(CALL)
            assert "hush" not in repr(key) + repr(vars(key).get("_secret", "")) + key.label
            assert isinstance(key, StaticKey | ExpiringKey) or "hush" not in str(
                vars(key).get("_ref")
            )
