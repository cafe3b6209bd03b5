"""Refresh tokens that a token endpoint has given in place of the configured ones, kept in
STATE_DIR: after a restart the configured one is not valid any more.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from pathlib import Path

import msgspec
import structlog

FOLDER = "oauth"

log = structlog.get_logger(__name__)


class _Kept(msgspec.Struct):
    """`instead_of`: a hash of the configured token, so that a new login is noticed."""

    instead_of: str
    refresh_token: str


class RotatedTokens:
    """Those of one provider, in a file of its own that only the owner may read. An empty
    `state_dir` keeps nothing. No failure here stops the proxy.
    """

    def __init__(self, state_dir: str, provider: str) -> None:
        name = hashlib.sha256(provider.encode()).hexdigest()[:32]
        self._path = Path(state_dir) / FOLDER / f"{name}.json" if state_dir else None

    def find(self, configured: str) -> str:
        """The token that came instead of the configured one; empty if there is none."""
        if self._path is None:
            return ""
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=_Kept)
        except FileNotFoundError:
            return ""
        except (OSError, msgspec.MsgspecError) as error:
            log.warning(
                "a rotated token cannot be read", file=str(self._path), error=type(error).__name__
            )
            return ""
        return kept.refresh_token if kept.instead_of == _hash(configured) else ""

    async def keep(self, configured: str, token: str) -> None:
        if self._path is not None:
            content = msgspec.json.encode(_Kept(_hash(configured), token))
            await asyncio.to_thread(_write, self._path, content)


def _write(path: Path, content: bytes) -> None:
    """Replaces the file whole, with mode 0600."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temporary = tempfile.mkstemp(dir=path.parent)  # with mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        log.warning("a rotated token cannot be kept", file=str(path), error=str(error))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
