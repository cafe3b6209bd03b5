"""`pilotfish inject -f`: the command as it is used in a shell."""

import io

import pytest
import yaml

from pilotfish.cli import main

DEPLOYMENT = """kind: Deployment
metadata: {name: web}
spec: {template: {spec: {containers: [{name: app, image: web:1}]}}}
"""


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "web.yaml"
    path.write_text(DEPLOYMENT)
    return str(path)


def test_a_file_that_is_not_there_is_one_line_and_2(tmp_path, capsys):
    assert main(["inject", "-f", str(tmp_path / "none.yaml")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "none.yaml: cannot be read" in err


def test_what_is_no_manifest_is_one_line_and_2(tmp_path, capsys):
    path = tmp_path / "bad.yaml"
    path.write_text("a: [")
    assert main(["inject", "-f", str(path)]) == 2
    assert "bad.yaml: not a manifest" in capsys.readouterr().err


def test_the_manifest_goes_to_stdout_and_what_is_to_say_to_stderr(manifest, capsys):
    assert (
        main(
            [
                "inject",
                "-f",
                manifest,
                "--image",
                "mine:2",
                "--configmaps",
                "a,b",
                "--secrets",
                "keys",
            ]
        )
        == 0
    )
    out, err = capsys.readouterr()
    (sidecar,) = yaml.safe_load(out)["spec"]["template"]["spec"]["initContainers"]
    assert sidecar["image"] == "mine:2"
    assert {"name": "PILOTFISH_CONFIGMAPS", "value": "a,b"} in sidecar["env"]
    assert err == "Deployment web: injected (native)\n"


def test_a_pipe_works_twice_without_doing_it_twice(manifest, capsys, monkeypatch):
    main(["inject", "-f", manifest, "--configmaps", "a", "--mode", "classic"])
    once = capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.StringIO(once))
    assert main(["inject", "-f", "-", "--configmaps", "a", "--mode", "classic"]) == 0
    out, err = capsys.readouterr()
    assert out == once
    assert "left as it is (already_injected)" in err


def test_the_operators_defaults_are_variables(manifest, capsys, monkeypatch):
    monkeypatch.setenv("PILOTFISH_SIDECAR_IMAGE", "registry.example/pilotfish:9")
    main(["inject", "-f", manifest])
    assert "registry.example/pilotfish:9" in capsys.readouterr().out


def test_a_manifest_without_a_pod_is_passed_on_and_that_is_said(tmp_path, capsys):
    path = tmp_path / "service.yaml"
    path.write_text("kind: Service # mine\n")
    assert main(["inject", "-f", str(path)]) == 0
    out, err = capsys.readouterr()
    assert out == "kind: Service # mine\n"
    assert "nothing to inject" in err
