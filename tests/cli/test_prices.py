"""`pilotfish prices`: who has no price is said, and a file of list prices is made and kept new."""

from __future__ import annotations

import json

import pytest
import yaml

from pilotfish.cli import main
from pilotfish.sources.files import read_files
from pilotfish.sources.judging import compiled

RULES = """
providers:
  openai: {kind: openai, token: {env: KEY}}
  own: {kind: vllm, api_base: http://vllm.example/v1}
rules:
- name: chat
  services: [{provider: openai, model: gpt-4o}, {provider: own, model: llama}]
"""


def test_a_service_without_a_price_is_said_and_fails(tmp_path, capsys):
    (tmp_path / "rules.yaml").write_text(RULES)
    assert main(["prices", "--config", str(tmp_path)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "openai/gpt-4o: $2.5 input, $1.25 cached, $10 output per million tokens (list 2026-11-06)",
        "own/llama: no price; its tokens are in no cost",
    ]


def test_a_server_of_ones_own_may_be_said_to_cost_nothing(tmp_path, capsys):
    (tmp_path / "rules.yaml").write_text(RULES + "prices: {own/*: {input: 0, output: 0}}")
    assert main(["prices", "--config", str(tmp_path), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)[1]["source"] == "rules"


def test_the_packages_list_is_told(capsys):
    assert main(["prices"]) == 0
    assert "anthropic/claude-haiku-4-5: $1 input, $0.1 cached, $5 output" in capsys.readouterr().out


def test_rules_that_do_not_validate_are_no_answer(tmp_path, capsys):
    (tmp_path / "rules.yaml").write_text("rules: [{services: 1}]")
    assert main(["prices", "--config", str(tmp_path)]) == 2
    assert "rules.yaml" in capsys.readouterr().err


def test_a_file_of_list_prices_is_rules_that_a_proxy_reads(tmp_path):
    file = tmp_path / "prices.yaml"
    assert main(["prices", "--update", str(file)]) == 0
    snapshot = compiled(read_files([str(file)]), False)
    assert snapshot.prices.lists["openai"].models["gpt-4o"].output == 10


def test_newer_lists_in_the_file_stay_and_older_ones_are_replaced(tmp_path, capsys):
    file = tmp_path / "prices.yaml"
    file.write_text(
        "price_lists:\n"
        "  openai: {as_of: 2099-01-01, models: {gpt-9: {input: 1}}}\n"
        "  anthropic: {as_of: 2026-01-01, models: {ours: {input: 7}, claude-haiku-4-5: {input: 9}}}\n"
    )
    assert main(["prices", "--update", str(file)]) == 0
    assert "anthropic as of" in capsys.readouterr().out
    lists = yaml.safe_load(file.read_text())["price_lists"]
    assert list(lists["openai"]["models"]) == ["gpt-9"]
    assert lists["anthropic"]["models"]["ours"] == {"input": 7}
    assert lists["anthropic"]["models"]["claude-haiku-4-5"]["input"] == 1


def test_a_file_with_other_rules_is_not_overwritten(tmp_path, capsys):
    (tmp_path / "rules.yaml").write_text(RULES)
    assert main(["prices", "--update", str(tmp_path / "rules.yaml")]) == 2
    assert "holds more than price_lists: providers, rules" in capsys.readouterr().err
    assert (tmp_path / "rules.yaml").read_text() == RULES


@pytest.mark.parametrize("text", ["price_lists: [", "- a"])
def test_a_file_that_is_no_rules_document_is_left_alone(tmp_path, capsys, text):
    file = tmp_path / "prices.yaml"
    file.write_text(text)
    assert main(["prices", "--update", str(file)]) == 2
    assert file.read_text() == text
