"""The hooks of a classic sidecar: they wait, and they never fail."""

import http.server
import socket
import threading

import pytest

from pilotfish import lifecycle_hooks


def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Admin(http.server.BaseHTTPRequestHandler):
    statuses: list[int] = []

    def do_GET(self):
        self.send_response(self.statuses.pop(0))
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def admin():
    server = http.server.HTTPServer(("127.0.0.1", 0), Admin)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_proxy_that_never_comes_is_given_up_without_failing_the_container():
    pauses = []
    assert lifecycle_hooks.main(["start", str(unused_port())], pauses.append) == 0
    assert len(pauses) == lifecycle_hooks.START_TRIES


def test_start_waits_until_the_proxy_says_so(admin):
    Admin.statuses = [503, 503, 200]
    pauses = []
    assert lifecycle_hooks.start(admin, pauses.append) is True
    assert len(pauses) == 2


def test_stop_waits_as_long_as_it_was_told():
    pauses = []
    assert lifecycle_hooks.main(["stop", "5"], pauses.append) == 0
    assert pauses == [5.0]


@pytest.mark.parametrize("arguments", [[], ["dance"], ["start"]])
def test_anything_else_does_nothing_and_does_not_fail(arguments):
    assert lifecycle_hooks.main(arguments) == 0
