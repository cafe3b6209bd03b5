"""`pilotfish schema`."""

from __future__ import annotations

import json

import jsonschema
import pytest

from pilotfish.cli import main
from pilotfish.core.rules.json_schema import reference


def run(*argv: str) -> int:
    return main(["schema", *argv])


def test_the_schema_knows_the_programs_kinds_and_tactics(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run() == 0
    printed = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(printed)
    assert "openai" in printed["$defs"]["ProviderSpec"]["properties"]["kind"]["enum"]
    assert "adaptive" in printed["$defs"]["TacticSpec"]["properties"]["type"]["enum"]


def test_it_accepts_rules_and_refuses_an_unknown_key(capsys: pytest.CaptureFixture[str]) -> None:
    run()
    validator = jsonschema.Draft202012Validator(json.loads(capsys.readouterr().out))
    assert validator.is_valid(
        {"rules": [{"name": "a", "lb_tactic": {"type": "adaptive", "params": {}}}]}
    )
    assert not validator.is_valid({"rules": [{"nam": "a"}]})


def test_the_reference_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--format", "markdown") == 0
    assert capsys.readouterr().out.strip() == reference().strip()
