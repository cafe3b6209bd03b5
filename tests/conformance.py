"""One kind's documented facts, as its fixture folder holds them, and the provider that a rules file
with it compiles to.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from pilotfish import providers, tactics
from pilotfish.core.model.service import Provider, Service
from pilotfish.core.rules.compile import compile_documents
from pilotfish.core.rules.documents import RulesDocument
from planted import FIXTURES_KEY

FOLDER = Path(__file__).parent / "fixtures" / "providers"
KINDS = providers.names()
KEY = FIXTURES_KEY


@cache
def case(kind: str) -> dict[str, Any]:
    return json.loads((FOLDER / kind / "case.json").read_text())


def compiled(spec: dict[str, Any], model: str = "m") -> Service:
    """The service that a rules file with this provider compiles to."""
    rule = {"name": "r", "request_model": "asked", "services": [{"provider": "p", "model": model}]}
    document = RulesDocument("test", {"providers": {"p": spec}, "rules": [rule]})
    snapshot = compile_documents(
        [document],
        kinds=providers.all_kinds(),
        tactics=tactics.all_tactics(),
        allow_inline_secrets=True,
    )
    return snapshot.rules[0].services[0]


def provider_of(kind: str) -> Provider:
    return compiled(case(kind)["provider"], case(kind)["model"]).provider
