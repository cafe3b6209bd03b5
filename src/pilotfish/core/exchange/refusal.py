"""What an upstream says when it refuses, without the keys that it may quote."""

from __future__ import annotations

from collections.abc import Callable

from pilotfish.core.exchange.redact import redact, redact_error
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.style import Style
from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.core.model.provider import ProviderKind
from pilotfish.core.state.classify import failure_of, is_unpaid, judged_by_path

Header = tuple[bytes, bytes]


class CallFacts:
    """What is known of the call that an answer refuses: who was asked for what, in which style.

    `secrets` went along with it. `client_path`: the client made up a part of the path.
    """

    __slots__ = ("client_path", "kind", "model", "op", "provider", "secrets", "style")

    def __init__(
        self,
        provider: str,
        kind: ProviderKind,
        model: str,
        op: str,
        style: str,
        *,
        client_path: bool,
        secrets: list[bytes],
    ) -> None:
        self.provider, self.kind, self.model = provider, kind, model
        self.op, self.style, self.client_path, self.secrets = op, style, client_path, secrets


def read_error_answer(
    facts: CallFacts,
    styles: Callable[[str], Style],
    status: int,
    headers: list[Header],
    body: bytes,
    wall: float,
) -> Failure:
    """The failure that an answer with an error status means. `wall`: epoch seconds."""
    body = redact(body, facts.secrets)
    headers = [(name, redact(value, facts.secrets)) for name, value in headers]
    envelope = facts.kind.envelopes.get(facts.op)
    style = styles(facts.style if envelope is None else envelope.errors)
    error_type = next((v.decode("latin-1") for n, v in headers if n == b"x-amzn-errortype"), "")
    info = style.read_error(status, body, error_type)
    failure = failure_of(facts.kind, status, headers, info, wall, body if envelope is None else b"")
    return judged_by_path(failure, facts.model) if facts.client_path else failure


def read_error_event(
    facts: CallFacts, error: ErrorInfo, status: int, headers: list[Header], wall: float
) -> Failure:
    """The failure behind an error inside an answer whose status was good."""
    error = redact_error(error, facts.secrets)
    failure = failure_of(facts.kind, status, headers, error, wall)
    return in_our_words(facts, failure)


def in_our_words(facts: CallFacts, failure: Failure) -> Failure:
    """Vendors quote the refused key, or parts of it, in their own words: for a refused credential
    neither client nor log gets to see these."""
    if failure.outcome is not Outcome.AUTH_FAILED:
        return failure
    unpaid = ", which is not paid for" if is_unpaid(failure) else ""
    said = f"{facts.provider} refused the proxy's credential{unpaid} (status {failure.status})"
    return Failure(
        outcome=failure.outcome,
        status=failure.status,
        code=failure.code or "auth_failed",
        message=said,
    )
