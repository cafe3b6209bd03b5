"""The printed quick start, command by command, on a real API server. Building the image and making
a cluster are dry runs here, which say what they would do; `helm test` is in test_installed.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
from pathlib import Path

import pytest

from chart.rendering import ROOT
from pilotfish.kube.client import ApiError

pytestmark = pytest.mark.timeout(240)
PAGE = (ROOT / "docs" / "kubernetes.md").read_text()
START = PAGE[PAGE.index("## Five minutes") : PAGE.index("## What happens to a Pod")]
FENCES = re.findall(r"^```sh\n(.*?)^```", START, re.MULTILINE | re.DOTALL)
NAMESPACES = "/api/v1/namespaces"


@pytest.fixture
async def typed(plane, admin, any_helm, kubectl, tmp_path):
    """Types lines into a shell, at the root of a checkout, as the cluster's administrator."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "helm").symlink_to(any_helm)
    (programs / "kubectl").symlink_to(kubectl)
    (programs / "kind").write_text("#!/bin/sh\nexit 0\n")
    (programs / "kind").chmod(0o755)
    env = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "KUBECONFIG": str(plane.admin_kubeconfig),
        "DRY_RUN": "1",
        "ENGINE": "docker",
    }

    async def run(lines: str) -> str:
        done = await asyncio.to_thread(
            subprocess.run,
            ["bash", "-euxc", lines],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    yield run
    await run("helm uninstall pilotfish --namespace pilotfish-system --ignore-not-found")
    for name in ("shop", "pilotfish-system"):
        with contextlib.suppress(ApiError):  # a command before it may have failed
            await admin.request("DELETE", f"{NAMESPACES}/{name}")


async def test_the_quick_start_works_as_it_is_printed(typed, admin):
    kind, own, both = FENCES
    said = await typed(kind)
    for step in (
        "docker build --tag pilotfish:",
        "kind load docker-image pilotfish:",
        "helm upgrade --install pilotfish charts/pilotfish --kube-context kind-pilotfish",
    ):
        assert f"+ {step}" in said
    said = await typed(own)
    assert "+ docker push registry.example/team/pilotfish:" in said
    assert "STATUS: deployed" in said
    injector = await admin.request(
        "GET", "/apis/apps/v1/namespaces/pilotfish-system/deployments/pilotfish-injector"
    )
    (container,) = injector["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example/team/pilotfish:0.1.0"
    # What an engineer has already.
    await typed("kubectl -n shop create deployment web --image registry.example/web:1")
    *lines, test = both.strip().splitlines()
    assert test == "helm test pilotfish --namespace pilotfish-system"
    said = await typed("\n".join(lines))
    assert "deployment.apps/web restarted" in said
    shop = await admin.request("GET", f"{NAMESPACES}/shop")
    assert shop["metadata"]["labels"]["pilotfish.dev/inject"] == "enabled"
    rules = await admin.request("GET", f"{NAMESPACES}/shop/configmaps/pilotfish-rules")
    assert "gpt-4o" in rules["data"]["rules.yaml"]
    role = await admin.request(
        "GET", "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/roles/pilotfish-sidecar"
    )
    assert role["rules"][0]["resourceNames"] == ["pilotfish-rules"]


def test_it_begins_by_saying_that_no_image_is_published():
    for page in (START, (Path(ROOT) / "charts" / "pilotfish" / "README.md").read_text()):
        assert page.index("No image is published yet") < page.index("```sh")
