"""`pilotfish top` against a running proxy, against nothing, and against something else."""

import asyncio
import socket

import pytest

from harness import proxied
from pilotfish.cli import main, top
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


async def test_a_frame_shows_rules_services_and_why_one_is_out(vendor, tmp_path):
    async with proxied(tmp_path, RULES.format(base=vendor.base)) as proxy:
        await proxy.chat("m")
        vendor.script(Fault.status(429, retry_after=30))
        await proxy.chat("m")
        admin = proxy.app.admin_base.removeprefix("http://")
        lines = top.frame(await asyncio.to_thread(top.status_at, admin), admin, colours=False)
    text = "\n".join(lines)
    assert f"at {admin}: ready, 0 in flight" in lines[0]
    assert "rules.yaml" in lines[1]
    row = next(line for line in lines if line.startswith("acme/sim-large"))
    assert "cooling" in row
    assert "s left" in text
    assert "\x1b" not in text


async def test_problems_of_the_rules_read_last_are_shown(vendor, tmp_path):
    async with proxied(tmp_path, "rules: 7") as proxy:
        admin = proxy.app.admin_base.removeprefix("http://")
        lines = top.frame(await asyncio.to_thread(top.status_at, admin), admin, colours=True)
    assert "not ready" in lines[0]
    assert any("problem: " in line and "rules" in line and top.RED in line for line in lines)


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


@pytest.mark.parametrize(("flags", "said"), [(("--admin", "here:port"), "expected HOST:PORT"), (("--interval", "0"), "above 0")])
def test_wrong_use_is_exit_code_2(capsys, flags, said):
    assert main(["top", "--once", *flags]) == 2
    assert said in capsys.readouterr().err


async def test_once_prints_one_frame(vendor, tmp_path, capsys):
    async with proxied(tmp_path, RULES.format(base=vendor.base)) as proxy:
        code = await asyncio.to_thread(main, ["top", "--once", "--admin", proxy.app.admin_base])
    assert code == 0
    assert capsys.readouterr().out.count("acme/sim-large") == 1
