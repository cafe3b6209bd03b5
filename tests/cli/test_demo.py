"""The demo as people start it: a process of its own, and the lines it prints are used as they
stand.
"""

import asyncio
import json
import os
import re
import shlex
import signal
import socket
import sys
import urllib.error
import urllib.request
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pilotfish.demo.scene import MODELS

SOURCE = Path(__file__).parents[2] / "src"
FREE = ("--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")


@asynccontextmanager
async def demo(*arguments):
    environ = {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONUNBUFFERED": "1"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "pilotfish",
        "demo",
        *arguments,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def ended(process):
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def printed_until(process, words):
    lines = []
    while True:
        line = (await process.stdout.readline()).decode()
        assert line, (
            f"the demo ended before it printed {words!r}: {(await process.stderr.read()).decode()}"
        )
        lines.append(line.rstrip("\n"))
        if words in line:
            return lines


def sent(command):
    """The answer to a printed curl line (only what the demo uses of curl), so that the test needs
    no curl.
    """
    words = shlex.split(command)[1:]
    url = next(w for w in words if w.startswith("http"))
    headers = dict(words[i + 1].split(": ", 1) for i, w in enumerate(words) if w == "-H")
    data = next((words[i + 1].encode() for i, w in enumerate(words) if w == "-d"), None)
    with urllib.request.urlopen(
        urllib.request.Request(url, data=data, headers=headers), timeout=10
    ) as answer:
        return answer.status, answer.headers, answer.read()


async def test_once_tells_of_a_failover_a_limit_and_a_race_and_ends_well():
    async with demo("--once") as process:
        code, out, err = await ended(process)
    assert code == 0, out + err
    assert err == ""
    assert "flaky/sim-large: overloaded, then fast/sim-large: served" in out
    assert "limited served 3, fast the next 4" in out
    assert re.search(
        r"fast/sim-large spoke first, TTFT \d+ ms, \d+ tokens/s; slow's request was cancelled", out
    )
    assert "an Anthropic service" in out


async def test_a_port_that_is_taken_is_one_clear_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for flags in (
            ("--listen", f"127.0.0.1:{port}", *FREE[2:]),
            (*FREE[:2], "--admin-listen", f"127.0.0.1:{port}"),
        ):
            async with demo(*flags) as process:
                code, out, err = await ended(process)
            assert (code, out) == (2, "")
            assert err.startswith(f"pilotfish: cannot listen on 127.0.0.1:{port}")
            assert "the port is taken" in err
            assert len(err.splitlines()) == 1


@pytest.mark.parametrize("flag", ["--listen", "--admin-listen"])
async def test_an_address_that_is_none_is_refused(flag):
    async with demo(flag, "here") as process:
        code, _, err = await ended(process)
    assert code == 2
    assert "expected HOST:PORT, found 'here'" in err


async def test_the_lines_it_prints_work_as_they_stand_and_each_request_is_told():
    async with demo(*FREE) as process:
        lines = await printed_until(process, "Ctrl-C")
        printed = "\n".join(lines)
        # Loops and filters around a request are the shell's business.
        commands = [
            re.search(r"curl .*?(?= \| |; done|$)", line)[0] for line in lines if "curl" in line
        ]
        assert len(commands) >= 8
        for command in commands:
            status, _, body = await asyncio.to_thread(sent, command)
            assert status == 200, command
            assert body, command
            if "demo-race" in command:
                assert body.rstrip().endswith(b"data: [DONE]")
            if "/v1/messages" in command:
                assert json.loads(body)["type"] == "message"
            if ":generateContent" in command:
                assert json.loads(body)["candidates"]
        told = await printed_until(process, "demo-limited: limited/sim-large")
        assert any("200 demo-chat: " in line for line in told)
        for model in MODELS:
            assert model in printed
        process.send_signal(signal.SIGINT)
        code, out, err = await ended(process)
    assert (code, err) == (0, "")
    assert "stopping" in out


async def test_rules_edited_while_it_runs_are_obeyed_and_terminated_it_leaves_nothing_behind():
    async with demo(*FREE) as process:
        printed = "\n".join(await printed_until(process, "Ctrl-C"))
        rules = Path(re.search(r"rules +(\S+)", printed)[1])
        base = re.search(r"clients +(\S+)", printed)[1]
        admin = re.search(r"admin +(\S+)", printed)[1]
        edit(rules, "demo-claude", "renamed")
        said = await printed_until(process, "the edit is in force")
        assert said[-1] == "rules: the edit is in force: changed rule claude"
        assert await knows(base, "renamed")
        edit(rules, "provider: flaky", "provider: nobody")
        said = await printed_until(process, "rules[1].services[0].provider")
        assert said[-2] == "rules: the edit is not in force, those before it are:"
        assert "unknown provider 'nobody'" in said[-1]
        edit(rules, "provider: nobody", "provider: flaky")
        await printed_until(process, "the edit is in force: ")
        status = json.loads((await asyncio.to_thread(sent, f"curl {admin}/status"))[2])
        assert status["ready"]
        assert status["rules"]["problems"] == []
        process.send_signal(signal.SIGTERM)
        code, _, _ = await ended(process)
    assert code == 0
    assert not rules.parent.exists()


def edit(rules, old, new):
    rules.write_text(rules.read_text().replace(old, new))


async def knows(base, model):
    """Whether a request for this model is served."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hello"}]})
    try:
        return (
            await asyncio.to_thread(sent, f"curl {base}/v1/chat/completions -d {shlex.quote(body)}")
        )[0] == 200
    except urllib.error.HTTPError as e:
        e.close()
        return False
