"""The listener of `leaks.py` itself: a run in which each of these tests lets a secret out at
another place must fail for each of them.
"""

import base64
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from harness import environment
from planted import marks_in, planted

LEAKY = """
import asyncio, base64, logging, subprocess, sys
import pytest, requests, structlog
from leaks import hear_piece
from pilotfish.core.model.service import SecretRef
from pilotfish.errors import ClientError, Problem
from pilotfish.telemetry.access_log import AccessLog
from pilotfish.credentials.keys import CredentialContext
from pilotfish.credentials.secrets import Secret
from pilotfish.shared.state_file import StateFile
from pilotfish.http1.origin import Origin
from pilotfish.http1.pool import Pool
from pilotfish.http1.server import Server
from planted import CLIENT_KEY, planted

KEY = planted()
PRINTS = [sys.executable, "-c", f"print({KEY!r})"]

def test_that_is_tight(): print("sk-nothing")
def test_stdout(): print(KEY)
def test_stderr(): print(KEY, file=sys.stderr)
def test_stdout_that_the_test_reads(capsys):
    print(KEY)
    capsys.readouterr()
def test_a_log(): logging.getLogger("x").warning("the key is %s", KEY)
def test_a_log_that_the_test_reads():
    with structlog.testing.capture_logs():
        structlog.get_logger().warning("x", reason=KEY)
def test_basic_credentials(): print(base64.b64encode(b"user:" + b"hush-hush").decode())
def test_a_private_key(): print("-----BEGIN RSA " + "PRIVATE KEY-----")
def test_a_child_process(): subprocess.run(PRINTS, capture_output=True)
def test_a_child_process_that_writes_a_file(tmp_path):
    with (tmp_path / "log").open("wb") as log:
        subprocess.Popen(PRINTS, stdout=log).wait()
def test_an_asynchronous_child_process():
    async def run():
        child = await asyncio.create_subprocess_exec(*PRINTS, stdout=asyncio.subprocess.PIPE)
        await child.communicate()
    asyncio.run(run())
def test_an_answer_in_pieces():
    async def run():
        def handle(exchange):
            exchange.start(200, ())
            exchange.write(b"x")
            for letter in KEY:
                exchange._connection.write(letter.encode())
            exchange.abort()
        server = Server(handle, handle, max_body_bytes=9, clock=lambda: 0.0)
        listening = await asyncio.get_running_loop().create_server(server.protocol, "127.0.0.1", 0)
        async with listening:
            reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
            writer.write(b"GET / HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n")
            await reader.read()
            writer.close()
    asyncio.run(run())
def test_the_access_log():
    async def run(): AccessLog(lambda data: None)._add({"path": KEY}, None)
    asyncio.run(run())
def test_state(tmp_path): StateFile(tmp_path).write(KEY.encode())
def test_a_trace():
    with pytest.raises(requests.ConnectionError):
        requests.post("http://127.0.0.1:9/v1/traces", data=KEY)
def test_a_problem(): Problem("file:a", "b", KEY)
def test_an_error_that_is_caught():
    try: raise ClientError(400, "x", KEY)
    except ClientError: pass
def test_an_error_that_the_test_expects():
    with pytest.raises(ValueError):
        raise ValueError(KEY)
def test_the_cause_of_an_error():
    with pytest.raises(ValueError):
        try: raise KeyError(KEY)
        except KeyError as e: raise ValueError from e
def test_the_clients_key_at_a_vendor():
    async def run():
        pool = Pool(Origin("http", "127.0.0.1", 9), clock=lambda: 0.0)
        pool.send([b"POST / HTTP/1.1", CLIENT_KEY.encode()], None, 1.0).cancel()
        pool.close()
    asyncio.run(run())
def test_a_secret_without_the_mark(): Secret(SecretRef("literal", value="unmarked"), CredentialContext()).value()
@pytest.fixture
def untidy():
    yield
    print(KEY)
def test_a_fixtures_end(untidy): pass
"""


@pytest.fixture(scope="module")
def verdict(tmp_path_factory):
    """What pytest says of each leaky test, run as the suite is: in a worker, which tells the
    controller. Empty: it is fine.
    """
    folder = tmp_path_factory.mktemp("leaky")
    (folder / "test_leaky.py").write_text(LEAKY)
    (folder / "pytest.ini").write_text("[pytest]\n")
    report = folder / "report.xml"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "leaks",
        "-p",
        "no:cacheprovider",
        "-n",
        "1",
        f"--junit-xml={report}",
        str(folder),
    ]
    # Its output is full of secrets, and this test is listened to as well.
    done = subprocess.run(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
        env=environment(),
        cwd=folder,
    )
    assert done.returncode == 1
    cases = ElementTree.parse(report).iter("testcase")
    return {case.attrib["name"].removeprefix("test_"): "".join(case.itertext()) for case in cases}


def test_what_lets_nothing_out_passes(verdict):
    assert verdict["that_is_tight"] == ""


PLACES = {
    "stdout": "captured stdout call: 'hush' in",
    "stderr": "captured stderr call: 'hush' in",
    "stdout_that_the_test_reads": "stdout or stderr: 'hush' in",
    "a_log": "captured log call: 'hush' in",
    "a_log_that_the_test_reads": "a log that the test reads: 'hush' in",
    "basic_credentials": "captured stdout call: 'dXNlcjpodXNo' in",
    "a_private_key": "captured stdout call: 'PRIVATE KEY-----' in",
    "a_child_process": "a child process: 'hush' in",
    "a_child_process_that_writes_a_file": "a child process, in log: 'hush' in",
    "an_asynchronous_child_process": "a child process: 'hush' in",
    "an_answer_in_pieces": "an answer to a client: 'hush' in",
    "the_access_log": "the access log: 'hush' in",
    "state": "STATE_DIR: 'hush' in",
    "a_trace": "a trace: 'hush' in",
    "a_problem": "the text of Problem: 'hush' in",
    "an_error_that_is_caught": "the text of ClientError: 'hush' in",
    "an_error_that_the_test_expects": "the text of ValueError: 'hush' in",
    "the_cause_of_an_error": "the text of KeyError: 'hush' in",
    "the_clients_key_at_a_vendor": "a request to 127.0.0.1: the client's own key",
    "a_secret_without_the_mark": "<Secret a literal key> holds no mark",
    "a_fixtures_end": "captured stdout teardown: 'hush' in",
}


@pytest.mark.parametrize("name", PLACES)
def test_a_secret_that_comes_out_fails_its_test_and_the_place_is_named(verdict, name):
    assert PLACES[name] in verdict[name]


def test_each_leaky_test_is_looked_at(verdict):
    assert verdict.keys() == {"that_is_tight", *PLACES}


def test_a_mark_is_found_in_a_secret_only():
    assert marks_in(f"key={planted('x')}".encode()) == [b"hush"]
    assert marks_in(base64.b64encode(b"user:hush-hush")) == [b"dXNlcjpodXNo"]
    assert marks_in(base64.b64encode(b"-----BEGIN PRIVATE" + b" KEY-----\n"))
    assert marks_in(b"Bearer [key], -----BEGIN CERTIFICATE-----") == []
