"""Whether API servers trust the certificate that we serve with: until our webhooks name its
authority they call nobody, and Pods that are made meanwhile start without a sidecar.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Collection, Mapping
from typing import Any

import structlog

# The webhooks' configurations may be made after us, or never (`pilotfish injector` by itself).
ABSENT_S = 10.0
log = structlog.get_logger()


class Trust:
    """`kinds`: of webhook configurations, each of which is looked at.

    `established` is set once, when every webhook of ours names the authority of the certificate
    in use: what happens later (an upgrade that takes the bundle away) is mended in a moment, and an
    injector that is not ready would answer nobody.
    """

    def __init__(self, kinds: Collection[str]) -> None:
        self.established = asyncio.Event()
        self._authority = b""
        self._unseen = set(kinds)
        self._bundles: dict[str, list[bytes]] = {}  # of each configuration that is there, by kind

    def signed_by(self, authority: bytes) -> None:
        """The certificate in use is signed by this authority (PEM)."""
        self._authority = authority.strip()
        self._look()

    def configured(self, kind: str, configuration: Mapping[str, Any] | None) -> None:
        """A webhook configuration of ours is like this now; None: it is not there."""
        self._unseen.discard(kind)
        if configuration is None:
            self._bundles.pop(kind, None)
        else:
            self._bundles[kind] = [
                base64.b64decode((webhook.get("clientConfig") or {}).get("caBundle") or "")
                for webhook in configuration.get("webhooks") or ()
            ]
        self._look()

    def _look(self) -> None:
        bundles = [bundle for bundles in self._bundles.values() for bundle in bundles]
        if self._unseen or not self._authority or not bundles:
            return
        if all(self._authority in bundle for bundle in bundles):
            self.established.set()

    async def wait(self, absent_s: float = ABSENT_S) -> None:
        """Until it is established. Where there is no webhook of ours, so many seconds."""
        try:
            async with asyncio.timeout(absent_s):
                await self.established.wait()
            return
        except TimeoutError:
            pass
        if not self._bundles:
            log.warning("there is no webhook configuration of ours: nobody will call")
            return
        log.warning("our webhooks do not name the authority of our certificate yet")
        await self.established.wait()
