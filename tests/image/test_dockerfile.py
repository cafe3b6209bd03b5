"""The image, as far as that goes without an engine: the Dockerfile's steps done by hand, and run as
an image is run in a cluster.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pilotfish.injector.pki import new_authority, new_leaf

pytestmark = pytest.mark.timeout(900)
ROOT = Path(__file__).parent.parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()
LOCK = ROOT / "requirements" / "runtime.lock"
ANY_UID = "123456"  # OpenShift gives each namespace its own
MOST_MIB = 150

RULES = """
providers: {local: {kind: openai_compatible, api_base: "http://127.0.0.1:1/v1", no_key_required: true}}
rules: [{name: chat, request_model: "*", services: [{provider: local, model: m}]}]
"""
KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
"""


def sh(*command: str | Path, **options) -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout


class Image:
    """What is below /app in the image, and a Python beside it that any user may read."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.base, self.tree = folder, folder / "base", folder / "opt"

    def build(self) -> None:
        left_out = (
            "test",
            "tests",
            "site-packages",
            "idlelib",
            "tkinter",
            "__pycache__",
            "*.a",
            "share",
        )
        shutil.copytree(
            sys.base_prefix, self.base, symlinks=True, ignore=shutil.ignore_patterns(*left_out)
        )
        sh(
            self.base / "bin" / "python3",
            "-m",
            "venv",
            "--without-pip",
            self.tree,
            env=self.environment(),
        )
        pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
        into = [*pip, "--python", self.tree / "bin" / "python", "install"]
        sh(
            *into,
            "--require-hashes",
            "--only-binary",
            ":all:",
            "-r",
            LOCK,
            env=self.environment(PATH=os.environ["PATH"]),
        )
        context = self.folder / "context"
        context.mkdir()
        for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, context)
        shutil.copytree(
            ROOT / "src",
            context / "src",
            ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"),
        )
        builder = self.folder / "builder"
        sh(
            self.base / "bin" / "python3",
            "-m",
            "venv",
            "--without-pip",
            builder,
            env=self.environment(),
        )
        by_hash = [
            "--require-hashes",
            "--only-binary",
            ":all:",
            "-r",
            ROOT / "requirements" / "compile.lock",
        ]
        into_builder = [*pip, "--python", builder / "bin" / "python"]
        sh(*into_builder, "install", *by_hash, env=self.environment(PATH=os.environ["PATH"]))
        wheel_of = [
            *into_builder,
            "wheel",
            "--no-deps",
            "--no-build-isolation",
            "--wheel-dir",
            self.folder / "dist",
            context,
        ]
        types = next((self.tree / "lib").glob("python3.*/site-packages"))
        compiled = {
            "PILOTFISH_COMPILE": os.environ.get("PILOTFISH_COMPILE", ""),
            "PYTHONPATH": str(types),
        }  # .ci/compiled sets the first
        sh(*wheel_of, env=self.environment(PATH=os.environ["PATH"], **compiled))
        (wheel,) = (self.folder / "dist").glob("*.whl")
        sh(*into, "--no-deps", "--no-index", wheel, env=self.environment(PATH=os.environ["PATH"]))
        sh(ROOT / ".ci" / "slim-image", self.tree)
        sh("chmod", "-R", "a-w,a+rX", self.folder)

    def environment(self, **more: str) -> dict[str, str]:
        """The image's own variables, as the Dockerfile has them, without anything of ours."""
        set_there = dict(
            re.findall(
                r"^(?:ENV|   ) +(\w+)=([^\s\\]+)",
                DOCKERFILE.split("COPY --from=build")[0].split("FROM")[-1],
                re.MULTILINE,
            )
        )
        return {
            **set_there,
            "PATH": f"{self.tree}/bin",
            "LD_LIBRARY_PATH": f"{self.base}/lib",
            **more,
        }

    def command(self, *arguments: str) -> list[str]:
        return [
            "/usr/bin/setpriv",
            f"--reuid={ANY_UID}",
            "--regid=0",
            "--clear-groups",
            f"{self.tree}/bin/pilotfish",
            *arguments,
        ]


