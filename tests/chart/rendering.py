"""Runs helm. Which ones: `PILOTFISH_HELM`, paths with colons between them, else the one on the
PATH.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent
CHART = ROOT / "charts" / "pilotfish"
VARIANTS = sorted((Path(__file__).parent / "variants").glob("*.yaml"))
MONITORING = ("--api-versions", "monitoring.coreos.com/v1")
Manifest = dict[str, Any]


def helms() -> list[str]:
    given = [path for path in os.environ.get("PILOTFISH_HELM", "").split(":") if path]
    return given or [path for path in [shutil.which("helm")] if path]


def run(helm: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [helm, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def template(
    helm: str, variant: Path | None = None, *options: str, namespace: str = "pilotfish-system"
) -> str:
    values = ["--values", str(variant)] if variant else []
    done = run(
        helm, "template", "pilotfish", str(CHART), "--namespace", namespace, *values, *options
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def manifests(text: str) -> list[Manifest]:
    return [document for document in yaml.safe_load_all(text) if document]


def by_kind(text: str, kind: str) -> list[Manifest]:
    return [m for m in manifests(text) if m["kind"] == kind]
