"""Credentials and rate limits of a vendor."""

from __future__ import annotations

import pytest

from pilotfish.simulated.admission import RateWindow, key_of
from pilotfish.simulated.behaviour import RateLimit
from pilotfish.simulated.http import VendorRequest

SIGNATURE = "AWS4-HMAC-SHA256 Credential=AKIA1/20260101/us-east-1/bedrock/aws4_request, Signature=0"


def request(query=None, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return VendorRequest("POST", "/", query or {}, named, b"")


@pytest.mark.parametrize(
    "asked",
    [
        request(),
        request(authorization="Basic dXNlcg=="),
        request(authorization="AWS4-HMAC-SHA256 Signature=0"),
    ],
)
def test_a_request_may_have_no_credential(asked):
    assert key_of(asked) is None


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        (request(authorization="Bearer k"), "k"),
        (request(authorization="bearer  k "), "k"),
        (request(x_api_key="k"), "k"),
        (request(x_goog_api_key="k"), "k"),
        (request(api_key="k"), "k"),
        (request({"key": "k"}), "k"),
        (request(authorization=SIGNATURE), "AKIA1"),
    ],
)
def test_the_credential_is_found_where_any_vendor_has_it(asked, key):
    assert key_of(asked) == key


def test_more_than_the_limit_waits_until_the_window_ends():
    window = RateWindow(RateLimit(requests=2, window_s=10.0))
    assert [window.take(100.0), window.take(101.0)] == [None, None]
    assert window.take(103.0) == 7.0
    assert window.take(109.5) == 0.5
    assert window.take(110.0) is None


def test_a_window_begins_with_the_first_request():
    window = RateWindow(RateLimit(requests=1, window_s=10.0))
    assert window.take(5000.0) is None
    assert window.take(5009.0) == 1.0


def test_what_is_left_is_told_in_the_vendors_form():
    window = RateWindow(RateLimit(requests=3, window_s=10.0))
    window.take(100.0)
    openai = dict(window.headers("openai", 104.0, 1_764_000_000.0))
    assert openai == {
        "x-ratelimit-limit-requests": "3",
        "x-ratelimit-remaining-requests": "2",
        "x-ratelimit-reset-requests": "6000ms",
    }
    anthropic = dict(window.headers("anthropic", 104.0, 1_764_000_000.0))
    assert anthropic == {
        "anthropic-ratelimit-requests-limit": "3",
        "anthropic-ratelimit-requests-remaining": "2",
        "anthropic-ratelimit-requests-reset": "2025-11-24T16:00:06Z",
    }
    assert window.headers("google", 104.0, 0.0) == []
