"""The positions and operations of smart routing (docs/rules.md, "Positions and operations"), and
the form of each one's value. Adding one is one line in `POSITIONS`.

A builder takes the value's text and the block's services. It returns the test, and a function that
describes what the test looked at (for `explain`). It raises `ValueError`, whose message names what
was found and what was expected, for a value that the operation does not take.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from operator import attrgetter, ge, gt, le, lt

from pilotfish.core.model.patterns import glob_matcher, regex_finder
from pilotfish.core.model.service import Service
from pilotfish.core.model.smart_rules import Op, ServiceMetrics, View
from pilotfish.core.model.time_range import time_range

# (view, epoch seconds) -> whether the operation holds; None: nothing is measured yet. An operation
# that answers None holds, negated or not, so that a block is not ruled out for want of samples.
Test = Callable[[View, float], bool | None]
Describe = Callable[[View, float], str]
Builder = Callable[[str, Sequence[Service]], tuple[Test, Describe]]
Compare = Callable[[float, float], bool]

MEDIA = ("image", "document", "audio")
AGENTS = ("main", "subagent", "compact")
_MAX_SHOWN_CHARS = 60


def _shown(text: str) -> str:
    if len(text) <= _MAX_SHOWN_CHARS:
        return repr(text)
    return f"{text[:_MAX_SHOWN_CHARS]!r}... ({len(text)} characters)"


def _needed(value: str) -> str:
    if not value:
        raise ValueError("a value is needed here, found an empty one")
    return value


def _one_of(value: str, choices: Collection[str]) -> str:
    if value not in choices:
        raise ValueError(f"expected one of {', '.join(choices)}, found {value!r}")
    return value


def _parts(value: str) -> list[str]:
    parts = [p for p in (part.strip() for part in value.split(",")) if p]
    if not parts:
        raise ValueError(f"expected texts separated by commas, found {value!r}")
    return parts


# ---- texts: `attribute` is the name of a property of `View`


def _text(attribute: str, judge_of: Callable[[str], Callable[[str], bool]]) -> Builder:
    get: Callable[[View], str] = attrgetter(attribute)

    def build(value: str, services: Sequence[Service]) -> tuple[Test, Describe]:
        judge = judge_of(_needed(value))
        return lambda view, now: judge(
            get(view)
        ), lambda view, now: f"{attribute} is {_shown(get(view))}"

    return build


def _equals(value: str) -> Callable[[str], bool]:
    return lambda text: text == value


def _contains(value: str) -> Callable[[str], bool]:
    return lambda text: value in text


def _any_contains(value: str) -> Callable[[str], bool]:
    parts = _parts(value)
    return lambda text: any(p in text for p in parts)


def _media(attribute: str) -> Builder:
    get: Callable[[View], Collection[str]] = attrgetter(attribute)

    def build(value: str, services: Sequence[Service]) -> tuple[Test, Describe]:
        _one_of(value, MEDIA)
        return (
            lambda view, now: value in get(view),
            lambda view, now: (
                f"the parts besides text are: {', '.join(sorted(get(view))) or 'none'}"
            ),
        )

    return build


def _flag(attribute: str, wanted: bool) -> Builder:
    get: Callable[[View], bool] = attrgetter(attribute)

    def build(value: str, services: Sequence[Service]) -> tuple[Test, Describe]:
        if value not in ("", "true"):
            raise ValueError(
                f"takes no value (or 'true'), found {value!r}; use the other operation, or negate"
            )
        return (
            lambda view, now: get(view) is wanted,
            lambda view, now: f"{attribute} is {'enabled' if get(view) else 'disabled'}",
        )

    return build


def _stream(value: str, services: Sequence[Service]) -> tuple[Test, Describe]:
    wanted = _one_of(value, ("true", "false")) == "true"
    return (
        lambda view, now: view.stream is wanted,
        lambda view, now: f"stream is {str(view.stream).lower()}",
    )


def _tool_named(value: str, services: Sequence[Service]) -> tuple[Test, Describe]:
    _needed(value)
    return lambda view, now: value in view.tools, _tools_found


def _tool_containing(value: str, services: Sequence[Service]) -> tuple[Test, Describe]:
    _needed(value)
    return lambda view, now: any(value in tool for tool in view.tools), _tools_found


def _tools_found(view: View, now: float) -> str:
    return f"the tools are: {_shown(', '.join(sorted(view.tools))) if view.tools else 'none'}"


def _agent(value: str, services: Sequence[Service]) -> tuple[Test, Describe]:
    _one_of(value, AGENTS)
    return (
        lambda view, now: view.agent == value,
        lambda view, now: f"the agent is {view.agent or 'none known'}",
    )


# ---- numbers


def _number(value: str, what: str) -> float:
    if not re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,6})?", value):
        raise ValueError(f"expected {what}, found {value!r}")
    return float(value)


def _tokens(compare: Compare) -> Builder:
    def build(value: str, services: Sequence[Service]) -> tuple[Test, Describe]:
        if not re.fullmatch(r"[0-9]{1,15}", value):
            raise ValueError(f'expected a number of tokens such as "60000", found {value!r}')
        limit = int(value)
        return lambda view, now: compare(
            view.tokens, limit
        ), lambda view, now: f"about {view.tokens} tokens"

    return build


def _measured(
    attribute: str, compare: Compare, merge: Callable[[list[float]], float], what: str
) -> Builder:
    """An operation on one field of `ServiceMetrics`, merged over those of the block's services that
    have a value. `what` names the value's unit in error messages.
    """
    get: Callable[[ServiceMetrics], float | None] = attrgetter(attribute)

    def merged(view: View, services: Sequence[Service]) -> float | None:
        known = [x for x in map(get, view.service_metrics(services)) if x is not None]
        return merge(known) if known else None

    def build(value: str, services: Sequence[Service]) -> tuple[Test, Describe]:
        limit = _number(value, what)

        def test(view: View, now: float) -> bool | None:
            value = merged(view, services)
            return None if value is None else compare(value, limit)

        def describe(view: View, now: float) -> str:
            value = merged(view, services)
            return "nothing is measured yet" if value is None else f"it is {value:.6g}"

        return test, describe

    return build


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


# ---- headers: the value is `name: value`, or for `exists` the name alone

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def _header(judge_of: Callable[[str], Callable[[str], bool]]) -> Builder:
    def build(value: str, services: Sequence[Service]) -> tuple[Test, Describe]:
        name, colon, wanted = value.partition(":")
        name, wanted = name.strip().lower(), wanted.strip()
        if not colon or not _HEADER_NAME.fullmatch(name) or not wanted:
            raise ValueError(f"expected 'name: value', found {value!r}")
        judge = judge_of(wanted)

        def test(view: View, now: float) -> bool:
            found = view.header(name)
            return found is not None and judge(found)

        return test, lambda view, now: _header_found(view, name)

    return build


def _header_exists(value: str, services: Sequence[Service]) -> tuple[Test, Describe]:
    name = value.strip().removesuffix(":").lower()
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError(f"expected a header's name, found {value!r}")
    return lambda view, now: view.header(name) is not None, lambda view, now: _header_found(
        view, name
    )


def _header_found(view: View, name: str) -> str:
    """Whether the header is present, without its value: it may be a key, and `explain` is shown to
    people who must not see it.
    """
    return f"header {name} is {'absent' if view.header(name) is None else 'present'}"


def _time(value: str, services: Sequence[Service]) -> tuple[Test, Describe]:
    inside, local = time_range(value)
    return lambda view, now: inside(now), lambda view, now: f"it is {local(now)}"


# ---- tags of providers: they pick among the block's services (`has_tag`), and hold for any request


def _tag(value: str, services: Sequence[Service]) -> tuple[Test, Describe]:
    _needed(value)
    names = ", ".join(s.id for s in services)
    return lambda view, now: None, lambda view, now: f"it leaves {names or 'no service'}"


def has_tag(service: Service, operation: str, value: str) -> bool:
    """Whether a service's provider has this tag, or one that contains it."""
    tags = service.provider.tags
    return value in tags if operation == "equals" else any(value in tag for tag in tags)


