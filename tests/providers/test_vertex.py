"""Vertex: three publishers' forms, told apart by the model's name, and hosts by location."""

from __future__ import annotations

import pytest

from conformance import compiled
from pilotfish.core.exchange.request_url import native_op, target_of
from pilotfish.providers.vertex import base_from, model_quirks, styles_of_model


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("us-central1", "https://us-central1-aiplatform.googleapis.com"),
        ("global", "https://aiplatform.googleapis.com"),
        ("eu", "https://aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_the_host_follows_from_the_location(location, host):
    assert base_from({"location": location}) == host
    assert base_from({}) == ""


def vertex(**more: object):
    return compiled(
        {
            "kind": "vertex",
            "token": {"env": "KEY"},
            "options": {"project": "p", "location": "global", **more},
        }
    ).provider


def test_the_global_location_stands_in_the_path():
    assert target_of(vertex(), "generate", "gemini-2.5-pro") == (
        "/v1/projects/p/locations/global/publishers/google/models/gemini-2.5-pro:generateContent"
    )
    assert target_of(vertex(version="v1beta1"), "generate", "g").startswith("/v1beta1/projects/p/")


@pytest.mark.parametrize(
    "base", ["http://gateway:8080", "http://gateway:8080/v1", "http://gateway:8080/v1beta1"]
)
def test_a_base_of_the_rules_may_hold_the_version_or_not(base):
    spec = {
        "kind": "vertex",
        "token": {"env": "KEY"},
        "api_base": base,
        "options": {"project": "p", "location": "global"},
    }
    assert target_of(compiled(spec).provider, "generate", "g").startswith("/v1/projects/p/")


@pytest.mark.parametrize(
    ("model", "style"),
    [
        ("gemini-2.5-pro", "google"),
        ("models/gemini-2.5-pro", "google"),
        ("claude-sonnet-4-5@20250929", "anthropic"),
        ("meta/llama-4-maverick-17b-128e-instruct-maas", "openai"),
    ],
)
def test_a_model_is_asked_in_its_publishers_form(model, style):
    assert styles_of_model(model) == (style,)


def test_counting_tokens_is_each_publishers_own():
    assert native_op(vertex(), "claude-sonnet-4-5", "count_tokens") == "count_tokens"
    assert native_op(vertex(), "gemini-2.5-pro", "count_tokens") == ""
    assert native_op(vertex(), "gemini-2.5-pro", "google_count_tokens") == "google_count_tokens"


def test_quirks_are_the_models():
    claude, unversioned = model_quirks("claude-opus-4-7"), model_quirks("claude-preview")
    assert claude is not None
    assert not claude.sampling_fields
    assert unversioned is not None
    assert unversioned.default_max_tokens == 16384
    llama = model_quirks("meta/llama-3")
    assert llama is not None
    assert llama.max_tokens_field == "max_tokens"
    assert model_quirks("gemini-2.5-pro") is None


def test_project_and_location_are_needed():
    from pilotfish.errors import RuleError

    with pytest.raises(RuleError, match=r"options\.project"):
        compiled({"kind": "vertex", "token": {"env": "KEY"}, "options": {"location": "global"}})
