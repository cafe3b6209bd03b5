"""The last good rules on disk, for a container that restarts while the API server is away."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import structlog

from pilotfish.core.rules.configmap_set import Offered

_FORMAT = 1
log = structlog.get_logger()


class LastGood:
    """One file below `STATE_DIR`, replaced whole. A damaged one is set aside and never fatal."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "last-good-rules.json"

    def save(self, offered: list[Offered]) -> None:
        content = {
            "format": _FORMAT,
            "configmaps": [{"source": o.source, "configmap": o.configmap} for o in offered],
        }
        fresh = self._path.with_suffix(".new")
        try:
            with os.fdopen(
                os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w"
            ) as file:
                json.dump(content, file)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError as wrong:
            log.warning(
                "the rules could not be kept for a restart", path=str(self._path), error=str(wrong)
            )

    def load(self) -> list[Offered]:
        """What was saved; empty where there is nothing or nothing readable."""
        try:
            content: Any = json.loads(self._path.read_text())
            if content["format"] != _FORMAT:
                raise ValueError(f"format {content['format']!r}, expected {_FORMAT}")
            return [
                Offered(str(entry["source"]), dict(entry["configmap"]))
                for entry in content["configmaps"]
            ]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as wrong:
            log.warning(
                "kept rules are damaged and set aside", path=str(self._path), error=str(wrong)
            )
            self._set_aside()
            return []

    def _set_aside(self) -> None:
        try:
            self._path.replace(self._path.with_suffix(".damaged"))
        except OSError:
            pass  # a state folder that cannot be written is reported by the next save
