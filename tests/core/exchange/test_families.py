"""Which paths are passed on, whose they are, and what they are counted as."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotfish.core.exchange import endpoints
from pilotfish.core.exchange.families import (
    FAMILIES,
    PassedPath,
    client_style,
    passed_path,
    without_keys,
)

ANTHROPIC = [(b"anthropic-version", b"2023-06-01")]
GOOGLE = [(b"x-goog-api-key", b"k")]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/chat/completions"),
        ("DELETE", "/v1/chat/completions"),
        ("GET", "/v1/responses"),
        ("POST", "/v1/messages"),
        ("GET", "/v1/messages"),
        ("POST", "/v1beta/models/m:generateContent"),
        ("GET", "/v1/models"),
        ("GET", "/v1/models/gpt-4o"),
        ("GET", "/v1beta/models/gemini"),
        ("GET", "/openai/v1/models"),
        ("POST", "/model/m/converse"),
        ("GET", "/openai/deployments/d/chat/completions"),
        ("GET", "/"),
        ("GET", "/v1"),
        ("GET", "/v1/"),
        ("GET", "/v1/organization/users"),
        ("GET", "/v1/nothing"),
        ("OPTIONS", "/v1/files"),
        ("TRACE", "/v1/files"),
        ("GET", "/v1/chat"),
        ("GET", "/v1/messages/nothing"),
        ("GET", "/favicon.ico"),
        ("GET", "/v1/files/../admin"),
        ("GET", "/v1/files/%2e%2E/admin"),
        ("GET", "/v1/files/..%2fadmin"),
        ("GET", "/v1/files/%252e%252e%252fadmin"),
        ("GET", "/v1/files/./x"),
        ("GET", "/v1//files"),
        ("GET", "/v1/files\\..\\x"),
    ],
)
def test_what_is_served_here_or_leaves_the_vendors_path_is_not_passed_on(method, path):
    assert passed_path(method, path) is None


@pytest.mark.parametrize(
    ("method", "path", "headers", "expected"),
    [
        ("GET", "/v1/files", [], ("files", "openai", "/v1", "/files")),
        ("GET", "/v1/files", ANTHROPIC, ("files", "anthropic", "/v1", "/files")),
        ("GET", "/v1/files", GOOGLE, ("files", "google", "/v1", "/files")),
        ("GET", "/v1/chat/completions", [], ("chat", "openai", "/v1", "/chat/completions")),
        ("DELETE", "/v1/models/ft:x", [], ("models", "openai", "/v1", "/models/ft:x")),
        (
            "POST",
            "/v1/responses/resp_1/cancel",
            [],
            ("responses", "openai", "/v1", "/responses/resp_1/cancel"),
        ),
        (
            "POST",
            "/v1/messages/batches",
            [],
            ("batches", "anthropic", "/v1", "/messages/batches"),
        ),
        ("POST", "/openai/v1/files", [], ("files", "openai", "/openai/v1", "/files")),
        ("POST", "/openai/responses/r", [], ("responses", "openai", "/openai", "/responses/r")),
        (
            "POST",
            "/upload/v1beta/files",
            [],
            ("files", "google", "/upload/v1beta", "/files"),
        ),
        (
            "GET",
            "/v1beta/models/veo/operations/o",
            [],
            ("models", "google", "/v1beta", "/models/veo/operations/o"),
        ),
        (
            "POST",
            "/v1beta/models/veo:predict",
            [],
            ("models", "google", "/v1beta", "/models/veo:predict"),
        ),
        (
            "POST",
            "/model/titan/count-tokens",
            [],
            ("invoke", "bedrock", "", "/model/titan/count-tokens"),
        ),
        ("GET", "/async-invoke", [], ("async_invoke", "bedrock", "", "/async-invoke")),
        (
            "POST",
            "/v1/projects/p/locations/l/cachedContents",
            [],
            ("projects", "google", "/v1/projects", "/p/locations/l/cachedContents"),
        ),
    ],
)
def test_a_vendors_own_paths_are(method, path, headers, expected):
    found = passed_path(method, path, "", headers)
    assert found is not None
    assert (found.family, found.style, found.root, found.rest) == expected
    assert found.family in FAMILIES


def test_below_a_scenario_they_are_the_same():
    plain, prefixed = passed_path("GET", "/v1/files/f"), passed_path("GET", "/team/v1/files/f")
    assert prefixed == plain._replace(scenario="team")


def test_what_no_table_has_is_passed_on_where_that_is_allowed():
    assert passed_path("GET", "/v1/new/x", unknown=True) == PassedPath(
        "other", "openai", "/v1", "/new/x", None, True
    )
    assert passed_path("GET", "/v1beta/new", unknown=True).style == "google"
    assert passed_path("GET", "/team/openai/v1/x", unknown=True) is None
    assert passed_path("GET", "/etc/passwd", unknown=True) is None
    assert passed_path("POST", "/v1/chat/completions", unknown=True) is None


def test_a_key_in_the_query_is_googles_way_unless_the_client_has_another():
    assert client_style("key=k", []) == "google"
    assert client_style("key=k", [(b"authorization", b"Bearer x")]) == "openai"
    assert client_style("monkey=k", []) == "openai"


def test_no_key_is_left_in_a_query_and_all_else_is_as_it_was():
    query = "a=%2F&key=k&b&Api-Key=x&c=1+2&%6bey=y&access_token=t"
    assert without_keys(query) == "a=%2F&b&c=1+2"


@given(st.text(alphabet="/v1beta.openai%2efiles:-_", max_size=40))
def test_whatever_the_path_it_is_served_or_passed_on_and_never_both(rest):
    path = f"/{rest}"
    found = passed_path("POST", path, unknown=True)
    assert found is None or endpoints.find(path) is None
    if found is not None:
        assert found.family in FAMILIES
        assert path.endswith(found.rest)
        assert ".." not in found.rest.split("/")
