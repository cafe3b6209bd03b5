"""The endpoints that are no chat, where the official clients do not reach."""

from __future__ import annotations

import orjson
import pytest

from pilotfish.simulated.asked import BadRequest
from pilotfish.simulated.behaviour import Profile
from pilotfish.simulated.endpoint import endpoint_of
from pilotfish.simulated.http import VendorRequest
from pilotfish.simulated.sides import Missing, side_answer


def ask(path, body=None, method="POST", **headers):
    request = VendorRequest(
        method, path, {}, {name.replace("_", "-"): value for name, value in headers.items()}, b""
    )
    kind, data = side_answer(endpoint_of(request), request, body or {}, Profile(models=("a", "b")))
    return orjson.loads(data) if kind == "application/json" else (kind, data)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/embeddings", {"model": "e"}),
        ("/v1/embeddings", {"input": "x"}),
        ("/v1/audio/speech", {"input": "x"}),
        ("/v1/audio/transcriptions", {"model": "w", "file": "not a file"}),
        ("/v1beta/models/m:embedContent", {}),
        ("/v1beta/models/m:countTokens", {}),
        ("/v1/messages/count_tokens", {"messages": []}),
    ],
)
def test_a_request_without_what_it_needs_is_refused(path, body):
    with pytest.raises(BadRequest):
        ask(path, body)


def test_lists_of_models_are_in_the_form_that_path_and_headers_ask_for():
    assert [m["id"] for m in ask("/v1/models", method="GET")["data"]] == ["a", "b"]
    assert ask("/v1/models", method="GET", anthropic_version="2023-06-01")["last_id"] == "b"
    assert ask("/v1beta/models/a", method="GET")["name"] == "models/a"
    assert ask("/v1beta/openai/models", method="GET")["object"] == "list"
    assert ask("/v1/models", method="GET", x_goog_api_key="k")["models"]
    with pytest.raises(Missing):
        ask("/v1/models/c", method="GET")


def test_azure_names_the_model_in_its_path():
    assert (
        ask(
            "/openai/deployments/emb/embeddings", {"input": ["x", "y"], "encoding_format": "base64"}
        )["model"]
        == "emb"
    )


def test_rerank_and_batches_of_embeddings_answer_each_one():
    assert [
        r["index"]
        for r in ask("/v1/rerank", {"model": "r", "query": "q", "documents": ["x", "y"]})["results"]
    ] == [0, 1]
    batch = {"requests": [{"content": {}}, {"content": {}}]}
    assert len(ask("/v1beta/models/m:batchEmbedContents", batch)["embeddings"]) == 2


def test_an_unknown_action_of_a_model_is_no_surface():
    assert endpoint_of(VendorRequest("POST", "/v1beta/models/m:fly", {}, {}, b"")) is None
