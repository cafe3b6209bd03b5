"""The plain manifests: built by kustomize, rules that check accepts, a Deployment that can be
injected offline.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess

import pytest
import yaml

from chart.rendering import ROOT, manifests
from pilotfish.cli import main

DEPLOY = ROOT / "deploy"


@pytest.fixture
def build():
    kubectl = os.environ.get("PILOTFISH_KUBECTL") or shutil.which("kubectl")
    if not kubectl:
        say = (
            pytest.fail if os.environ.get("PILOTFISH_CLUSTER_TESTS") == "required" else pytest.skip
        )
        say("KUSTOMIZE IS NOT TESTED: no kubectl")

    def build(folder):
        done = subprocess.run(
            [kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return build


def test_another_registry_is_named_once(build, tmp_path):
    """The sidecars' image is a variable of the injector, which kustomize's `images` does not see by
    itself.
    """
    shutil.copytree(DEPLOY / "injector", tmp_path / "injector")
    path = tmp_path / "injector" / "kustomization.yaml"
    kustomization = yaml.safe_load(path.read_text())
    kustomization["images"] = [
        {"name": "pilotfish", "newName": "registry.example/pilotfish", "newTag": "9"}
    ]
    path.write_text(yaml.safe_dump(kustomization))
    (deployment,) = [m for m in manifests(build(path.parent)) if m["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    env = {e["name"]: e.get("value") for e in container["env"]}
    assert container["image"] == env["PILOTFISH_SIDECAR_IMAGE"] == "registry.example/pilotfish:9"


def test_the_namespace_asks_for_the_restricted_profile_and_everything_is_in_it(build):
    built = manifests(build(DEPLOY / "injector"))
    (namespace,) = [m for m in built if m["kind"] == "Namespace"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert {m["metadata"].get("namespace", "pilotfish-system") for m in built} == {
        "pilotfish-system"
    }


def test_the_examples_rules_are_good(capsys):
    assert main(["check", str(DEPLOY / "example" / "rules.yaml")]) == 0, capsys.readouterr().out


def test_the_example_can_be_injected_offline(build, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(build(DEPLOY / "example")))
    assert main(["inject", "-f", "-", "--configmaps", "pilotfish-rules"]) == 0
    out, err = capsys.readouterr()
    (deployment,) = [m for m in manifests(out) if m["kind"] == "Deployment"]
    (sidecar,) = deployment["spec"]["template"]["spec"]["initContainers"]
    assert {
        "name": "pilotfish-secret-llm-keys",
        "mountPath": "/var/run/pilotfish/secrets/llm-keys",
        "readOnly": True,
    } in sidecar["volumeMounts"]
    assert "Deployment shop/web: injected (native)" in err