_COMPARE: Mapping[str, Compare] = {"ge": ge, "gt": gt, "le": le, "lt": lt}
_TEXTS = {"contains": _contains, "any_contains": _any_contains, "regex": regex_finder}
# `max_*` compares the 99th percentile: the true maximum would let one slow answer decide for the
# ten minutes that a sample is kept.
_TTFT_FIELDS = {"avg": "ttft_avg_ms", "max": "ttft_p99_ms"}

_SYSTEM: Mapping[str, Builder] = {name: _text("system", judge) for name, judge in _TEXTS.items()}
_USER: Mapping[str, Builder] = {
    **{name: _text("user", judge) for name, judge in _TEXTS.items()},
    "type": _media("media"),
}

POSITIONS: Mapping[str, Mapping[str, Builder]] = {
    "model": {
        "contains": _text("model", _contains),
        "glob": _text("model", glob_matcher),
        "equals": _text("model", _equals),
    },
    "thinking": {"enabled": _flag("thinking", True), "disabled": _flag("thinking", False)},
    "system": _SYSTEM,
    "context_system": _SYSTEM,
    "user": _USER,
    "context_user": _USER,
    "latest_user": {
        "contains": _text("latest_user", _contains),
        "regex": _text("latest_user", regex_finder),
        "type": _media("latest_media"),
    },
    "tool_use": {"equals": _tool_named, "is": _tool_named, "contains": _tool_containing},
    "token": {name: _tokens(compare) for name, compare in _COMPARE.items()},
    # `le` looks at the block's fastest service, `ge` at the mean of all of them.
    "service_ttft": {
        f"{statistic}_{name}": _measured(
            attribute, _COMPARE[name], min if name == "le" else _mean, "milliseconds"
        )
        for statistic, attribute in _TTFT_FIELDS.items()
        for name in ("le", "ge")
    },
    "service_capacity": {
        f"util_{name}": _measured("utilisation", compare, _mean, "a percentage")
        for name, compare in _COMPARE.items()
    },
    "agent.claude_code": {"equals": _agent},
    "time": {"time_range": _time},
    "header": {
        "equals": _header(_equals),
        "contains": _header(_contains),
        "regex": _header(regex_finder),
        "exists": _header_exists,
    },
    "stream": {"equals": _stream},
    "tag": {"equals": _tag, "contains": _tag},
}


def compile_op(
    position: str, operation: str, value: str, negate: bool, services: Sequence[Service]
) -> Op:
    """One operation of a block. Raises `KeyError` for a position or operation that is not in
    `POSITIONS`, and `ValueError` for a value that the operation does not take.
    """
    test, describe = POSITIONS[position][operation](value, services)
    text = f"{'not ' if negate else ''}{position} {operation}{f' {_shown(value)}' if value else ''}"
    refuted = negate  # the answer for which the operation does not hold
    made_of = (position, operation, value, negate, services)
    return Op(text, lambda view, now: test(view, now) is not refuted, describe, made_of)
