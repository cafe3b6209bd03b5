"""A request's line of the access log: all that explains a slow or failed one.

`line_of` says what stands in it. Most requests went well at their first attempt: `PlainLines` writes
the same line of these in a third of the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from pilotfish.core.exchange.inbound import shown
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.service import Service
from pilotfish.telemetry.logs import timestamp
from pilotfish.telemetry.record import AttemptRecord, RequestRecord, cost_of_attempts

# Forms of lines that are remembered: clients may make up any path and model.
REMEMBERED = 512


def _ms(seconds: float) -> float:
    return int(seconds * 1_000_000 + 0.5) / 1000  # `round` takes four times as long


def line_of(request: RequestRecord) -> dict[str, Any]:
    """All that explains a slow or failed request."""
    served, usage, attempts = request.relayed, request.usage(), request.attempts
    cost_usd, price_source = cost_of_attempts(attempts)
    ttft_s = served.first_at - served.sent_at if served is not None and served.first_at else None
    line: dict[str, Any] = {
        "event": "request",
        "time": timestamp(request.started_wall),
        "request_id": request.request_id,
        "rule": request.rule.name,
        "style": request.style,
        "op": request.op,
        "path": shown(request.path),
        "model": shown(request.model),
        "code": request.code,
        "stream": request.stream,
        "service": served.service.id if served is not None else None,
        "attempts": [_attempt(a, request) for a in attempts],
        "duration_ms": _ms(request.finished_at - request.started),
        "ttft_ms": None if ttft_s is None else _ms(ttft_s),
        "overhead_ms": _ms(request.busy_s),
        "input_tokens": usage.input if usage else None,
        "output_tokens": usage.output if usage else None,
        "cached_input_tokens": usage.cached_input if usage else None,
        "reasoning_tokens": usage.reasoning if usage else None,
        "cost_usd": cost_usd,
        "unit_price_source": price_source,
        "finish_reason": served.finish_reason if served is not None else None,
        "rescued": request.resumes > 0,
        "forced": request.last_resort,
    }
    if usage is not None and usage.estimated:
        line["usage_estimated"] = True
    if request.dropped_fields:
        line["dropped"] = list(request.dropped_fields)
    if request.failure is not None:
        line["error"] = str(request.failure.outcome)
    return line


def _attempt(attempt: AttemptRecord, request: RequestRecord) -> dict[str, Any]:
    shown_as: dict[str, Any] = {
        "service": attempt.service.id,
        "outcome": attempt.outcome,
        "duration_ms": _ms((attempt.over_at or request.finished_at) - attempt.began),
        "status": attempt.status or None,
    }
    if attempt.failure is not None:
        shown_as["error"] = attempt.failure.message[:300]
        shown_as["code"] = attempt.failure.code
    if attempt.last_resort:
        shown_as["forced"] = True
    if attempt.trial:
        shown_as["trial"] = True
    if attempt.silent:
        shown_as["silent"] = True
    if attempt.extra == "hedge":
        shown_as["hedge"] = True
    elif attempt.extra:
        shown_as["rival"] = attempt.extra
    if attempt.resumes:
        shown_as["rescue"] = True
    if attempt.usage is not None and len(request.attempts) > 1:
        price = attempt.service.price
        shown_as["cost_usd"] = None if price is None else round(attempt.cost_usd, 9)
    return shown_as


# What differs between two plain lines of one form. In a form that is made, each stands as a mark
# that nothing else in it can be.
_MARK = "\x00{}\x00"
_TEXTS = ("time", "request_id")
_MILLIS, _COUNT, _NANOS = b"%d.%03d", b"%d", b"%d.%09d"
_FIGURES = {
    "duration_ms": _MILLIS,
    "ttft_ms": _MILLIS,
    "overhead_ms": _MILLIS,
    "input_tokens": _COUNT,
    "output_tokens": _COUNT,
    "cached_input_tokens": _COUNT,
    "reasoning_tokens": _COUNT,
    "cost_usd": _NANOS,
}


class PlainLines:
    """Lines of requests that were served by one attempt, out of the ordinary in nothing. `fields`:
    what every line of the log has.

    What such a line says beside its figures is the same for all requests of one path and model
    with one service and one end, so a form is made of the first one's line and filled in for the
    others.
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields
        self._forms: dict[
            tuple[Service, str, str, str, str, int, int, str | None, bool, bool, bool], bytes
        ] = {}

    def line(self, request: RequestRecord) -> bytes | None:
        """The line with its end; None where the request is not plain."""
        attempts = request.attempts
        if len(attempts) != 1:
            return None
        attempt = attempts[0]
        usage = attempt.usage
        if (
            attempt.outcome is not Outcome.SERVED
            or not attempt.relayed
            or attempt.failure is not None
            or attempt.trial
            or attempt.silent
            or attempt.last_resort
            or attempt.extra
            or usage is None
            or usage.estimated
            or request.failure is not None
            or request.dropped_fields
            or request.resumes
            or request.last_resort
        ):
            return None
        first_at = attempt.first_at
        key = (
            attempt.service,
            request.style,
            request.op,
            request.path,
            request.model,
            request.code,
            attempt.status,
            attempt.finish_reason,
            request.stream,
            first_at > 0.0,
            attempt.cost_usd > 0.0,
        )
        form = self._forms.get(key)
        if form is None:
            form = self._form(request)
            if len(self._forms) >= REMEMBERED:
                self._forms.clear()
            self._forms[key] = form
        # In the order in which they stand in the line. A float's digits would be looked for with
        # great care: twenty times as long as it takes to write two integers.
        ttft = divmod(int((first_at - attempt.sent_at) * 1_000_000 + 0.5), 1000) if first_at else ()
        cost_usd = attempt.cost_usd
        return form % (
            timestamp(request.started_wall).encode(),
            request.request_id.encode(),
            *divmod(int((attempt.over_at - attempt.began) * 1_000_000 + 0.5), 1000),
            *divmod(int((request.finished_at - request.started) * 1_000_000 + 0.5), 1000),
            *ttft,
            *divmod(int(request.busy_s * 1_000_000 + 0.5), 1000),
            usage.input,
            usage.output,
            usage.cached_input,
            usage.reasoning,
            *(divmod(int(cost_usd * 1_000_000_000 + 0.5), 1_000_000_000) if cost_usd else ()),
        )

    def _form(self, request: RequestRecord) -> bytes:
        line = line_of(request)
        line.update(self._fields)
        figures = dict(_FIGURES)
        # Without a first token or a cost there is one form more.
        if line["ttft_ms"] is None:
            del figures["ttft_ms"]
        if not request.attempts[0].cost_usd:
            del figures["cost_usd"]
        for name in (*_TEXTS, *figures):
            line[name] = _MARK.format(name)
        line["attempts"][0]["duration_ms"] = _MARK.format("attempt")
        form = orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE).replace(b"%", b"%%")
        for name, figure in (("attempt", _MILLIS), *figures.items()):
            form = form.replace(orjson.dumps(_MARK.format(name)), figure)
        for name in _TEXTS:
            form = form.replace(orjson.dumps(_MARK.format(name)), b'"%b"')
        return form
