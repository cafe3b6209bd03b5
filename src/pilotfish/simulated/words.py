"""Behaviour by words in a model's name: `gpt-sim-ttft-300ms-cut66`. The list of words is in the
package's docstring.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pilotfish.simulated.behaviour import Fault

_TIME = re.compile(r"(\d+(?:\.\d+)?)(ms|s)")
_WORD = re.compile(r"([a-z]+)(\d.*)?")

# Words that stand alone.
_PLAIN: dict[str, Fault] = {
    "reset": Fault.reset(),
    "silent": Fault.silence(),
    "roleonly": Fault.silence("after_start"),
    "malformed": Fault(malformed=True),
    "nodone": Fault(done="missing"),
    "nodoneopen": Fault(done="missing_open"),
    "contextlength": Fault.context_length(),
    "contentpolicy": Fault.content_policy(),
    "quota": Fault(code=429, kind="quota"),
    "refusedkey": Fault.refused_key(),
    "scope": Fault.missing_scope(),
    "noaccess": Fault.no_access(),
    "blocked": Fault.refused("blocked"),
    "declined": Fault.refused("declined"),
    "anew": Fault.anew("same"),
    "anewdiverging": Fault.anew("diverging"),
    "anewother": Fault.anew("other"),
    "echo": Fault.echo(),
    "noprefill": Fault(no_prefill=True),
    "shortlength": Fault(body="short_length"),
    "badchunk": Fault(body="bad_chunk"),
    "gzip": Fault(body="gzip"),
    "badgzip": Fault(body="bad_gzip"),
    "notjson": Fault(body="not_json"),
    "hugeline": Fault(huge_line=True),
    "close": Fault(connection="close"),
    "stale": Fault(connection="stale"),
    "nousage": Fault(usage="none"),
    "think": Fault(think=True),
    "crlf": Fault(crlf=True),
    "before": Fault(error_when="before"),
}

# Words with a number: the number they take when none is given (None: one is needed), and what they
# mean.
_NUMBERED: dict[str, tuple[int | None, Callable[[int], Fault]]] = {
    "n": (None, lambda n: Fault(chunks=n)),
    "cut": (50, Fault.cut_at),
    "rst": (50, lambda n: Fault.cut_at(n, "rst")),
    "half": (50, lambda n: Fault.cut_at(n, "half")),
    "clean": (50, lambda n: Fault.cut_at(n, "clean")),
    "stall": (50, Fault.stall),
    "after": (50, lambda n: Fault.error_event("after", n)),
    "cached": (50, lambda n: Fault(cached_percent=n)),
    "cachewrite": (25, lambda n: Fault(cache_write_percent=n)),
    "overlap": (3, lambda n: Fault(overlap=n)),
    "split": (7, lambda n: Fault(split=n)),
    "first": (1, lambda n: Fault(first=n)),
    "every": (None, lambda n: Fault(every=n)),
    "rams": (None, lambda n: Fault(retry_after_ms=n)),
    "radate": (None, lambda n: Fault(retry_after_date_s=n)),
    "rahint": (None, lambda n: Fault(retry_hint_s=n)),
}

# Words with a time, joined (`ttft300ms`) or as the next word (`ttft-300ms`).
_TIMED: dict[str, tuple[float | None, Callable[[float], Fault]]] = {
    "ttft": (None, lambda s: Fault(ttft_s=s)),
    "gap": (None, lambda s: Fault(gap_s=s)),
    "heartbeats": (0.02, Fault.heartbeats),
    "slowhead": (0.2, lambda s: Fault(slow_head_s=s)),
}


def fault_in(model: str) -> Fault | None:
    """The behaviour that follows `sim-` in a model's name; None where there is none.

    Raises ValueError for a word it does not know: a misspelt fault must not become a test that
    passes.
    """
    _, found, tail = model.partition("sim-")
    if not found:
        return None
    fault = Fault()
    words = [word for word in tail.split("-") if word]
    while words:
        word = words.pop(0)
        fault = fault | (_one(word, words, model))
    return fault


def _one(word: str, following: list[str], model: str) -> Fault:
    if word in (
        "sim",
        "err",
        "large",
        "small",
    ):  # `err-before`, `err-after`: the second word says it all; the others are plain names
        return Fault()
    if word in _PLAIN:
        return _PLAIN[word]
    if word == "silent200":
        return Fault.silence("after_head")
    if re.fullmatch(r"[45]\d\d", word):
        return Fault(code=int(word), kind="")
    if re.fullmatch(r"ra\d+(\.\d+)?", word):
        return Fault(retry_after=word[2:])
    if match := _WORD.fullmatch(word):
        name, number = match.groups()
        if name in _NUMBERED and (number is None or number.isdigit()):
            default, make = _NUMBERED[name]
            if number is not None or default is not None:
                return make(int(number) if number is not None else default or 0)
        if name in _TIMED:
            return _timed(name, number, following, model)
    known = sorted(
        [
            *_PLAIN,
            *(f"{name}N" for name in _NUMBERED),
            *(f"{name}-TIME" for name in _TIMED),
            "raN",
            "silent200",
            "400..599",
        ]
    )
    raise ValueError(f"unknown word {word!r} in model {model!r}; known: {', '.join(known)}")


def _timed(name: str, joined: str | None, following: list[str], model: str) -> Fault:
    default, make = _TIMED[name]
    text = joined
    if text is None and following and _TIME.fullmatch(following[0]):
        text = following.pop(0)
    match = _TIME.fullmatch(text) if text is not None else None
    if match is None and (text is not None or default is None):
        raise ValueError(
            f"{name!r} in model {model!r} needs a time such as 300ms or 2s, found {text!r}"
        )
    if match is None:
        return make(default or 0.0)
    return make(float(match[1]) * (0.001 if match[2] == "ms" else 1.0))
