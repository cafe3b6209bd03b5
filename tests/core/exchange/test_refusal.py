"""What an upstream says when it refuses: classified, and without the keys that it quotes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pilotfish import providers, styles
from pilotfish.core.exchange import refusal
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.model.outcome import Failure, Outcome

KEY = b"sk-0123456789abcdef"


def facts(kind: str = "openai", op: str = "chat", **fields: Any) -> refusal.CallFacts:
    given: dict[str, Any] = {"client_path": False, "secrets": [KEY], **fields}
    return refusal.CallFacts("acme", providers.get(kind), "gpt-4o", op, "openai", **given)


def read(
    of: refusal.CallFacts, status: int, body: dict[str, Any], *headers: tuple[bytes, bytes]
) -> Failure:
    text = json.dumps(body).encode()
    return refusal.read_error_answer(of, styles.get, status, list(headers), text, 0.0)


def error(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


def test_a_key_that_the_upstream_quotes_is_in_no_part_of_the_failure() -> None:
    quoted = f"no quota for key {KEY.decode()}"
    found = read(facts(), 429, error(quoted, code=KEY.decode()), (b"x-echo", b"Bearer " + KEY))
    assert KEY not in found.body
    assert KEY.decode() not in found.message + found.code
    assert all(KEY not in value for _, value in found.headers)


def test_of_a_refused_credential_nothing_is_repeated_for_it_may_be_a_part_of_the_key() -> None:
    of = facts()
    found = refusal.in_our_words(of, read(of, 401, error("bad key sk-0123****cdef")))
    assert found.outcome is Outcome.AUTH_FAILED
    assert found.message == "acme refused the proxy's credential (status 401)"
    assert (found.body, found.headers) == (b"", ())


def test_other_refusals_keep_the_upstreams_words() -> None:
    of = facts()
    found = read(of, 400, error("unknown field 'tempo'"))
    assert refusal.in_our_words(of, found) is found
    assert (found.outcome, found.message) == (Outcome.BAD_REQUEST, "unknown field 'tempo'")


@pytest.mark.parametrize(
    ("client_path", "message", "outcome"),
    [
        (True, "no such page", Outcome.BAD_REQUEST),
        (True, "gpt-4o is not known", Outcome.NOT_FOUND),
        (False, "no such page", Outcome.NOT_FOUND),
    ],
)
def test_a_404_for_a_path_that_the_client_chose_takes_no_service_out(
    client_path: bool, message: str, outcome: Outcome
) -> None:
    assert read(facts(client_path=client_path), 404, error(message)).outcome is outcome


def test_a_platform_that_wraps_another_style_words_its_refusals_in_its_own() -> None:
    """Claude on Bedrock: the body is not the client's style, so it is not passed on."""
    found = read(
        facts("bedrock", "messages"),
        429,
        {"message": "too many requests"},
        (b"x-amzn-errortype", b"ThrottlingException:http://internal"),
    )
    assert (found.message, found.body) == ("too many requests", b"")
    assert found.outcome in (Outcome.OVERLOADED, Outcome.RATE_LIMITED)


def test_an_error_event_in_a_stream_is_classified_by_its_type_and_redacted() -> None:
    info = ErrorInfo(message=f"overloaded; key {KEY.decode()}", type="overloaded_error")
    found = refusal.read_error_event(facts(), info, 200, [], 0.0)
    assert found.outcome is Outcome.OVERLOADED
    assert KEY.decode() not in found.message


def test_an_error_event_about_the_credential_repeats_nothing() -> None:
    info = ErrorInfo(message="bad key sk-0123****cdef", type="authentication_error")
    found = refusal.read_error_event(facts(), info, 200, [], 0.0)
    assert (found.outcome, "sk-" in found.message) == (Outcome.AUTH_FAILED, False)
