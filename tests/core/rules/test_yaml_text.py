"""YAML and JSON are read as JSON's types and nothing more."""

from __future__ import annotations

from typing import Any

import pytest

from pilotfish.core.rules.yaml_text import MAX_CHARACTERS, MAX_DEPTH, TextError, join, parse


def one(text: str, **options: bool) -> Any:
    (document,) = parse(text, **options)
    return document.data


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2024-10-21", "2024-10-21"), ("no", "no"), ("off", "off"), ("Yes", "Yes"), ("12:30", "12:30"), ("010", "010"), ("0x1f", "0x1f"),
        (".inf", ".inf"), (".nan", ".nan"), ("1_000", "1_000"), ("'1'", "1"), ('"true"', "true"), ("=", "="), ("3.1.4", "3.1.4"),
        ("true", True), ("False", False), ("1", 1), ("-7", -7), ("0", 0), ("1.5", 1.5), ("1e3", 1000.0), (".5", 0.5), ("~", None), ("null", None), ("", None),
    ],
)  # fmt: skip
def test_only_jsons_scalars_are_more_than_text(text: str, value: object) -> None:
    read = one(f"key: {text}")["key"]
    assert (read, type(read)) == (value, type(value))


def test_words_that_yaml_1_1_takes_for_booleans_survive_as_keys() -> None:
    assert one("on: 1\nno: 2\n1: 3") == {"on": 1, "no": 2, "1": 3}


def test_a_key_given_twice_names_both_lines() -> None:
    with pytest.raises(TextError) as caught:
        parse("rules: []\nproviders: {}\nrules: []\n")
    assert (caught.value.path, caught.value.message) == (
        "rules",
        "key 'rules' is given twice, in lines 1 and 3",
    )


def test_a_key_given_twice_deep_inside_names_its_path() -> None:
    with pytest.raises(TextError, match=r"rules\[0\]\.name: key 'name'"):
        parse("rules:\n- name: a\n  name: b\n")


def test_a_key_given_twice_in_json_is_refused_too() -> None:
    with pytest.raises(TextError, match="key 'a' is given twice"):
        parse('{"a": 1, "a": 2}')


def test_several_documents_and_empty_ones() -> None:
    assert [d.data for d in parse("a: 1\n---\n---\n# only a comment\n---\nb: 2\n")] == [
        {"a": 1},
        {"b": 2},
    ]
    assert (
        parse("")
        == parse("\n# nothing\n")
        == parse("", is_json=True)
        == parse("null", is_json=True)
        == []
    )


def test_lines_are_known_by_path() -> None:
    lines = parse("rules:\n- name: a\n  services:\n  - weight: 1\n")[0].lines
    assert (lines["rules"], lines["rules[0]"], lines["rules[0].services[0].weight"]) == (1, 2, 4)


def test_merge_keys_and_aliases_are_unfolded_and_the_own_key_wins() -> None:
    text = "x: &x {p: 1, q: 1}\ny: &y {q: 2, r: 2}\nz: {<<: [*x, *y], r: 3}\nagain: *x"
    assert one(text)["z"] == {"p": 1, "q": 1, "r": 3}
    assert one(text)["again"] == {"p": 1, "q": 1}


def test_aliases_that_unfold_to_a_flood_are_refused() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(TextError, match="once aliases are unfolded"):
        parse("\n".join(levels))


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [*a]",
        "[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2),
        "[" * 100_000,
        "a: " + "[" * 100_000,
        "- " * 100_000,
        "a: " + "{a: " * 100_000,
        '{"a":' * 200 + "1" + "}" * 200,
    ],
)
def test_nesting_has_a_bound(text: str) -> None:
    with pytest.raises(TextError, match="nested deeper"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "not YAML: .* line"),
        ("a: b: c", "not YAML: .* line 1"),
        ("a: *nobody", "not YAML"),
        ("\x00", "not YAML"),
        ("a: !!python/object:os.system x", "only plain values"),
        ("a: !secret x", "only plain values"),
        ("? [a]\n: b", "expected text"),
        ("a: {<<: 3}", "needs an object to merge"),
        ("x" * (MAX_CHARACTERS + 1), "characters; at most"),
        ("\ud800", "not Unicode"),
        ('{"a": "\\ud800"}', "not Unicode"),
        ('{"a": NaN}', "NaN is not a number"),
    ],
)
def test_what_cannot_be_read_says_why(text: str, message: str) -> None:
    with pytest.raises(TextError, match=message):
        parse(text)


def test_json_that_is_none_says_where() -> None:
    with pytest.raises(TextError, match=r"not JSON: .* line 2"):
        parse('{"a": 1,\n b: 2}', is_json=True)


def test_yaml_that_begins_like_json_is_yaml() -> None:
    assert one("{a: 1, b: [x]}") == {"a": 1, "b": ["x"]}


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert one("\ufeffa: 1") == {"a": 1}


def test_paths_are_joined_as_people_write_them() -> None:
    assert join(join(join("", "rules"), 0), "name") == "rules[0].name"
