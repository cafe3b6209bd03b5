"""Kinds are found, not listed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from pilotfish import providers, styles
from pilotfish.core.formats import neutral
from pilotfish.core.formats.style import Target

# The kinds that docs/providers.md promises; others may come.
PROMISED = {
    "openai", "openai_compatible", "anthropic", "google", "vertex", "bedrock", "azure", "mistral", "groq", "deepseek", "github_copilot",
    "openrouter", "together", "fireworks", "perplexity", "ollama", "lmstudio", "xai", "cerebras", "vllm", "gemini_openai",
}  # fmt: skip


def test_every_promised_kind_is_there():
    assert set(providers.names()) >= PROMISED
    assert set(providers.all_kinds()) >= PROMISED


def test_an_unknown_kind_is_told_with_those_that_are_known():
    with pytest.raises(KeyError, match="unknown provider kind 'opnai'; known: anthropic, azure"):
        providers.get("opnai")


@pytest.mark.parametrize("record", ["", "KIND = 5"])
def test_a_file_without_a_record_is_a_fault_that_names_it(monkeypatch, record):
    class Module:
        KIND = record

    providers.get.cache_clear()
    monkeypatch.setattr(providers, "exported", lambda package, module, name: Module.KIND)
    with pytest.raises(TypeError, match=r"providers/openai\.py must export KIND"):
        providers.get("openai")


def test_asking_for_one_imports_that_one_alone():
    """A sidecar pays for each module that it loads."""
    code = "import sys; from pilotfish import providers; providers.get('groq'); print(*(m for m in sys.modules if m.startswith('pilotfish.providers.')))"
    out = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert out.split() == ["pilotfish.providers.groq"]


THOUGHT = neutral.Thinking(text="Look it up.", signature=neutral.Signature("anthropic", "c2ln"))
CALL = neutral.ToolCall(id="call_a", name="f", arguments="{}")
LOOP = neutral.Chat(
    model="m",
    turns=(
        neutral.Turn("user", (neutral.Text("?"),)),
        neutral.Turn("assistant", (THOUGHT, CALL)),
        neutral.Turn("user", (neutral.ToolResult(call_id="call_a", parts=(neutral.Text("1"),)),)),
    ),
)


@pytest.mark.parametrize(
    ("kind", "model", "field"),
    [
        ("deepseek", "deepseek-v4-pro", "reasoning_content"),
        ("fireworks", "accounts/fireworks/models/kimi-k2", "reasoning_content"),
        ("openai_compatible", "glm-5", "reasoning_content"),
        ("cerebras", "zai-glm-4.7", "reasoning"),
        ("groq", "openai/gpt-oss-120b", "reasoning"),
        ("ollama", "qwen3", "reasoning"),
        ("together", "zai-org/GLM-5", "reasoning"),
        ("vllm", "m", "reasoning"),
        ("openrouter", "anthropic/claude-sonnet-4.5", "reasoning_details"),
        ("mistral", "magistral-medium", "content"),
        ("groq", "llama-3.3-70b-versatile", ""),
        ("openai", "gpt-4o", ""),
    ],
)
def test_reasoning_goes_back_in_the_field_in_which_a_vendor_takes_it(kind, model, field):
    record = providers.get(kind)
    quirks = (record.model_quirks(model) if record.model_quirks else None) or record.quirks
    target = Target(model=model, stream=False, quirks=quirks)
    written = styles.get("openai").write_request(LOOP, target)
    [message] = [m for m in json.loads(written.body)["messages"] if m["role"] == "assistant"]
    holding = {name for name, value in message.items() if "Look it up." in json.dumps(value)}
    assert holding == ({field} if field else set())
    assert ("messages.thinking" in written.dropped) is (not field)
