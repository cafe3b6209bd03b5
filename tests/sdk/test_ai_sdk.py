"""The AI SDK of npm (`ai` with its providers for OpenAI, Anthropic, Google and Bedrock) reads every
recorded answer through the proxy, whoever gave it, and hands it back as the next turn.

Needs node and the packages of tests/sdk/node: `.ci/node` installs them. AI_SDK names another folder
of packages."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from pairs_wire import ALL
from planted import CLIENT_KEY
from sdk.replaying import CASES, ReplayingVendor, expectation, model_of, set_key

pytestmark = pytest.mark.node
FOLDER = Path(os.environ.get("AI_SDK") or Path(__file__).parent / "node")
# What the SDK says for our words of an ending; a style may have another for it.
FINISHES = {
    "stop": {"stop"},
    "tool_calls": {"tool-calls"},
    "malformed": {"stop", "other", "error"},
}
"""How an answer ended, in the SDK's words."""


async def told(jobs: list[dict[str, Any]], base: str) -> list[dict[str, Any]]:
    """What the SDK gives for each job."""
    child = await asyncio.create_subprocess_exec(
        "node",
        "read.mjs",
        cwd=FOLDER,
        env={**os.environ, "PROXY": base, "KEY": CLIENT_KEY},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await child.communicate(json.dumps(jobs).encode())
    assert child.returncode == 0, err.decode()
    return [json.loads(line) for line in out.splitlines()]


# What the SDK's own client cannot read of its vendor's form.
ITS_OWN = {
    ("bedrock", "bedrock/grounding"): "does not know calls of Bedrock's server tools",
    ("openai", "openai/file_notes"): "does not know OpenRouter's notes about files",
    ("openai", "openai/xai"): "does not know that xAI counts reasoning beside the output",
    ("openai", "openai/gemini_text"): "nor that Gemini does",
    ("openai", "openai/gemini_tools"): "the same",
    ("openai", "openai/magistral"): "does not know Mistral's chunks of thinking",
    ("bedrock", "google/image", "streamed"): "does not know pictures in Bedrock's streams",
    ("anthropic", "anthropic/compaction"): "gives a summary as text",
}


def faults(client: str, expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """In what an answer differs from what the case expects."""
    if "error" in found:
        return [f"{found['error']} {found['cause']}"]
    wrong = []
    for name in ("text", "tokens"):
        wanted = expected.get(name, "")
        if found[name] != wanted:
            wrong.append(f"{name}: {found[name]!r} instead of {wanted!r}")
    # The SDK's client of Chat Completions knows no reasoning.
    wanted = "" if client == "openai" else expected.get("thinking", "").strip()
    if found["thinking"].strip() != wanted:
        wrong.append(f"thinking: {found['thinking']!r} instead of {wanted!r}")
    calls = [call[:2] for call in expected.get("calls", [])]
    if [call[:2] for call in found["calls"]] != calls:
        wrong.append(f"calls: {found['calls']} instead of {calls}")
    if len({call[2] for call in found["calls"]} - {""}) != len(calls):
        wrong.append(f"ids: {found['calls']}")
    if found["finish"] not in FINISHES[expected["finish"]]:
        wrong.append(f"finish: {found['finish']} instead of {expected['finish']}")
    return wrong


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("client", ALL)
async def test_it_reads_every_answer(client, stream, tmp_path, monkeypatch):
    set_key(monkeypatch)
    async with ReplayingVendor() as vendor, vendor.proxy(tmp_path) as proxy:
        jobs = [{"client": client, "model": model_of(case), "stream": stream} for case in CASES]
        answers = await told(jobs, proxy.base)
        wrong = []
        for case, found in zip(CASES, answers, strict=True):
            name = f"{case.parent.name}/{case.name}"
            problems = faults(client, expectation(case), found)
            if len(vendor.asked[name]) != 2:
                problems.append("no next turn")
            own = {(client, name), (client, name, "streamed" if stream else "whole")}
            if bool(problems) == bool(own & ITS_OWN.keys()):
                continue
            wrong += [f"{name}: {problem}" for problem in problems or ["is read by now"]]
        assert "\n".join(wrong) == ""
