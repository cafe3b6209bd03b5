"""A few kinds and tactics of the tests' own, and short ways from text to a snapshot or its
problems.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlsplit

from pydantic import Field

from pilotfish.core.formats.style import Quirks
from pilotfish.core.model.provider import OPENAI_PATHS, Auth, Option, ProviderKind
from pilotfish.core.model.snapshot import Snapshot
from pilotfish.core.model.tactic import Params
from pilotfish.core.rules.compile import compile_documents
from pilotfish.core.rules.documents import RulesDocument, documents_of_text
from pilotfish.errors import Problem, RuleError


class _Adaptive:
    """Takes them as they come; only its name and parameters matter here."""

    name: ClassVar[str] = "adaptive"

    class Params(Params):
        explore: float = Field(0.05, ge=0, le=1)
        mode: str = "weighted_sum"

    def __init__(self, params: Any) -> None:
        self.params = params

    def order(self, usable: Sequence[Any], memory: Any, now: float, rng: Any) -> Sequence[Any]:
        return usable

    def on_picked(self, candidate: Any, usable: Sequence[Any], memory: Any, now: float) -> None: ...
    def explain_score(self, candidate: Any, memory: Any, now: float) -> str:
        return ""


class _RoundRobin(_Adaptive):
    name = "round_robin"

    class Params(Params):
        request_threshold: int = Field(10, ge=1)


TACTICS: Mapping[str, Any] = {"adaptive": _Adaptive, "round_robin": _RoundRobin}

_KINDS = [
    ProviderKind(
        "openai",
        "openai",
        {**OPENAI_PATHS, "responses": "/responses"},
        base_url="https://api.openai.example/v1",
        version="/v1",
        options={"api": Option(choices=("completions", "responses")), "base_url": Option()},
        style_from=lambda options: (
            "openai_responses" if options.get("api") == "responses" else "openai"
        ),
        model_quirks=lambda model: Quirks(developer_role=False) if model.startswith("o1") else None,
    ),
    ProviderKind(
        "anthropic",
        "anthropic",
        {"messages": "/messages"},
        base_url="https://anthropic.example/v1",
        version="/v1",
        auth=Auth("x-api-key", ""),
    ),
    ProviderKind(
        "openai_compatible",
        "openai",
        OPENAI_PATHS,
        options={"base_url": Option(), "headers": Option(type=dict)},
        base_from=lambda options: "",
    ),
    ProviderKind(
        "local", "openai", OPENAI_PATHS, base_url="http://127.0.0.1:9/v1", needs_key=False
    ),
    ProviderKind(
        "groq",
        "openai",
        OPENAI_PATHS,
        base_url="https://groq.example/openai/v1",
        version="/openai/v1",
    ),
    ProviderKind(
        "cloud",
        "openai",
        {},
        auth=Auth(scheme="aws_sigv4"),
        options={
            "region": Option(required=True, help="such as eu-central-1"),
            "secret_key": Option(secret=True),
            "use_role": Option(type=bool),
            "seats": Option(type=int),
            "share": Option(type=float),
            "mode": Option(choices=("a", "b")),
        },
        base_from=lambda options: urlsplit(f"https://{options['region']}.cloud.example").geturl(),
        paths_from=lambda options: {"chat": f"/{options['region']}/chat"},
        query=lambda options: f"region={options['region']}",
    ),
]
KINDS: Mapping[str, ProviderKind] = {kind.name: kind for kind in _KINDS}

TWO_PROVIDERS = """
providers:
  openai: {kind: openai, token: {env: OPENAI_API_KEY}}
  claude: {kind: anthropic, token: {env: ANTHROPIC_API_KEY}}
"""


def documents(*texts: str) -> list[RulesDocument]:
    """Each text as a file: `1.yaml`, `2.yaml`, ..."""
    return [d for i, text in enumerate(texts, 1) for d in documents_of_text(f"{i}.yaml", text)]


def compiled(*texts: str, **options: Any) -> Snapshot:
    return compile_documents(documents(*texts), kinds=KINDS, tactics=TACTICS, **options)


def problems(*texts: str, **options: Any) -> list[Problem]:
    """What is wrong with these texts; none if all is well."""
    try:
        compiled(*texts, **options)
    except RuleError as error:
        return error.problems
    return []


def problem(*texts: str, **options: Any) -> tuple[str, str]:
    """Path and message of the one problem there is."""
    found = problems(*texts, **options)
    assert len(found) == 1, found
    return found[0].path, found[0].message


def rule(body: str, **options: Any) -> Any:
    """The compiled rule of a body written below `rules: [{name: r, ...}]`, over two providers."""
    return compiled(TWO_PROVIDERS, f"rules:\n- {{name: r, {body}}}", **options).rules[0]


def rule_problem(body: str) -> tuple[str, str]:
    return problem(TWO_PROVIDERS, f"rules:\n- {{name: r, {body}}}")
