"""Globs and regular expressions of rules files."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotfish.core.model.patterns import (
    MAX_PATTERN_CHARS,
    glob_matcher,
    is_glob,
    literals,
    regex_finder,
)


@pytest.mark.parametrize(
    ("glob", "matching", "other"),
    [
        ("gpt-4*", ["gpt-4", "gpt-4o", "gpt-4\n"], ["gpt-3", "xgpt-4", "GPT-4"]),
        ("*", ["", "anything\nat all"], []),
        ("*-mini", ["gpt-4o-mini"], ["gpt-4o-mini2"]),
        ("gpt-?o*", ["gpt-4o", "gpt-4o-mini"], ["gpt-o", "gpt-4.o"]),
        ("claude-*-[34]-*", ["claude-sonnet-4-5"], ["claude-sonnet-5-4"]),
        ("*[!a-c]", ["d", "xd"], ["a", "xb", ""]),
        ("a*[]]", ["a]", "ab]"], ["a"]),
        ("*[!]]", ["a"], ["]"]),
        ("v1.5*", ["v1.5-pro"], ["v125-pro"]),
        ("a+b*", ["a+b", "a+bc"], ["aab"]),
        ("*[\\^]", ["\\", "x^"], ["x"]),
    ],
)
def test_globs(glob: str, matching: list[str], other: list[str]) -> None:
    matches = glob_matcher(glob)
    assert [text for text in matching if not matches(text)] == []
    assert [text for text in other if matches(text)] == []


@pytest.mark.parametrize(
    ("glob", "why"),
    [
        ("", "empty"),
        ("a*[b", "never closed"),
        ("*[]", "never closed"),
        ("*[z-a]", "range"),
        ("*" + "a" * MAX_PATTERN_CHARS, "characters"),
    ],
)
def test_bad_globs_say_why(glob: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        glob_matcher(glob)


def test_brackets_alone_make_no_glob() -> None:
    """Claude Code asks for models such as this one."""
    assert not is_glob("claude-sonnet-4-5[1m]")
    assert is_glob("gpt-*")
    assert is_glob("gpt-?")


def test_a_glob_is_the_more_specific_the_more_it_fixes() -> None:
    assert literals("gpt-4o-*") > literals("gpt-*") > literals("*")


@given(st.text(alphabet="ab*?", max_size=12), st.text(alphabet="ab", max_size=12))
def test_a_glob_means_what_its_regular_expression_means(glob: str, text: str) -> None:
    if glob:
        expected = re.fullmatch(glob.replace("*", ".*").replace("?", "."), text) is not None
        assert glob_matcher(glob)(text) is expected


def test_a_regular_expression_is_found_anywhere() -> None:
    finds = regex_finder(r"(?i)\bhel+o\b")
    assert finds("well, HELLLO there")
    assert not finds("othello")


@pytest.mark.parametrize(
    "pattern", ["(a", "(?=a)", r"(a)\1", "", "a{5000}", "x" * (MAX_PATTERN_CHARS + 1)]
)
def test_bad_regular_expressions_are_refused(pattern: str) -> None:
    """Among them all that would need backtracking: lookaheads and back references."""
    with pytest.raises(ValueError, match=r"."):
        regex_finder(pattern)


def test_patterns_that_hang_other_engines_are_answered() -> None:
    assert not regex_finder(r"(a+)+$")("a" * 50_000 + "b")
    assert not glob_matcher("*a" * 40 + "c")("a" * 5_000)
