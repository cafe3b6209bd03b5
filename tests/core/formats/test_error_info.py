"""Errors as vendors word them."""

from pilotfish.core.formats.error_info import ErrorInfo


def test_an_error_needs_nothing_but_its_message_and_cannot_be_changed():
    error = ErrorInfo(message="no")
    assert (error.type, error.code, error.status, error.wait_s) == ("", "", None, None)
    assert ErrorInfo(message="no") == error
