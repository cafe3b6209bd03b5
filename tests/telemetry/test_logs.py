"""What the proxy says of itself goes to standard error: it must never be what ends it, and never
shows with which values it failed.
"""

from __future__ import annotations

import io
import logging

import pytest
import structlog

from pilotfish.telemetry import logs
from planted import planted


class Full(io.StringIO):
    def write(self, text):
        raise OSError(28, "No space left on device")


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", True)
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_full_disk_behind_standard_error_is_nobodys_end(monkeypatch, form):
    monkeypatch.setattr("sys.stderr", Full())
    logs.set_up("info", form)
    structlog.get_logger().warning("nobody hears this", n=1)
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr("sys.stderr", closed)
    structlog.get_logger().warning("nor this")


def test_lines_are_json_with_their_time_and_level(capsys):
    logs.set_up("info", "json")
    log = structlog.get_logger()
    log.debug("too little")
    log.info("listening", listen="127.0.0.1:1")
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert '"event":"listening"' in said
    assert '"level":"info"' in said
    assert '"timestamp":"' in said


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_does_not_show_local_variables(form, capsys):
    """Rich, where it is installed beside structlog, shows them: keys and requests among them."""
    logs.set_up("info", form)

    def send() -> None:
        key = planted()
        raise ValueError(f"{len(key)} is not a number")

    try:
        send()
    except ValueError:
        structlog.get_logger("test").exception("bug", where="here")
    said = capsys.readouterr().err
    assert "is not a number" in said
    assert "in send" in said
    assert "hush" not in said