@pytest.fixture(scope="module")
def image():
    if not LOCK.exists():
        pytest.fail(f"no {LOCK.name}: the image cannot be built")
    if os.geteuid() != 0 or not Path("/usr/bin/setpriv").exists():
        pytest.skip("NOT TESTED: becoming another user takes root and setpriv")
    # pytest's own temporary folders are for their owner only.
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    try:
        image = Image(folder)
        image.build()
        yield image
    finally:
        sh("chmod", "-R", "u+w", folder)
        shutil.rmtree(folder)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answer(port: int, path: str, process: subprocess.Popen[bytes], log: Path) -> str:
    """What the admin port says, once it says anything but an error."""
    for _ in range(300):
        assert process.poll() is None, log.read_text()
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as found,
        ):
            return found.read().decode()
        time.sleep(0.05)
    raise AssertionError(log.read_text())


@contextlib.contextmanager
def running(image: Image, folder: Path, *arguments: str, **settings: str):
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            image.command(*arguments),
            env=image.environment(**settings),
            stdout=out,
            stderr=out,
            cwd="/",
        )
    try:
        yield process, log
        process.terminate()
        assert process.wait(timeout=30) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def mounted():
    """A folder that another user may read, as a mounted volume is."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_the_linter_has_nothing_to_say():
    found = os.environ.get("PILOTFISH_HADOLINT") or shutil.which("hadolint")
    if not found:
        pytest.skip("THE DOCKERFILE IS NOT LINTED: no hadolint (.ci/cluster-tools gets it)")
    sh(found, ROOT / "Dockerfile")


def test_what_the_dockerfile_copies_is_let_into_the_context():
    let_in = [
        line[1:]
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    copied = [
        name
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for name in line.split()[:-1]
    ]
    assert sorted(let_in) == sorted(copied)


def test_it_is_small(image, capsys):
    size = (
        sum(f.stat().st_size for f in image.tree.rglob("*") if f.is_file() and not f.is_symlink())
        / 2**20
    )
    with capsys.disabled():
        print(f"\n/app in the image: {size:.0f} MiB")
    assert size < MOST_MIB


def test_any_user_may_run_it_and_nothing_needs_to_be_written(image):
    assert "pilotfish" in sh(*image.command("version"), env=image.environment(), cwd="/")


def test_the_proxy_serves_from_a_mounted_folder(image, mounted):
    rules = mounted / "rules.yaml"
    rules.write_text(RULES)
    rules.chmod(0o444)
    admin = free_port()
    settings = {
        "PILOTFISH_CONFIG": str(rules),
        "PILOTFISH_LISTEN": "127.0.0.1:0",
        "PILOTFISH_ADMIN_LISTEN": f"127.0.0.1:{admin}",
    }
    with running(image, mounted, "proxy", **settings) as (process, log):
        answer(admin, "/readyz", process, log)


def test_the_injector_serves_though_the_clients_models_are_left_out(image, mounted):
    """No cluster answers here: what counts is that everything it imports is there, and its
    certificate is served.
    """
    now = datetime.now(UTC)
    leaf = new_leaf(new_authority(now, timedelta(days=1)), ["localhost"], now, timedelta(hours=1))
    for name, content in (
        ("tls.crt", leaf.certificate),
        ("tls.key", leaf.key),
        ("kubeconfig", KUBECONFIG.encode()),
    ):
        (mounted / name).write_bytes(content)
        (mounted / name).chmod(0o444)
    admin = free_port()
    settings = {
        "KUBECONFIG": str(mounted / "kubeconfig"),
        "PILOTFISH_NAMESPACE": "pilotfish-system",
        "PILOTFISH_CERTIFICATES": "files",
        "PILOTFISH_TLS_CERT_FILE": str(mounted / "tls.crt"),
        "PILOTFISH_TLS_KEY_FILE": str(mounted / "tls.key"),
        "PILOTFISH_INJECTOR_LISTEN": f"127.0.0.1:{free_port()}",
        "PILOTFISH_ADMIN_LISTEN": f"127.0.0.1:{admin}",
        "PILOTFISH_DRAIN_SECONDS": "0",
    }
    with running(image, mounted, "injector", **settings) as (process, log):
        assert answer(admin, "/readyz", process, log) == "ready\n"
        assert "pilotfish_webhook_certificate_expiry_timestamp_seconds" in answer(
            admin, "/metrics", process, log
        )
        assert "ModuleNotFoundError" not in log.read_text()


def test_a_hook_of_a_classic_sidecar_finds_its_python(image):
    command = image.command()[:-1]
    sh(
        *command,
        image.tree / "bin" / "python",
        "-m",
        "pilotfish.lifecycle_hooks",
        "stop",
        "0",
        env=image.environment(),
        cwd="/",
    )
