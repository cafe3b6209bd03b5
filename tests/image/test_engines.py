"""`make image` and `make kind` with whatever builds images here, and what a release is made of. The
engines are stand-ins that write down what they were asked.
"""

from __future__ import annotations

import os
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from pilotfish import __version__

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
# Says what it was asked; `info` fails where the engine's daemon is away.
STAND_IN = """#!/bin/sh
echo "{name} $*" >> {log}
case " $* " in " info ") exit {info};; *" get clusters "*) echo other;; *" get namespace "*) exit 1;; esac
"""


@pytest.fixture
def machine(tmp_path):
    """A machine with these programs and no others of their kind."""
    log = tmp_path / "log"

    def run(script, *words, has=(), away=(), **env):
        bin_dir = tmp_path / "bin"
        bin_dir.mkdir(exist_ok=True)
        for name in (*has, *away):
            program = bin_dir / name
            program.write_text(STAND_IN.format(name=name, log=log, info=int(name in away)))
            program.chmod(0o755)
        for tool in ("bash", "sed", "grep", "mktemp", "rm", "dirname", "env", "sh"):
            target = bin_dir / tool
            if not target.exists():
                target.symlink_to(next(p / tool for p in paths() if (p / tool).exists()))
        done = subprocess.run(
            [ROOT / "deploy" / script, *words],
            env={"PATH": str(bin_dir), **env},
            capture_output=True,
            text=True,
            check=False,
        )
        done.asked = log.read_text().splitlines() if log.exists() else []
        return done

    return run


def paths():
    return [Path(p) for p in os.environ["PATH"].split(os.pathsep)]


def built(done):
    return [line for line in done.asked if line.split()[1] != "info"]


@pytest.mark.parametrize(
    ("has", "away", "command"),
    [
        (["docker", "podman"], [], f"docker build --tag pilotfish:{__version__} ."),
        (["podman"], ["docker"], f"podman build --format docker --tag pilotfish:{__version__} ."),
        (["buildah"], ["docker"], f"buildah build --format docker --tag pilotfish:{__version__} ."),
    ],
)
def test_the_first_engine_that_works_builds(machine, has, away, command):
    done = machine("image.sh", has=has, away=away)
    assert done.returncode == 0, done.stderr
    assert built(done) == [command]
    assert done.stdout == f"pilotfish:{__version__}\n"


def test_an_image_of_another_name_is_pushed_on_demand(machine):
    done = machine("image.sh", "registry.example/team/pilotfish:1", has=["docker"], PUSH="1")
    assert built(done)[1:] == ["docker push registry.example/team/pilotfish:1"]


def test_without_any_engine_it_says_what_is_looked_for(machine):
    done = machine("image.sh")
    assert done.returncode == 1
    assert "none of docker, podman and buildah is in PATH" in done.stderr


def test_a_daemon_that_does_not_answer_is_told_from_an_engine_that_is_missing(machine):
    done = machine("image.sh", away=["docker"])
    assert done.returncode == 1
    assert "its daemon does not answer" in done.stderr


def test_a_dry_run_shows_and_does_nothing(machine):
    done = machine("image.sh", has=["docker"], DRY_RUN="1")
    assert built(done) == []
    assert done.stderr == f"+ docker build --tag pilotfish:{__version__} .\n"


def test_kind_gets_the_image_and_the_chart(machine):
    done = machine("kind.sh", has=["docker", "kind", "helm", "kubectl"])
    assert done.returncode == 0, done.stderr
    image = f"pilotfish:{__version__}"
    asked = [line for line in done.asked if " info" not in line and " get " not in line]
    assert asked[:4] == [
        f"docker build --tag {image} .",
        "kind create cluster --name pilotfish",
        f"kind load docker-image {image} --name pilotfish",
        "kubectl --context kind-pilotfish create namespace shop",
    ]
    assert asked[4].startswith("helm upgrade --install pilotfish charts/pilotfish ")
    for given in (
        f"image.tag={__version__}",
        "image.repository=pilotfish",
        "rbac.namespaces={shop}",
    ):
        assert f"--set {given}" in asked[4]


@pytest.mark.parametrize("engine", ["podman", "buildah"])
def test_engines_without_a_daemon_hand_the_image_over_as_an_archive(machine, engine):
    """Under the name that a node looks for."""
    done = machine("kind.sh", has=[engine, "kind", "helm", "kubectl"])
    assert done.returncode == 0, done.stderr
    told = "\n".join(done.asked)
    assert f"docker.io/library/pilotfish:{__version__}" in told
    assert "kind load image-archive" in told


@pytest.mark.parametrize("missing", ["kind", "helm", "kubectl"])
def test_a_program_that_kind_needs_is_named_before_anything_is_built(machine, missing):
    has = {"docker", "kind", "helm", "kubectl"} - {missing}
    done = machine("kind.sh", has=has)
    assert done.returncode == 1
    assert f"{missing} is not in PATH" in done.stderr
    assert built(done) == []


# ---- a release


def test_a_tag_of_another_version_makes_no_release():
    script = ROOT / "deploy" / "version.sh"
    good = subprocess.run([script, f"v{__version__}"], capture_output=True, text=True, check=False)
    assert good.stdout == f"version={__version__}\n"
    other = subprocess.run([script, "v9.9.9"], capture_output=True, text=True, check=False)
    assert other.returncode == 1
    assert "the tag is 9.9.9" in other.stderr


def test_a_release_makes_what_it_promises_in_its_order():
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]
    platforms = {row["arch"] for row in jobs["platform"]["strategy"]["matrix"]["include"]}
    assert platforms == {"amd64", "arm64"}
    build = next(s for s in jobs["platform"]["steps"] if s.get("id") == "build")["with"]
    assert build["sbom"] is True
    for job in ("image", "chart"):
        assert any("cosign sign" in step.get("run", "") for step in jobs[job]["steps"])
        assert jobs[job]["permissions"]["id-token"] == "write"
    for job in ("platform", "wheels", "sdist"):
        assert {"check", "version"} <= set(jobs[job]["needs"]), "nothing is made of what fails"
    assert set(jobs["publish"]["needs"]) == {"image", "chart", "wheels", "sdist"}
    assert jobs["wheels"]["strategy"]["matrix"]["runner"] == ["ubuntu-24.04", "ubuntu-24.04-arm"]


def test_every_action_is_pinned_and_every_script_is_there():
    for path in WORKFLOWS:
        workflow = yaml.safe_load(path.read_text())
        assert workflow["permissions"] == {"contents": "read"}, path.name
        for job in workflow["jobs"].values():
            for step in job.get("steps", ()):
                if "uses" in step:
                    assert len(step["uses"].partition("@")[2]) == 40, step["uses"]
                for word in step.get("run", "").split():
                    if word.startswith(("deploy/", ".ci/")):
                        assert os.access(ROOT / word, os.X_OK), word


def test_wheels_are_compiled_and_tried():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["cibuildwheel"]
    assert settings["environment"] == {"PILOTFISH_COMPILE": "1"}
    assert any("demo --once" in command for command in settings["test-command"])
    for command in settings["before-build"]:
        lock = command.rpartition("{project}/")[2]
        assert (ROOT / lock).is_file()
        assert "--require-hashes" in command
