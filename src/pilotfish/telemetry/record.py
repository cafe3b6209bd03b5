"""What is known of a request and of its attempts: plain data, written while the request runs and
read by metrics, access log and traces when it is over. Nothing here refers to a live object.

Moments are seconds on the monotonic clock, 0.0 where they never came; `started_wall` is epoch time.
"""

from __future__ import annotations

from pilotfish.core.formats.usage import Usage
from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.core.model.service import Service
from pilotfish.core.model.snapshot import Rule
from pilotfish.core.routing.plan import Plan

DROPPED_CHARS = 100  # of each dropped field's path
UNPRICED = "unpriced"  # the source of prices that nobody knows


class AttemptRecord:
    """One try at one service. `began` is when it was decided, `sent_at` when its request was
    written, `head_at` when the answer's head came, `first_at` and `last_at` its first and last
    content, `over_at` its end.

    `malformed` counts events that could not be read. `response_id` is the vendor's name for its
    answer, looked for only where the request is traced. `resumes`: it goes on with another
    attempt's broken stream; `last_resort`: its service was out, like all others; `trial`: its
    service was tried again after a time out; `extra`: why it ran beside another attempt (`hedge`,
    `silence`, `trial`); `silent`: it had nothing to show for its whole patience.
    """

    __slots__ = (
        "began",
        "cost_usd",
        "extra",
        "failure",
        "finish_reason",
        "first_at",
        "head_at",
        "last_at",
        "last_resort",
        "malformed",
        "n",
        "outcome",
        "over_at",
        "relayed",
        "response_id",
        "resumes",
        "sent_at",
        "service",
        "silent",
        "status",
        "trial",
        "usage",
    )

    def __init__(
        self,
        n: int,
        service: Service,
        began: float,
        *,
        last_resort: bool = False,
        resumes: bool = False,
        extra: str = "",
    ) -> None:
        self.n, self.service, self.began = n, service, began
        self.last_resort, self.resumes, self.extra = last_resort, resumes, extra
        self.relayed = self.silent = self.trial = False
        self.sent_at = self.head_at = self.first_at = self.last_at = self.over_at = 0.0
        self.outcome: Outcome | None = None
        self.failure: Failure | None = None
        self.status = self.malformed = 0
        self.finish_reason: str | None = None
        self.response_id: str | None = None
        self.usage: Usage | None = None
        self.cost_usd = 0.0

    def speed(self) -> float | None:
        """Output tokens per second of a stream, between its first and its last content."""
        if self.usage is None or self.usage.output < 2 or self.last_at <= self.first_at:
            return None
        return self.usage.output / (self.last_at - self.first_at)


class RequestRecord:
    """One request that a rule took. `known`: the rules name its model; one that a client made up
    is counted as `other`. `rivals`: why a rival was asked beside a silent attempt (`silence`,
    `trial`), empty if none was. `code` is the status the client got, `busy_s` the time that the proxy
    itself was at work. `plan` keeps the choices made, for whoever asks why.
    """

    __slots__ = (
        "attempts",
        "busy_s",
        "code",
        "dropped_fields",
        "failure",
        "fallbacks",
        "finished_at",
        "hedges",
        "known",
        "last_resort",
        "model",
        "op",
        "path",
        "plan",
        "relayed",
        "request_id",
        "resumes",
        "retries",
        "rivals",
        "rule",
        "scenario",
        "started",
        "started_wall",
        "stream",
        "style",
        "trace_id",
    )

    def __init__(
        self,
        *,
        rule: Rule,
        known: bool,
        plan: Plan,
        request_id: str,
        style: str,
        op: str,
        path: str,
        model: str,
        scenario: str,
        stream: bool,
        started: float,
        started_wall: float,
    ) -> None:
        self.rule, self.known, self.plan = rule, known, plan
        self.request_id, self.style, self.op, self.path = request_id, style, op, path
        self.model, self.scenario, self.stream = model, scenario, stream
        self.started, self.started_wall = started, started_wall
        self.finished_at = self.busy_s = 0.0
        self.code = 0
        self.attempts: list[AttemptRecord] = []
        self.relayed: AttemptRecord | None = None
        self.dropped_fields: tuple[str, ...] = ()
        self.retries = self.fallbacks = self.hedges = self.resumes = 0
        self.rivals = ""
        self.last_resort = False
        self.failure: Failure | None = None
        self.trace_id = ""

    def note_dropped(self, fields: tuple[str, ...]) -> None:
        """What the service asked last could not carry; a path may hold names that a client made
        up, so each is cut."""
        self.dropped_fields = tuple(
            [f if len(f) <= DROPPED_CHARS else f"{f[:DROPPED_CHARS]}..." for f in fields]
        )

    def usage(self) -> Usage | None:
        """What the client's answer took: all attempts that it is made of."""
        attempts = self.attempts
        if len(attempts) == 1 and attempts[0].relayed:
            return attempts[0].usage
        total: Usage | None = None
        for attempt in attempts:
            if attempt.usage is not None and (
                attempt.relayed or attempt.outcome is Outcome.CLIENT_GONE
            ):
                total = attempt.usage if total is None else total.plus(attempt.usage)
        return total


def cost_of_attempts(attempts: list[AttemptRecord]) -> tuple[float | None, str | None]:
    """What all attempts cost together, and where their prices are from. `unpriced` where one of
    them took tokens that nobody knows the price of: then the cost, if there is one, is not all of
    it. (0, None) where no tokens were taken.
    """
    if len(attempts) == 1:
        attempt = attempts[0]
        if attempt.usage is None:
            return 0.0, None
        price = attempt.service.price
        if price is None:
            return None, UNPRICED
        return (round(attempt.cost_usd, 9) if attempt.cost_usd else 0.0), price.source
    prices = [a.service.price for a in attempts if a.usage is not None]
    sources = [UNPRICED if price is None else price.source for price in prices]
    if not sources:
        return 0.0, None
    known = sum([a.cost_usd for a in attempts])
    if UNPRICED in sources:
        return (round(known, 9) if set(sources) != {UNPRICED} else None), UNPRICED
    return round(known, 9), ", ".join(dict.fromkeys(sources))
