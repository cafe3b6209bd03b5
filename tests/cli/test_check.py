"""`pilotfish check`: every problem one line, exit codes 0, 1 and 2."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from pilotfish.cli import main

GOOD = "providers: {openai: {kind: openai, token: {env: OPENAI_API_KEY}}}\nrules: [{name: chat, fallbacks: [openai/gpt-4o]}]\n"
BAD = GOOD + "ruls: 1\n---\nrules: [{name: chat, fallbacks: [opnai/x]}]\n"


@pytest.fixture(autouse=True)
def _variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "planted")


def run(*argv: str) -> int:
    return main(["check", *argv])


def file(folder: Path, name: str, text: str | bytes) -> str:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def test_good_rules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(file(tmp_path, "rules.yaml", GOOD)) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("good: 1 rule, 1 provider, 0 virtual models; version ")


def test_every_problem_is_one_line_with_file_path_and_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = file(tmp_path, "rules.yaml", BAD)
    assert run(path) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[:2] for line in lines] == [
        [path, "ruls"],
        [path, "rules[0].name"],
        [path, "rules[0].fallbacks[0]"],
    ]
    assert "unknown key 'ruls'; did you mean 'rules'?" in lines[0]


def test_json_for_scripts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = file(tmp_path, "rules.yaml", BAD)
    assert run(path, "--format", "json") == 1
    found = json.loads(capsys.readouterr().out)
    assert [set(f) for f in found] == [{"file", "path", "message"}] * 3
    assert (found[0]["file"], found[0]["path"]) == (path, "ruls")
    assert run(file(tmp_path, "good.yaml", GOOD), "--format", "json") == 0
    assert json.loads(capsys.readouterr().out) == []


def test_files_are_merged_as_the_proxy_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    providers, rules = GOOD.splitlines(keepends=True)
    one, two = file(tmp_path, "a.yaml", providers), file(tmp_path, "b.yaml", rules)
    assert run(one, two) == run(str(tmp_path)) == 0
    assert run(two) == 1
    assert "unknown provider 'openai'; known: none" in capsys.readouterr().out


def test_problems_of_all_files_come_at_once_even_if_one_is_not_yaml(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file(tmp_path, "a.yaml", "rules: [{name: a\n")
    file(tmp_path, "b.yaml", BAD)
    assert run(str(tmp_path)) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert "a.yaml: .: not YAML: " in lines[0]


def test_a_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: rules, namespace: models}\ndata:\n  rules.yaml: |\n    ruls: 1\n"
    path = file(tmp_path, "m.yaml", text)
    assert run(path) == 1
    assert capsys.readouterr().out.startswith(
        f"{path}: configmap models/rules: rules.yaml: ruls: unknown key 'ruls'; "
    )


def test_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"ruls: 1\n")))
    assert run("-") == 1
    assert capsys.readouterr().out.startswith("stdin: ruls: ")


@pytest.mark.parametrize("name", ["missing.yaml", "missing/rules.yaml"])
def test_a_missing_file_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert run(str(tmp_path / name)) == 2
    out, err = capsys.readouterr()
    assert (out, err) == (
        "",
        f"pilotfish: {tmp_path / name}: cannot be read: No such file or directory\n",
    )


def test_a_folder_without_rules_files_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file(tmp_path, "notes.txt", "x")
    assert run(str(tmp_path)) == 2
    assert "no file ending in .yaml, .yml, .json" in capsys.readouterr().err


def test_a_file_that_is_no_text_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(file(tmp_path, "a.yaml", b"rules: \xff")) == 2
    assert "not UTF-8 at byte 7" in capsys.readouterr().err


def test_an_empty_file_is_good_but_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(file(tmp_path, "a.yaml", "# nothing\n")) == 0
    assert "nothing to check" in capsys.readouterr().err


def test_literal_keys_only_where_they_are_allowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file(tmp_path, "a.yaml", "providers: {openai: {kind: openai, token: sk-hush}}\n")
    monkeypatch.delenv("PILOTFISH_ALLOW_INLINE_SECRETS", raising=False)
    assert run(path) == 1
    assert "hush" not in capsys.readouterr().out
    assert run(path, "--allow-inline-secrets") == 0
    monkeypatch.setenv("PILOTFISH_ALLOW_INLINE_SECRETS", "true")
    assert run(path) == 0


def test_keys_that_nothing_obeys_yet_are_named_beside_the_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "pilotfish.core.rules.compile.snapshot.notes_of",
        lambda document: [f"{document.source}: x: accepted, but not obeyed yet (y)"],
    )
    path = file(tmp_path, "a.yaml", GOOD)
    assert run(path) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"note: {path}: x: accepted, but not obeyed yet (y)\n")


# ---- what is most likely not meant

DOUBTFUL = GOOD.replace("OPENAI_API_KEY", "NOT_SET_ANYWHERE")


def test_warnings_stand_apart_and_fail_only_if_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = file(tmp_path, "rules.yaml", DOUBTFUL)
    assert run(path) == 0
    out, err = capsys.readouterr()
    assert out == (
        f"warning: {path}: providers.openai.token: environment variable NOT_SET_ANYWHERE is not "
        "set here (line 1)\n"
    )
    assert err.endswith("; 1 warning\n")
    assert run(path, "--strict") == 1
    assert run(file(tmp_path, "good.yaml", GOOD), "--strict") == 0


def test_warnings_for_scripts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = file(tmp_path, "rules.yaml", DOUBTFUL)
    assert run(path, "--format", "json") == 0
    (warning,) = json.loads(capsys.readouterr().out)
    assert (warning["severity"], warning["path"]) == ("warning", "providers.openai.token")


def test_problems_come_alone_since_they_are_mended_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = file(tmp_path, "rules.yaml", DOUBTFUL + "ruls: 1\n")
    assert run(path) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{path}: ruls: unknown key")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("providers:\n\topenai: {kind: openai}\n", "line 2 is indented with a tab"),
        (
            "model_list: [{model_name: a}]\n",
            "a configuration of LiteLLM, not rules; see `pilotfish import`",
        ),
        ("router_settings: {}\nrules: []\n", "a configuration of LiteLLM"),
        ('{"providers": [{"uuid": "1"}], "rules": []}', "a configuration of tingly-box"),
        ('{"providers_v2": [], "rules": [{"uuid": "1"}]}', "a configuration of tingly-box"),
    ],
)
def test_what_is_no_rules_file_is_called_by_its_name(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(file(tmp_path, "rules.yaml", text)) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert said in line


def test_a_model_that_no_vendor_has_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(file(tmp_path, "rules.yaml", GOOD.replace("gpt-4o", "gtp-4o"))) == 0
    assert "'gtp-4o' is no known model of kind 'openai'; did you mean 'gpt-4o'?" in (
        capsys.readouterr().out
    )
