"""The words of the simulated models: the same for the same request, whoever serves it, so that an
answer can be told to be whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Literal

import orjson

from pilotfish.simulated.asked import Asked, AskedTurn
from pilotfish.simulated.behaviour import Fault, Profile, Refusal, Restart

_WORDS = (
    "the",
    "small",
    "pilot",
    "fish",
    "swims",
    "ahead",
    "of",
    "great",
    "sharks",
    "and",
    "shows",
    "them",
    "where",
    "calm",
    "water",
    "lies",
    "while",
    "they",
    "keep",
    "it",
    "safe",
)
# Shares no word with the text above.
_OTHER = ("meanwhile", "another", "reader", "begins", "quite", "differently", "today", "instead")
# What a model says where a style has a place for a refusal, and what a guardrail is set to say.
REFUSAL_PIECES = ("I'm sorry, ", "but I can't ", "help with that.")
GUARDRAIL_PIECES = ("Sorry, the model ", "cannot answer ", "this question.")
_CALL = re.compile(r"call:([\w.]+(?:-[\w.]+)*)(\(\{.*?\}\))?", re.DOTALL)
_SAY = re.compile(r"say:(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SimulatedCall:
    """A tool call; `arguments` is JSON text."""

    name: str
    arguments: str

    @property
    def pieces(self) -> list[str]:
        return [self.arguments[i : i + 12] for i in range(0, len(self.arguments), 12)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedAnswer:
    """What is said, in pieces of one token each. `number` tells answers of a server apart, for
    ids. Tokens read from a cache and written to it are parts of `input_tokens`.
    """

    number: int
    thinking: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    calls: tuple[SimulatedCall, ...] = ()
    finish: Literal["stop", "length", "tools", "blocked", "declined"] = "stop"
    input_tokens: int = 1
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    usage: bool = True

    @property
    def output_tokens(self) -> int:
        """Thinking is part of it."""
        return len(self.thinking) + len(self.text) + sum(len(call.pieces) for call in self.calls)

    @property
    def said(self) -> str:
        return "".join(self.text)

    def refused(self, how: Refusal) -> SimulatedAnswer:
        """The answer with nothing said: the vendor's filter stepped in, or the model declined.
        What a style says in its place is the wire's.
        """
        return replace(self, thinking=(), text=(), calls=(), finish=how)

    def with_piece(self, piece: str) -> SimulatedAnswer:
        """The answer with one more piece of text in its middle."""
        middle = len(self.text) // 2
        return replace(self, text=(*self.text[:middle], piece, *self.text[middle:]))


def answer_to(asked: Asked, profile: Profile, fault: Fault, number: int) -> SimulatedAnswer:
    """What the model says to `asked`; never empty."""
    user = _last_user(asked.turns)
    calls = _calls(asked, user)
    count = fault.chunks if fault.chunks is not None else profile.chunks
    text = (
        _text(asked, user, count, fault.overlap or 0, fault.restart)
        if not calls or _SAY.search(user)
        else []
    )
    thinking = (
        [f"thought {i} " for i in range(1, profile.thinking_chunks + 1)]
        if asked.think or fault.think
        else []
    )
    cached = profile.cached_ratio if fault.cached_percent is None else fault.cached_percent / 100
    answer = SimulatedAnswer(
        number=number,
        thinking=tuple(thinking),
        text=tuple(text),
        calls=tuple(calls),
        finish="tools" if calls else "stop",
        input_tokens=asked.input_tokens,
        cached_tokens=int(asked.input_tokens * cached),
        cache_write_tokens=asked.input_tokens * (fault.cache_write_percent or 0) // 100,
        usage=fault.usage is None,
    )
    return _shortened(answer, asked.max_tokens)


def words(count: int) -> list[str]:
    """The first `count` pieces of the text that every simulated model tells."""
    return [_WORDS[i % len(_WORDS)] + " " for i in range(count)]


def _last_user(turns: list[AskedTurn]) -> str:
    return next((turn.text for turn in reversed(turns) if turn.role == "user"), "")


def _calls(asked: Asked, user: str) -> list[SimulatedCall]:
    if not asked.tools or asked.tools_off or (asked.turns and asked.turns[-1].role == "tool"):
        return []
    wanted = [(name, given) for name, given in _CALL.findall(user) if name in asked.tools]
    if asked.forced and asked.forced != "*":
        wanted = [pair for pair in wanted if pair[0] == asked.forced] or [(asked.forced, "")]
    elif asked.forced and not wanted:
        wanted = [(next(iter(asked.tools)), "")]
    calls = [
        SimulatedCall(name, given[1:-1] or _json(instance_of(asked.tools.get(name))))
        for name, given in wanted
    ]
    return calls if asked.parallel else calls[:1]


def _text(asked: Asked, user: str, count: int, overlap: int, restart: Restart | None) -> list[str]:
    """All of the text, or what is left of it where the last assistant turn is its beginning (a
    prefill, or a request to go on).
    """
    spoken = [i for i, turn in enumerate(asked.turns) if turn.role == "assistant" and turn.text]
    if spoken:
        before = asked.turns[spoken[-1]].text
        earlier = _pieces(asked, _last_user(asked.turns[: spoken[-1]]), count)
        whole = "".join(earlier)
        # Some clients strip a prefill, since some vendors refuse one that ends in white space.
        begun = before if whole.startswith(before) else before.rstrip()
        if whole.startswith(begun) and len(begun) < len(whole.rstrip()):
            if restart is not None:
                return _anew(earlier, len(begun), restart)
            return _after(earlier, len(begun), overlap)
    return _pieces(asked, user, count)


def _anew(pieces: list[str], done: int, restart: Restart) -> list[str]:
    """The text from its start, of which `done` characters were said before."""
    if restart == "same":
        return pieces
    kept = len(pieces) - len(_after(pieces, done // 2, 0)) if restart == "diverging" else 0
    return [*pieces[:kept], *(_OTHER[i % len(_OTHER)] + " " for i in range(len(pieces) - kept))]


def _after(pieces: list[str], done: int, overlap: int) -> list[str]:
    """The pieces after the first `done` characters, and `overlap` whole pieces before them once
    more.
    """
    start = 0
    for index, piece in enumerate(pieces):
        if start + len(piece) > done:
            rest = piece[done - start :]
            if overlap:
                return pieces[max(0, index - overlap) :]
            return [part for part in (rest, *pieces[index + 1 :]) if part]
        start += len(piece)
    return []


def _pieces(asked: Asked, user: str, count: int) -> list[str]:
    if asked.schema is not None:
        text = _json(instance_of(asked.schema))
        return [text[i : i + 8] for i in range(0, len(text), 8)]
    if said := _SAY.search(user):
        return re.findall(r"\S+\s*", said[1])
    return words(count)


def _shortened(answer: SimulatedAnswer, limit: int | None) -> SimulatedAnswer:
    if limit is None or answer.output_tokens <= limit:
        return answer
    thinking = answer.thinking[:limit]
    text = answer.text[: limit - len(thinking)]
    # Calls are left out whole: half of a call is no use to the clients under test, and vendors
    # differ in what they send.
    return replace(answer, thinking=thinking, text=text, calls=(), finish="length")


def instance_of(schema: Any) -> Any:
    """The simplest value that satisfies a JSON schema (of either spelling of types: `string` or
    Gemini's `STRING`).
    """
    if not isinstance(schema, dict):
        return {}
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for union in ("anyOf", "oneOf"):
        if schema.get(union):
            return instance_of(schema[union][0])
    kind = schema.get("type", "object")
    kind = str(kind[0] if isinstance(kind, list) and kind else kind).lower()
    if kind == "object":
        return {name: instance_of(part) for name, part in (schema.get("properties") or {}).items()}
    if kind == "array":
        return [instance_of(schema.get("items"))]
    return {"string": "fish", "integer": 7, "number": 1.5, "boolean": True, "null": None}.get(
        kind, "fish"
    )


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
