"""`pilotfish explain`: what the proxy would do with a request, told without sending it."""

import json

import pytest

from pilotfish.cli import main

RULES = """
providers:
  openai: {kind: openai, token: {env: PILOTFISH_TEST_NO_SUCH_KEY}}
  claude: {kind: anthropic, token: {env: PILOTFISH_TEST_NO_SUCH_KEY}}
rules:
  - name: chat
    scenario: openai
    request_model: gpt-4o
    services:
      - {provider: openai, model: gpt-4o}
      - {provider: claude, model: claude-sonnet-4-5, tier: 1}
      - {provider: claude, model: claude-haiku-4-5, active: false}
    smart_enabled: true
    smart_routing:
      - description: long prompts
        ops: [{position: token, operation: ge, value: "60000"}]
        services: [{provider: claude, model: claude-sonnet-4-5}]
"""


@pytest.fixture
def explain(tmp_path, capsys):
    (tmp_path / "rules.yaml").write_text(RULES)

    def explained(request, *more):
        (tmp_path / "request.json").write_bytes(
            request if isinstance(request, bytes) else json.dumps(request).encode()
        )
        code = main(
            [
                "explain",
                "--config",
                str(tmp_path / "rules.yaml"),
                "--request",
                str(tmp_path / "request.json"),
                *more,
            ]
        )
        said = capsys.readouterr()
        return code, said.out, said.err

    return explained


def asks(model):
    return {"model": model, "messages": [{"role": "user", "content": "hello"}]}


def test_it_names_the_rule_the_order_and_who_is_left_out(explain):
    code, out, err = explain(asks("gpt-4o"))
    assert (code, err) == (0, "")
    assert "rule        chat: request_model 'gpt-4o' is equal" in out
    assert out.index("1. openai/gpt-4o (tier 0)") < out.index(
        "2. claude/claude-sonnet-4-5 (tier 1)"
    )
    assert "block 0 (long prompts) does not match" in out
    assert "left out    claude/claude-haiku-4-5" in out


def test_json_has_the_shape_that_scripts_rely_on(explain):
    code, out, _ = explain(asks("gpt-4o"), "--format", "json")
    answer = json.loads(out)
    assert code == 0
    assert answer["rule"] == "chat"
    assert answer["smart_routing"]["block"] is None
    assert answer["smart_routing"]["checked"][0]["matched"] is False
    assert [c["service"] for c in answer["candidates"]] == [
        "openai/gpt-4o",
        "claude/claude-sonnet-4-5",
    ]
    assert answer["left_out"][0]["service"] == "claude/claude-haiku-4-5"


def test_a_long_prompt_takes_its_smart_block(explain):
    request = asks("gpt-4o") | {"messages": [{"role": "user", "content": "word " * 70_000}]}
    answer = json.loads(explain(request, "--format", "json")[1])
    assert answer["smart_routing"]["block"] == 0
    assert answer["candidates"][0]["service"] == "claude/claude-sonnet-4-5"


def test_no_rule_is_the_answer_no(explain):
    code, out, err = explain(asks("gpt-5"))
    assert (code, err) == (1, "")
    assert out == (
        "no rule takes it: no rule for model 'gpt-5' in scenario 'openai'; known: gpt-4o\n"
    )
    code, out, _ = explain(asks("gpt-5"), "--format", "json")
    assert code == 1
    assert json.loads(out)["rule"] is None


def test_the_path_decides_the_scenario(explain):
    assert explain(asks("gpt-4o"), "--path", "/anthropic/v1/messages")[0] == 1


@pytest.mark.parametrize(
    ("request_", "more", "said"),
    [
        (b"{", (), "request.json: "),
        (b"\xff", (), "request.json: "),
        (b"[]", (), "request.json: "),
        (b'{"model": 7}', (), "'model' must be a string, found 7"),
        (b"{}", ("--path", "/nowhere"), "no such path: POST /nowhere"),
        (b"{}", ("--header", "nothing"), "expected 'NAME: VALUE', found 'nothing'"),
    ],
)
def test_a_request_that_cannot_be_read_is_one_line_and_exit_code_2(explain, request_, more, said):
    code, out, err = explain(request_, *more)
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err
    assert len(err.splitlines()) == 1


def test_rules_that_are_not_good_are_told_with_their_place(explain, tmp_path, capsys):
    (tmp_path / "bad.yaml").write_text(RULES.replace("provider: openai,", "provider: opnai,"))
    (tmp_path / "request.json").write_text("{}")
    code = main(
        [
            "explain",
            "--config",
            str(tmp_path / "bad.yaml"),
            "--request",
            str(tmp_path / "request.json"),
        ]
    )
    err = capsys.readouterr().err
    assert code == 2
    assert "rules[0].services[0].provider" in err


@pytest.mark.parametrize("missing", ["--config", "--request"])
def test_files_that_are_missing_are_named(tmp_path, capsys, missing):
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "request.json").write_text("{}")
    paths = {
        "--config": str(tmp_path / "rules.yaml"),
        "--request": str(tmp_path / "request.json"),
    } | {missing: str(tmp_path / "none.yaml")}
    assert main(["explain", *(word for pair in paths.items() for word in pair)]) == 2
    assert "none.yaml" in capsys.readouterr().err
