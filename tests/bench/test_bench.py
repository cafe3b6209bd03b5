"""The benchmarks go on running while what they measure changes."""

import asyncio
import runpy
import sys
from pathlib import Path

import pytest

from pilotfish.cli import main

BENCH = Path(__file__).parents[2] / "bench"


async def test_micro_takes_every_kind_of_request_through_the_proxy():
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(BENCH / "micro.py"),
        "--seconds",
        "0.01",
        "--rounds",
        "1",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    lines = out.decode().splitlines()
    assert len(lines) == 6
    assert all(float(line.split()[-2]) > 0 for line in lines)


async def printed(script: str, *arguments: str) -> list[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(BENCH / script),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode().splitlines()


async def test_translate_measures_every_client_at_every_service():
    rows = [
        line.split()
        for line in await printed("translate.py", "--rounds", "1")
        if line.startswith(("openai", "google", "bedrock", "anthropic"))
    ]
    assert len(rows) == 4 * 5
    assert all(
        len(row) == 6 and all(float(child.replace(",", "")) > 0 for child in row[1:])
        for row in rows
    )


async def test_decide_measures_every_tactic():
    assert len(await printed("decide.py")) == 10


@pytest.fixture
def gateways():
    return runpy.run_path(str(BENCH / "gateways.py"))


def test_the_rules_that_it_measures_with_are_good(gateways, tmp_path):
    started = gateways["pilotfish"](9, tmp_path)
    assert main(["check", str(tmp_path / "rules.yaml")]) == 0
    assert f"127.0.0.1:{started.port}" in started.command


def test_another_gateway_is_described_in_a_line(gateways, tmp_path):
    name, make = gateways["described"]("other=some-proxy --port {port} --to 127.0.0.1:{upstream}")
    started = make(9, tmp_path)
    assert name == "other"
    assert started.command == ["some-proxy", "--port", str(started.port), "--to", "127.0.0.1:9"]


@pytest.mark.parametrize("text", ["other", "other=some-proxy", "=x {port}"])
def test_a_description_that_lacks_something_is_refused(gateways, text):
    with pytest.raises(ValueError, match=r"expected NAME=COMMAND with \{port\} and \{upstream\}"):
        gateways["described"](text)
