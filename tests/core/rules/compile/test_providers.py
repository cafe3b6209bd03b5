"""Providers: base, style, paths, credentials and options, each checked against its kind."""

from __future__ import annotations

from typing import Any

import pytest

from pilotfish.core.model.service import Limits, Provider
from pilotfish.core.rules.compile import compile_documents
from pilotfish.providers import all_kinds
from small_world import TACTICS, compiled, documents, problem, problems


def provider(body: str, **options: Any) -> Provider:
    return compiled(f"providers: {{p: {{{body}}}}}", **options).providers["p"]


def wrong(body: str) -> tuple[str, str]:
    path, message = problem(f"providers: {{p: {{{body}}}}}")
    assert path.startswith("providers.p.")
    return path.removeprefix("providers.p."), message


def test_a_kind_brings_base_style_and_paths() -> None:
    found = provider("kind: openai, token: {env: A}")
    assert (found.base, found.style, found.paths["chat"], found.query) == (
        "https://api.openai.example/v1",
        "openai",
        "/chat/completions",
        "",
    )


def test_options_decide_style_paths_base_and_query() -> None:
    assert (
        provider("kind: openai, token: {env: A}, options: {api: responses}").style
        == "openai_responses"
    )
    cloud = provider("kind: cloud, options: {region: ' eu '}")
    assert (cloud.base, cloud.paths, cloud.query) == (
        "https://eu.cloud.example",
        {"chat": "/eu/chat"},
        "region=eu",
    )


def test_a_base_may_come_from_the_options() -> None:
    assert (
        provider(
            "kind: openai_compatible, no_key_required: true, options: {base_url: http://h/x/}"
        ).base
        == "http://h/x"
    )
    assert (
        provider("kind: openai, no_key_required: true, options: {base_url: http://h}").base
        == "http://h/v1"
    )


def test_api_base_wins_over_what_options_would_say() -> None:
    assert provider("kind: cloud, api_base: http://h, options: {region: r}").base == "http://h"


def test_two_bases_are_one_too_many() -> None:
    assert (
        wrong(
            "kind: openai_compatible, no_key_required: true, api_base: http://h, options: {base_url: http://g}"
        )[0]
        == "api_base"
    )


def test_a_kind_without_a_base_needs_one() -> None:
    path, message = wrong("kind: openai_compatible, no_key_required: true")
    assert path == "api_base"
    assert "expected api_base or options.base_url" in message


def test_a_bad_base_in_the_options_is_named_there() -> None:
    assert (
        wrong(
            "kind: openai_compatible, no_key_required: true, options: {base_url: 'http://h?key=hush'}"
        )[0]
        == "options.base_url"
    )
    assert wrong("kind: cloud, options: {region: 'a b'}")[0] == "options"
    assert wrong("kind: cloud, options: {region: '['}")[0] == "options"


def test_an_unknown_kind_suggests_the_near_one() -> None:
    assert wrong("kind: opnai")[1].startswith(
        "unknown kind 'opnai'; did you mean 'openai'? known: "
    )


@pytest.mark.parametrize(
    ("options", "path", "why"),
    [
        ("{region: 3}", "options.region", "expected text, found 3; put it in quotes"),
        (
            "{regio: r, region: r}",
            "options.regio",
            "unknown option 'regio' of kind 'cloud'; did you mean 'region'?",
        ),
        ("{}", "options.region", "missing; kind 'cloud' needs it (such as eu-central-1)"),
        ("{region: }", "options.region", "missing"),
        ("{region: r, use_role: 1}", "options.use_role", "expected true or false, found 1"),
        ("{region: r, seats: 1.5}", "options.seats", "expected a whole number, found 1.5"),
        ("{region: r, seats: true}", "options.seats", "expected a whole number, found true"),
        ("{region: r, share: x}", "options.share", "expected a number, found 'x'"),
        ("{region: r, mode: c}", "options.mode", "expected one of 'a', 'b', found 'c'"),
    ],
)
def test_options_are_checked_against_their_table(options: str, path: str, why: str) -> None:
    where, message = wrong(f"kind: cloud, options: {options}")
    assert where == path
    assert message.startswith(why)


def test_options_in_their_types() -> None:
    assert provider(
        "kind: cloud, options: {region: r, use_role: true, seats: 3, share: 1, mode: b}"
    ).options == {
        "region": "r",
        "use_role": True,
        "seats": 3,
        "share": 1.0,
        "mode": "b",
    }


def test_headers_of_the_options_join_the_providers_own() -> None:
    found = provider(
        "kind: openai_compatible, no_key_required: true, api_base: http://h, headers: {a: b}, options: {headers: {X: y}}"
    )
    assert found.headers == (("x", "y"), ("a", "b"))
    assert (
        wrong(
            "kind: openai_compatible, no_key_required: true, api_base: http://h, headers: {x: b}, options: {headers: {X: y}}"
        )[0]
        == "headers.x"
    )
    assert (
        wrong(
            "kind: openai_compatible, no_key_required: true, api_base: http://h, options: {headers: {X: 3}}"
        )[0]
        == "options.headers.X"
    )
    assert (
        wrong(
            "kind: openai_compatible, no_key_required: true, api_base: http://h, options: {headers: x}"
        )[0]
        == "options.headers"
    )


