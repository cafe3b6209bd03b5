"""Answers that the proxy gives by itself, without asking a service: refusals, lists of models, and
token counts where no service counts."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from pilotfish import styles
from pilotfish.core.exchange import endpoints
from pilotfish.core.exchange.inbound import Inbound, shown
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.routing.rule_state import RuleState
from pilotfish.errors import ClientError
from pilotfish.http1.exchange import Exchange, Header
from pilotfish.proxy.request_ids import RequestIds
from pilotfish.telemetry.reporter import Reporter

RETRY_AFTER_S = 1  # of a 429 or 503 that the proxy answers by itself
COUNTS = frozenset({"count_tokens", "google_count_tokens"})
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_JSON = (b"content-type", b"application/json")


def unknown_path(method: str, path: str) -> ClientError:
    """The error for a path that does not exist, with the one that was probably meant."""
    meant = endpoints.meant(path)
    hint = f"; did you mean {shown(meant)}?" if meant else ""
    return ClientError(404, "unknown_path", f"no such path: {method} {shown(path)}{hint}")


class LocalReply(NamedTuple):
    """An answer of the proxy's own."""

    status: int
    head: list[Header]
    body: bytes


class LocalReplies:
    """Makes and reports them."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._new_id: Callable[[], str] = RequestIds().next

    def request_id(self, given: bytes | None) -> str:
        """The client's own (`given`), where it is one, or one that nobody else has."""
        if given is not None and _REQUEST_ID.fullmatch(given):
            return given.decode()
        return self._new_id()

    def send_error(self, exchange: Exchange, error: ClientError, path: str) -> None:
        exchange.respond(*self.error(error, path, exchange.headers))

    def report_bug(self) -> None:
        """Logs the exception that is being handled, with its traceback."""
        self._reporter.bug("request")

    def error(
        self, error: ClientError, path: str, headers: Sequence[Header], style: str = ""
    ) -> LocalReply:
        """What the client of a request to `path` gets, in the style of that path if no `style` is
        given; reported.
        """
        if not style:
            endpoint = endpoints.find(path)
            style = endpoint.style if endpoint is not None else endpoints.style_of_path(path)
        request_id = self.request_id(dict(reversed(headers)).get(b"x-request-id"))
        reply = self.written(error, style, request_id)
        self._reporter.local_reply(
            request_id=request_id,
            rule="",
            style=style,
            path=shown(path),
            code=error.status,
            reason=error.code,
        )
        return reply

    @staticmethod
    def written(error: ClientError, style: str, request_id: str, attempts: int = 0) -> LocalReply:
        """An error in the words of a style; nothing is reported."""
        head = [
            _JSON,
            (b"x-request-id", request_id.encode()),
            (b"x-pilotfish-attempts", b"%d" % attempts),
        ]
        if error.status in (429, 503):
            head.append((b"retry-after", b"%d" % RETRY_AFTER_S))
        elif error.status == 405:
            head.append((b"allow", b"POST"))
        own_style = styles.get(style)
        if own_style.request_id_header:
            head.append((own_style.request_id_header, request_id.encode()))
        body = own_style.write_error(
            error.status, ErrorInfo(message=error.message, code=error.code, status=error.status)
        )
        return LocalReply(error.status, head, body)

    def send_token_count(
        self, exchange: Exchange, inbound: Inbound, rule_state: RuleState, tokens: int
    ) -> None:
        """Our own estimate, marked as one: no service of the rule counts tokens."""
        from pilotfish.styles._alike import token_count

        head = [
            _JSON,
            (b"x-request-id", inbound.request_id.encode()),
            rule_state.named,
            (b"x-pilotfish-attempts", b"0"),
            (b"x-pilotfish-estimated", b"true"),
        ]
        self._reporter.local_reply(
            request_id=inbound.request_id,
            rule=rule_state.rule.name,
            style=inbound.style,
            path=shown(inbound.path),
            code=200,
            reason="estimated",
        )
        exchange.respond(200, head, token_count(inbound.op, tokens))
