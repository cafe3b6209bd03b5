"""Where connections go, and how one is made without a proxy."""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple


class Origin(NamedTuple):
    """Where connections go. `proxy_url` empty: directly; it may hold a password. `ca_file` empty:
    the system's authorities.
    """

    scheme: str
    host: str
    port: int
    proxy_url: str = ""
    ca_file: str = ""

    def __repr__(self) -> str:
        way = ", by a proxy" if self.proxy_url else ""
        return f"Origin({self.scheme}://{self.host}:{self.port}{way})"


def host_header(origin: Origin) -> str:
    """The Host header of requests to an origin: with the port only where it is not the scheme's
    own.
    """
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    default = 443 if origin.scheme == "https" else 80
    return host if origin.port == default else f"{host}:{origin.port}"


Connect = Callable[
    [Callable[[], asyncio.Protocol], Origin, ssl.SSLContext | None], Awaitable[tuple[Any, Any]]
]


async def connect_directly(
    factory: Callable[[], asyncio.Protocol], origin: Origin, context: ssl.SSLContext | None
) -> tuple[Any, Any]:
    """Transport and protocol of a new connection. Raises OSError (ssl.SSLError, socket.gaierror are
    such) or ValueError (a bad host).
    """
    loop = asyncio.get_running_loop()
    return await loop.create_connection(
        factory,
        origin.host,
        origin.port,
        ssl=context,
        server_hostname=origin.host if context else None,
    )


def tls_context(ca_file: str) -> ssl.SSLContext:
    """Checks certificates and names, speaks HTTP/1.1. Raises OSError that names `ca_file` where
    that cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except OSError as e:
        raise OSError(f"the CA file {ca_file} cannot be used: {reason(e)}") from e
    context.set_alpn_protocols(["http/1.1"])
    return context


# What a connection needs of this machine: descriptors, memory, a free port.
_LOCAL = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})


def is_local(error: Exception) -> bool:
    """Whether a connection failed for want of something on this machine, so that it says nothing of
    the other side.
    """
    return isinstance(error, OSError) and error.errno in _LOCAL


def reason(error: Exception) -> str:
    """Why a connection could not be made, in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    return (
        error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    ) or type(error).__name__
