"""What the official client need not bring into every Pod that watches its rules."""

import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"
LOADED = "import sys, pilotfish.kube.client; print(*sys.modules); "


def run(program):
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_models_and_what_google_needs_are_not_loaded():
    loaded = run(LOADED)
    assert "kubernetes.aio.client.api_client" in loaded
    unwanted = (
        "google.auth",
        "cryptography",
        "kubernetes.aio.client.api.",
        "kubernetes.client.api.",
    )
    assert [name for name in loaded if name.startswith(unwanted)] == []
    models = [name for name in loaded if ".models." in name]
    assert models == []


def test_rules_that_need_google_can_load_it_later():
    """It is left out of one import, not made impossible."""
    assert run("import pilotfish.kube.client, google.auth; print(google.auth.__name__)") == [
        "google.auth"
    ]


def test_what_is_loaded_already_stays():
    assert run(
        "import google.auth, pilotfish.kube.client, sys; print(sys.modules['google.auth'].__name__)"
    ) == ["google.auth"]
