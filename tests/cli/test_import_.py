"""`pilotfish import` as a person calls it."""

from __future__ import annotations

import io
import json

import pytest
import yaml

from pilotfish.cli import main

LITELLM = """
model_list:
  - model_name: gpt
    litellm_params: {model: azure/gpt, api_base: "https://n.openai.azure.com", api_key: os.environ/AZ, api_version: 2024-10-21}
  - model_name: gpt
    litellm_params: {model: openai/gpt-4o, api_key: sk-hush}
general_settings: {master_key: sk-hush}
"""


def test_a_rules_file_on_stdout_and_the_losses_on_stderr(tmp_path, capsys):
    file = tmp_path / "config.yaml"
    file.write_text(LITELLM)
    assert main(["import", str(file)]) == 0
    out, err = capsys.readouterr()
    assert "hush" not in out + err
    rules = yaml.safe_load(out)
    assert rules["providers"]["azure"]["options"]["api_version"] == "2024-10-21"
    assert err.splitlines() == [
        "not carried over: model_list[1].litellm_params.api_key: a literal secret: set environment variable OPENAI_API_KEY to it",
        "not carried over: general_settings: a setting of the program, not of its routing",
    ]
    written = tmp_path / "rules.yaml"
    written.write_text(out)
    assert main(["check", str(written)]) == 0


def test_json_from_standard_input(monkeypatch, capsys):
    config = {
        "providers": [{"name": "o", "api_base": "https://api.openai.com", "token": "t"}],
        "rules": [{"request_model": "m", "services": [{"provider": "o", "model": "gpt-4o"}]}],
    }
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(config)))
    assert main(["import", "-"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["rules"][0]["request_model"] == "m"


def test_what_check_would_refuse_is_told(tmp_path, capsys):
    file = tmp_path / "config.json"
    op = {"position": "moon", "operation": "full"}
    services = [{"provider": "o", "model": "m"}]
    rule = {
        "request_model": "m",
        "services": services,
        "smart_enabled": True,
        "smart_routing": [{"ops": [op], "services": services}],
    }
    file.write_text(
        json.dumps(
            {"providers": [{"name": "o", "token": "t", "api_base": "http://x/v1"}], "rules": [rule]}
        )
    )
    assert main(["import", str(file)]) == 1
    assert "to be mended: rules[0].smart_routing[0].ops[0]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a: [", "neither JSON nor YAML"),
        ('{"a": }', "neither JSON nor YAML"),
        ("", "expected one document, found 0"),
        ("a: 1\n---\nb: 2", "expected one document, found 2"),
        ("server: 1", "neither a LiteLLM config.yaml"),
        ("- 1", "expected an object"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path, capsys, content, words):
    file = tmp_path / "config"
    file.write_text(content)
    assert main(["import", str(file)]) == 2
    err = capsys.readouterr().err
    assert words in err
    assert len(err.splitlines()) == 1


def test_a_file_that_is_not_there_or_no_text(tmp_path, capsys):
    assert main(["import", str(tmp_path / "none")]) == 2
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    assert main(["import", str(binary)]) == 2
    assert "not UTF-8" in capsys.readouterr().err
