"""Bodies that can, and cannot, be read."""

from __future__ import annotations

import orjson
import pytest

from pilotfish.simulated.asked import BadRequest
from pilotfish.simulated.bodies import body_of, form_of, model_in
from pilotfish.simulated.endpoint import endpoint_of
from pilotfish.simulated.http import VendorRequest


def read(body, path="/v1/chat/completions", method="POST", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = VendorRequest(method, path, {}, named, body)
    return body_of(request, endpoint_of(request))


@pytest.mark.parametrize(
    ("body", "words"),
    [(b"", "no body"), (b"{", "could not parse"), (b"[]", "found list, expected an object")],
)
def test_a_chat_without_a_json_object_is_refused(body, words):
    with pytest.raises(BadRequest, match=words):
        read(body)


def test_a_list_of_models_needs_no_body():
    assert read(b"", "/v1/models", "GET") == {}
    assert read(b"", "/v1/rerank") == {}


def test_an_object_is_read_whatever_the_content_type_says():
    body = orjson.dumps({"model": "m"})
    assert read(body) == read(body, content_type="text/plain") == {"model": "m"}


@pytest.mark.parametrize(
    ("body", "model"), [({"model": "m"}, "m"), ({"model": 7}, None), ({}, None)]
)
def test_only_a_name_is_a_model(body, model):
    assert model_in(body) == model


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("multipart/form-data", b""), ("multipart/form-data; boundary=b", b"--b\r\n\r\nx\r\n--b--")],
)
def test_a_form_that_cannot_be_read_is_refused(content_type, body):
    with pytest.raises(BadRequest, match="multipart"):
        form_of(VendorRequest("POST", "/", {}, {"content-type": content_type}, body))


def test_a_form_gives_text_and_files():
    body = (
        b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nw\r\n'
        b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n\x00\r\n\xff\r\n--b--\r\n'
    )
    assert form_of(
        VendorRequest("POST", "/", {}, {"content-type": 'multipart/form-data; boundary="b"'}, body)
    ) == {
        "model": "w",
        "file": b"\x00\r\n\xff",
    }
