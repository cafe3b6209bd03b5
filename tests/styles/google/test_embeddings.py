"""Embeddings between OpenAI and Google."""

from __future__ import annotations

import json
import struct
from base64 import b64encode

import pytest
from google.genai import types
from openai.types import CreateEmbeddingResponse

from pilotfish.errors import ClientError
from pilotfish.styles.google.embeddings import (
    encoding_of,
    google_from_openai,
    google_from_openai_reply,
    openai_from_google,
    openai_from_google_request,
)

PACKED = b64encode(struct.pack("<2f", 0.5, -1.0)).decode()


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({}, "input"),
        ({"input": []}, "input"),
        ({"input": [1, 2]}, "takes no tokens"),
        ({"input": [[1]]}, "takes no tokens"),
        ({"input": ["a", 1]}, "input[1]"),
    ],
)
def test_what_google_cannot_embed_is_the_clients_fault(given, place):
    with pytest.raises(ClientError) as caught:
        google_from_openai(json.dumps(given).encode(), model="m")
    assert place in caught.value.message


def test_every_input_becomes_a_request_of_one_batch():
    body = {
        "model": "x",
        "input": ["a", "b"],
        "dimensions": 256,
        "encoding_format": "base64",
        "user": "u",
    }
    written = google_from_openai(json.dumps(body).encode(), model="text-embedding")
    request = {"model": "models/text-embedding", "outputDimensionality": 256}
    assert json.loads(written.body) == {
        "requests": [request | {"content": {"parts": [{"text": text}]}} for text in ("a", "b")]
    }
    assert written.dropped == ("user",)
    assert encoding_of(json.dumps(body).encode()) == "base64"
    assert encoding_of(b"{}") == "float"


@pytest.mark.parametrize("answer", [b"<html>", b'{"a":1}', b'{"embeddings":[{"values":"x"}]}'])
def test_what_is_no_embedding_is_a_value_error(answer):
    with pytest.raises(ValueError):
        openai_from_google(answer, model="m")
    with pytest.raises(ValueError):
        google_from_openai_reply(answer, batch=True)


@pytest.mark.parametrize(
    "answer",
    [
        {"embeddings": [{"values": [0.5, -1.0]}]},
        {"embedding": {"values": [0.5, -1.0]}, "usageMetadata": {"promptTokenCount": 4}},
    ],
)
def test_vectors_come_as_numbers_or_packed(answer):
    body = json.dumps(answer).encode()
    plain = CreateEmbeddingResponse.model_validate_json(openai_from_google(body, model="m"))
    assert plain.data[0].embedding == [0.5, -1.0]
    assert plain.usage.prompt_tokens == (4 if "usageMetadata" in answer else 0)
    assert (
        json.loads(openai_from_google(body, model="m", encoding="base64"))["data"][0]["embedding"]
        == PACKED
    )


def test_a_vector_that_is_not_of_numbers_cannot_be_packed():
    with pytest.raises(ValueError, match="expected numbers"):
        openai_from_google(b'{"embedding":{"values":["x"]}}', model="m", encoding="base64")


def test_a_google_clients_batch_becomes_a_list_of_inputs():
    requests = [
        {
            "model": "models/x",
            "content": {"parts": [{"text": "a"}, {"text": "b"}]},
            "output_dimensionality": 8,
        },
        {"content": {"parts": [{"text": "c"}, {"inlineData": {}}]}, "taskType": "T"},
    ]
    written = openai_from_google_request(
        json.dumps({"requests": requests}).encode(), model="e", batch=True
    )
    assert json.loads(written.body) == {
        "model": "e",
        "input": ["a\nb", "c"],
        "encoding_format": "float",
        "dimensions": 8,
    }
    assert written.dropped == ("content.parts", "taskType", "outputDimensionality")


def test_a_google_clients_single_text_stays_one():
    written = openai_from_google_request(
        b'{"content":{"parts":[{"text":"a"}]},"outputDimensionality":8}', model="e", batch=False
    )
    assert json.loads(written.body) == {
        "model": "e",
        "input": "a",
        "encoding_format": "float",
        "dimensions": 8,
    }


@pytest.mark.parametrize(
    "body", [b"{}", b'{"content":{"parts":[]}}', b'{"content":{"parts":[{"inlineData":{}}]}}']
)
def test_a_google_request_without_text_is_the_clients_fault(body):
    with pytest.raises(ClientError):
        openai_from_google_request(body, model="e", batch=False)
    with pytest.raises(ClientError, match="requests"):
        openai_from_google_request(body, model="e", batch=True)


def test_openais_vectors_reach_a_google_client_in_order():
    data = [{"index": 1, "embedding": [1.0]}, {"index": 0, "embedding": PACKED}]
    body = json.dumps({"data": data, "usage": {"prompt_tokens": 3}}).encode()
    batch = json.loads(google_from_openai_reply(body, batch=True))
    assert [vector["values"] for vector in batch["embeddings"]] == [[0.5, -1.0], [1.0]]
    single = json.loads(google_from_openai_reply(body, batch=False))
    assert types.ContentEmbedding.model_validate(single["embedding"]).values == [0.5, -1.0]
    assert single["usageMetadata"] == {"promptTokenCount": 3}


@pytest.mark.parametrize("answer", [b'{"embedding":{"values":[1e300]}}'])
def test_a_number_too_large_for_its_32_bits_is_a_value_error(answer):
    with pytest.raises(ValueError, match="32-bit"):
        openai_from_google(answer, model="m", encoding="base64")


@pytest.mark.parametrize("packed", ["AAA=", "%%%%"])
def test_packed_numbers_that_are_none_are_a_value_error(packed):
    with pytest.raises(ValueError):
        google_from_openai_reply(json.dumps({"data": [{"embedding": packed}]}).encode(), batch=True)


def test_no_size_asked_is_no_size_sent():
    written = openai_from_google_request(
        b'{"content":{"parts":[{"text":"a"}]}}', model="e", batch=False
    )
    assert "dimensions" not in json.loads(written.body)
