"""Names, references, and reading what may be anything."""

from __future__ import annotations

import pytest

from pilotfish import providers
from pilotfish.core.rules.importing.writing import (
    Imported,
    kind_of_host,
    mapping,
    number,
    objects,
    same_base,
    text,
    unique,
    variable,
)


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("openai", "openai"),
        ("a/b c", "a-b c"),
        ("\u00fcber", "ber"),
        ("", "provider-1"),
        ("///", "provider-1"),
        ("x" * 200, "x" * 80),
    ],
)
def test_names_are_printable_and_hold_no_slash(wanted, name):
    assert unique(wanted, (), "provider-1") == name


def test_a_name_that_is_taken_gets_a_number():
    assert unique("a", ["a", "a-2"], "f") == "a-3"


@pytest.mark.parametrize(
    ("name", "env"),
    [
        ("my provider", "MY_PROVIDER_API_KEY"),
        ("302.ai", "P_302_AI_API_KEY"),
        ("--", "PROVIDER_API_KEY"),
    ],
)
def test_environment_variables(name, env):
    assert variable(name) == env


@pytest.mark.parametrize(
    ("base", "kind"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://api.groq.com/openai/v1", "groq"),
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("http://localhost:11434/v1", ""),
        ("https://example.com", ""),
        ("", ""),
    ],
)
def test_a_vendor_is_known_by_its_host(base, kind):
    assert kind_of_host(base, providers.all_kinds()) == kind


def test_a_base_url_is_the_vendors_own_with_or_without_version():
    kind = providers.get("openai")
    assert same_base("https://api.openai.com/v1/", kind)
    assert same_base("https://api.openai.com", kind)
    assert not same_base("https://api.openai.com/v2", kind)


def test_losses_name_keys_and_never_values():
    result = Imported()
    result.lose_keys(
        "p", {"a": "hush", "b": None, "c": [], "known": 1, "d": {"x": "hush"}}, ("known",)
    )
    result.lose_keys("", {"top": True}, ())
    assert result.lost == [
        "p.a: has no counterpart",
        "p.d: has no counterpart",
        "top: has no counterpart",
    ]


def test_a_loss_is_told_once():
    result = Imported()
    result.lose("a", "b")
    result.lose("a", "b")
    assert result.lost == ["a: b"]


def test_a_url_loses_its_password():
    result = Imported()
    assert result.plain_url("p", "http://user:hush@host:1/x?y") == "http://host:1/x?y"
    assert result.lost == ["p: its user and password are left out"]
    assert result.plain_url("q", "http://host") == "http://host"


def test_reading_what_may_be_anything():
    assert text(5) == ""
    assert text(" a ") == "a"
    assert number(True) is None
    assert number("5") == 5
    assert number(" 3e-06 ") == 3e-06
    assert [number(x) for x in ("", "-", "nan", "1e999", "os.environ/X", None, "\u0665")] == [
        None
    ] * 7
    assert objects({"a": 1}) == []
    assert objects([{"a": 1}, 5]) == [{"a": 1}]
    assert mapping([1]) == {}
