"""Which part of Claude Code sent a request, recognised by phrases of its own prompts.

No header tells whether the main loop, a subagent or the compaction of Claude Code sends a request;
its prompts differ. The phrases come from published captures of its traffic from 2025 and 2026. A
newer version may need another phrase here, and no other change.
"""

from __future__ import annotations

# Compaction is tested first, since it is sent with the main loop's system prompt; then subagents,
# whose prompts may quote the main loop's.
COMPACT_LATEST_USER = ("Your task is to create a detailed summary of the conversation so far",)
COMPACT_SYSTEM = ("You are a helpful AI assistant tasked with summarizing conversations",)
SUBAGENT_SYSTEM = (
    "You are an agent for Claude Code",
    "You are a file search specialist for Claude Code",
    "You are a software architect and planning specialist for Claude Code",
    "You are the Claude guide agent",
)
MAIN_SYSTEM = (
    "You are Claude Code, Anthropic's official CLI for Claude",
    "You are an interactive CLI tool that helps users",
    "You are a Claude agent, built on Anthropic's Claude Agent SDK",
)


def claude_code_agent(system: str, latest_user: str) -> str:
    """`compact`, `subagent` or `main`; empty if the prompts are not Claude Code's.

    `system`: the text of the system prompt. `latest_user`: the text of the last user turn.
    """
    known = any(phrase in system for phrase in (*MAIN_SYSTEM, *SUBAGENT_SYSTEM))
    if any(phrase in system for phrase in COMPACT_SYSTEM) or (
        known and any(phrase in latest_user for phrase in COMPACT_LATEST_USER)
    ):
        return "compact"
    if any(phrase in system for phrase in SUBAGENT_SYSTEM):
        return "subagent"
    return "main" if known else ""
