"""Asking a token endpoint, and every way in which it may fail."""

from __future__ import annotations

import pytest

from pilotfish.core.model.outcome import Outcome
from pilotfish.credentials.fetch import HttpAnswer
from pilotfish.credentials.keys import CredentialError
from pilotfish.credentials.token_endpoint import ask, object_of, seconds_in, text_in


async def failure(context, make, url: str) -> CredentialError:
    with pytest.raises(CredentialError) as e:
        await ask(context, make("openai"), "token", "POST", url)
    return e.value


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, Outcome.AUTH_FAILED),
        (401, Outcome.AUTH_FAILED),
        (404, Outcome.AUTH_FAILED),
        (429, Outcome.RATE_LIMITED),
        (500, Outcome.OVERLOADED),
        (503, Outcome.OVERLOADED),
        (302, Outcome.OVERLOADED),
    ],
)
async def test_a_refusal_and_an_outage_are_told_apart(endpoint, context, make, status, outcome):
    endpoint.answer = lambda n: (
        status,
        {"error": "invalid_grant", "error_description": "token hush-hush is stale"},
    )
    error = await failure(context, make, endpoint.url)
    assert error.outcome is outcome
    assert str(error) == f"token: the token endpoint answered {status} (invalid_grant)"


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"error": {"type": "authentication_error", "message": "hush"}}, "(authentication_error)"),
        ({"error": "sk-hush-1234"}, None),
        (
            "<ErrorResponse><Error><Code>AccessDenied</Code><Message>hush</Message></Error></ErrorResponse>",
            "(AccessDenied)",
        ),
        ("hush", None),
        ([1], None),
    ],
)
async def test_only_an_error_code_of_the_answer_is_shown(endpoint, context, make, body, shown):
    endpoint.answer = lambda n: (401, body)
    text = str(await failure(context, make, endpoint.url))
    assert "hush" not in text
    assert text.endswith(shown or "401")


async def test_nobody_there(context, make):
    error = await failure(context, make, "http://127.0.0.1:9/token")
    assert error.outcome is Outcome.CONNECT_FAILED


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null"])
def test_an_answer_that_is_no_object(body):
    with pytest.raises(CredentialError, match="no JSON object"):
        object_of("token", HttpAnswer(200, (), body))


@pytest.mark.parametrize("fields", [{}, {"t": ""}, {"t": 5}, {"t": None}])
def test_a_field_that_is_missing(fields):
    with pytest.raises(CredentialError, match="has no 't'"):
        text_in("token", fields, "t")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (3600, 3600.0),
        ("3600", 3600.0),
        (0, None),
        (-1, None),
        (True, None),
        ("soon", None),
        (None, None),
    ],
)
def test_lifetimes(value, seconds):
    assert seconds_in({"expires_in": value}, "expires_in") == seconds
