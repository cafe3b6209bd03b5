"""Where a call goes, with which headers, and in which operation a model is asked."""

from __future__ import annotations

import pytest

from pilotfish.core.exchange.request_url import (
    auth_of,
    base_path,
    chat_ops,
    fixed_headers,
    headers_kept_from_clients,
    key_headers,
    native_op,
    origin_of,
    overridable_headers,
    own_auth,
    secrets_of_rules,
    target_of,
)
from pilotfish.core.model.provider import OPENAI_PATHS, Auth, ProviderKind
from pilotfish.core.model.service import Provider

KIND = ProviderKind(
    name="k",
    style="openai",
    paths={**OPENAI_PATHS, "responses": "/responses"},
    headers=(("x-version", "1"),),
)


def provider(
    base: str = "https://api.example/v1", kind: ProviderKind = KIND, **more: object
) -> Provider:
    return Provider(name="p", kind=kind, base=base, style=kind.style, paths=kind.paths, **more)  # type: ignore[arg-type]


def test_the_bases_own_path_comes_first():
    assert target_of(provider(), "chat", "gpt") == "/v1/chat/completions"
    assert target_of(provider("https://host"), "chat", "gpt") == "/chat/completions"
    assert target_of(provider("https://host/a/b/"), "chat", "gpt") == "/a/b/chat/completions"


def test_a_tail_is_filled_in():
    assert target_of(provider(), "audio", "", "transcriptions") == "/v1/audio/transcriptions"


def test_an_operation_that_the_provider_lacks_is_an_error():
    with pytest.raises(KeyError):
        target_of(provider(), "converse", "m")


MODELS = ProviderKind(
    name="m",
    style="google",
    paths={
        "generate": "/models/{model}:generateContent",
        "generate:stream": "/models/{model}:streamGenerateContent?alt=sse",
        "converse": "/model/{model}/converse",
    },
)


def test_a_models_name_cannot_leave_its_place_in_the_path():
    """Ids hold colons, ARNs hold slashes, and a name such as '../x?y' must not become another
    call.
    """
    asked = provider("https://h", MODELS)
    assert (
        target_of(asked, "converse", "anthropic.claude-v2:0")
        == "/model/anthropic.claude-v2%3A0/converse"
    )
    assert target_of(asked, "converse", "arn:aws:bedrock:us-east-1:1:inference-profile/x").endswith(
        "inference-profile%2Fx/converse"
    )
    assert target_of(asked, "converse", "../x?y#z") == "/model/..%2Fx%3Fy%23z/converse"


def test_streams_have_their_own_path_where_the_vendor_has_one():
    asked = provider("https://h/v1beta", MODELS)
    assert (
        target_of(asked, "generate", "gemini", stream=True)
        == "/v1beta/models/gemini:streamGenerateContent?alt=sse"
    )
    assert (
        target_of(asked, "generate", "models/gemini", stream=False)
        == "/v1beta/models/gemini:generateContent"
    )
    assert target_of(asked, "converse", "m", stream=True) == "/v1beta/model/m/converse"


def test_a_query_joins_what_the_path_has():
    asked = provider("https://h", MODELS, query="key=1")
    assert target_of(asked, "generate", "g", stream=True).endswith("?alt=sse&key=1")
    assert target_of(asked, "generate", "g").endswith(":generateContent?key=1")


def test_a_clients_own_operation_is_kept_where_the_provider_has_it():
    assert native_op(provider(), "m", "responses") == "responses"
    assert native_op(provider(), "m", "chat") == "chat"


def test_other_chats_are_translated_to_the_preferred_style():
    assert native_op(provider(), "m", "messages") == "chat"
    assert (
        native_op(Provider("p", KIND, "https://h", "openai_responses", KIND.paths), "m", "messages")
        == "responses"
    )


def test_what_is_no_chat_cannot_be_translated():
    assert native_op(provider(), "m", "embeddings") == "embeddings"
    assert native_op(provider(), "m", "google_embeddings") == ""
    assert native_op(provider(), "m", "count_tokens") == ""


TWO = ProviderKind(
    name="t",
    style="google",
    paths={"generate": "/g", "messages": "/m", "count_tokens": "/c", "google_count_tokens": "/gc"},
    styles_of_model=lambda model: ("anthropic",) if "claude" in model else ("google",),
)


def test_a_platform_of_many_vendors_asks_each_model_in_its_own_form():
    asked = provider("https://h", TWO)
    assert native_op(asked, "claude-x", "messages") == "messages"
    assert native_op(asked, "claude-x", "generate") == "messages"
    assert native_op(asked, "gemini", "messages") == "generate"
    assert native_op(asked, "gemini", "count_tokens") == ""
    assert native_op(asked, "claude-x", "count_tokens") == "count_tokens"
    assert native_op(asked, "claude-x", "google_count_tokens") == ""


