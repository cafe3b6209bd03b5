"""Which part of Claude Code speaks, by its prompts."""

from __future__ import annotations

import pytest

from pilotfish.core.exchange.agents import claude_code_agent

MAIN = "You are Claude Code, Anthropic's official CLI for Claude."
SUB = "You are an agent for Claude Code, Anthropic's official CLI for Claude. Use the tools."
SUMMARY = "Your task is to create a detailed summary of the conversation so far, with care."


@pytest.mark.parametrize(
    ("system", "latest_user", "agent"),
    [
        (MAIN, "fix the bug", "main"),
        (SUB, "find all callers", "subagent"),
        (f"{MAIN}\n{SUB}", "find all callers", "subagent"),
        (MAIN, SUMMARY, "compact"),
        ("You are a helpful AI assistant tasked with summarizing conversations.", "go", "compact"),
        ("You are a pirate.", SUMMARY, ""),
        ("", "", ""),
    ],
)
def test_agents(system: str, latest_user: str, agent: str) -> None:
    assert claude_code_agent(system, latest_user) == agent
