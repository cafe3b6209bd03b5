"""Patterns from rules files: globs and regular expressions, both in linear time, so that no pattern
can be made to hang (google-re2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re2

MAX_PATTERN = 1000


def is_glob(text: str) -> bool:
    """`*` and `?` make a glob. Brackets alone do not: model names such as `claude-sonnet-4-5[1m]`
    have them.
    """
    return "*" in text or "?" in text


def literals(glob: str) -> int:
    """How many characters a glob fixes: the more, the more specific it is."""
    return len(glob) - glob.count("*") - glob.count("?")


def glob_matcher(glob: str) -> Callable[[str], bool]:
    """`*` any text, `?` one character, `[abc]`, `[a-z]`, `[!abc]` one of a set. Raises `ValueError`
    for what is no glob.
    """
    if not glob:
        raise ValueError("an empty pattern matches nothing")
    head, star, rest = glob.partition("*")
    if star and not rest and not set("?[") & set(head):
        return _prefix(head)
    matches = _compiled(f"(?s){_translated(glob)}").fullmatch
    return lambda text: matches(text) is not None


def regex_finder(pattern: str) -> Callable[[str], bool]:
    """Whether a regular expression is found anywhere in a text. Raises `ValueError`, also for what
    needs backtracking.
    """
    if not pattern:
        raise ValueError("an empty pattern matches everything")
    search = _compiled(pattern).search
    return lambda text: search(text) is not None


def _prefix(head: str) -> Callable[[str], bool]:
    return lambda text: text.startswith(head)


def _compiled(pattern: str) -> re2._Regexp:
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"a pattern of {len(pattern)} characters; at most {MAX_PATTERN} are taken")
    import re2  # here: with its C++ library 2.5 MiB, which only who has patterns has to carry

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
