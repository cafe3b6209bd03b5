"""Which provider takes what is passed on, and with which credential."""

from __future__ import annotations

import pytest

from pilotfish.core.exchange.families import passed_path
from pilotfish.core.routing.passing import held_by, holder_of, key_of, passed_to
from pilotfish.core.rules.compile import compile_documents
from pilotfish.core.rules.documents import RulesDocument
from pilotfish.core.state.holders import Holder
from pilotfish.errors import ClientError
from pilotfish.providers import all_kinds
from pilotfish.tactics import all_tactics


def snapshot(providers, **more):
    data = {
        "providers": {
            name: {"no_key_required": True, **provider} for name, provider in providers.items()
        },
        **more,
    }
    return compile_documents([RulesDocument("t", data)], kinds=all_kinds(), tactics=all_tactics())


ALL = {
    "openai": {"kind": "openai"},
    "claude": {"kind": "anthropic"},
    "gemini": {"kind": "google"},
    "aws": {"kind": "bedrock", "options": {"region": "eu-west-1"}},
    "cloud": {"kind": "vertex", "options": {"project": "p", "location": "europe-west1"}},
}
AZURE = {"kind": "azure", "options": {"endpoint": "https://x.openai.azure.com"}}


def to(snap, path, query="", headers=(), holder=None):
    asked = passed_path("GET", path, query, list(headers))
    assert asked is not None
    found = passed_to(snap, asked, query, holder, path)
    return found.provider.name, found.target


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        ("/v1/files", [], ("openai", "/v1/files")),
        ("/openai/v1/files", [], ("openai", "/v1/files")),
        ("/v1/files", [(b"anthropic-version", b"x")], ("claude", "/v1/files")),
        ("/v1beta/files", [], ("gemini", "/v1beta/files")),
        ("/upload/v1beta/files", [], ("gemini", "/upload/v1beta/files")),
        ("/v1/files", [(b"x-goog-api-key", b"x")], ("gemini", "/v1/files")),
        ("/model/a%3Ab/count-tokens", [], ("aws", "/model/a%3Ab/count-tokens")),
        (
            "/v1/projects/mine/locations/us/cachedContents/1",
            [],
            ("cloud", "/v1/projects/p/locations/europe-west1/cachedContents/1"),
        ),
    ],
)
def test_the_only_one_that_has_such_paths_takes_it(path, headers, expected):
    assert to(snapshot(ALL), path, headers=headers) == expected


def test_azure_has_openais_paths_and_its_own():
    snap = snapshot({"east": AZURE})
    assert to(snap, "/v1/files", "a=b") == ("east", "/openai/v1/files?a=b")
    assert to(snap, "/openai/files") == ("east", "/openai/files")
    assert to(snap, "/openai/files", "api-version=2025-01-01") == (
        "east",
        "/openai/files?api-version=2025-01-01",
    )


def test_azures_own_paths_go_to_azure_where_openai_is_there_too():
    snap = snapshot({**ALL, "east": AZURE})
    assert to(snap, "/openai/responses/r")[0] == "east"


def test_a_provider_that_is_switched_off_takes_nothing():
    snap = snapshot({"one": {"kind": "openai", "enabled": False}, "two": {"kind": "openai"}})
    assert to(snap, "/v1/files")[0] == "two"
    off = snapshot({"one": {"kind": "openai", "enabled": False}}, passthrough={"openai": "one"})
    with pytest.raises(ClientError, match="is disabled") as caught:
        to(off, "/v1/files")
    assert caught.value.status == 503


def test_one_that_is_named_and_has_no_such_path_says_so():
    snap = snapshot(ALL, passthrough={"google": "cloud"})
    with pytest.raises(ClientError, match=r"provider 'cloud'.*has no path /v1beta/files"):
        to(snap, "/v1beta/files")


def test_the_holder_comes_before_the_rules():
    providers = {"one": {"kind": "openai"}, "two": {"kind": "openai"}}
    snap = snapshot(providers, passthrough={"openai": "one"})
    assert to(snap, "/v1/files/x", holder=Holder("two"))[0] == "two"


def test_a_holder_keeps_its_credential_when_the_order_of_credentials_changes():
    keys = [{"env": "A"}, {"env": "B"}]
    one = snapshot({"p": {"kind": "openai", "tokens": keys}}).providers["p"]
    other = snapshot({"p": {"kind": "openai", "tokens": keys[::-1]}}).providers["p"]
    holder = holder_of(one, 1)
    assert (key_of(one, holder), key_of(other, holder)) == (1, 0)
    gone = snapshot({"p": {"kind": "openai", "tokens": [{"env": "A"}, {"env": "C"}]}})
    assert key_of(gone.providers["p"], holder) is None
    single = snapshot({"p": {"kind": "openai", "token": {"env": "A"}}}).providers["p"]
    assert (holder_of(single, 0), key_of(single, holder)) == (Holder("p"), None)


def test_a_holder_that_is_gone_is_nobody_elses():
    with pytest.raises(ClientError, match="not in the rules any more"):
        held_by(snapshot(ALL), Holder("gone"))
    off = snapshot({"one": {"kind": "openai", "enabled": False}})
    with pytest.raises(ClientError, match="is disabled"):
        held_by(off, Holder("one"))
