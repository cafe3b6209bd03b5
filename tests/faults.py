"""The faults: what an upstream does wrong, the rule it is met with, and what must come of it in
every style. Plain data.

`first` and `second` are words of simulated models; what is said of attempts is `first OUTCOME`,
`second OUTCOME` in order.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

WHOLE_TEXT = "the small pilot fish swims ahead of great sharks and shows them "
CHUNKS = 12
TIMEOUTS = {"connect_s": 2, "first_token_s": 1.0, "idle_s": 0.8, "total_s": 6}
RETRIES = {"max_retries": 2, "base_ms": 20, "max_ms": 1500, "jitter": 0.0, "max_attempts": 6}

# What a guardrail of Bedrock's says in the model's place.
CANNED = "Sorry, the model cannot answer this question."

Said = Literal["all", "part", "nothing", "filtered", "canned", "part_or_all"]


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What must come of a case. `said`: how much of the vendor's fixed text the client has;
    `status`: of an answer that is an error from the start (0: there is none, or it comes inside the
    stream); `usage`: the upstream told it."""

    said: Said = "all"
    status: int = 0
    attempts: tuple[str, ...]
    rescued: bool = False
    usage: bool = True


@dataclass(frozen=True, kw_only=True)
class Case:
    """`unless`: what comes of it instead, by the upstream style of the first service or, with
    `second:` before it, of the second.
    """

    title: str
    first: str
    second: str | None = "n12"
    stream: bool = True
    rule: dict[str, Any] = field(default_factory=dict)
    said: Said = "all"
    status: int = 0
    attempts: tuple[str, ...]
    rescued: bool = False
    unless: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{self.title}{'' if self.stream else ' (not streamed)'}"

    @property
    def whole_text(self) -> str:
        return WHOLE_TEXT

    def expected(self, first: str, second: str) -> Expected:
        """For these upstream styles."""
        base = Expected(
            said=self.said, status=self.status, attempts=self.attempts, rescued=self.rescued
        )
        return replace(
            base, **(self.unless.get(first) or self.unless.get(f"second:{second}") or {})
        )


def both(**fields: Any) -> list[Case]:
    """The same outcome for a stream and for a whole answer."""
    return [Case(stream=stream, **fields) for stream in (True, False)]


TOLD = {"on_stream_break": "error"}
RESTART = {"on_stream_break": "restart", "buffer": True}
NOT_FOR_LENGTH: dict[str, Any] = {"fallback_on": []}
POLICY = {"fallback_on": ["content_policy"]}


def overloaded(*then: str) -> dict[str, dict[str, Any]]:
    """Google and Bedrock have one word for a rate limit and for having too much to do: that is
    asked again after a backoff.
    """
    return {
        style: {"attempts": ("first overloaded",) * 3 + then}
        for style in ("google", "bedrock", "bedrock_claude")
    }


PREFILL = (
    "anthropic",
    "google",
    "bedrock_claude",
)  # the styles whose vendors' unnamed models are asked to go on from an assistant's turn

# Responses has its finish in its terminal event: without it the stream is broken. Bedrock has the
# usage in its last event.
NO_DONE: dict[str, dict[str, Any]] = {
    "openai_responses": {"attempts": ("first broken_stream", "second served"), "rescued": True},
    "bedrock": {"usage": False},
}

