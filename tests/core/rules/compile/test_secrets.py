"""Where secrets are; a literal one is refused unless that is allowed."""

from __future__ import annotations

import pytest

from pilotfish.core.model.service import SecretRef
from small_world import compiled, problem, problems


def tokens(token: str, **options: bool) -> tuple[SecretRef, ...]:
    return compiled(f"providers: {{p: {{kind: openai, {token}}}}}", **options).providers["p"].tokens


@pytest.mark.parametrize(
    ("token", "ref"),
    [
        ("token: {env: NAME}", SecretRef("env", "NAME")),
        ("token: {file: /keys/a}", SecretRef("file", "/keys/a")),
        (
            "token: {secret: {name: llm-keys, key: openai}}",
            SecretRef("secret", "llm-keys", "openai"),
        ),
        ("tokens: [{env: NAME}]", SecretRef("env", "NAME")),
    ],
)
def test_places_of_a_key(token: str, ref: SecretRef) -> None:
    assert tokens(token) == (ref,)


def test_several_keys_keep_their_order() -> None:
    assert [t.name for t in tokens("tokens: [{env: A}, {env: B}]")] == ["A", "B"]


def test_a_literal_key_is_refused_and_not_repeated() -> None:
    path, message = problem("providers: {p: {kind: openai, token: sk-hush}}")
    assert path == "providers.p.token"
    assert "a literal key is refused" in message
    assert "hush" not in message


def test_a_literal_key_where_allowed_is_kept_out_of_every_repr() -> None:
    (ref,) = tokens("token: sk-hush", allow_inline_secrets=True)
    assert (ref.source, ref.value) == ("literal", "sk-hush")
    assert "hush" not in f"{ref!r} {ref}"


@pytest.mark.parametrize("token", ["{env: A, file: b}", "{}"])
def test_a_key_is_in_one_place(token: str) -> None:
    assert (
        "expected exactly one of"
        in problem(f"providers: {{p: {{kind: openai, token: {token}}}}}")[1]
    )


@pytest.mark.parametrize(
    "secret", ["{name: ../other, key: a}", "{name: a, key: ../../b}", "{name: .hidden, key: a}"]
)
def test_a_mounted_secret_stays_below_its_folder(secret: str) -> None:
    assert problem(f"providers: {{p: {{kind: openai, token: {{secret: {secret}}}}}}}")[
        0
    ].startswith("providers.p.token.secret.")


@pytest.mark.parametrize(
    "key",
    [
        "sk-hush",
        "sk-proj-hush0123456789abcdef",
        "gsk_hush0123456789abcdef",
        "AIzahush0123456789abcdef",
        "hush0123456789abcdef0123456789",
        "hush/with+slash=",
        "Bearer hush",
    ],
)
def test_a_key_in_the_place_of_a_variables_name_is_refused_and_not_repeated(key: str) -> None:
    path, message = problem(f'providers: {{p: {{kind: openai, token: {{env: "{key}"}}}}}}')
    assert path == "providers.p.token.env"
    assert "expected the name of an environment variable" in message
    assert "hush" not in message


@pytest.mark.parametrize(
    ("place", "path"),
    [
        ("{file: KEY}", "token.file"),
        ("{secret: {name: KEY, key: a}}", "token.secret.name"),
        ("{secret: {name: a, key: KEY}}", "token.secret.key"),
    ],
)
def test_a_key_in_the_place_of_any_other_name_is_refused_and_not_repeated(
    place: str, path: str
) -> None:
    token = place.replace("KEY", "sk-hush-0123456789abcdef")
    found = problem(f"providers: {{p: {{kind: openai, token: {token}}}}}")
    assert found[0] == f"providers.p.{path}"
    assert "hush" not in found[1]


@pytest.mark.parametrize(
    "token", ["{sk-hush-0123456789abcdef}", "{secret: {sk-hush-0123456789abcdef: x}}"]
)
def test_a_key_in_the_place_of_a_key_of_the_file_is_not_repeated(token: str) -> None:
    """Braces without a colon make an object that has the secret as its key."""
    found = problems(f"providers: {{p: {{kind: openai, token: {token}}}}}")
    assert any(p.message.startswith("unknown key; known: ") for p in found)
    assert "hush" not in str(found)


@pytest.mark.parametrize(
    "place",
    [
        "{env: HF_TOKEN}",
        "{env: hf_token_2}",
        "{env: my.key-1}",
        "{file: keys/sk-openai-prod-0123456789}",
        "{secret: {name: hf-token, key: sk-key}}",
        "{secret: {name: openai-production-eu-west-1-key, key: api_key_2}}",
    ],
)
def test_names_that_resemble_keys_a_little_are_names(place: str) -> None:
    assert problems(f"providers: {{p: {{kind: openai, token: {place}}}}}") == []


def test_options_that_are_secrets_take_the_same_forms() -> None:
    provider = compiled(
        "providers: {p: {kind: cloud, options: {region: r, secret_key: {env: KEY}}}}"
    ).providers["p"]
    assert provider.options["secret_key"] == SecretRef("env", "KEY")
    for value in ("hush", "{nowhere: hush}", "3"):
        path, message = problem(
            f"providers: {{p: {{kind: cloud, options: {{region: r, secret_key: {value}}}}}}}"
        )
        assert path == "providers.p.options.secret_key"
        assert "hush" not in message


def test_in_a_free_map_the_names_tell_what_is_a_secret() -> None:
    text = "providers: {p: {kind: openai, auth_type: oauth, oauth_detail: {refresh_token: {env: R}, extra_fields: {token_url: https://x, client_secret: {env: S}}}}}"
    oauth = compiled(text).providers["p"].oauth
    assert oauth is not None
    assert oauth.extra_fields == {"token_url": "https://x", "client_secret": SecretRef("env", "S")}
    assert [p.path for p in problems(text.replace("{env: S}", "hush"))] == [
        "providers.p.oauth_detail.extra_fields.client_secret"
    ]
