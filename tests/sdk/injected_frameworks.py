"""LangChain, LlamaIndex and LiteLLM with nothing but the environment that a Pod gets by injection.

    python tests/sdk/injected_frameworks.py PYTHON

runs a proxy before a simulated vendor, and with the interpreter PYTHON, in which the frameworks are
installed, one client after the other. Exit code 1 if one of them did not get its answer. `make
sdk-newest` runs it: they are too many and too large for the lock file.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

TEXT = "the small pilot fish swims ahead of great "
HELLO = [{"role": "user", "content": "hello"}]
RULES = """
providers:
  anthropic: {{kind: anthropic, api_base: {base}, no_key_required: true}}
rules:
  - {{name: all, services: [{{provider: anthropic, model: claude-opus-4-5}}]}}
"""
# What an application has in any case.
OF_THE_APPLICATION = {
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "OPENAI_API_VERSION": "2025-04-01-preview",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
}


# ---- the clients, in an interpreter that has them


def langchain_openai() -> object:
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model="gpt-4o").invoke("hello").content


def langchain_azure() -> object:
    from langchain_openai import AzureChatOpenAI

    return AzureChatOpenAI(azure_deployment="gpt-4o").invoke("hello").content


def langchain_anthropic() -> object:
    from langchain_anthropic import ChatAnthropic

    return ChatAnthropic(model="claude-opus-4-5").invoke("hello").content


def llama_index_openai() -> object:
    from llama_index.llms.openai import OpenAI

    return OpenAI(model="gpt-4o").complete("hello").text


def _litellm(model: str) -> Callable[[], object]:
    def ask() -> object:
        import litellm

        return litellm.completion(model=model, messages=HELLO).choices[0].message.content

    return ask


CLIENTS: dict[str, Callable[[], object]] = {
    "langchain openai": langchain_openai,
    "langchain azure": langchain_azure,
    "langchain anthropic": langchain_anthropic,
    "llama-index openai": llama_index_openai,
    "litellm openai": _litellm("openai/gpt-4o"),
    "litellm azure": _litellm("azure/gpt-4o"),
    "litellm anthropic": _litellm("anthropic/claude-opus-4-5"),
    "litellm gemini": _litellm("gemini/gemini-2.5-pro"),
    "litellm bedrock": _litellm("bedrock/converse/anthropic.claude-opus-4-5"),
    "litellm bedrock invoke": _litellm("bedrock/invoke/anthropic.claude-opus-4-5"),
}


def ask_all() -> None:
    for name, ask in CLIENTS.items():
        try:
            said = ask()
        except Exception as e:
            said = f"failed: {type(e).__name__}: {str(e)[:300]}"
        print(json.dumps({"client": name, "said": said}), flush=True)


# ---- the proxy, in one that has Pilotfish


async def run(python: str) -> int:
    from pilotfish.app import App
    from pilotfish.injector.patch.environment import additions
    from pilotfish.settings import Settings
    from pilotfish.simulated import Profile, SimulatedVendor

    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder, "rules.yaml")
        async with SimulatedVendor(profile=Profile(chunks=8)) as vendor:
            await asyncio.to_thread(rules.write_text, RULES.format(base=vendor.base))
            settings = Settings(
                config=(str(rules),),
                listen="127.0.0.1:0",
                admin_listen="127.0.0.1:0",
                access_log=False,
            )
            async with App(settings) as proxy:
                env = [{"name": n, "value": v} for n, v in OF_THE_APPLICATION.items()]
                given = [*env, *additions({"name": "app", "env": env}, proxy.listen[1])]
                child = await asyncio.create_subprocess_exec(
                    python,
                    __file__,
                    "--ask",
                    env={
                        "PATH": os.environ["PATH"],
                        "HOME": folder,
                        **{variable["name"]: variable["value"] for variable in given},
                    },
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )
                out, _ = await child.communicate()
    answers = {}
    for line in out.splitlines():
        if line.startswith(b'{"client"'):  # they print more
            found = json.loads(line)
            answers[found["client"]] = found["said"]
    for name in CLIENTS:
        print(f"{name:24}{'ok' if answers.get(name) == TEXT else answers.get(name)}")
    return 0 if answers == dict.fromkeys(CLIENTS, TEXT) else 1


if __name__ == "__main__":
    if sys.argv[1:] == ["--ask"]:
        ask_all()
    else:
        sys.exit(asyncio.run(run(sys.argv[1])))