CASES: list[Case] = [
    *both(title="429 with Retry-After, then recovery: waited out", first="n12-first-429-ra1", second=None,
          attempts=("first rate_limited", "first served")),
    *both(title="429 for ever without a header, another service", first="429", attempts=("first rate_limited", "second served"),
          unless=overloaded("second served")),
    *both(title="429 for ever without a header, nobody else", first="429", second=None, said="nothing", status=429,
          attempts=("first rate_limited",), unless=overloaded()),
    *both(title="one 500", first="n12-first-500", attempts=("first server_error", "first served")),
    *both(title="503 for ever", first="503", attempts=("first overloaded",) * 3 + ("second served",)),
    *both(title="529 for ever", first="529", attempts=("first overloaded",) * 3 + ("second served",)),
    *both(title="reset before the head", first="reset", attempts=("first connect_failed",) * 2 + ("second served",)),
    Case(title="no answer at all", first="silent", attempts=("first timeout", "second served")),
    Case(title="no answer at all", first="silent", stream=False, attempts=("first lost_race", "second served")),
    *both(title="head, then nothing", first="silent200", attempts=("first timeout", "second served")),
    Case(title="first token after 20 s", first="ttft-20s", attempts=("first timeout", "second served")),
    Case(title="first token after 20 s", first="ttft-20s", stream=False, attempts=("first lost_race", "second served")),
    Case(title="start-up events, then silence", first="roleonly", attempts=("first timeout", "second served")),
    Case(title="heartbeats only", first="heartbeats", attempts=("first timeout", "second served")),
    Case(title="error event before content", first="err-before", attempts=("first overloaded",) * 3 + ("second served",),
         unless={"openai": {"attempts": ("first server_error",) * 3 + ("second served",)}}),
    Case(title="stream cut after two thirds, told", first="n12-cut66", rule=TOLD, said="part", attempts=("first broken_stream",)),
    Case(title="stream cut after two thirds, continued", first="n12-cut66", rescued=True,
         attempts=("first broken_stream", "second served")),
    Case(title="stream cut after two thirds, started anew", first="n12-cut66", rule=RESTART,
         attempts=("first broken_stream", "second served")),
    Case(title="answer cut after two thirds", first="n12-cut66", stream=False,
         attempts=("first server_error",) * 3 + ("second served",)),
    Case(title="stream reset, told", first="n12-rst66", rule=TOLD, said="part", attempts=("first broken_stream",)),
    Case(title="stream reset, continued", first="n12-rst66", rescued=True,
         attempts=("first broken_stream", "second served")),
    Case(title="stream cut within an event, told", first="n12-half66", rule=TOLD, said="part", attempts=("first broken_stream",)),
    Case(title="stream cut within an event, continued", first="n12-half66", rescued=True,
         attempts=("first broken_stream", "second served")),
    Case(title="stream ended properly in HTTP, not in its style, told", first="n12-clean66", rule=TOLD, said="part", attempts=("first broken_stream",)),
    Case(title="stream ended properly in HTTP, not in its style, continued", first="n12-clean66", rescued=True,
         attempts=("first broken_stream", "second served")),
    Case(title="stream that stalls, told", first="n12-stall66", rule=TOLD, said="part", attempts=("first broken_stream",)),
    Case(title="stream that stalls, continued", first="n12-stall66", rescued=True,
         attempts=("first broken_stream", "second served")),
    Case(title="stream that stalls, started anew", first="n12-stall66", rule=RESTART, attempts=("first broken_stream", "second served")),
    Case(title="error event after content, told", first="n12-err-after66", rule=TOLD, said="part", attempts=("first broken_stream",)),
    Case(title="error event after content, continued", first="n12-err-after66", rescued=True,
         attempts=("first broken_stream", "second served")),
    Case(title="a continuation that repeats itself", first="n12-cut66", second="n12-overlap3", rescued=True,
         attempts=("first broken_stream", "second served")),
    Case(title="a continuation that begins the answer anew", first="n12-cut66", second="n12-anew", rescued=True,
         attempts=("first broken_stream", "second served")),
    Case(title="a continuation that begins the answer anew, and otherwise", first="n12-cut66", second="n12-anewdiverging",
         said="part", attempts=("first broken_stream", "second broken_stream"), rescued=True),
    Case(title="a second service that breaks as well", first="n12-cut50", second="n12-cut50", said="part",
         attempts=("first broken_stream", "second broken_stream"), rescued=True),
    Case(title="a fallback that refuses the prefill", first="n12-cut66", second="n12-noprefill", rescued=True,
          unless={f"second:{s}": {"attempts": ("first broken_stream", "second bad_request", "second served")} for s in PREFILL},
         attempts=("first broken_stream", "second served")),
    Case(title="a malformed event in mid-stream", first="n12-malformed", attempts=("first served",)),
    Case(title="no terminal event after the finish", first="n12-nodone", attempts=("first served",), unless=NO_DONE),
    Case(title="no terminal event after the finish, body left open", first="n12-nodoneopen", attempts=("first served",), unless=NO_DONE),
    *both(title="HTML with status 200", first="notjson", attempts=("first server_error",) * 3 + ("second served",)),
    *both(title="context length exceeded, a larger model", first="contextlength",
          attempts=("first bad_request", "second served")),
    *both(title="context length exceeded, told", first="contextlength", rule=NOT_FOR_LENGTH, said="nothing", status=400, attempts=("first bad_request",)),
    *both(title="content policy, told", first="contentpolicy", said="nothing", status=400, attempts=("first bad_request",),
          unless={s: {"said": said, "status": 200, "attempts": ("first refused",)}
                  for s, said in (("google", "filtered"), ("bedrock", "canned"))}),
    *both(title="content policy, another service", first="contentpolicy", rule=POLICY, attempts=("first bad_request", "second served"),
          unless={s: {"attempts": ("first refused", "second served")} for s in ("google", "bedrock")}),
    *both(title="blocked under status 200, told", first="blocked", said="filtered", attempts=("first refused",),
          unless={"bedrock": {"said": "canned"}}),
    *both(title="blocked under status 200, another service", first="blocked", rule=POLICY, attempts=("first refused", "second served")),
    *both(title="declined under status 200, another service", first="declined", rule=POLICY, attempts=("first refused", "second served")),
    Case(title="declared length not met", first="n12-shortlength", stream=False,
         attempts=("first server_error",) * 3 + ("second served",)),
    *both(title="compressed", first="n12-gzip", attempts=("first served",)),
    Case(title="compression that breaks", first="n12-gap-40ms-badgzip", rescued=True, attempts=("first broken_stream", "second served")),
    Case(title="compression that breaks", first="n12-badgzip", stream=False,
         attempts=("first server_error",) * 3 + ("second served",)),
    Case(title="a chunk without a size", first="n12-badchunk", rescued=True, attempts=("first broken_stream", "second served")),
    Case(title="an event of 3 MiB", first="n12-gap-90ms-hugeline", rescued=True, attempts=("first broken_stream", "second served")),
    *both(title="a head in small pieces", first="n12-slowhead-100ms", attempts=("first served",)),
    Case(title="pieces of 3 bytes with CRLF", first="n12-split3-crlf", attempts=("first served",)),
]  # fmt: skip
