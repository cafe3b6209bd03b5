"""The protocols of a style, held against every style there is."""

import inspect

import pytest

from pilotfish import styles
from pilotfish.core.formats import style as protocols
from pilotfish.core.formats.style import Quirks, Target, Written

EVERY_STYLE = pytest.mark.parametrize("name", styles.names())


def promised(protocol: type) -> list[str]:
    found = [name for name in vars(protocol) if not name.startswith("_")]
    return found + [name for name in protocol.__annotations__ if name not in found]


@EVERY_STYLE
def test_every_style_and_what_it_hands_out_has_all_that_is_promised(name):
    style = styles.get(name)
    given = {
        protocols.Style: style,
        protocols.EventDecoder: style.event_decoder(),
        protocols.ResponseInspector: style.inspector(),
        protocols.StreamReader: style.stream_reader(),
        protocols.StreamWriter: style.stream_writer(model="m", request_id="r", now=0.0, options={}),
    }
    for protocol, one in given.items():
        assert [word for word in promised(protocol) if not hasattr(one, word)] == []


@EVERY_STYLE
def test_every_style_takes_the_arguments_that_are_promised(name):
    style = styles.get(name)
    for word in ("read_request", "write_request", "read_reply", "write_reply", "read_error"):
        expected = list(inspect.signature(getattr(protocols.Style, word)).parameters)[1:]
        assert list(inspect.signature(getattr(style, word)).parameters) == expected


def test_a_vendor_without_quirks_takes_what_its_style_has():
    quirks = Target(model="m", stream=False).quirks
    assert quirks == Quirks()
    assert quirks.refuses == frozenset()
    assert (quirks.developer_role, quirks.strict_tools, quirks.json_schema) == (True, True, True)


def test_a_request_that_lost_nothing_says_so():
    assert (Written(b"{}").dropped, Written(b"{}").headers) == ((), ())
