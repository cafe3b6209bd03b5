"""Claude on Bedrock as the vendor speaks it: Anthropic's form in Bedrock's frames."""

from __future__ import annotations

from base64 import b64decode

import orjson
import pytest
from botocore.eventstream import EventStreamBuffer

from pilotfish.simulated.asked import BadRequest
from pilotfish.simulated.wires.anthropic import AnthropicMessages
from pilotfish.simulated.wires.bedrock_invoke import BedrockInvoke
from pilotfish.simulated.wires.wire import Kind, Trouble
from simulated.wires.said import ASKED, FULL, streamed, whole

WIRE = BedrockInvoke()
BODY = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hello"}],
}
NEW = {**BODY, "anthropic_version": "2026-10-21"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({**BODY, "anthropic_version": "2023-06-01"}, "expected 'bedrock-2023-05-31'"),
        ({**BODY, "model": "m"}, "model: Extra inputs are not permitted"),
        ({**BODY, "stream": True}, "stream: Extra inputs"),
        ({**BODY, "anthropic_beta": ["oauth-2025-04-20"]}, "invalid beta flag"),
        ({**BODY, "anthropic_beta": "a"}, "invalid beta flag"),
        (NEW, "found '2026-10-21'"),
    ],
)
def test_what_anthropic_takes_and_bedrock_does_not_is_refused(body, words):
    with pytest.raises(BadRequest, match=words):
        WIRE.read(body, "anthropic.claude-sonnet-4-5-v1:0", False)


def test_the_model_is_the_paths():
    assert WIRE.read({**BODY, "anthropic_beta": ["a"]}, "claude", True).model == "claude"
    assert WIRE.read(NEW, "anthropic.claude-opus-4-7", True).model == "anthropic.claude-opus-4-7"


def test_a_whole_answer_is_anthropics():
    assert whole(WIRE, FULL) == whole(AnthropicMessages(), FULL)


def test_each_frame_holds_one_of_anthropics_events_and_the_last_one_counts():
    buffer, kinds = EventStreamBuffer(), []
    for kind, data in WIRE.events(ASKED, FULL, 0):
        kinds.append(kind)
        buffer.add_data(data)
    found = [orjson.loads(b64decode(orjson.loads(event.payload)["bytes"])) for event in buffer]
    expected = streamed(AnthropicMessages(), FULL)
    counted = found[-1].pop("amazon-bedrock-invocationMetrics")
    assert found == [data for _, data in expected]
    assert kinds == [kind for kind, _ in expected]
    assert kinds[-1] is Kind.DONE
    assert counted["outputTokenCount"] == FULL.output_tokens


def test_errors_are_bedrocks():
    failure = WIRE.failure(Trouble(status=403, kind="no_access"))
    assert dict(failure.headers) == {"x-amzn-errortype": "AccessDeniedException"}
    buffer = EventStreamBuffer()
    for data in (WIRE.error_event(Trouble(status=503), first=False), WIRE.heartbeat()):
        buffer.add_data(data)
    error, ping = list(buffer)
    assert error.headers[":exception-type"] == "serviceUnavailableException"
    assert b64decode(orjson.loads(ping.payload)["bytes"]) == b'{"type":"ping"}'
