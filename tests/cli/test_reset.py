"""`pilotfish reset` against a proxy whose service is out."""

import asyncio

import pytest

from harness import proxied
from pilotfish.cli import main
from pilotfish.simulated import Fault, SimulatedVendor

RULES = """
providers: {{acme: {{kind: openai, api_base: "{base}/v1", no_key_required: true}}}}
rules: [{{name: chat, request_model: m, services: [{{provider: acme, model: sim-n2}}]}}]
"""


@pytest.fixture
async def proxy(tmp_path):
    async with (
        SimulatedVendor() as vendor,
        proxied(tmp_path, RULES.format(base=vendor.base)) as proxy,
    ):
        vendor.script(Fault.status(429, retry_after=300))
        await proxy.chat("m")
        yield proxy


async def ran(proxy, *words):
    admin = proxy.app.admin_base.removeprefix("http://")
    return await asyncio.to_thread(main, ["reset", "--admin", admin, *words])


async def states(proxy):
    return [service["state"] for service in (await proxy.status())["services"]]


@pytest.mark.parametrize("words", [["--service", "acme/sim-n2"], ["--provider", "acme"], ["--all"]])
async def test_a_service_that_is_out_serves_again(proxy, words, capsys):
    assert await states(proxy) == ["cooling"]
    assert await ran(proxy, *words) == 0
    assert await states(proxy) == ["serving"]
    assert capsys.readouterr().out == "1 service serving again\n"


async def test_a_name_that_no_rule_has_is_told_and_changes_nothing(proxy, capsys):
    assert await ran(proxy, "--service", "acme/other") == 1
    assert "no service 'acme/other'" in capsys.readouterr().err
    assert await ran(proxy, "--provider", "acne") == 1
    assert "unknown provider 'acne'; known: acme" in capsys.readouterr().err
    assert await states(proxy) == ["cooling"]


async def test_what_to_reset_must_be_said(proxy, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["reset"])
    assert ended.value.code == 2
    assert "--service --provider --all" in capsys.readouterr().err


async def test_where_something_else_answers_it_says_so(proxy, capsys):
    other = str(proxy.app.listen)
    assert await asyncio.to_thread(main, ["reset", "--admin", other, "--all"]) == 2
    assert f"{other} answers with status 404" in capsys.readouterr().err
