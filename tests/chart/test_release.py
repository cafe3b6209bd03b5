"""The chart as a release packages it: its image is the one in the registry, its links lead to that
version.
"""

from __future__ import annotations

import shutil
import subprocess

import pytest
import yaml

from chart.rendering import ROOT, by_kind, run

pytestmark = pytest.mark.helm
DIGEST = "sha256:" + 64 * "a"
IMAGE = f"registry.example/team/pilotfish@{DIGEST}"
URL = "https://forge.example/team/pilotfish"


@pytest.fixture
def packaged(helm, tmp_path):
    """What the package holds, unpacked; made of a copy of what it is made of."""
    for folder in ("charts/pilotfish", "deploy", "src/pilotfish"):
        source, target = ROOT / folder, tmp_path / folder
        ignored = shutil.ignore_patterns("*.so", "__pycache__", "static")
        shutil.copytree(source, target, ignore=ignored)

    def package(*words):
        done = subprocess.run(
            [tmp_path / "deploy" / "chart.sh", *words],
            env={"PATH": "/usr/bin:/bin", "HELM": helm, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            return done
        (made,) = (tmp_path / "dist").glob("*.tgz")
        shutil.unpack_archive(made, tmp_path / "unpacked")
        return tmp_path / "unpacked" / "pilotfish"

    return package


def test_it_installs_the_released_image_without_a_value(helm, packaged):
    chart = packaged("registry.example/team", DIGEST)
    done = run(helm, "template", "x", str(chart), "--set", "gateway.enabled=true")
    assert done.returncode == 0, done.stderr
    deployments = by_kind(done.stdout, "Deployment")
    images = {c["image"] for d in deployments for c in d["spec"]["template"]["spec"]["containers"]}
    assert len(deployments) == 2
    assert images == {IMAGE}
    assert {"name": "PILOTFISH_SIDECAR_IMAGE", "value": IMAGE} in [
        variable
        for deployment in deployments
        for variable in deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    ]
    readable = yaml.safe_load((chart / "Chart.yaml").read_text())
    (image,) = yaml.safe_load(readable["annotations"]["artifacthub.io/images"])
    assert image["image"] == IMAGE


def test_its_links_lead_to_this_version_of_the_repository(packaged):
    chart = packaged("registry.example/team", DIGEST, URL)
    text = (chart / "Chart.yaml").read_text()
    told = yaml.safe_load(text)
    version = told["appVersion"]
    assert told["home"] == URL
    assert told["icon"] == f"{URL}/raw/v{version}/docs/images/icon.svg"
    assert (ROOT / "docs" / "images" / "icon.svg").is_file()
    assert "//pilotfish.dev" not in text
    for link in yaml.safe_load(told["annotations"]["artifacthub.io/links"]):
        path = link["url"].removeprefix(f"{URL}/blob/v{version}/")
        assert (ROOT / path).exists(), link
    values = yaml.safe_load((chart / "values.yaml").read_text())
    assert values["prometheusRule"]["runbookUrl"].startswith(
        f"{URL}/blob/v{version}/docs/runbooks/"
    )


def test_values_without_a_place_for_the_digest_make_no_package(packaged, tmp_path):
    values = tmp_path / "charts" / "pilotfish" / "values.yaml"
    values.write_text(values.read_text().replace('digest: ""', "digest:"))
    assert "no place for" in packaged("registry.example/team", DIGEST).stderr
