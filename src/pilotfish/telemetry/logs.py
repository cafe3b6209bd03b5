"""Structured logs on stderr, set up once. Requests have a log of their own (`access_log`)."""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO, cast

import orjson
import structlog


class _Stderr:
    """Standard error as long as somebody takes it: a full disk behind it must not end the proxy,
    nor what a line told of.
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


def set_up(level: str, form: str) -> None:
    """`form`: json or console."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if form == "json":
        shared += [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_dumps),
        ]
    else:
        # Rich, where it is installed, would show the local variables of each frame: keys among
        # them.
        plain = structlog.dev.plain_traceback
        shared.append(
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)
        )
    structlog.configure(
        processors=shared,
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(file=cast(TextIO, _Stderr())),
        cache_logger_on_first_use=True,
    )
    logging.raiseExceptions = False  # as above
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR)


def _dumps(value: Any, **_: Any) -> str:
    return orjson.dumps(value, default=str).decode()
