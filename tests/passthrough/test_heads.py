"""The head of an answer to a request that is passed on."""

from __future__ import annotations

import pytest

from pilotfish.passthrough.heads import judged, lower_case, type_of


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, None), (302, None), (400, "bad_request"), (401, "auth_failed"), (404, "not_found"),
     (429, "rate_limited"), (500, "server_error"), (503, "overloaded"), (529, "overloaded")],
)  # fmt: skip
def test_a_status_is_an_outcome(status, outcome):
    found = judged(status)
    assert (found and found[0]) == outcome


def test_a_type_is_read_without_its_parameters():
    assert type_of([(b"content-type", b" Application/JSON ; charset=utf-8")]) == "application/json"
    assert type_of([]) == ""


def test_names_of_headers_are_in_lower_case():
    assert lower_case([(b"Content-Type", b"X")]) == [(b"content-type", b"X")]
