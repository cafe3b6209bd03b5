"""Kinds are found, not listed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pilotfish import providers

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
