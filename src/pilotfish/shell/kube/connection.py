"""One connection to the API server: who we are, requests, and streams of lines.

`kubernetes.aio` reads kubeconfigs and the Pod's mounted token; it re-reads the token once a minute, and a 401 makes us load everything
anew at once, so a rotated token or authority costs one refused request.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import load_kube_config
from kubernetes.aio.config.incluster_config import InClusterConfigLoader

from pilotfish.errors import StartError

TOKEN_DIR = Path("/var/run/secrets/kubernetes.io/serviceaccount")
CONNECT_S = 5.0
REQUEST_S = 15.0
Query = Iterable[tuple[str, str]]


class ApiError(Exception):
    """The API server answered, but not with what was asked for. `status` is the HTTP status (or the code inside an ERROR event)."""

    def __init__(self, status: int, message: str, path: str = "") -> None:
        super().__init__(f"{status}: {message}" + (f" ({path})" if path else ""))
        self.status, self.message = status, message


class Lost(Exception):
    """No answer, or one that broke off. `reason` is a label value: `connection`, `stalled`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Where:
    """Which cluster: a kubeconfig, or (where that is empty) the one this Pod runs in."""

    kubeconfig: str = ""
    token_dir: Path = TOKEN_DIR


def is_in_cluster(environ: Mapping[str, str] = os.environ) -> bool:
    return bool(environ.get("KUBERNETES_SERVICE_HOST"))


def own_namespace(where: Where) -> str:
    """The namespace that the mounted token belongs to; `default` where none says."""
    try:
        return (where.token_dir / "namespace").read_text().strip() or "default"
    except OSError:
        return "default"


async def load(where: Where) -> Any:
    """The client's configuration. Raises `StartError` where there is no cluster to be found."""
    configuration = Configuration()
    # Python 3.13 refuses authorities without the key identifiers that many clusters' own certificates lack.
    configuration.disable_strict_ssl_verification = True
    try:
        if where.kubeconfig:
            await load_kube_config(config_file=where.kubeconfig, client_configuration=configuration, persist_config=False)
        else:
            loader = InClusterConfigLoader(token_filename=str(where.token_dir / "token"), cert_filename=str(where.token_dir / "ca.crt"))
            loader.load_and_set(configuration)
    except Exception as wrong:  # the client raises its own, ValueError, KeyError and OSError alike
        raise StartError(f"cannot read {where.kubeconfig or where.token_dir} to reach the Kubernetes API: {wrong}") from wrong
    return configuration


class Kube:
    """Requests to one cluster, made as one account. Close it when done."""

    def __init__(self, load_configuration: Callable[[], Awaitable[Any]]) -> None:
        self._load = load_configuration
        self._client: Any = None

    @classmethod
    def at(cls, where: Where) -> Kube:
        return cls(lambda: load(where))

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def request(
        self, method: str, path: str, *, query: Query = (), body: Any = None, content_type: str = "application/json", accept: str = ""
    ) -> Any:
        """The answer's JSON. Raises `ApiError` for any status but 2xx, `Lost` where no answer came in time."""
        timeout = aiohttp.ClientTimeout(total=REQUEST_S, sock_connect=CONNECT_S)
        headers = {"Content-Type": content_type} | ({"Accept": accept} if accept else {})
        async with self._answer(method, path, query, headers, body, timeout) as answer:
            content = await answer.read()
            try:
                return json.loads(content) if content else None
            except ValueError as wrong:
                raise ApiError(answer.status, f"the answer is not JSON: {wrong}", path) from None

    async def lines(self, path: str, *, query: Query, total_s: float, silence_s: float) -> AsyncGenerator[bytes, None]:
        """The lines of an answer as they come, after an empty one that says that the answer has begun. Ends when the server ends it; `Lost("stalled")` after `silence_s` without a byte."""
        timeout = aiohttp.ClientTimeout(total=total_s, sock_connect=CONNECT_S, sock_read=silence_s)
        async with self._answer("GET", path, query, {}, None, timeout) as answer:
            yield b""
            rest = b""
            async for chunk in answer.content.iter_any():
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    if line:
                        yield line

    @asynccontextmanager
    async def _answer(
        self, method: str, path: str, query: Query, headers: dict[str, str], body: Any, limits: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        answer: aiohttp.ClientResponse | None = None
        try:
            if self._client is None:
                self._client = ApiClient(await self._load())
                self._client.user_agent = "pilotfish"
            _, url, headers, _, _ = await self._client.param_serialize(
                method, path, query_params=list(query), header_params=headers, auth_settings=["BearerToken"]
            )
            answer = (await self._client.call_api(method, url, headers, body=body, _request_timeout=limits)).response
            assert answer is not None
            if answer.status >= 300:
                if answer.status == 401:
                    await self.close()
                raise ApiError(answer.status, _message(await answer.read(), answer.reason or ""), path)
            yield answer
        except TimeoutError as late:
            raise Lost("stalled" if answer else "connection", f"{path}: no answer in time ({type(late).__name__})") from late
        except (aiohttp.ClientError, OSError) as broken:
            if isinstance(broken, aiohttp.ClientSSLError):
                await self.close()  # perhaps the authority was rotated: read it anew
            raise Lost("connection", f"{path}: {broken or type(broken).__name__}") from broken
        finally:
            if answer is not None:
                answer.close()


def _message(content: bytes, reason: str) -> str:
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return reason
