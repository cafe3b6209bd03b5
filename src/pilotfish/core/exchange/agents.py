"""Which part of Claude Code sent a request, by phrases of its own prompts.

Claude Code says nowhere in a header whether its main loop, one of its subagents or its compaction
speaks; the prompts do. The phrases are those seen in published captures of its traffic from 2025
and 2026; newer versions may need another line here, and nothing else.
"""

from __future__ import annotations

# In this order: a compaction is sent with the main loop's system prompt, a subagent's prompt may
# quote the main one.
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
    """`compact`, `subagent`, `main`, or empty where nothing tells of Claude Code."""
    known = any(phrase in system for phrase in (*MAIN_SYSTEM, *SUBAGENT_SYSTEM))
    if any(phrase in system for phrase in COMPACT_SYSTEM) or (
        known and any(phrase in latest_user for phrase in COMPACT_LATEST_USER)
    ):
        return "compact"
    if any(phrase in system for phrase in SUBAGENT_SYSTEM):
        return "subagent"
    return "main" if known else ""
