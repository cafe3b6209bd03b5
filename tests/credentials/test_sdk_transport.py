"""A library's calls over our own connections: by the provider's proxy and CA, told apart from
refusals, and left when nobody waits.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from credentials.conftest import listening
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.service import SecretRef
from pilotfish.credentials.fetch import Fetcher, FetchError, HttpAnswer
from pilotfish.credentials.google import google_key
from pilotfish.credentials.keys import CredentialError
from pilotfish.credentials.sdk_transport import (
    AzureResponse,
    GoogleResponse,
    SdkTransport,
    in_a_thread,
)


class Recording(Fetcher):
    """Answers, or fails, as it is told, and keeps what it was asked."""

    def __init__(self, *answers: HttpAnswer | FetchError) -> None:
        self.asked: list[tuple[str, str, list[tuple[bytes, bytes]], bytes, dict[str, object]]] = []
        self._answers = list(answers)

    async def fetch(self, method, url, headers=(), body=b"", **options):
        self.asked.append((method, url, list(headers), body, options))
        answer = self._answers.pop(0)
        if isinstance(answer, FetchError):
            raise answer
        return answer


GOOD = HttpAnswer(200, ((b"content-type", b"application/json"),), b"{}")


async def carried(context, provider, fetcher, *urls: str) -> SdkTransport:
    """The sdk_transport after these calls, failed ones included."""
    sdk_transport = SdkTransport(provider, replace(context, fetcher=fetcher))

    def library() -> None:
        for url in urls:
            try:
                sdk_transport.send(
                    "POST", url, {"Host": "x", "Content-Length": "3", "Accept": "a"}, b"b=1", 5.0
                )
            except FetchError:
                pass  # a library tries the next source

    await asyncio.to_thread(library)
    return sdk_transport


LOGIN, METADATA = "https://login.example/token", "http://169.254.169.254/token"


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        (FetchError("connect", "refused"), Outcome.CONNECT_FAILED),
        (FetchError("timeout", "late"), Outcome.TIMEOUT),
        (FetchError("connect_timeout", "late"), Outcome.TIMEOUT),
        (HttpAnswer(500, (), b""), Outcome.OVERLOADED),
        (HttpAnswer(429, (), b""), Outcome.RATE_LIMITED),
        (HttpAnswer(401, (), b""), None),
        (GOOD, None),
    ],
)
async def test_what_was_no_refusal_is_told(context, make, answer, trouble):
    assert (await carried(context, make("azure"), Recording(answer), LOGIN)).trouble is trouble


async def test_a_metadata_server_that_is_not_there_is_no_trouble(context, make):
    """Only in its own cloud there is one."""
    assert (
        await carried(context, make("azure"), Recording(FetchError("connect", "refused")), METADATA)
    ).trouble is None


async def test_the_last_call_decides(context, make):
    fetcher = Recording(FetchError("connect", "refused"), HttpAnswer(401, (), b""))
    assert (await carried(context, make("azure"), fetcher, LOGIN, LOGIN)).trouble is None


async def test_the_providers_proxy_and_ca_are_used_but_no_proxy_for_a_metadata_server(
    context, make
):
    fetcher = Recording(GOOD, GOOD)
    await carried(
        context,
        make("azure", proxy_url="socks5://p:1080", ca_file="ca.pem"),
        fetcher,
        LOGIN,
        METADATA,
    )
    (_, _, headers, body, by_proxy), (_, _, _, _, directly) = fetcher.asked
    assert (headers, body) == ([(b"Accept", b"a")], b"b=1")
    assert by_proxy == {"timeout_s": 5.0, "proxy_url": "socks5://p:1080", "ca_file": "ca.pem"}
    assert directly == {"timeout_s": 5.0, "proxy_url": "", "ca_file": "ca.pem"}


async def test_a_library_that_is_left_behind_ends_at_its_next_call(context, make):
    """Else its thread would go on asking, minutes after the request that wanted the token."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    heard: list[str] = []

    class Silent(Fetcher):
        async def fetch(self, *_, **__):
            await asyncio.Event().wait()

    def library(sdk_transport: SdkTransport) -> None:
        for _ in range(2):
            try:
                sdk_transport.send("GET", LOGIN, {}, b"", 60.0)
            except FetchError as e:
                heard.append(str(e))
        loop.call_soon_threadsafe(ended.set)

    with pytest.raises(CredentialError, match=r"x: no token within 0\.05 s") as e:
        await in_a_thread("x", make("azure"), replace(context, fetcher=Silent()), 0.05, library)
    assert e.value.outcome is Outcome.TIMEOUT
    await ended.wait()
    assert heard == ["nobody waits for it any more"] * 2


@pytest.mark.parametrize("response", [GoogleResponse(GOOD), AzureResponse(None, GOOD)])
def test_headers_are_found_however_they_are_spelt(response):
    assert (
        response.headers["Content-Type"]
        == response.headers.get("content-type")
        == "application/json"
    )
    assert "CONTENT-TYPE" in response.headers
    assert response.headers.get("x", "none") == "none"


# ---- by a real SOCKS5 proxy


class Socks:
    """A SOCKS5 proxy (RFC 1928) for one host, wherever that is. `asked`: names and ports."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.asked: list[tuple[str, int]] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, methods = await reader.readexactly(2)
        await reader.readexactly(methods)
        writer.write(b"\x05\x00")
        assert (await reader.readexactly(4))[3] == 3  # a name, which socks5h leaves to the proxy
        name = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        self.asked.append((name, int.from_bytes(await reader.readexactly(2))))
        inner, outer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        await asyncio.gather(self._pass(reader, outer), self._pass(inner, writer))

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            target.write(data)
        target.close()
        await target.wait_closed()


async def test_googles_library_reaches_its_endpoint_by_a_socks_proxy(
    context, make, authority, clock
):
    clock.now = time.time()
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    account = {
        "type": "service_account",
        "client_email": "a@b",
        "private_key_id": "hush",
        "private_key": pem,
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    async with listening(authority("oauth2.googleapis.com")) as google:
        google.answer = lambda n: (200, {"access_token": f"hush-by-proxy-{n}", "expires_in": 3600})
        proxy = Socks(int(google.url.rpartition(":")[2]))
        server = await asyncio.start_server(proxy.talk, "127.0.0.1", 0)
        proxy_url = f"socks5h://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        vertex = make("vertex", proxy_url=proxy_url, ca_file=authority.ca_file)
        made = google_key(vertex, SecretRef("literal", value=json.dumps(account)), context)
        await made.fetch()
        assert proxy.asked == [("oauth2.googleapis.com", 443)]
        assert made.headers(None) == ((b"authorization", b"Bearer hush-by-proxy-1"),)
        await made.close()
        server.close()
