"""The server's TLS: one context whose certificate is replaced while connections come and go."""

from __future__ import annotations

import asyncio
import os
import ssl
from pathlib import Path

import structlog

from pilotfish.injector.pki import Pair, expiry

log = structlog.get_logger()


class Tls:
    """Handshakes that begin after `install` see the new certificate; connections that are open stay
    as they are.
    """

    def __init__(self) -> None:
        self.context = _context()
        self.installed = asyncio.Event()
        self.expires_at = 0.0
        self._current: bytes = b""

    def install(self, pair: Pair) -> bool:
        """Whether the certificate is a new one. Raises ValueError for a pair that does not fit; the
        one in use then stays in use.
        """
        if pair.certificate == self._current:
            return False
        try:
            ends = expiry(pair.certificate).timestamp()
            _load(_context(), pair)  # tried on a context that nobody uses
            _load(self.context, pair)
        except (ssl.SSLError, ValueError) as wrong:
            raise ValueError(
                f"the certificate and key do not fit or are not readable: {wrong}"
            ) from wrong
        self._current, self.expires_at = pair.certificate, ends
        self.installed.set()
        return True


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _load(context: ssl.SSLContext, pair: Pair) -> None:
    """The ssl module reads only files. This one is in memory, and gone when it is closed."""
    file = os.memfd_create("pilotfish-tls")
    try:
        os.write(file, pair.certificate.rstrip() + b"\n" + pair.key)
        context.load_cert_chain(f"/proc/self/fd/{file}")
    finally:
        os.close(file)


async def follow_files(tls: Tls, certificate: Path, key: Path, every_s: float = 5.0) -> None:
    """Installs what the two files hold, and again whenever it changes: mounted Secrets are replaced
    by renaming, unseen by watches of files.
    """
    problem = ""
    while True:
        try:
            pair = await asyncio.to_thread(lambda: Pair(certificate.read_bytes(), key.read_bytes()))
            if tls.install(pair):
                log.info("certificate installed", file=str(certificate), expires_at=tls.expires_at)
            problem = ""
        except (OSError, ValueError) as wrong:
            # Halfway through a replacement the two do not fit; the next look will find them whole.
            if str(wrong) != problem:
                problem = str(wrong)
                log.warning(
                    "the certificate files cannot be used", file=str(certificate), error=problem
                )
        await asyncio.sleep(every_s)
