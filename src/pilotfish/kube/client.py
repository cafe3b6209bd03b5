"""Requests to one cluster's API server, and streams of lines, through the official client.

A 401 makes the next request read everything that says who we are anew, and so does a connection
that cannot be made: a rotated token or authority costs one refused request.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from pilotfish import __version__
from pilotfish.errors import StartError
from pilotfish.kube.configuration import ClusterAccess, load_configuration

CONNECT_S = 5.0
REQUEST_S = 15.0
Query = Iterable[tuple[str, str]]


class ApiError(Exception):
    """The API server answered, but not with what was asked for. `status` is the HTTP status (or the
    code inside an ERROR event).
    """

    def __init__(self, status: int, message: str, path: str = "") -> None:
        super().__init__(f"{status}: {message}" + (f" ({path})" if path else ""))
        self.status, self.message = status, message


class Lost(Exception):
    """No answer, or one that broke off. `reason` is a label value: `connection`, `stalled`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(slots=True)
class _Session:
    """A client with its connections. One that is retired is closed when its last answer ends."""

    client: ApiClient
    answers: int = 0
    retired: bool = False


class Kube:
    """Requests to one cluster, made as one account. Close it when done."""

    def __init__(self, load: Callable[[], Awaitable[Configuration]]) -> None:
        self._load = load
        self._session: _Session | None = None
        self._open: list[_Session] = []
        # A kubeconfig's plugin is run once, however many watches begin.
        self._loading = asyncio.Lock()

    @classmethod
    def at(cls, access: ClusterAccess) -> Kube:
        return cls(lambda: load_configuration(access))

    async def close(self) -> None:
        """Closes every connection; an answer that is still being read comes as `Lost`."""
        self._session = None
        for session in list(self._open):
            await self._end(session)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Any:
        """The answer's JSON, None for an empty one. Raises `ApiError` for any status but 2xx,
        `Lost` where no answer came in time, `StartError` where no cluster is configured.
        """
        headers = {"Accept": accept, "Content-Type": content_type}
        limits = aiohttp.ClientTimeout(total=REQUEST_S, connect=CONNECT_S)
        async with self._answer(method, path, query, headers, body, limits) as answer:
            content = await answer.read()
            try:
                return orjson.loads(content) if content else None
            except ValueError as wrong:
                raise ApiError(answer.status, f"the answer is not JSON: {wrong}", path) from None

    async def lines(
        self, path: str, *, query: Query, total_s: float, silence_s: float
    ) -> AsyncGenerator[bytes, None]:
        """The lines of an answer as they come, after an empty one that says that the answer has
        begun. Ends when the server ends it; `Lost("stalled")` after `silence_s` without a byte.
        """
        limits = aiohttp.ClientTimeout(total=total_s, connect=CONNECT_S, sock_read=silence_s)
        headers = {"Accept": "application/json"}
        async with self._answer("GET", path, query, headers, None, limits) as answer:
            yield b""
            rest = b""
            async for chunk in answer.content.iter_any():
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    if line:
                        yield line

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        path: str,
        query: Query,
        headers: dict[str, str],
        body: Any,
        limits: aiohttp.ClientTimeout,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer whose status is 2xx, its body unread. Whatever goes wrong while it is read
        comes as `Lost`.
        """
        session = await self._current()
        session.answers += 1
        answer: aiohttp.ClientResponse | None = None
        try:
            request = await session.client.param_serialize(
                method,
                path,
                query_params=list(query),
                header_params=headers,
                body=body,
                auth_settings=["BearerToken"],
            )
            answer = (await session.client.call_api(*request, _request_timeout=limits)).response
            if answer.status >= 300:
                if answer.status == 401:
                    await self._retire(session)
                raise ApiError(answer.status, _message(await answer.read()), path)
            yield answer
        except (aiohttp.ClientConnectionError, TimeoutError, aiohttp.ClientError) as wrong:
            if answer is None:
                await self._retire(session)  # perhaps the authority was rotated: read it anew
            raise _lost(wrong, path, has_begun=answer is not None) from wrong
        finally:
            if answer is not None:
                _abandon(answer)
            session.answers -= 1
            await self._end_if_unused(session)

    async def _current(self) -> _Session:
        async with self._loading:
            if self._session is None:
                configuration = await self._load()
                try:
                    client = ApiClient(configuration)
                except OSError as wrong:  # ssl.SSLError among them
                    raise StartError(
                        f"the certificates to reach the Kubernetes API with cannot be used: {wrong}"
                    ) from wrong
                client.user_agent = f"pilotfish/{__version__}"
                self._session = _Session(client)
                self._open.append(self._session)
            return self._session

    async def _retire(self, session: _Session) -> None:
        """The next request builds a client of its own, from what the files hold then."""
        session.retired = True
        if self._session is session:
            self._session = None
        await self._end_if_unused(session)

    async def _end_if_unused(self, session: _Session) -> None:
        if session.retired and not session.answers:
            await self._end(session)

    async def _end(self, session: _Session) -> None:
        if session in self._open:
            self._open.remove(session)
            await session.client.close()


def _abandon(answer: aiohttp.ClientResponse) -> None:
    """Gives the connection of an answer that was read to its end back, and breaks any other off:
    saying goodbye over TLS would outlive whoever closes us.
    """
    connection = answer.connection
    transport = connection.transport if connection is not None else None
    answer.close()
    if transport is not None:
        transport.abort()


def _lost(wrong: BaseException, path: str, *, has_begun: bool) -> Lost:
    if isinstance(wrong, aiohttp.ClientConnectorCertificateError):
        return Lost(
            "connection",
            f"{path}: the server's certificate is not trusted: {wrong.certificate_error}",
        )
    if isinstance(wrong, TimeoutError):
        return Lost("stalled" if has_begun else "connection", f"{path}: no answer in time")
    return Lost("connection", f"{path}: {wrong or type(wrong).__name__}")


def _message(content: bytes) -> str:
    try:
        return str(orjson.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return content[:200].decode("utf-8", "replace") or "no reason given"
