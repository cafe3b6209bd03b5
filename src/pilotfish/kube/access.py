"""How the API server is reached, and as whom: from a Pod's mounted service account, or from a
kubeconfig.

In a Pod that is three files and two environment variables, read here. A kubeconfig may name
plugins, identity providers and client certificates, which the official client knows how to read: it
is imported for these, and nothing else of it is used.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pilotfish.errors import StartError
from pilotfish.http1 import proxies
from pilotfish.http1.origin import Origin, tls_context

TOKEN_DIR = Path("/var/run/secrets/kubernetes.io/serviceaccount")
# The kubelet renews a token when a fifth of its life is left, which is minutes at the least.
TOKEN_READ_AGAIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Where:
    """Which cluster: a kubeconfig, or (where that is empty) the one this Pod runs in."""

    kubeconfig: str = ""
    token_dir: Path = field(default_factory=lambda: TOKEN_DIR)


@dataclass(frozen=True, slots=True)
class Access:
    """`base`: scheme, host, port, perhaps a path. `authorization` gives the header's value for the
    next request, empty for none.

    `context` is None for plain HTTP. `server_name`: whose certificate is expected, where it is not
    the host's.
    """

    base: str
    authorization: Callable[[], Awaitable[str]]
    context: ssl.SSLContext | None = None
    server_name: str = ""
    proxy_url: str = ""

    async def connect(self, factory: Callable[[], asyncio.Protocol]) -> tuple[Any, Any]:
        """Transport and protocol of a new connection. Raises as `http1.origin.connect_directly`
        does.
        """
        host, port = self.host_and_port
        if self.proxy_url:
            return await proxies.connect(
                factory,
                Origin(urlsplit(self.base).scheme, host, port, self.proxy_url),
                self.context,
            )
        name = (self.server_name or host) if self.context else None
        return await asyncio.get_running_loop().create_connection(
            factory, host, port, ssl=self.context, server_hostname=name
        )

    @property
    def host_and_port(self) -> tuple[str, int]:
        parts = urlsplit(self.base)
        return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def own_namespace(where: Where) -> str:
    """The namespace that the mounted token belongs to; `default` where none says."""
    try:
        return (where.token_dir / "namespace").read_text().strip() or "default"
    except OSError:
        return "default"


async def load(where: Where, environ: Mapping[str, str] = os.environ) -> Access:
    """Raises `StartError` where there is no cluster to be found."""
    try:
        return (
            await _from_kubeconfig(where.kubeconfig)
            if where.kubeconfig
            else _in_cluster(where.token_dir, environ)
        )
    except StartError:
        raise
    except Exception as wrong:  # the client raises its own, ValueError, KeyError and OSError alike
        raise StartError(
            f"cannot read {where.kubeconfig or where.token_dir} to reach the Kubernetes API: {wrong}"
        ) from wrong


def _in_cluster(token_dir: Path, environ: Mapping[str, str]) -> Access:
    host, port = (
        environ.get("KUBERNETES_SERVICE_HOST", ""),
        environ.get("KUBERNETES_SERVICE_PORT", "443"),
    )
    if not host:
        raise ValueError("KUBERNETES_SERVICE_HOST is not set: this is no Pod")
    token = MountedToken(token_dir / "token")
    token.read()
    base = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    return Access(base, token.authorization, _context(str(token_dir / "ca.crt")))


class MountedToken:
    """The service account's token, read again now and then, since it is renewed in place."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._value = ""
        self._read_at = 0.0

    def read(self) -> None:
        """Raises OSError, or ValueError for a file without a token in it."""
        value = self._path.read_text().strip()
        if not value:
            raise ValueError(f"{self._path} is empty, expected a token")
        self._value = value

    async def authorization(self) -> str:
        now = asyncio.get_running_loop().time()
        if now - self._read_at > TOKEN_READ_AGAIN_S:
            try:
                self.read()
                self._read_at = now
            except (OSError, ValueError):
                pass  # between two versions of the mount: the old one is good for minutes yet
        return f"Bearer {self._value}"


async def _from_kubeconfig(path: str) -> Access:
    try:
        from kubernetes.aio.client.configuration import Configuration
        from kubernetes.aio.config import load_kube_config
    except ImportError:
        raise StartError(
            "a kubeconfig is read by the official client, which is not installed: pip install 'pilotfish[kubernetes]'"
        ) from None

    configuration = Configuration()
    await load_kube_config(
        config_file=path, client_configuration=configuration, persist_config=False
    )

    async def authorization() -> str:
        return str(await configuration.get_api_key_with_prefix("BearerToken") or "")

    base = configuration.host.rstrip("/")
    context = _context(configuration.ssl_ca_cert or "") if base.startswith("https://") else None
    if context is not None and configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    if context is not None and not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return Access(
        base, authorization, context, configuration.tls_server_name or "", configuration.proxy or ""
    )


def _context(ca_file: str) -> ssl.SSLContext:
    context = tls_context(ca_file)
    # Python 3.13 refuses authorities without the key identifiers that many clusters' own
    # certificates lack.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
