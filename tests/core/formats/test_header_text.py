"""Names in headers."""

import pytest

from pilotfish.core.formats.header_text import header_text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gpt-4o", b"gpt-4o"),
        ("a\r\nx-evil: 1", b"a  x-evil: 1"),
        ("tab\there\x7f", b"tab here "),
        ("Gr\u00fc\u00dfe", b"Gr\\xfc\\xdfe"),
    ],
)
def test_no_name_can_end_a_header_or_leave_ascii(name, value):
    assert header_text(name) == value
