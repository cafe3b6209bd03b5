"""What a request says, as smart routing and affinity look at it. Each figure is worked out when it
is first asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import cached_property

import msgspec

from pilotfish.core.exchange.agents import claude_code_agent
from pilotfish.core.exchange.inbound import BYTES_PER_TOKEN, Inbound
from pilotfish.core.formats.bodies import text_of as text_of_member
from pilotfish.core.formats.neutral import (
    Audio,
    Chat,
    Document,
    Image,
    Part,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from pilotfish.core.model.provider import CHAT_STYLES
from pilotfish.core.model.service import Service
from pilotfish.core.model.smart_rules import Figures
from pilotfish.core.model.snapshot import Affinity
from pilotfish.core.state.ledger import Ledger
from pilotfish.errors import ClientError

_NOTHING = Chat(model="", turns=())
# Pictures and files are worth tokens too, but not as many as their base64 has letters.
_MEDIA_TOKENS = 1000


class RequestView:
    """A `core.model.smart_rules.View` over an inbound request. `read` gives the neutral form; a
    body that its style cannot read has no content.
    """

    def __init__(
        self, inbound: Inbound, read: Callable[[Inbound], Chat], ledger: Ledger, now: float
    ) -> None:
        self._inbound, self._read, self._ledger, self._now = inbound, read, ledger, now
        self.model, self.stream, self.thinking = inbound.model, inbound.stream, inbound.thinking

    @cached_property
    def chat(self) -> Chat:
        if self._inbound.op not in CHAT_STYLES:
            return self._inbound.chat or _NOTHING
        try:
            return self._read(self._inbound)
        except ClientError:
            return _NOTHING  # the upstream will say what is wrong with it, in its own words

    @cached_property
    def system(self) -> str:
        leading = [t.text for t in self.chat.system]
        return "\n".join(
            [*leading, *(text_of(t.parts) for t in self.chat.turns if t.role == "system")]
        )

    @cached_property
    def user(self) -> str:
        return "\n".join(filter(None, (text_of(t.parts) for t in self._user_turns)))

    @cached_property
    def latest_user(self) -> str:
        turns = self.chat.turns
        return text_of(turns[-1].parts) if turns and turns[-1].role == "user" else ""

    @cached_property
    def media(self) -> Collection[str]:
        return frozenset(kind for t in self._user_turns for kind in media_of(t.parts))

    @cached_property
    def latest_media(self) -> Collection[str]:
        turns = self.chat.turns
        return (
            frozenset(media_of(turns[-1].parts))
            if turns and turns[-1].role == "user"
            else frozenset()
        )

    @cached_property
    def tools(self) -> Collection[str]:
        called = (p.name for t in self.chat.turns for p in t.parts if isinstance(p, ToolCall))
        return frozenset([*(t.name for t in self.chat.tools), *called])

    @cached_property
    def tokens(self) -> int:
        """All text counted, tools too; an image for a flat thousand."""
        chat = self.chat
        if chat is _NOTHING:
            return self._inbound.tokens
        held = [len(p.data) for t in chat.turns for p in _media_parts(t.parts) if p.data]
        letters = len(self._inbound.body) - sum(held)
        return max(1, letters // BYTES_PER_TOKEN) + len(held) * _MEDIA_TOKENS

    @cached_property
    def agent(self) -> str:
        return claude_code_agent(self.system, self.latest_user)

    def header(self, name: str) -> str | None:
        value = self._inbound.header(name.encode())
        return None if value is None else value.decode("latin-1")

    def figures(self, services: Sequence[Service]) -> Sequence[Figures]:
        return [self._figures(s) for s in services]

    def _figures(self, service: Service) -> Figures:
        candidate = self._ledger.candidate(service)
        state, now = candidate.state, self._now
        average, worst = state.ttft.average(now), state.ttft.percentile(0.99, now)
        capacity = service.model_capacity or service.provider.default_model_capacity
        return Figures(
            None if average is None else average * 1000,
            None if worst is None else worst * 1000,
            state.in_flight / capacity * 100 if capacity else None,
        )

    @cached_property
    def _user_turns(self) -> list[Turn]:
        return [t for t in self.chat.turns if t.role == "user"]

    def beginning(self) -> tuple[bytes, bytes, bytes]:
        """System prompt, tools and first turn: what upstream prompt caches go by."""
        chat = self.chat
        tools = (
            msgspec.json.encode(
                [[t.name, t.description, t.schema] for t in chat.tools], order="deterministic"
            )
            if chat.tools
            else b""
        )
        first = msgspec.json.encode(chat.turns[0], order="deterministic") if chat.turns else b""
        return self.system.encode(), tools, first


def session_of(inbound: Inbound, affinity: Affinity) -> str:
    """What tells one client's session from another's; empty where the request does not say."""
    if affinity.by == "header":
        value = inbound.header(affinity.header.lower().encode())
        return "" if value is None else value.decode("latin-1")
    if affinity.by == "client_ip":
        return inbound.client_ip
    if inbound.members is None:
        return ""
    user = text_of_member(inbound.members, "user")
    if user is None and "metadata" in inbound.members:
        try:
            metadata = msgspec.json.decode(inbound.members["metadata"], type=dict[str, object])
        except msgspec.DecodeError:
            return ""
        user = str(metadata.get("user_id") or "")
    return user or ""


def text_of(parts: Iterable[Part]) -> str:
    """The text of these parts; results of tools are not what the user said."""
    return "\n".join(p.text for p in parts if isinstance(p, Text))


def media_of(parts: Iterable[Part]) -> list[str]:
    return [type(p).__name__.lower() for p in _media_parts(parts)]


def _media_parts(parts: Iterable[Part]) -> Iterator[Image | Document | Audio]:
    """Those inside results of tools too: that is where agents' screenshots are."""
    for part in parts:
        if isinstance(part, Image | Document | Audio):
            yield part
        elif isinstance(part, ToolResult):
            yield from _media_parts(part.parts)
