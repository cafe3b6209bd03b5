"""The error event of Responses."""

from __future__ import annotations

from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.style import ERROR, TERMINAL
from pilotfish.styles import get
from pilotfish.styles.openai_responses.errors import error_event
from style_wire import payloads


def test_its_fields_stand_where_the_reference_has_them_and_where_the_sdk_looks():
    (found,) = payloads(error_event(ErrorInfo(message="m", code="c", status=503), 7))
    assert {key: found[key] for key in ("type", "code", "message", "sequence_number")} == {
        "type": "error",
        "code": "c",
        "message": "m",
        "sequence_number": 7,
    }
    assert found["error"]["type"] == "service_unavailable_error"


def test_it_is_an_error_to_a_watcher_and_no_end():
    style = get("openai_responses")
    bits = style.inspector().event(style.error_event(ErrorInfo(message="m")))
    assert bits & ERROR
    assert not bits & TERMINAL
    assert style.ping_event() == b": ping\n\n"