def test_the_paths_that_a_vendor_names_for_a_model_decide():
    asked = provider("https://h", TWO)
    assert chat_ops(asked, "gemini", frozenset({"/m"})) == ("messages",)
    assert chat_ops(asked, "gemini", frozenset({"/m", "/g"})) == ("generate", "messages")
    assert chat_ops(asked, "gemini", frozenset({"/unknown"})) == ("generate",)


def test_headers_of_the_rules_win_over_the_kinds():
    asked = provider(
        headers=(("X-Version", "2"), ("X-Team", "a")), options={"headers": {"X-More": "b"}}
    )
    assert dict(fixed_headers(asked)) == {b"x-version": b"2", b"x-team": b"a", b"x-more": b"b"}


def test_a_client_of_the_same_style_may_set_the_vendors_version_but_not_what_the_rules_set():
    kind = ProviderKind(
        name="k",
        style="openai",
        paths={},
        headers=(("x-version", "1"),),
        client_overrides=frozenset({"x-version"}),
    )
    assert overridable_headers(provider(kind=kind)) == {b"x-version"}
    assert overridable_headers(provider(kind=kind, headers=(("X-Version", "2"),))) == frozenset()
    assert (
        overridable_headers(provider(kind=kind, options={"headers": {"X-Version": "2"}}))
        == frozenset()
    )


def test_headers_of_the_rules_may_carry_the_authentication():
    assert own_auth(provider(headers=(("Authorization", "Basic x"),)))
    assert not own_auth(provider(headers=(("X-Team", "a"),)))
    keyed = ProviderKind(
        name="k",
        style="openai",
        paths={},
        auth=Auth(header="x-api-key", prefix=""),
        headers=(("x-api-key", ""),),
    )
    assert not own_auth(provider(kind=keyed))


def test_headers_that_may_carry_a_key_are_the_credentials_and_all_that_the_rules_set():
    kind = ProviderKind(name="k", style="openai", paths={}, auth=Auth("X-Acme-Auth", ""))
    asked = provider(
        kind=kind, headers=(("X-Tenant", "a"),), options={"headers": {"X-Gateway": "b"}}
    )
    assert key_headers(asked) == {b"x-acme-auth", b"x-tenant", b"x-gateway"}
    assert key_headers(provider()) == {b"authorization"}


VENDOR = ProviderKind(
    name="v",
    style="anthropic",
    paths={},
    auth=Auth("x-vendor-auth", ""),
    headers=(("x-version", "1"),),
    client_overrides=frozenset({"x-version"}),
    oauth_headers=(("x-beta", "oauth"),),
)


def test_what_is_a_key_to_one_provider_goes_from_no_client_to_any():
    """The client may hold a key of its own for that header, and another vendor must not get it."""
    providers = [provider(headers=(("X-Tenant", "a"),)), provider(kind=VENDOR)]
    kept = headers_kept_from_clients(providers)
    assert kept == {b"authorization", b"x-tenant", b"x-vendor-auth"}


def test_plain_settings_may_come_from_a_client_although_the_rules_set_them_elsewhere():
    headers = (("X-Version", "2"), ("x-beta", "b"), ("user-agent", "u"), ("x-other", "c"))
    kept = headers_kept_from_clients([provider(kind=VENDOR, headers=headers)])
    assert kept == {b"x-vendor-auth", b"x-other"}


def test_values_that_the_rules_set_are_secrets_but_for_plain_settings():
    headers = (("x-tenant", "abc"), ("x-beta", "b"), ("user-agent", "u"))
    assert secrets_of_rules(provider(kind=VENDOR, headers=headers)) == ((b"x-tenant", b"abc"),)


def test_options_may_decide_how_to_authenticate():
    kind = ProviderKind(
        name="k", style="openai", paths={}, auth_from=lambda options: Auth(scheme=options["mode"])
    )
    assert auth_of(provider(kind=kind, options={"mode": "entra"})).scheme == "entra"


def test_what_the_vendors_paths_hold_is_cut_from_the_base():
    kind = ProviderKind(
        name="k", style="openai", paths={}, clean_base=lambda base: base.removesuffix("/v1")
    )
    assert base_path(provider("https://h/x/v1", kind)) == "/x"


@pytest.mark.parametrize(
    ("base", "origin"),
    [
        ("https://h/v1", ("https", "h", 443)),
        ("http://127.0.0.1:8000", ("http", "127.0.0.1", 8000)),
        ("http://[::1]/v1", ("http", "::1", 80)),
    ],
)
def test_origins(base, origin):
    assert origin_of(base) == origin
