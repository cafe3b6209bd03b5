"""What a simulated vendor does with a request: its everyday manner (`Profile`) and its faults
(`Fault`). Plain values.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, fields, replace
from typing import Literal

Cut = Literal["end", "rst", "half", "clean"]
ErrorWhen = Literal["before", "after"]
BodyFault = Literal["not_json", "gzip", "bad_gzip", "short_length", "bad_chunk"]
TroubleKind = Literal[
    "",
    "context_length",
    "content_policy",
    "quota",
    "overloaded",
    "prefill",
    "key",
    "scope",
    "no_access",
]
Refusal = Literal["blocked", "declined"]
Restart = Literal["same", "diverging", "other"]

# Above the 2 MiB that a client should grant one event.
HUGE_LINE_BYTES = 3 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """So many requests in a tumbling window of so many seconds; more are answered with 429 and the
    time until the window ends.
    """

    requests: int
    window_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How a vendor behaves when nothing is wrong.

    `ttft_s`: request read to first content; `gap_s`: between two content events; both against the
    clock, so they do not drift. `chunks`: content events of a plain answer, one token each.
    `jitter`: share of `gap_s` by which each event may be late. `error_ratio`: share of requests
    answered with 500, drawn with `seed`. `cached_ratio`: share of the prompt reported as read from
    a cache.
    """

    ttft_s: float = 0.0
    gap_s: float = 0.0
    chunks: int = 8
    thinking_chunks: int = 4
    jitter: float = 0.0
    rate_limit: RateLimit | None = None
    error_ratio: float = 0.0
    cached_ratio: float = 0.0
    models: tuple[str, ...] = ("sim-large", "sim-small")
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong with one request; made by the class methods, combined with `|` (the right one
    wins where both say something).

    Percentages are of the answer's content events (of its bytes, where it is no stream).
    """

    code: int | None = None
    kind: TroubleKind | None = None
    retry_after: str | None = None
    retry_after_ms: int | None = None
    retry_after_date_s: float | None = None
    retry_hint_s: float | None = None
    ttft_s: float | None = None
    gap_s: float | None = None
    chunks: int | None = None
    gate: asyncio.Event | None = None
    gate_percent: int | None = None
    hang_up_gate: asyncio.Event | None = None
    reset_early: bool | None = None
    silent: Literal["before_head", "after_head", "after_start"] | None = None
    heartbeat_s: float | None = None
    cut: Cut | None = None
    cut_percent: int | None = None
    stall_percent: int | None = None
    malformed: bool | None = None
    done: Literal["missing", "missing_open"] | None = None
    error_when: ErrorWhen | None = None
    error_percent: int | None = None
    no_prefill: bool | None = None
    body: BodyFault | None = None
    huge_line: bool | None = None
    slow_head_s: float | None = None
    connection: Literal["close", "stale"] | None = None
    usage: Literal["none"] | None = None
    think: bool | None = None
    cached_percent: int | None = None
    cache_write_percent: int | None = None
    overlap: int | None = None
    refusal: Refusal | None = None
    restart: Restart | None = None
    echoed: tuple[str, ...] | None = None
    crlf: bool | None = None
    split: int | None = None
    first: int | None = None
    every: int | None = None

    def __or__(self, other: Fault) -> Fault:
        said = {
            f.name: value for f in fields(other) if (value := getattr(other, f.name)) is not None
        }
        return replace(self, **said)

    @classmethod
    def status(
        cls, code: int, *, retry_after: float | str | None = None, kind: TroubleKind = ""
    ) -> Fault:
        """An error answer in the vendor's own form; `retry_after` is written as it stands (seconds
        or an HTTP date).
        """
        return cls(
            code=code, kind=kind, retry_after=None if retry_after is None else str(retry_after)
        )

    @classmethod
    def delays(cls, *, ttft_s: float | None = None, gap_s: float | None = None) -> Fault:
        return cls(ttft_s=ttft_s, gap_s=gap_s)

    @classmethod
    def hold(cls, gate: asyncio.Event, *, percent: int = 0) -> Fault:
        """Waits for `gate` after that share of the content. At 0 a stream waits before its first
        content, a whole answer before its head; above 0 a whole answer waits within its body.
        """
        return cls(gate=gate, gate_percent=percent)

    @classmethod
    def hang_up(cls, gate: asyncio.Event) -> Fault:
        """Silent until `gate`, then the connection is closed without a byte."""
        return cls(hang_up_gate=gate)

    @classmethod
    def reset(cls) -> Fault:
        """A TCP reset before the first byte of the answer."""
        return cls(reset_early=True)

    @classmethod
    def silence(
        cls, since: Literal["before_head", "after_head", "after_start"] = "before_head"
    ) -> Fault:
        """Nothing more comes, the connection stays: `after_start` is the role-only chunk."""
        return cls(silent=since)

    @classmethod
    def heartbeats(cls, interval_s: float = 0.02) -> Fault:
        return cls(heartbeat_s=interval_s)

    @classmethod
    def cut_at(cls, percent: int, how: Cut = "end") -> Fault:
        """`end`: closed without the last chunk; `rst`: reset; `half`: within an event; `clean`: a
        proper end of HTTP, but not of the style.
        """
        return cls(cut=how, cut_percent=percent)

    @classmethod
    def stall(cls, percent: int) -> Fault:
        return cls(stall_percent=percent)

    @classmethod
    def error_event(cls, when: ErrorWhen, percent: int = 50) -> Fault:
        """An error inside the 200: before any content, or after that share of it."""
        return cls(error_when=when, error_percent=percent)

    @classmethod
    def context_length(cls) -> Fault:
        return cls(code=400, kind="context_length")

    @classmethod
    def content_policy(cls) -> Fault:
        return cls(code=400, kind="content_policy")

    @classmethod
    def refused_key(cls) -> Fault:
        """The credential is not, or no longer, valid: what the vendor says of a revoked key."""
        return cls(code=401, kind="key")

    @classmethod
    def missing_scope(cls) -> Fault:
        """403: the key is good, but may not do this operation (least-privilege keys)."""
        return cls(code=403, kind="scope")

    @classmethod
    def no_access(cls) -> Fault:
        """403: the key is good, but the account may not use this model."""
        return cls(code=403, kind="no_access")

    @classmethod
    def refused(cls, how: Refusal = "blocked") -> Fault:
        """An answer with status 200 that holds no content. `blocked`: the vendor's filter stepped
        in (Gemini's `promptFeedback`, `content_filter`, `stop_reason: refusal`, a guardrail with
        its canned text). `declined`: the model did (a refusal alone, Gemini's `SAFETY`, Bedrock's
        `content_filtered`).
        """
        return cls(refusal=how)

    @classmethod
    def anew(cls, how: Restart = "same") -> Fault:
        """A continuation that begins the answer again from its start. `same`: word for word;
        `diverging`: it leaves the text half way through what was said before; `other`: in other
        words from the first one on.
        """
        return cls(restart=how)

    @classmethod
    def echo(cls, *names: str) -> Fault:
        """The request's headers of these names come back as headers of the answer, whatever its
        status; without names all but those of HTTP's framing do.
        """
        return cls(echoed=names)
