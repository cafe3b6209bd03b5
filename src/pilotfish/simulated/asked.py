"""What a request asks for, whatever its style: read by a wire, answered by `answer`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple


class AskedTurn(NamedTuple):
    """One turn; `role` is `system`, `user`, `assistant` or `tool` (a tool's result)."""

    role: str
    text: str


class BadRequest(Exception):
    """The request is not what the style allows; answered with 400 in the vendor's form."""


@dataclass(slots=True, kw_only=True)
class Asked:
    """`tools` maps names to their parameter schemas; `forced` is a tool's name, `*` for any, None
    for the model's choice.
    """

    model: str
    stream: bool = False
    turns: list[AskedTurn] = field(default_factory=list)
    tools: dict[str, Any] = field(default_factory=dict)
    forced: str | None = None
    tools_off: bool = False
    parallel: bool = True
    think: bool = False
    schema: Any = None
    max_tokens: int | None = None
    include_usage: bool = True
    count: int = 1

    @property
    def input_tokens(self) -> int:
        """An estimate in the usual measure of four characters a token."""
        return max(
            1,
            (
                sum(len(turn.text) for turn in self.turns)
                + len(repr(self.tools) if self.tools else "")
            )
            // 4,
        )


def text_of(content: Any) -> str:
    """The text in a message's content, be it a string, a block or a list of blocks of any style."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(text_of(block) for block in content)
    if isinstance(content, dict):
        return text_of(content.get("text", content.get("content", content.get("parts", ""))))
    return ""


def object_of(value: Any, where: str) -> dict[str, Any]:
    """`value`, if it is a JSON object."""
    if not isinstance(value, dict):
        raise BadRequest(f"{where}: found {type(value).__name__}, expected an object")
    return value


def list_of(value: Any, where: str) -> list[Any]:
    """`value`, if it is a JSON array; a missing one is empty."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadRequest(f"{where}: found {type(value).__name__}, expected an array")
    return value
