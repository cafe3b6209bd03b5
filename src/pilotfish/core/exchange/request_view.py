"""A request as smart routing and affinity look at it. Each property is computed on first use and
kept.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import cached_property

import msgspec

from pilotfish.core.exchange.agents import claude_code_agent
from pilotfish.core.exchange.inbound import BYTES_PER_TOKEN, OPTION_BYTES, Inbound
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
from pilotfish.core.model.smart_rules import ServiceMetrics
from pilotfish.core.model.snapshot import Affinity
from pilotfish.core.state.ledger import Ledger
from pilotfish.errors import ClientError

_NO_CHAT = Chat(model="", turns=())
# Estimate for an image or file, whose base64 text says nothing about its tokens.
_MEDIA_TOKENS = 1000


class RequestView:
    """Implements `core.model.smart_rules.View` for an inbound request.

    `read`: gives the neutral form, or raises `ClientError` for a body that the style cannot read;
    the view of such a request is empty. `now`: seconds on the ledger's clock.
    """

    def __init__(
        self, inbound: Inbound, read: Callable[[Inbound], Chat], ledger: Ledger, now: float
    ) -> None:
        self._inbound, self._read, self._ledger, self._now = inbound, read, ledger, now
        self.model, self.stream, self.thinking = inbound.model, inbound.stream, inbound.thinking

    @cached_property
    def chat(self) -> Chat:
        """The neutral form; empty for operations that are not chats."""
        if self._inbound.op not in CHAT_STYLES:
            return self._inbound.chat or _NO_CHAT
        try:
            return self._read(self._inbound)
        except ClientError:
            return _NO_CHAT  # the upstream says what is wrong with it

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
        """Estimated input tokens: the body's size without media, and `_MEDIA_TOKENS` for each
        image, document or sound that the body contains.
        """
        chat = self.chat
        if chat is _NO_CHAT:
            return self._inbound.tokens
        media = [len(p.data) for t in chat.turns for p in _media_parts(t.parts) if p.data]
        text_bytes = len(self._inbound.body) - sum(media)
        return max(1, text_bytes // BYTES_PER_TOKEN) + len(media) * _MEDIA_TOKENS

    @cached_property
    def agent(self) -> str:
        return claude_code_agent(self.system, self.latest_user)

    def header(self, name: str) -> str | None:
        value = self._inbound.header(name.encode())
        return None if value is None else value.decode("latin-1")

    def service_metrics(self, services: Sequence[Service]) -> Sequence[ServiceMetrics]:
        return [self._metrics_of(s) for s in services]

    def _metrics_of(self, service: Service) -> ServiceMetrics:
        candidate = self._ledger.candidate(service)
        state, now = candidate.state, self._now
        average, worst = state.ttft.average(now), state.ttft.percentile(0.99, now)
        capacity = service.model_capacity or service.provider.default_model_capacity
        return ServiceMetrics(
            None if average is None else average * 1000,
            None if worst is None else worst * 1000,
            state.in_flight / capacity * 100 if capacity else None,
        )

    @cached_property
    def _user_turns(self) -> list[Turn]:
        return [t for t in self.chat.turns if t.role == "user"]

    def prompt_prefix(self) -> tuple[bytes, bytes, bytes]:
        """(system prompt, tools, first turn): the prefix by which vendors cache prompts."""
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
    """The session's identifier for `affinity.by` header, client_ip or user; empty if the request
    does not have it.
    """
    if affinity.by == "header":
        value = inbound.header(affinity.header.lower().encode())
        return "" if value is None else value.decode("latin-1")
    if affinity.by == "client_ip":
        return inbound.client_ip
    if inbound.members is None:
        return ""
    user = text_of_member(inbound.members, "user")
    raw = bytes(inbound.members.get("metadata", b""))
    if user is None and raw and len(raw) <= OPTION_BYTES:
        try:
            metadata = msgspec.json.decode(raw, type=dict[str, object])
        except msgspec.DecodeError:
            return ""
        user = str(metadata.get("user_id") or "")
    return user or ""


def text_of(parts: Iterable[Part]) -> str:
    """The text parts, joined with newlines; results of tools are left out."""
    return "\n".join(p.text for p in parts if isinstance(p, Text))


def media_of(parts: Iterable[Part]) -> list[str]:
    """The kinds of media in these parts (`image`, `document`, `audio`), one entry for each part."""
    return [type(p).__name__.lower() for p in _media_parts(parts)]


def _media_parts(parts: Iterable[Part]) -> Iterator[Image | Document | Audio]:
    """Media parts, those inside tool results too: agents put screenshots there."""
    for part in parts:
        if isinstance(part, Image | Document | Audio):
            yield part
        elif isinstance(part, ToolResult):
            yield from _media_parts(part.parts)
