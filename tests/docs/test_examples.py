"""What the pages show works: rules that `pilotfish check` accepts, files that are there, commands
that exist.
"""

import re
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from pilotfish.cli import commands, main

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "bench" / "README.md",
]
YAML = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
VARIABLE = re.compile(r"\benv: ([A-Z0-9_]+)")
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)(?:#[^)]*)?\)")
MAKE = re.compile(r"^(?:`|)make ([a-z]+)", re.MULTILINE)


RULE_KEYS = {"providers", "rules", "virtual_models", "defaults", "scenarios", "prices"}


def yaml_shown():
    for page in PAGES:
        for number, text in enumerate(YAML.findall(page.read_text())):
            yield pytest.param(text, id=f"{page.stem}-{number}")
    for path in sorted((ROOT / "docs" / "examples").glob("*.yaml")):
        yield pytest.param(path.read_text(), id=path.stem)


@pytest.mark.parametrize("text", list(yaml_shown()))
def test_rules_that_are_shown_are_good(text, tmp_path, capsys, monkeypatch):
    """Whatever YAML is shown is a rules document that works as it stands, with nothing that is most
    likely not meant, where its variables are set; a manifest that Kubernetes takes; or rules of a
    Role.
    """
    shown = yaml.safe_load(text)
    if isinstance(shown, list):
        assert all({"apiGroups", "resources", "verbs"} <= set(rule) for rule in shown)
        return
    if "apiVersion" in shown:
        # Kinds of other projects have no schema here.
        if shown["apiVersion"].count(".") == 0 or shown["apiVersion"].partition("/")[0].endswith(
            ".k8s.io"
        ):
            kubernetes_validate.validate(shown, "1.33", strict=True)
        return
    assert set(shown) & RULE_KEYS
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    for variable in VARIABLE.findall(text):
        monkeypatch.setenv(variable, "planted")
    assert main(["check", "--strict", str(path)]) == 0, capsys.readouterr()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    broken = [
        target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()
    ]
    assert broken == []


def test_commands_and_targets_that_are_named_exist():
    text = "\n".join(page.read_text() for page in PAGES)
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(MAKE.findall(text)) <= targets
    assert set(re.findall(r"^pilotfish ([a-z]+)", text, re.MULTILINE)) <= set(commands())


def test_no_two_decisions_have_one_number():
    numbers = [p.name[:4] for p in (ROOT / "docs" / "decisions").glob("[0-9]*.md")]
    assert len(set(numbers)) == len(numbers) > 0
