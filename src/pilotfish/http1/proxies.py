"""Connections to vendors by way of a proxy: `http://` and `https://` ones by CONNECT, `socks5://`
and `socks5h://` ones by SOCKS.

Every origin is reached through a tunnel, plain `http` ones too: what the vendor sees is then the
same with and without a proxy, and a proxy gets to see neither prompts nor keys. A proxy that
refuses tunnels to an origin's port says so in the error. User and password come from the URL
(`http://user:password@proxy:3128`) and go nowhere but to the proxy: no error names them. `socks5`
looks the vendor's name up here, `socks5h` leaves that to the proxy.
"""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from collections.abc import Callable
from typing import Any, NamedTuple, cast
from urllib.parse import unquote, urlsplit

from pilotfish.http1.origin import Origin, connect_directly, reason, tls_context

MAX_ANSWER_BYTES = 16 * 1024
MAX_SOCKS_CREDENTIAL = 255  # RFC 1929
_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_SOCKS_MISSING = "a socks5 proxy needs the python-socks package: pip install 'pilotfish[socks]'"


class ProxyError(OSError):
    """There is no tunnel. The message says what the proxy answered, or why the proxy could not be
    reached.
    """


class Proxy(NamedTuple):
    """A proxy_url, read. `user` and `password` are secrets."""

    scheme: str
    host: str
    port: int
    user: str
    password: str

    def __repr__(self) -> str:
        return f"Proxy({self.name})"

    @property
    def name(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def read_proxy_url(url: str) -> Proxy:
    """Raises ProxyError that says what is wrong with the URL, without quoting it: it may hold a
    password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ProxyError("the proxy_url is not a URL with a host and a port") from None
    scheme = parts.scheme.lower()
    if scheme not in _PORTS:
        raise ProxyError(
            f"the proxy_url is for {scheme or 'no'} proxies; known are {', '.join(_PORTS)}"
        )
    if not parts.hostname:
        raise ProxyError("the proxy_url names no host")
    return Proxy(
        scheme,
        parts.hostname,
        port or _PORTS[scheme],
        unquote(parts.username or ""),
        unquote(parts.password or ""),
    )


async def connect(
    factory: Callable[[], asyncio.Protocol], origin: Origin, context: ssl.SSLContext | None
) -> tuple[Any, Any]:
    """As `origin.connect_directly`, through `origin.proxy_url` if there is one. Raises OSError
    (ProxyError where the proxy is to blame) or ValueError."""
    if not origin.proxy_url:
        return await connect_directly(factory, origin, context)
    proxy = read_proxy_url(origin.proxy_url)
    if proxy.scheme.startswith("socks5"):
        return await _through_socks(factory, origin, context, proxy)
    return await _through_connect(factory, origin, context, proxy)


async def _through_connect(
    factory: Callable[[], asyncio.Protocol],
    origin: Origin,
    context: ssl.SSLContext | None,
    proxy: Proxy,
) -> tuple[Any, Any]:
    loop = asyncio.get_running_loop()
    own = (
        await asyncio.to_thread(_proxy_context, origin.ca_file) if proxy.scheme == "https" else None
    )
    try:
        transport, tunnel = await loop.create_connection(
            lambda: _Tunnel(_connect_request(origin, proxy), proxy),
            proxy.host,
            proxy.port,
            ssl=own,
            server_hostname=proxy.host if own else None,
        )
    except OSError as e:
        raise ProxyError(f"the proxy {proxy.name} cannot be reached: {reason(e)}") from e
    try:
        await tunnel.opened
        entrance = _Entrance()
        if context is None:
            transport.set_protocol(entrance)
            inner: asyncio.BaseTransport = transport
        else:
            started = await loop.start_tls(
                transport, entrance, context, server_hostname=origin.host
            )
            if started is None:  # what uvloop and asyncio give where the connection went meanwhile
                raise ProxyError(
                    f"the proxy {proxy.name} closed the tunnel during the TLS handshake"
                )
            inner = started
    except BaseException:
        transport.abort()
        raise
    protocol = factory()
    entrance.hand_over(inner, protocol)
    return inner, protocol


async def _through_socks(
    factory: Callable[[], asyncio.Protocol],
    origin: Origin,
    context: ssl.SSLContext | None,
    proxy: Proxy,
) -> tuple[Any, Any]:
    try:
        import python_socks
        from python_socks.async_.asyncio import Proxy as SocksProxy
    except ImportError:
        raise ProxyError(_SOCKS_MISSING) from None
    for part, what in ((proxy.user, "user"), (proxy.password, "password")):
        if not part.isascii() or len(part) > MAX_SOCKS_CREDENTIAL:
            raise ProxyError(
                f"the proxy_url's {what} cannot be used for SOCKS: "
                f"at most {MAX_SOCKS_CREDENTIAL} ASCII characters"
            )
    by_name = proxy.scheme == "socks5h"
    way = SocksProxy(
        python_socks.ProxyType.SOCKS5,
        proxy.host,
        proxy.port,
        username=proxy.user or None,
        password=proxy.password or None,
        rdns=by_name,
    )
    try:
        sock = await way.connect(origin.host, origin.port)
    except (
        python_socks.ProxyError,
        python_socks.ProxyConnectionError,
        python_socks.ProxyTimeoutError,
    ) as e:
        raise ProxyError(
            f"the proxy {proxy.name} opens no tunnel to {origin.host}:{origin.port}: {e}"
        ) from None
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    try:
        return await loop.create_connection(
            factory, sock=sock, ssl=context, server_hostname=origin.host if context else None
        )
    except BaseException:
        sock.close()
        raise


def _connect_request(origin: Origin, proxy: Proxy) -> bytes:
    host = origin.host if origin.host.isascii() else origin.host.encode("idna").decode()
    authority = f"[{host}]:{origin.port}" if ":" in host else f"{host}:{origin.port}"
    lines = [f"CONNECT {authority} HTTP/1.1", f"host: {authority}"]
    if proxy.user or proxy.password:
        lines.append(
            "proxy-authorization: Basic "
            + b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
        )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _proxy_context(ca_file: str) -> ssl.SSLContext:
    """A proxy may stand behind a public authority while its origin has its own, or the other way
    round: both are trusted for it.
    """
    context = tls_context("")
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except OSError as e:
            raise OSError(f"the CA file {ca_file} cannot be used: {reason(e)}") from e
    return context


class _Tunnel(asyncio.Protocol):
    """Asks a proxy for a tunnel; `opened` is done when it is open. Reads the head of the answer;
    the body of a refusal is not read.
    """

    def __init__(self, request: bytes, proxy: Proxy) -> None:
        self._request, self._proxy = request, proxy
        self._answer = b""
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        if self.opened.done():
            return
        self._answer += data
        head, end, rest = self._answer.partition(b"\r\n\r\n")
        if not end:
            if len(self._answer) > MAX_ANSWER_BYTES:
                self._fail(f"answers CONNECT with a head of more than {MAX_ANSWER_BYTES} bytes")
            return
        words = head.split(b"\r\n", 1)[0].split(None, 2)
        if (
            len(words) < 2
            or not words[0].startswith(b"HTTP/1.")
            or not (words[1].isdigit() and len(words[1]) == 3)
        ):
            self._fail("does not answer CONNECT in HTTP/1.1")
        elif words[1] == b"407":
            self._fail("asks for other credentials than those in proxy_url (status 407)")
        elif words[1][:1] == b"1":
            self._answer = rest
            self.data_received(b"")
        elif words[1][:1] != b"2":
            self._fail(f"refuses the tunnel with status {words[1].decode()}")
        elif rest:
            self._fail("sends data into the tunnel before anything was asked")
        else:
            self.opened.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self._fail("closed the connection before it answered CONNECT")

    def _fail(self, what: str) -> None:
        self.opened.set_exception(ProxyError(f"the proxy {self._proxy.name} {what}"))


class _Entrance(asyncio.Protocol):
    """Stands at our end of a tunnel until the real protocol does: what comes or ends in between
    must not be lost.
    """

    def __init__(self) -> None:
        self._data: list[bytes] = []
        self._lost: tuple[Exception | None] | None = None

    def data_received(self, data: bytes) -> None:
        self._data.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = (exc,)

    def hand_over(self, transport: asyncio.BaseTransport, protocol: asyncio.Protocol) -> None:
        cast(asyncio.Transport, transport).set_protocol(protocol)
        protocol.connection_made(transport)
        if self._data:
            protocol.data_received(b"".join(self._data))
        if self._lost is not None:
            protocol.connection_lost(self._lost[0])
