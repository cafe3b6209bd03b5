"""Every test with a loop runs on asyncio's and on uvloop's."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import Awaitable, Callable, Iterator

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pilotfish.wire.pool import Origin, Pool
from pilotfish.wire.server import Connection, Server
from wire.parties import MAX_BODY, Answering, Clock, Pipe, Raw, Vendor


def pytest_asyncio_loop_factories(config, item):
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def answering() -> Answering:
    return Answering()


@pytest.fixture
async def server(answering, clock) -> Server:
    return Server(answering.handle, answering.refuse, max_body_bytes=MAX_BODY, clock=clock)


@pytest.fixture
async def connect(server) -> Iterator[Callable[[], Awaitable[Raw]]]:
    """Opens connections to a listening `server`."""
    listening = await asyncio.get_running_loop().create_server(server.protocol, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    opened = []

    async def open_one() -> Raw:
        raw = Raw(*await asyncio.open_connection("127.0.0.1", port))
        opened.append(raw)
        return raw

    yield open_one
    for raw in opened:
        raw.writer.transport.abort()
    for connection in list(server.connections):
        connection.break_off(loudly=False)
    listening.close()
    await listening.wait_closed()


@pytest.fixture
async def piped(server) -> Callable[[], tuple[Connection, Pipe]]:
    """Makes connections of `server` that have no socket."""

    def make() -> tuple[Connection, Pipe]:
        connection, pipe = server.protocol(), Pipe()
        connection.connection_made(pipe)
        return connection, pipe

    return make


@pytest.fixture
async def vendor():
    """Starts upstreams: `await vendor(play)` with the coroutine function that plays each of its connections."""
    started = []

    async def start(play, **tls) -> Vendor:
        made = Vendor(play)
        await made.start(**tls)
        started.append(made)
        return made

    yield start
    for made in started:
        await made.stop()


@pytest.fixture
async def pool_to(clock):
    """Makes pools: `pool_to(port)`."""
    pools = []

    def make(port: int, *, scheme="http", host="127.0.0.1", **origin) -> Pool:
        pool = Pool(Origin(scheme, host, port, **origin), clock=clock)
        pools.append(pool)
        return pool

    yield make
    for pool in pools:
        pool.close()
        for upstream in list(pool.open):
            upstream.close()


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """A CA file, and contexts of servers whose certificates it signed: `authority(name)`."""
    folder = tmp_path_factory.mktemp("ca")
    now = datetime.datetime.now(datetime.UTC)

    def build(subject: str, issuer: str, key, signing_key, *, ca: bool) -> x509.Certificate:
        names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, n)]) for n in (subject, issuer)]
        builder = x509.CertificateBuilder(
            names[1], names[0], key.public_key(), x509.random_serial_number(), now, now + datetime.timedelta(days=1)
        )
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(subject)]), critical=False)
        return builder.sign(signing_key, hashes.SHA256())

    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_file = folder / "ca.pem"
    ca_file.write_bytes(build("test authority", "test authority", ca_key, ca_key, ca=True).public_bytes(serialization.Encoding.PEM))

    def server_context(name: str) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        pem = build(name, "test authority", key, ca_key, ca=False).public_bytes(serialization.Encoding.PEM)
        pem += key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path = folder / f"{name}.pem"
        path.write_bytes(pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    server_context.ca_file = str(ca_file)
    return server_context