def test_a_style_that_the_kind_does_not_speak_is_a_problem() -> None:
    assert (
        provider("kind: openai, token: {env: A}, api_style: openai_responses").style
        == "openai_responses"
    )
    assert wrong("kind: openai, token: {env: A}, api_style: anthropic")[1].startswith(
        "kind 'openai' does not speak 'anthropic'; it speaks: openai, openai_res"
    )
    assert wrong("kind: openai, token: {env: A}, api_style: opnai")[1].startswith(
        "unknown style 'opnai'; did you mean 'openai'?"
    )


def test_a_key_is_needed_where_the_kind_needs_one() -> None:
    assert wrong("kind: openai")[0] == "token"
    assert provider("kind: openai, no_key_required: true").tokens == ()
    assert provider("kind: local").tokens == ()
    assert provider("kind: cloud, options: {region: r}").tokens == ()


def test_a_key_may_come_as_a_header() -> None:
    assert provider("kind: anthropic, headers: {X-Api-Key: mine}").tokens == ()


def test_token_and_tokens_are_one_too_many() -> None:
    assert wrong("kind: openai, token: {env: A}, tokens: [{env: B}]")[0] == "tokens"


def test_oauth_needs_something_to_go_by() -> None:
    assert wrong("kind: openai, auth_type: oauth")[0] == "oauth_detail"
    assert wrong("kind: openai, auth_type: oauth, oauth_detail: {user_id: me}")[0] == "oauth_detail"
    oauth = provider(
        "kind: openai, auth_type: oauth, oauth_detail: {access_token: {file: A}, expires_at: 2027-01-01T00:00:00Z, provider_type: x}"
    ).oauth
    assert oauth is not None
    assert (
        oauth.access_token and oauth.access_token.name,
        oauth.refresh_token,
        oauth.expires_at,
    ) == ("A", None, "2027-01-01T00:00:00Z")


OAUTH = "kind: openai, auth_type: oauth, oauth_detail: "
ENDS = "expires_at: 2027-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "detail",
    [
        f"{{access_token: {{env: A}}, {ENDS}}}",
        f"{{access_token: {{env: A}}, refresh_token: {{env: B}}, {ENDS}, provider_type: nobody}}",
    ],
)
def test_a_token_that_will_be_over_and_that_nothing_renews_is_a_problem(detail: str) -> None:
    path, message = wrong(OAUTH + detail)
    assert path == "oauth_detail.expires_at"
    assert message.startswith("the token will be over, and nothing renews it; expected ")


def test_a_refresh_token_without_an_endpoint_gets_no_token() -> None:
    path, message = wrong(OAUTH + "{refresh_token: {env: B}, provider_type: nobody}")
    assert path == "oauth_detail"
    assert message.startswith("no access_token, and to get one")


def test_an_end_that_is_no_time_is_a_problem() -> None:
    path, message = wrong(OAUTH + "{access_token: {file: A}, expires_at: soon}")
    assert (path, message) == (
        "oauth_detail.expires_at",
        "expected an RFC 3339 time such as 2030-01-01T00:00:00Z, found 'soon' (line 1)",
    )


def test_known_vendors_have_their_endpoints() -> None:
    def endpoint(more: str) -> tuple[str, bool]:
        text = f"providers: {{p: {{{OAUTH}{{refresh_token: {{env: B}}, {more}}}}}}}"
        made = compile_documents(documents(text), kinds=all_kinds(), tactics=TACTICS)
        oauth = made.providers["p"].oauth
        assert oauth is not None
        return oauth.token_url, oauth.as_json

    assert endpoint("provider_type: claude_code") == (
        "https://console.anthropic.com/v1/oauth/token",
        True,
    )
    assert endpoint("provider_type: Gemini") == ("https://oauth2.googleapis.com/token", False)
    assert endpoint("user_id: me") == ("https://auth.openai.com/oauth/token", True)
    own = "extra_fields: {token_url: 'https://own.example/token', format: json}"
    assert endpoint(own) == ("https://own.example/token", True)
    assert endpoint("provider_type: codex, extra_fields: {format: form}")[1] is False


def test_the_default_model_is_one_of_the_models() -> None:
    assert wrong("kind: local, models: [a], default_model: b")[0] == "default_model"


def test_all_other_keys_arrive() -> None:
    found = provider(
        "kind: local, enabled: false, timeout: 90, tags: [gpu], models: [a, b], default_model: b, default_model_capacity: 8,"
        " ca_file: /ca.pem, limits: {requests_per_minute: 60, tokens_per_minute: 1000, concurrency: 4}"
    )
    assert (found.enabled, found.timeout_s, found.tags, found.models, found.default_model) == (
        False,
        90,
        ("gpu",),
        {"a", "b"},
        "b",
    )
    assert (found.default_model_capacity, found.ca_file, found.limits) == (
        8,
        "/ca.pem",
        Limits(60, 1000, 4),
    )


def test_nothing_that_may_be_a_secret_is_in_the_repr() -> None:
    found = provider(
        "kind: local, token: sk-hush, headers: {x: hush}, proxy_url: 'http://u:hush@h'",
        allow_inline_secrets=True,
    )
    assert "hush" not in repr(found)


def test_rules_are_looked_at_even_if_their_provider_is_wrong() -> None:
    text = "providers: {p: {kind: nothing, models: [a]}}\nrules: [{name: r, services: [{provider: p, model: b}]}]"
    assert [p.path for p in problems(text)] == ["providers.p.kind", "rules[0].services[0].model"]
