"""How log lines look: their fields, their time and their format, decided in one place for all
three writers. What the proxy says of itself goes through structlog to stderr; what libraries say
through `logging` joins it there; requests have a log of their own on stdout (`access_log`), whose
lines are made from the same processors, asked once at start.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, TextIO, cast

import orjson
import structlog
from structlog.typing import Processor


class _Stderr:
    """Standard error as long as it can be written to. A full disk behind it must not end the
    proxy, nor fail what logged the line.
    """

    def write(self, text: str) -> int:
        try:
            return sys.stderr.write(text)
        except (OSError, ValueError):
            return len(text)

    def flush(self) -> None:
        try:
            sys.stderr.flush()
        except (OSError, ValueError):
            pass


class Timestamp:
    """Unix time -> RFC 3339 in UTC with milliseconds. The date is worked out once a second."""

    def __init__(self) -> None:
        self._second, self._text = -1, ""
        self._millis = [f".{n:03d}Z" for n in range(1000)]

    def __call__(self, wall: float) -> str:
        second = int(wall)
        if second != self._second:
            date = datetime.fromtimestamp(second, UTC)
            self._second, self._text = second, date.strftime("%Y-%m-%dT%H:%M:%S")
        return self._text + self._millis[int((wall - second) * 1000)]


timestamp = Timestamp()


def _add_time(logger: Any, method: str, line: MutableMapping[str, Any]) -> Mapping[str, Any]:
    line["time"] = timestamp(time.time())
    return line


# What every line has beside its event and its own fields.
FIELDS: tuple[Processor, ...] = (structlog.processors.add_log_level, _add_time)


def _dumps(value: Any, **_: Any) -> str:
    return orjson.dumps(value, default=str).decode()


def renderer(form: str, *, colors: bool) -> Processor:
    """A processor that makes a line's text of it, without the line end. `form`: json, else for
    people.
    """
    if form == "json":
        return structlog.processors.JSONRenderer(serializer=_dumps)
    # Rich, where it is installed, would show the local variables of each frame: keys among them.
    plain = structlog.dev.plain_traceback
    return structlog.dev.ConsoleRenderer(
        colors=colors, exception_formatter=plain, timestamp_key="time"
    )


class _LibraryHandler(logging.StreamHandler[TextIO]):
    """Takes what libraries log."""


def set_up(level: str, form: str) -> None:
    """Configures structlog and `logging`, at start. Of libraries only errors are logged. `form`:
    json or console.
    """
    stderr = cast(TextIO, _Stderr())
    render = renderer(form, colors=sys.stderr.isatty())
    # The console's renderer formats exceptions itself.
    last = [structlog.processors.format_exc_info, render] if form == "json" else [render]
    structlog.configure(
        processors=[*FIELDS, *last],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(file=stderr),
        cache_logger_on_first_use=True,
    )
    handler = _LibraryHandler(stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *FIELDS],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.raiseExceptions = False  # for the same reason as _Stderr
    root = logging.getLogger()
    root.handlers = [*(h for h in root.handlers if not isinstance(h, _LibraryHandler)), handler]
    root.setLevel(logging.ERROR)


class LineFormat(NamedTuple):
    """The format of a log that is too hot for structlog's chain of calls.

    `fields`: what the processors add to each line, less the time, which each line has its own of.
    `line`: a record as a line with its end; `is_json`: as JSON.
    """

    fields: Mapping[str, Any]
    line: Callable[[dict[str, Any]], bytes]
    is_json: bool


def _json_line(record: dict[str, Any]) -> bytes:
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def line_format(form: str, *, colors: bool = False) -> LineFormat:
    """Asks the processors of all other lines once, so that a request does not."""
    fields: Any = {}
    for process in FIELDS:
        fields = process(None, "info", fields)
    del fields["time"]
    if form == "json":
        return LineFormat(fields, _json_line, True)
    render = renderer(form, colors=colors)

    def console_line(record: dict[str, Any]) -> bytes:
        return f"{render(None, 'info', dict(record))!s}\n".encode()

    return LineFormat(fields, console_line, False)
