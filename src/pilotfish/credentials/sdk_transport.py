"""Transports for vendors' authentication libraries. The libraries know where credentials are and
how to ask for a token; the requests go over `credentials.fetch`.

So a provider's proxy (SOCKS5 too) and CA file hold for its tokens as for its traffic, no connection
is left open, and it is known whether a token was refused or its source could not be reached, which
the libraries report alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.service import Provider
from pilotfish.credentials.fetch import FetchError, HttpAnswer
from pilotfish.credentials.keys import CredentialContext, CredentialError

T = TypeVar("T")

TIMEOUT_S = 15.0  # for each of a library's calls that names no timeout
# Where clouds have their metadata servers. That none is there means only that this is not that
# cloud.
METADATA_HOSTS = frozenset({"169.254.169.254", "metadata.google.internal", "metadata"})
# `credentials.fetch` writes these itself.
_OURS = frozenset({"host", "connection", "content-length", "accept-encoding"})


async def in_a_thread(
    label: str,
    provider: Provider,
    context: CredentialContext,
    timeout_s: float,
    get: Callable[[SdkTransport], T],
) -> T:
    """Runs `get`, which blocks, in a thread. Raises CredentialError after `timeout_s`; the thread
    then ends at its next call.
    """
    sdk_transport = SdkTransport(provider, context)
    try:
        async with asyncio.timeout(timeout_s):
            return await asyncio.to_thread(get, sdk_transport)
    except TimeoutError:
        raise CredentialError(
            Outcome.TIMEOUT, f"{label}: no token within {timeout_s:g} s"
        ) from None
    finally:
        sdk_transport.leave()


class SdkTransport:
    """Made on the event loop's thread, used in another one where a library blocks. `trouble`: why
    the last call brought no answer, other than by a refusal; None if it was answered.
    """

    def __init__(self, provider: Provider, context: CredentialContext) -> None:
        self._provider, self._fetcher = provider, context.fetcher
        self._loop = asyncio.get_running_loop()
        self._asked: Future[HttpAnswer] | None = None
        self._left = False
        self.trouble: Outcome | None = None

    def leave(self) -> None:
        """The result is not needed any more: the library's thread ends with the call it is in, or
        with the next.
        """
        self._left = True
        if self._asked is not None:
            self._asked.cancel()

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float
    ) -> HttpAnswer:
        """Waits for the answer, whatever its status. Raises FetchError."""
        parts = urlsplit(url)
        try:
            if self._left:
                raise CancelledError
            self._asked = asyncio.run_coroutine_threadsafe(
                self._fetch(method, url, parts.scheme, headers, body, timeout_s), self._loop
            )
            answer = self._asked.result()
        except CancelledError:
            raise FetchError("connect", "nobody waits for it any more") from None
        except FetchError as e:
            if parts.hostname not in METADATA_HOSTS:
                self.trouble = (
                    Outcome.TIMEOUT
                    if e.kind in ("timeout", "connect_timeout")
                    else Outcome.CONNECT_FAILED
                )
            raise
        self.trouble = (
            Outcome.OVERLOADED
            if answer.status >= 500
            else Outcome.RATE_LIMITED
            if answer.status == 429
            else None
        )
        return answer

    async def _fetch(
        self,
        method: str,
        url: str,
        scheme: str,
        headers: Mapping[str, str],
        body: bytes,
        timeout_s: float,
    ) -> HttpAnswer:
        kept = [
            (name.encode(), value.encode())
            for name, value in headers.items()
            if name.lower() not in _OURS
        ]
        proxy_url = (
            "" if scheme == "http" else self._provider.proxy_url
        )  # plain HTTP is a metadata server's, which no proxy leads to
        ca_file = self._provider.ca_file
        return await self._fetcher.fetch(
            method, url, kept, body, timeout_s=timeout_s, proxy_url=proxy_url, ca_file=ca_file
        )


class GoogleTransport:
    """What google-auth calls a `transport.Request`: called with a request, it gives the
    response.
    """

    def __init__(self, sdk_transport: SdkTransport) -> None:
        self._sdk_transport = sdk_transport

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: Any,
    ) -> GoogleResponse:
        try:
            return GoogleResponse(
                self._sdk_transport.send(
                    method, url, headers or {}, _bytes_of(body), timeout or TIMEOUT_S
                )
            )
        except FetchError as e:
            from google.auth import exceptions

            raise exceptions.TransportError(e) from e


class GoogleResponse:
    """What google-auth calls a `transport.Response`."""

    def __init__(self, answer: HttpAnswer) -> None:
        self.status, self.headers, self.data = answer.status, _headers_of(answer), answer.body


class AzureTransport:
    """What azure-core calls an `HttpTransport`. It opens nothing of its own, so there is nothing to
    close.
    """

    def __init__(self, sdk_transport: SdkTransport) -> None:
        self._sdk_transport = sdk_transport

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def __enter__(self) -> AzureTransport:
        return self

    def __exit__(self, *_: object) -> None:
        """The library also calls it without arguments."""

    def send(self, request: Any, **options: Any) -> AzureResponse:
        """`connection_timeout` is short where the library only looks whether there is a metadata
        server.
        """
        timeout_s = options.get("connection_timeout") or TIMEOUT_S
        try:
            return AzureResponse(
                request,
                self._sdk_transport.send(
                    request.method,
                    request.url,
                    request.headers,
                    _bytes_of(request.content),
                    timeout_s,
                ),
            )
        except FetchError as e:
            from azure.core.exceptions import ServiceRequestError, ServiceResponseError

            error = (
                ServiceRequestError
                if e.kind in ("connect", "connect_timeout")
                else ServiceResponseError
            )
            raise error(str(e), error=e) from e


class AzureResponse:
    """What azure-core calls an `HttpResponse`."""

    def __init__(self, request: Any, answer: HttpAnswer) -> None:
        self.request, self.status_code, self.reason = request, answer.status, ""
        self.headers = _headers_of(answer)
        self.content_type = self.headers.get("content-type")
        self._body = answer.body

    def body(self) -> bytes:
        return self._body

    def text(self, encoding: str | None = None) -> str:
        return self._body.decode(encoding or "utf-8", "replace")


class _Headers(dict[str, str]):
    """Names are in lower case, and found in any."""

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())


def _headers_of(answer: HttpAnswer) -> _Headers:
    return _Headers(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.headers
    )


def _bytes_of(content: Any) -> bytes:
    """A body as these libraries write it: bytes, text, or a form's fields."""
    if isinstance(content, Mapping):
        return urlencode(content).encode()
    return content.encode() if isinstance(content, str) else content or b""
