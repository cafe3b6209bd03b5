"""Paths of all styles."""

from __future__ import annotations

import pytest

from pilotfish.simulated.endpoint import ENDPOINTS, endpoint_of
from pilotfish.simulated.http import VendorRequest


def found(path, method="POST", query=None, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return endpoint_of(VendorRequest(method, path, query or {}, named, b""))


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/chat",
        "/v1beta/models/m:fly",
        "/model/m/fly",
        "/model/converse",
        "/v1/messages/count",
    ],
)
def test_a_path_that_no_vendor_knows_is_none(path):
    assert found(path) is None


@pytest.mark.parametrize(
    ("path", "wire", "model"),
    [
        ("/v1/chat/completions", "OpenAIChat", None),
        ("/compatible/v9/chat/completions", "OpenAIChat", None),
        ("/openai/deployments/d/chat/completions", "OpenAIChat", "d"),
        ("/v1/completions", "OpenAICompletions", None),
        ("/v1/responses", "OpenAIResponsesWire", None),
        ("/v1/messages", "AnthropicMessages", None),
        ("/v1beta/models/m:generateContent", "GoogleWire", "m"),
        ("/v1/projects/p/locations/l/publishers/google/models/m:generateContent", "GoogleWire", "m"),
        ("/model/m/converse", "BedrockWire", "m"),
        ("/model/arn:aws:bedrock:a/b:profile/x/converse", "BedrockWire", "arn:aws:bedrock:a/b:profile/x"),
        ("/model/m/invoke", "BedrockInvoke", "m"),
    ],
)  # fmt: skip
def test_every_chat_goes_to_its_wire(path, wire, model):
    endpoint = found(path)
    assert (type(endpoint.wire).__name__, endpoint.model) == (wire, model)
    assert (endpoint.name, endpoint.side, endpoint.stream) == ("chat", "", False)


@pytest.mark.parametrize(
    ("path", "query", "content_type"),
    [
        ("/v1beta/models/m:streamGenerateContent", {"alt": "sse"}, "text/event-stream"),
        ("/v1beta/models/m:streamGenerateContent", {}, "application/json; charset=UTF-8"),
        ("/model/m/converse-stream", {}, "application/vnd.amazon.eventstream"),
        ("/model/m/invoke-with-response-stream", {}, "application/vnd.amazon.eventstream"),
    ],
)
def test_some_paths_say_that_they_stream_and_how(path, query, content_type):
    endpoint = found(path, query=query)
    assert endpoint.stream
    assert endpoint.wire.content_type(None) == content_type


@pytest.mark.parametrize(
    ("path", "headers", "style"),
    [
        ("/v1/models", {}, "openai"),
        ("/v1/models/m", {}, "openai"),
        ("/v1beta/openai/models", {}, "openai"),
        ("/v1/models", {"anthropic_version": "2023-06-01"}, "anthropic"),
        ("/v1/models", {"x_goog_api_key": "k"}, "google"),
        ("/v1beta/models", {}, "google"),
    ],
)
def test_a_list_of_models_is_the_vendors_whose_client_asks(path, headers, style):
    endpoint = found(path, "GET", **headers)
    assert (endpoint.name, endpoint.wire.style) == ("models", style)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/messages/count_tokens", "count_tokens"),
        ("/v1beta/models/m:countTokens", "count_tokens"),
        ("/v1/embeddings", "embeddings"),
        ("/v1beta/models/m:embedContent", "embeddings"),
        ("/v1beta/models/m:batchEmbedContents", "embeddings"),
        ("/v1/images/edits", "images"),
        ("/v1/audio/translations", "transcriptions"),
        ("/v1/audio/speech", "speech"),
        ("/v1/moderations", "moderations"),
        ("/v1/rerank", "rerank"),
    ],
)
def test_other_endpoints_have_one_name_in_all_styles(path, name):
    assert found(path).name == name
    assert name in ENDPOINTS
