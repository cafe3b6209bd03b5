"""What is in a request's body: JSON, or the fields of a form."""

from __future__ import annotations

import re
from typing import Any

import orjson

from pilotfish.simulated.asked import BadRequest
from pilotfish.simulated.endpoint import VendorEndpoint
from pilotfish.simulated.http import VendorRequest


def body_of(request: VendorRequest, endpoint: VendorEndpoint) -> dict[str, Any]:
    """The JSON object or the form; empty for GET. Raises BadRequest."""
    if request.method == "GET" or not request.body:
        if request.method != "GET" and not endpoint.side:
            raise BadRequest("the request has no body")
        return {}
    if request.headers.get("content-type", "").startswith("multipart/"):
        return form_of(request)
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"we could not parse the JSON body of your request: {error}") from error
    if not isinstance(body, dict):
        raise BadRequest(f"body: found {type(body).__name__}, expected an object")
    return body


def model_in(body: dict[str, Any]) -> str | None:
    """The model that a body names, as all styles do that do not have it in the path."""
    model = body.get("model")
    return model if isinstance(model, str) else None


def form_of(request: VendorRequest) -> dict[str, Any]:
    """The fields of a multipart body as text, files as their bytes. Raises BadRequest."""
    match = re.search(r'boundary="?([^";]+)', request.headers.get("content-type", ""))
    if match is None:
        raise BadRequest("could not parse multipart form: no boundary in content-type")
    fields: dict[str, Any] = {}
    for part in request.body.split(b"--" + match[1].encode())[1:-1]:
        head, _, data = part.partition(b"\r\n\r\n")
        name = re.search(rb'[; ]name="?([^";\r\n]+)', head)
        if name is None:
            raise BadRequest("could not parse multipart form: a part without a name")
        data = data.removesuffix(b"\r\n")
        fields[name[1].decode()] = data if b"filename=" in head else data.decode()
    return fields
