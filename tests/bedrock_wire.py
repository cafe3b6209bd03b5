"""What tests of Bedrock share: botocore's own parsers and validators, and frames."""

from __future__ import annotations

import json
from base64 import b64decode
from functools import cache
from typing import Any

import botocore.session
from botocore.eventstream import EventStreamBuffer
from botocore.model import OperationModel, Shape
from botocore.parsers import create_parser
from botocore.validate import ParamValidator

from pilotfish.core.formats import eventstream


@cache
def operation(name: str) -> OperationModel:
    return botocore.session.get_session().get_service_model("bedrock-runtime").operation_model(name)


def frame(name: str, payload: Any) -> bytes:
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return eventstream.write(headers, json.dumps(payload, ensure_ascii=False).encode())


def exception(name: str, message: str) -> bytes:
    headers = {
        ":exception-type": name,
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return eventstream.write(headers, json.dumps({"message": message}).encode())


def events(stream: bytes) -> list[tuple[str, Any]]:
    """Name and payload of every frame, as this project reads them."""
    messages = [eventstream.read(raw) for raw in eventstream.EventStreamDecoder().feed(stream)]
    return [
        (
            str(m.headers.get(":event-type") or m.headers.get(":exception-type")),
            json.loads(m.payload),
        )
        for m in messages
    ]


def parsed_stream(stream: bytes) -> list[dict[str, Any]]:
    """What boto3 gives its user for a stream; events that it does not know are left out, as it
    leaves them out.
    """
    model = operation("ConverseStream")
    parser = create_parser("rest-json")._event_stream_parser
    buffer = EventStreamBuffer()
    buffer.add_data(stream)
    found = [
        parser.parse(event.to_response_dict(), model.get_event_stream_output()) for event in buffer
    ]
    return [
        event
        for event in found
        if {key: value for key, value in event.items() if key != "ResponseMetadata"}
    ]


def parsed_reply(body: bytes) -> dict[str, Any]:
    """What boto3 gives its user for a whole answer; what the model does not know is refused here,
    which boto3 passes over.
    """
    model = operation("Converse")
    assert unknown(json.loads(body), model.output_shape) == []
    return create_parser("rest-json").parse(
        {"status_code": 200, "headers": {}, "body": body}, model.output_shape
    )


def problems_of(body: dict[str, Any]) -> str:
    """What botocore finds wrong with a request, unknown fields included; empty if nothing."""
    shape = operation("ConverseStream").input_shape
    return (
        ParamValidator()
        .validate({"modelId": "m", **_with_bytes(body, shape)}, shape)
        .generate_report()
    )


def unknown(value: Any, shape: Shape, path: str = "") -> list[str]:
    """Fields that the service's model does not have."""
    if shape.type_name == "structure" and not getattr(shape, "is_document_type", False):
        found = [f"{path}.{key}" for key in value if key not in shape.members]
        return found + [
            name
            for key in value
            if key in shape.members
            for name in unknown(value[key], shape.members[key], f"{path}.{key}")
        ]
    if shape.type_name == "list":
        return [
            name
            for index, item in enumerate(value)
            for name in unknown(item, shape.member, f"{path}[{index}]")
        ]
    return []


def _with_bytes(value: Any, shape: Shape) -> Any:
    """JSON as boto3's user would give it: base64 is bytes there."""
    if shape.type_name == "structure" and not getattr(shape, "is_document_type", False):
        return {
            key: _with_bytes(item, shape.members[key]) if key in shape.members else item
            for key, item in value.items()
        }
    if shape.type_name == "list":
        return [_with_bytes(item, shape.member) for item in value]
    return b64decode(value) if shape.type_name == "blob" else value
