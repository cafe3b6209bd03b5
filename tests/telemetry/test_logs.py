"""What the proxy says of itself goes to standard error: it must never be what ends it, and never
shows with which values it failed.
"""

from __future__ import annotations

import io
import logging

import orjson
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
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    structlog.configure(**before)
    root.handlers, root.level = handlers, level


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
    line = orjson.loads(said)
    assert line.pop("time").endswith("Z")
    assert line == {"event": "listening", "level": "info", "listen": "127.0.0.1:1"}


def test_what_is_not_json_by_itself_is_written_as_its_text(capsys):
    logs.set_up("info", "json")
    structlog.get_logger().info("watching", path=io.StringIO)
    assert orjson.loads(capsys.readouterr().err)["path"] == "<class '_io.StringIO'>"


@pytest.mark.parametrize("form", ["json", "console"])
def test_errors_of_libraries_are_lines_of_the_same_format(form, capsys):
    logs.set_up("info", form)
    logs.set_up("info", form)  # a second time: no line comes twice
    structlog.get_logger().error("ours", n=1)
    logging.getLogger("asyncio").error("theirs: %s", 2)
    logging.getLogger("asyncio").warning("too little")
    ours, theirs = capsys.readouterr().err.splitlines()
    if form == "console":
        assert ours[24:].split() == ["[error", "]", "ours", "n=1"]
        assert theirs[24:].split() == ["[error", "]", "theirs:", "2", "[asyncio]"]
    else:
        assert orjson.loads(theirs).keys() - {"logger"} == orjson.loads(ours).keys() - {"n"}
        assert orjson.loads(theirs)["event"] == "theirs: 2"


def test_an_error_of_a_library_with_a_full_disk_behind_standard_error_ends_nothing(monkeypatch):
    monkeypatch.setattr("sys.stderr", Full())
    logs.set_up("info", "json")
    logging.getLogger("asyncio").error("nobody hears this")


@pytest.mark.parametrize(
    ("wall", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1764000000.9999, "2025-11-24T16:00:00.999Z"),
        (1764000001.25, "2025-11-24T16:00:01.250Z"),
        (1764000000.0, "2025-11-24T16:00:00.000Z"),
    ],
)
def test_times_are_rfc_3339_to_the_millisecond(wall, text):
    assert logs.timestamp(wall) == text


def test_a_log_with_a_writer_of_its_own_looks_like_the_others(capsys):
    """The access log asks the processors once, not for each line."""
    for form in ("json", "console"):
        logs.set_up("info", form)
        structlog.get_logger().info("request", code=200)
        theirs = capsys.readouterr().err.encode()
        fields, line, is_json = logs.line_format(form)
        own = line({"event": "request", "time": logs.timestamp(0.0), **fields, "code": 200})
        assert is_json == (form == "json")
        if is_json:
            assert orjson.loads(own).keys() == orjson.loads(theirs).keys()
            assert orjson.loads(own)["level"] == orjson.loads(theirs)["level"]
        else:
            assert own[24:] == theirs[24:]


def test_a_line_for_people_leaves_the_record_as_it_was():
    record = {"event": "request", "time": "t", "level": "info"}
    logs.line_format("console").line(record)
    assert record == {"event": "request", "time": "t", "level": "info"}


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
