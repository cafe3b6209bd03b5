"""Lines of the access log: those that are written fast say what the others would."""

import orjson
import pytest

from pilotfish.core.formats.usage import Usage
from pilotfish.core.model.outcome import Outcome
from pilotfish.telemetry.log_line import REMEMBERED, PlainLines, line_of
from telemetry.rules import USAGE, attempt, failure, request, rule, snapshot

RULE = snapshot(rule("chat", "p/m", "q/m")).rules[0]
P, Q = RULE.services
FIELDS = {"level": "info"}


def served(service=P, *, cost_usd=0.0, usage=USAGE, finish="stop", last_at=1001.2, **fields):
    one = attempt(service, usage=usage, cost_usd=cost_usd, finish_reason=finish, last_at=last_at)
    one.over_at = last_at + 0.1
    if not fields.get("stream", True):
        one.first_at = 0.0
    return request(RULE, one, **fields)


def at_once():
    """Its first token came with its head, at the moment it was sent."""
    made = served()
    made.attempts[0].first_at = made.attempts[0].sent_at
    return made


ORDINARY = [
    served(),
    served(request_id="another-id", busy_s=0.000_123_4),
    served(stream=False),
    served(cost_usd=0.000_012_345_678_9),
    served(cost_usd=1234.5),
    served(usage=Usage(input=1, output=2)),
    served(finish=None),
    served(finish='odd "reason" with 100% \u00e9'),
    served(model='50% "off"%d', path="/v1/%b/chat"),
    served(model="m" * 5000),
    served(last_at=1900.0),
    served(Q),
    served(code=201),
    at_once(),
    served(cost_usd=1e-12),
]


def test_each_line_says_what_the_whole_look_at_the_request_says():
    lines = PlainLines(FIELDS)
    for _ in range(2):  # the second time from the remembered forms
        for one in ORDINARY:
            written = lines.line(one)
            assert written is not None
            assert written.endswith(b"}\n")
            expected = orjson.loads(orjson.dumps({**line_of(one), **FIELDS}))
            assert orjson.loads(written) == expected
            assert list(orjson.loads(written)) == list(expected)


def with_(**fields):
    made = served()
    for name, value in fields.items():
        setattr(made.attempts[0], name, value)
    return made


@pytest.mark.parametrize(
    "odd",
    [
        request(RULE),
        request(RULE, attempt(P, Outcome.SERVER_ERROR), attempt(Q, usage=USAGE)),
        request(RULE, attempt(P, Outcome.SERVER_ERROR), code=502),
        with_(usage=None),
        with_(usage=Usage(input=1, output=1, estimated=True)),
        with_(trial=True),
        with_(silent=True),
        with_(last_resort=True),
        with_(extra="hedge"),
        with_(relayed=False),
        with_(failure=failure(Outcome.REFUSED)),
        served(dropped_fields=("n",)),
        served(failure=failure(Outcome.CLIENT_GONE)),
        served(resumes=1),
        served(last_resort=True),
    ],
)
def test_whatever_is_out_of_the_ordinary_is_left_to_the_whole_look(odd):
    assert PlainLines(FIELDS).line(odd) is None


def test_made_up_models_are_not_remembered_for_ever():
    lines = PlainLines(FIELDS)
    for i in range(2 * REMEMBERED + 1):
        assert orjson.loads(lines.line(served(model=f"made-up-{i}")))["model"] == f"made-up-{i}"
    assert len(lines._forms) <= REMEMBERED
