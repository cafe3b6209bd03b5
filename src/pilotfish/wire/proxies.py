"""Connections through a proxy: HTTP and HTTPS proxies (CONNECT for https, absolute form for http), SOCKS5.

What happens to bytes afterwards is none of this module's business: the pool's protocol gets a transport like any other.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from pilotfish.wire.pool import Origin, connect_directly

MAX_ANSWER_BYTES = 16 * 1024
DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}

# RFC 1928 section 6.
_SOCKS_REFUSALS = {
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "time to live expired",
    7: "command not supported",
    8: "address type not supported",
}


class ProxyError(ConnectionError):
    """The proxy did not do what it is for. Its name stands in the message, user and password do not."""


async def connect(factory: Callable[[], asyncio.Protocol], origin: Origin, context: ssl.SSLContext | None) -> tuple[Any, Any]:
    """A connection to `origin`, by way of its proxy if it names one; `context` is the TLS towards the origin itself."""
    if not origin.proxy_url:
        return await connect_directly(factory, origin, context)
    proxy = urlsplit(origin.proxy_url)
    name = f"proxy {proxy.hostname}:{_port(proxy)}"
    reader = asyncio.StreamReader(limit=MAX_ANSWER_BYTES)
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.create_connection(
            lambda: asyncio.StreamReaderProtocol(reader),
            proxy.hostname or "",
            _port(proxy),
            ssl=ssl.create_default_context(cafile=origin.ca_file or None) if proxy.scheme == "https" else None,
        )
    except OSError as e:
        raise ProxyError(f"cannot reach the {name}: {e.strerror or type(e).__name__}") from e
    try:
        if proxy.scheme.startswith("socks5"):
            await _socks5(reader, transport, proxy, origin, name)
        elif context is not None:
            await _tunnel(reader, transport, proxy, origin, name)
        else:
            return _handed_over(factory(), _AbsoluteForm(transport, origin, _basic(proxy)), transport)
        protocol = factory()
        if context is None:
            return _handed_over(protocol, transport, transport)
        secured = await loop.start_tls(transport, protocol, context, server_hostname=origin.host)
        assert secured is not None
        protocol.connection_made(secured)
        return secured, protocol
    except asyncio.IncompleteReadError:
        transport.abort()
        raise ProxyError(f"the {name} closed the connection") from None
    except BaseException:
        transport.abort()
        raise


def _handed_over(protocol: asyncio.Protocol, seen: asyncio.Transport, transport: asyncio.Transport) -> tuple[Any, Any]:
    """From here on the connection is the protocol's."""
    transport.set_protocol(protocol)
    protocol.connection_made(seen)
    return seen, protocol


def _port(proxy: SplitResult) -> int:
    return proxy.port or DEFAULT_PORTS.get(proxy.scheme, 80)


def _basic(proxy: SplitResult) -> bytes:
    """The header that authenticates us to the proxy; empty without a user."""
    if proxy.username is None:
        return b""
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
    return b"proxy-authorization: Basic " + b64encode(pair) + b"\r\n"


async def _tunnel(reader: asyncio.StreamReader, transport: asyncio.Transport, proxy: SplitResult, origin: Origin, name: str) -> None:
    """RFC 9110 section 9.3.6."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    target = f"{host}:{origin.port}".encode()
    transport.write(b"CONNECT %b HTTP/1.1\r\nhost: %b\r\n%b\r\n" % (target, target, _basic(proxy)))
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise ProxyError(f"the {name} answered CONNECT with more than {MAX_ANSWER_BYTES} bytes") from None
    words = head.split(b"\r\n", 1)[0].split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise ProxyError(f"the {name} does not speak HTTP")
    if not words[1].startswith(b"2"):
        raise ProxyError(f"the {name} refused the connection to {origin.host}:{origin.port} with status {int(words[1])}")


async def _socks5(reader: asyncio.StreamReader, transport: asyncio.Transport, proxy: SplitResult, origin: Origin, name: str) -> None:
    """RFC 1928; user and password by RFC 1929. `socks5` looks names up here, `socks5h` leaves that to the proxy."""
    methods = b"\x00" if proxy.username is None else b"\x00\x02"
    transport.write(b"\x05" + bytes([len(methods)]) + methods)
    version, method = await reader.readexactly(2)
    if version != 5 or method not in methods:
        raise ProxyError(f"the {name} {'takes none of our ways to authenticate' if version == 5 else 'does not speak SOCKS5'}")
    if method == 2:
        user, password = (unquote(part or "").encode()[:255] for part in (proxy.username, proxy.password))
        transport.write(b"\x01" + bytes([len(user)]) + user + bytes([len(password)]) + password)
        if (await reader.readexactly(2))[1] != 0:
            raise ProxyError(f"the {name} refused our user and password")
    transport.write(b"\x05\x01\x00" + await _address(proxy, origin) + origin.port.to_bytes(2, "big"))
    _, reply, _, kind = await reader.readexactly(4)
    if reply != 0:
        why = _SOCKS_REFUSALS.get(reply, f"code {reply}")
        raise ProxyError(f"the {name} could not connect to {origin.host}:{origin.port}: {why}")
    length = {1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0]
    await reader.readexactly(length + 2)


async def _address(proxy: SplitResult, origin: Origin) -> bytes:
    host = origin.host
    if proxy.scheme == "socks5":
        try:
            ipaddress.ip_address(host)
        except ValueError:
            found = await asyncio.get_running_loop().getaddrinfo(host, origin.port, type=1)
            host = str(found[0][4][0])
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode("idna")
        return b"\x03" + bytes([len(name)]) + name
    return (b"\x01" if address.version == 4 else b"\x04") + address.packed


class _AbsoluteForm(asyncio.Transport):
    """A transport whose requests carry the whole URL and our credentials for the proxy (RFC 9112 section 3.2.2).

    The pool writes a request by one call, its head whole in the first part: that is where the URL goes in.
    """

    def __init__(self, transport: asyncio.Transport, origin: Origin, authorization: bytes) -> None:
        super().__init__()
        self._transport = transport
        host = f"[{origin.host}]" if ":" in origin.host else origin.host
        self._prefix = f"http://{host}:{origin.port}".encode()
        self._authorization = authorization

    def _rewritten(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b" ")
        line, _, headers = rest.partition(b"\r\n")
        return b"%b %b%b\r\n%b%b" % (method, self._prefix, line, self._authorization, headers)

    def write(self, data: Any) -> None:
        self._transport.write(self._rewritten(bytes(data)))

    def writelines(self, list_of_data: Any) -> None:
        parts: Sequence[bytes] = list(list_of_data)
        self._transport.writelines([self._rewritten(bytes(parts[0])), *parts[1:]])

    def abort(self) -> None:
        self._transport.abort()

    def close(self) -> None:
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)
