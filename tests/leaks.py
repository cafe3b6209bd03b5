"""A pytest plugin that listens to everything the code under test puts out, and fails the test in
which a planted secret comes out.

Heard are: stdout, stderr and logs of each test; output of child processes; every byte that the
proxy sends its clients and that its admin port answers; every answer of the injector; access log
lines; traces; what is kept in STATE_DIR; problems with rules; texts of exceptions, of pilotfish and
of any that a test expects. And every request to a vendor, for the client's own key.

Two more things are held to: a secret that the code reads must carry the mark (else its leak would
go unheard), and each worker of xdist fails its own tests, so that the run fails with the name of
the test and the place of the leak.
"""

from __future__ import annotations

import asyncio.subprocess
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from _pytest.capture import CaptureFixture
from _pytest.raises import RaisesExc
from aiohttp import web
from structlog.testing import LogCapture

from pilotfish.admin.routes import Admin
from pilotfish.credentials.expiring import ExpiringKey
from pilotfish.credentials.fetch import Fetcher, FetchError
from pilotfish.credentials.keys import CredentialError
from pilotfish.credentials.secrets import Secret
from pilotfish.errors import ClientError, Problem, RuleError, StartError
from pilotfish.http1.pool import Pool
from pilotfish.http1.server import Connection
from pilotfish.injector.app import Injector
from pilotfish.injector.server import Admission
from pilotfish.shared.state_file import StateFile
from pilotfish.telemetry.access_log import AccessLog
from planted import CLIENT_MARK, LONGEST, is_planted, marks_in

AROUND = 60
_leaks: list[str] = []
_tails: dict[tuple[int, object], bytes] = {}


def hear(place: str, data: object) -> None:
    """Takes note of a mark in what came out at this place."""
    raw = data if isinstance(data, bytes) else str(data).encode("utf-8", "replace")
    for mark in marks_in(raw):
        at = raw.index(mark)
        note(
            f"{place}: {mark.decode()!r} in {raw[max(0, at - AROUND) : at + len(mark) + AROUND]!r}"
        )


def hear_piece(place: str, stream: tuple[int, object], data: bytes) -> None:
    """The same for what comes in pieces: a mark may lie across several of them."""
    data = _tails.get(stream, b"") + data
    hear(place, data)
    _tails[stream] = data[1 - LONGEST :]


def note(what: str) -> None:
    if what not in _leaks:
        _leaks.append(what)


def forgive(place: str) -> None:
    """For the test of what is on purpose: forgets what was heard there, and there only. Fails if
    there was nothing.
    """
    kept = [leak for leak in _leaks if not leak.startswith(f"{place}:")]
    assert len(kept) < len(_leaks), f"nothing was heard at {place!r}: {_leaks}"
    _leaks[:] = kept


# ---- what fails


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report: pytest.TestReport = yield
    if report.when == "teardown":
        for name, text in report.sections:
            hear(name.lower(), text)
        leaks, _leaks[:] = list(_leaks), []
        _tails.clear()
        if leaks:
            report.outcome = "failed"
            report.longrepr = "\n".join(
                ["a planted secret came out:", *leaks, str(report.longrepr or "")]
            )
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """What came out after the last test's report fails the run; a worker tells the controller."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["leaks"] = list(_leaks)
    elif _leaks:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    _leaks.extend(getattr(node, "workeroutput", {}).get("leaks", ()))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for leak in _leaks:
        terminalreporter.write_line(
            f"after the last test, a planted secret came out: {leak}", red=True
        )


# ---- where it listens


def _wrap(owner: Any, name: str, made: Callable[[Any], Any]) -> None:
    setattr(owner, name, made(getattr(owner, name)))


class _Overheard:
    """A client connection's transport."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        hear_piece("an answer to a client", (id(self), 0), bytes(data))
        self._transport.write(data)

    def writelines(self, pieces: Any) -> None:
        kept = list(pieces)
        hear_piece("an answer to a client", (id(self), 0), b"".join(kept))
        self._transport.writelines(kept)


def _listen_to_answers() -> None:
    _wrap(
        Connection,
        "connection_made",
        lambda real: lambda self, transport: real(self, _Overheard(transport)),
    )

    async def overheard(request: web.Request, response: web.StreamResponse) -> None:
        hear(f"the answer to {request.method} {request.path}", _head_and_body(response))

    def listening(real: Callable[[Any], web.Application]) -> Callable[[Any], web.Application]:
        def application(self: Any) -> web.Application:
            app = real(self)
            app.on_response_prepare.append(overheard)
            return app

        return application

    _wrap(Admission, "application", listening)
    _wrap(Injector, "_admin", listening)
    _wrap(Admin, "application", listening)


def _head_and_body(response: web.StreamResponse) -> bytes:
    body = getattr(response, "body", b"")
    return str(dict(response.headers)).encode() + (body if isinstance(body, bytes) else b"")


