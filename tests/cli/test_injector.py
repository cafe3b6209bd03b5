"""`pilotfish injector`: what it says before it serves, and what it says of rules."""

from pilotfish.cli import main
from pilotfish.cli.injector import validate


def test_a_wrong_setting_is_one_line_and_2(monkeypatch, capsys):
    monkeypatch.setenv("PILOTFISH_CERTIFICATES", "acme")
    assert main(["injector"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "PILOTFISH_CERTIFICATES: " in err


def test_rules_are_judged_as_check_judges_them():
    good = {"data": {"rules.yaml": "rules: []", "notes.txt": "anything"}}
    assert validate("configmap:shop/rules", good) == []
    bad = {"data": {"rules.yaml": "rulez: []", "more.yaml": "a: ["}}
    sources = {problem.source for problem in validate("configmap:shop/rules", bad)}
    assert any("more.yaml" in source for source in sources)


def test_a_literal_key_is_refused_at_admission():
    """Everyone who may read the ConfigMap would read the key."""
    text = "providers: {openai: {kind: openai, token: sk-hush-literal}}"
    problems = validate("configmap:shop/rules", {"data": {"rules.yaml": text}})
    assert problems
    assert "sk-hush-literal" not in repr(problems)
