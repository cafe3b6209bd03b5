"""OpenAI's errors by status and kind."""

from __future__ import annotations

import orjson
import pytest

from pilotfish.simulated.wires.openai_errors import error_object, openai_failure
from pilotfish.simulated.wires.wire import Trouble


@pytest.mark.parametrize(
    ("trouble", "type_", "code"),
    [
        (Trouble(status=401, kind="key"), "invalid_request_error", "invalid_api_key"),
        (Trouble(status=403, kind="scope"), "invalid_request_error", "missing_scope"),
        (Trouble(status=403, kind="no_access"), "invalid_request_error", "model_not_found"),
        (Trouble(status=429), "requests", "rate_limit_exceeded"),
        (Trouble(status=429, kind="quota"), "insufficient_quota", "insufficient_quota"),
        (Trouble(status=503, kind="overloaded"), "server_error", "server_is_overloaded"),
        (Trouble(status=500), "server_error", None),
        (Trouble(status=418), "invalid_request_error", None),
        (
            Trouble(status=400, kind="context_length"),
            "invalid_request_error",
            "context_length_exceeded",
        ),
    ],
)
def test_an_error_has_its_type_and_code(trouble, type_, code):
    error = error_object(trouble)
    assert (error["type"], error["code"]) == (type_, code)
    assert error["message"]


def test_the_model_is_named_where_the_vendor_names_it():
    assert "`gpt-9`" in error_object(Trouble(status=404, model="gpt-9"))["message"]
    assert "`{x}`" in error_object(Trouble(status=404, model="{x}"))["message"]


def test_own_words_replace_the_vendors_and_a_wait_is_added():
    error = error_object(Trouble(status=429, message="Slow down.", retry_s=1.5))
    assert error["message"] == "Slow down. Please try again in 1.5s."


def test_only_a_context_length_is_the_fault_of_a_parameter():
    assert error_object(Trouble(status=400, kind="context_length"))["param"] == "messages"
    assert error_object(Trouble(status=400, kind="prefill"))["param"] is None


def test_the_body_has_the_error_in_an_envelope():
    failure = openai_failure(Trouble(status=529))
    assert failure.status == 529
    assert orjson.loads(failure.body).keys() == {"error"}
    assert failure.headers == ()