def _listen_to_children() -> None:
    def piece(real: Any) -> Any:
        def pipe_data_received(self: Any, fd: int, data: bytes) -> None:
            hear_piece("a child process", (id(self), fd), data)
            real(self, fd, data)

        return pipe_data_received

    def whole(real: Any) -> Any:
        def communicate(self: Any, *args: Any, **more: Any) -> Any:
            told = real(self, *args, **more)
            for said in told:
                hear("a child process", said or b"")
            return told

        return communicate

    def spawned(real: Any) -> Any:
        def init(self: Any, *args: Any, **more: Any) -> None:
            real(self, *args, **more)
            self.writes_to = getattr(more.get("stdout"), "name", None)

        return init

    def ended(real: Any) -> Any:
        def wait(self: Any, *args: Any, **more: Any) -> Any:
            code = real(self, *args, **more)
            file = getattr(self, "writes_to", None)
            if isinstance(file, str) and Path(file).is_file():
                hear(f"a child process, in {Path(file).name}", Path(file).read_bytes())
            return code

        return wait

    _wrap(asyncio.subprocess.SubprocessStreamProtocol, "pipe_data_received", piece)
    _wrap(subprocess.Popen, "communicate", whole)
    _wrap(subprocess.Popen, "__init__", spawned)
    _wrap(subprocess.Popen, "wait", ended)


def _listen_to_records() -> None:
    def lines(real: Any) -> Any:
        def add(self: Any, record: dict[str, Any], *more: Any) -> None:
            hear("the access log", record)
            real(self, record, *more)

        return add

    def kept(real: Any) -> Any:
        def write(self: Any, data: bytes) -> Any:
            hear("STATE_DIR", data)
            return real(self, data)

        return write

    def sent(real: Any) -> Any:
        def send(self: Any, request: requests.PreparedRequest, **more: Any) -> Any:
            if request.url and request.url.endswith("/v1/traces"):
                hear("a trace", request.body or b"")
            return real(self, request, **more)

        return send

    def read_out(real: Any) -> Any:
        def readouterr(self: Any) -> Any:
            told = real(self)
            for said in told:
                hear("stdout or stderr", said)
            return told

        return readouterr

    def logged(real: Any) -> Any:
        def call(self: Any, logger: Any, method: str, event: Any) -> Any:
            hear("a log that the test reads", event)
            return real(self, logger, method, event)

        return call

    _wrap(LogCapture, "__call__", logged)
    _wrap(AccessLog, "_add", lines)
    _wrap(StateFile, "write", kept)
    _wrap(requests.Session, "send", sent)
    _wrap(CaptureFixture, "readouterr", read_out)


def _listen_to_errors() -> None:
    def expected(real: Any) -> Any:
        def leave(self: Any, kind: Any, error: BaseException | None, trace: Any) -> Any:
            at = error
            while at is not None:
                hear(f"the text of {type(at).__name__}", f"{at} {at!r}")
                at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
            return real(self, kind, error, trace)

        return leave

    def told(real: Any) -> Any:
        def init(self: Any, *args: Any, **more: Any) -> None:
            real(self, *args, **more)
            hear(f"the text of {type(self).__name__}", f"{self} {self!r}")

        return init

    _wrap(RaisesExc, "__exit__", expected)
    for owner in (Problem, ClientError, CredentialError, FetchError, RuleError, StartError):
        _wrap(owner, "__init__", told)


def _listen_to_requests() -> None:
    def asked(real: Any) -> Any:
        def send(self: Any, request: Any, *args: Any, **more: Any) -> Any:
            if CLIENT_MARK.encode() in b"".join(request):
                note(f"a request to {self.origin.host}: the client's own key")
            return real(self, request, *args, **more)

        return send

    def fetched(real: Any) -> Any:
        def fetch(
            self: Any, method: str, url: str, headers: Any = (), *rest: Any, **more: Any
        ) -> Any:
            kept = tuple(headers)
            if CLIENT_MARK.encode() in url.encode() + b"".join(part for h in kept for part in h):
                note(f"a request to {url.partition('?')[0]}: the client's own key")
            return real(self, method, url, kept, *rest, **more)

        return fetch

    _wrap(Pool, "send", asked)
    _wrap(Fetcher, "fetch", fetched)


def _hold_to_the_mark() -> None:
    """A secret without the mark could leak unheard."""

    def read(real: Any) -> Any:
        def value(self: Any) -> str:
            told: str = real(self)
            if told and not is_planted(told):
                note(f"{self!r} holds no mark: tests make secrets with planted.planted()")
            return told

        return value

    def fetched(real: Any) -> Any:
        def take(self: Any, token: Any) -> None:
            if not is_planted(token.value):
                note(
                    f"the fetched token of {self!r} holds no mark: tests make secrets with planted.planted()"
                )
            real(self, token)

        return take

    _wrap(Secret, "value", read)
    _wrap(ExpiringKey, "_take", fetched)


for _listen in (
    _listen_to_answers,
    _listen_to_children,
    _listen_to_records,
    _listen_to_errors,
    _listen_to_requests,
    _hold_to_the_mark,
):
    _listen()
