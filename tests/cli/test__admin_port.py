"""What commands that ask a running proxy say where none answers."""

import socket

import pytest

from pilotfish.cli._admin_port import address_of, asked
from pilotfish.errors import StartError


def test_nobody_there_is_told_with_the_option_that_helps():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(StartError, match=r"no proxy answers at .* refused.*--admin HOST:PORT"):
        asked(address, "/status")


def test_an_address_that_is_none_is_shown_as_it_was_given():
    with pytest.raises(StartError, match="expected HOST:PORT, found 'host:port'"):
        asked("host:port", "/status")


def test_an_address_copied_from_a_browser_will_do():
    assert address_of("http://127.0.0.1:14001/") == "127.0.0.1:14001"
