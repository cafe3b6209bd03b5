"""`pilotfish top` against a running proxy, against nothing, and against something else."""

import asyncio
import io
import socket

import pytest

from browser.told import Told, decision, service
from harness import proxied
from pilotfish.cli import main, top
from pilotfish.cli._picture import RED, Paper, picture
from pilotfish.errors import StartError
from pilotfish.simulated import Fault, SimulatedVendor

RULES = """
providers:
  acme: {{kind: openai, api_base: "{base}/v1", no_key_required: true}}
rules:
  - name: chat
    request_model: m
    services: [{{provider: acme, model: sim-large}}]
"""


@pytest.fixture
async def vendor():
    async with SimulatedVendor() as running:
        yield running


async def drawn(admin, **paper):
    status, recent = await asyncio.to_thread(lambda: (top.status_at(admin), top.recent_at(admin)))
    return picture(status, recent, admin, Paper(**paper))


async def test_a_frame_shows_rules_services_and_why_one_is_out(vendor, tmp_path):
    async with proxied(tmp_path, RULES.format(base=vendor.base)) as proxy:
        await proxy.chat("m")
        vendor.script(Fault.status(429, retry_after=30))
        await proxy.chat("m")
        admin = proxy.app.admin_base.removeprefix("http://")
        lines = await drawn(admin)
    text = "\n".join(lines)
    assert f"at {admin}: ready, 0 in flight" in lines[0]
    assert "rules.yaml" in lines[1]
    row = next(line for line in lines if line.startswith("acme/sim-large"))
    assert "cooling" in row
    assert "next trial in" in text
    assert "\x1b" not in text


async def test_problems_of_the_rules_read_last_are_shown(vendor, tmp_path):
    async with proxied(tmp_path, "rules: 7") as proxy:
        admin = proxy.app.admin_base.removeprefix("http://")
        lines = await drawn(admin, colours=True)
    assert "not ready" in lines[0]
    assert any("problem: " in line and "rules" in line and RED in line for line in lines)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_in_a_terminal_a_picture_is_drawn_over_the_last_one_and_fits(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("LINES", "12")
    monkeypatch.delenv("NO_COLOR", raising=False)
    told = Told()
    told.services = [service(model=f"m{n}", state="cooling") for n in range(30)]
    status = {**told.status, "rules": told.rules, "services": told.services}
    for begun in (False, True):
        top.draw(status, [decision(1)], "here:1", "", begun)
    first, second = (f"{top.HOME}{picture}" for picture in terminal.getvalue().split(top.HOME)[1:])
    assert terminal.getvalue().startswith(top.CLEAR)
    assert second.startswith(top.HOME)
    assert second.endswith(top.TO_END)
    assert first.rstrip() == second.rstrip()
    assert second.count("\n") <= 11
    assert RED in second
    monkeypatch.setenv("NO_COLOR", "1")
    top.draw(status, [], "here:1", "", True)
    assert RED not in terminal.getvalue().rpartition(top.HOME)[2]


def test_where_nothing_answers_it_says_so(capsys):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        assert main(["top", "--once", "--admin", address]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"pilotfish: no proxy answers at {address}: ")
    assert len(err.splitlines()) == 1


async def test_what_is_not_a_proxy_is_not_drawn(vendor, capsys):
    code = await asyncio.to_thread(main, ["top", "--once", "--admin", vendor.base])
    assert code == 2
    assert "not as a proxy's admin port does (status 404" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "said"),
    [(("--admin", "here:port"), "expected HOST:PORT"), (("--interval", "0"), "above 0")],
)
def test_wrong_use_is_exit_code_2(capsys, flags, said):
    assert main(["top", "--once", *flags]) == 2
    assert said in capsys.readouterr().err


async def test_once_prints_one_frame(vendor, tmp_path, capsys):
    async with proxied(tmp_path, RULES.format(base=vendor.base)) as proxy:
        code = await asyncio.to_thread(main, ["top", "--once", "--admin", proxy.app.admin_base])
    assert code == 0
    assert capsys.readouterr().out.count("acme/sim-large") == 1


async def test_recent_decisions_say_why(vendor, tmp_path):
    async with proxied(tmp_path, RULES.format(base=vendor.base)) as proxy:
        await proxy.chat("m")
        admin = proxy.app.admin_base.removeprefix("http://")
        text = "\n".join(await drawn(admin))
        assert "200 m -> acme/sim-large" in text
        assert "rule chat: request_model 'm' is equal" in text
        assert "acme/sim-large: served" in text
        assert "(the only service there is)" in text
        assert await asyncio.to_thread(lambda: top.recent_at(admin, unusual=True)) == []


async def test_when_the_proxy_goes_what_was_known_stays_and_is_said_to_be_old(
    vendor, tmp_path, monkeypatch, capsys
):
    """And when it is back, nothing of that is left."""
    looks = []
    async with proxied(tmp_path, RULES.format(base=vendor.base)) as proxy:
        status = await proxy.status()

    def answer(admin):
        looks.append(admin)
        if len(looks) == 5:
            raise KeyboardInterrupt
        if len(looks) in (2, 3):
            raise StartError("no proxy answers at here:1: gone")
        return status

    monkeypatch.setattr(top, "status_at", answer)
    monkeypatch.setattr(top, "recent_at", lambda admin, unusual: [])
    assert await asyncio.to_thread(main, ["top", "--interval", "0.001"]) == 0
    pictures = capsys.readouterr().out.split("pilotfish 0")
    assert ["looking again" in picture for picture in pictures] == [False, True, True, False, False]
    assert pictures[1].count("since ") == pictures[2].count("since ") == 2, (
        "one of them is the rules'"
    )
    assert all("acme/sim-large" in picture for picture in pictures[1:])
