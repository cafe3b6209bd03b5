"""Patterns from rules files: globs and regular expressions. Both run on google-re2, in time linear
in the text, so that no pattern can hang the proxy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

MAX_PATTERN_CHARS = 1000


def is_glob(text: str) -> bool:
    """Whether a text holds `*` or `?`. Brackets alone do not make a glob: model names such as
    `claude-sonnet-4-5[1m]` have them.
    """
    return "*" in text or "?" in text


def literals(glob: str) -> int:
    """How many characters a glob fixes. Of two globs the one with more is the more specific."""
    return len(glob) - glob.count("*") - glob.count("?")


def glob_matcher(glob: str) -> Callable[[str], bool]:
    """A test for the whole of a text: `*` stands for any text, `?` for one character, `[abc]`,
    `[a-z]` and `[!abc]` for one character of a set. Raises `ValueError` for a malformed glob.
    """
    if not glob:
        raise ValueError("an empty pattern matches nothing")
    head, star, rest = glob.partition("*")
    if star and not rest and not set("?[") & set(head):
        return _prefix(head)
    matches = _compiled(f"(?s){_translated(glob)}").fullmatch
    return lambda text: matches(text) is not None


def regex_finder(pattern: str) -> Callable[[str], bool]:
    """A test whether a regular expression matches anywhere in a text. Raises `ValueError` for a
    malformed pattern, and for features that need backtracking.
    """
    if not pattern:
        raise ValueError("an empty pattern matches everything")
    search = _compiled(pattern).search
    return lambda text: search(text) is not None


def _prefix(head: str) -> Callable[[str], bool]:
    return lambda text: text.startswith(head)


def _compiled(pattern: str) -> Any:
    """A compiled pattern of re2, which ships no types."""
    if len(pattern) > MAX_PATTERN_CHARS:
        raise ValueError(
            f"a pattern of {len(pattern)} characters; at most {MAX_PATTERN_CHARS} are taken"
        )
    import re2  # imported on use: its C++ library takes 2.5 MiB, and most rules have no patterns

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        text = error.args[0] if error.args else ""
        raise ValueError(
            text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        ) from None


def _translated(glob: str) -> str:
    import re2

    out, i = [], 0
    while i < len(glob):
        c = glob[i]
        if c == "*":
            out.append(".*")
        elif c == "?":
            out.append(".")
        elif c == "[":
            end = glob.find("]", i + (3 if glob[i + 1 : i + 2] == "!" else 2))
            if end < 0:
                raise ValueError(f"'[' at character {i + 1} is never closed")
            out.append(_set(glob[i + 1 : end]))
            i = end
        else:
            out.append(re2.escape(c))
        i += 1
    return "".join(out)


def _set(inside: str) -> str:
    negated = inside.startswith("!")
    members = inside[1:] if negated else inside
    escaped = (
        members.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace("^", "\\^")
    )
    return f"[{'^' if negated else ''}{escaped}]"
