"""Structured logs on stderr, set up once. Requests have a log of their own (`access_log`)."""

from __future__ import annotations

import logging
import sys
from typing import Any

import orjson
import structlog


def set_up(level: str, form: str) -> None:
    """`form`: json or console."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if form == "json":
        shared += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_dumps)]
    else:
        # Rich, where it is installed, would show the local variables of each frame: keys among them.
        plain = structlog.dev.plain_traceback
        shared.append(structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain))
    structlog.configure(
        processors=shared,
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR)


def _dumps(value: Any, **_: Any) -> str:
    return orjson.dumps(value, default=str).decode()
